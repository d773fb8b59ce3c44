/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * impostor: does what was heard on an open port contradict who listens there, or the port's number?
 * Only what an administrator would want to be woken for: where the protocol was not heard with
 * certainty, or the program or the number may rightly speak it, nobody is accused. Pure.
 */
#pragma once

#include "decide/listeners.h"
#include "model/policy.h"
#include "model/service.h"
#include "model/snapshot.h"

#include <stdint.h>

enum impostor {
	IMPOSTOR_NONE,
	IMPOSTOR_PROGRAM, /* the program never speaks that */
	IMPOSTOR_NUMBER,  /* the number stands for something else beyond dispute */
	IMPOSTOR_COUNT,
};
const char *impostor_id(enum impostor of); /* "program", "number"; NULL: none: in JSON */

/* Of whom it is asked. */
struct impostor_case {
	const struct snapshot *snapshot; /* with command lines */
	const struct listener *listener; /* NULL: nobody is known to listen */
	const struct policy *policy;	 /* NULL: there is none */
	int64_t now_s;
	uint16_t port;		       /* of TCP, as it is seen outside */
	const struct service *service; /* what was heard; NULL: nothing was asked */
};

/*
 * A number does not accuse where the policy says who (a program, a unit, a container) may listen
 * there, and that is who does: the administrator knows. *ret_service is what should speak there
 * (a static string), written only with an accusation.
 */
enum impostor impostor_judge(const struct impostor_case *c, const char **ret_service);
