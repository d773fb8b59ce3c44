/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_rows: is a port that listens meant to be open? Rows of the listeners x the policy. Pure.
 */
#pragma once

#include "decide/listeners.h"
#include "decide/policy_match.h"
#include "model/policy.h"
#include "model/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

enum declared {
	DECLARED_NO_POLICY, /* there is none to ask */
	DECLARED_LOCAL,	    /* it serves this machine alone, which needs no opening */
	DECLARED_YES,
	DECLARED_NO,	  /* no opening has the port */
	DECLARED_OTHER,	  /* an opening has it, but for another program, unit, user or container */
	DECLARED_UNKNOWN, /* an opening has it; who listens could not be told */
	DECLARED_COUNT,
};
const char *declared_id(enum declared declared); /* "declared", "undeclared", ...: in JSON */

/*
 * Of a row. *ret_opening is one of the openings that it is judged by, or POLICY_NO_OPENING.
 * Openings that have ended at `now_s` do not count, unless the port is protected.
 */
enum declared policy_row(const struct policy *p, const struct snapshot *s,
			 const struct listener_list *list, const struct port_row *row,
			 int64_t now_s, uint32_t *ret_opening);

/*
 * Does an opening that has not ended say by program, unit or container who may listen on the port,
 * and is it this listener? (An opening for a user, or for anybody, says less.)
 */
bool policy_names_owner(const struct policy *p, const struct snapshot *s, const struct listener *l,
			uint16_t port, enum proto proto, int64_t now_s);

/* Does nothing listen on any of the opening's ports, neither here nor in a container they are sent
 * on to? */
bool policy_is_missing(const struct policy *p, const struct opening *o,
		       const struct listener_list *list);
