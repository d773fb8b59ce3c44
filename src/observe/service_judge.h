/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_judge: what an answer means, or that there is none, and how the conversation goes on. No
 * descriptor is touched here. For service_talk only.
 */
#pragma once

#include "observe/service_talk.h"

enum {
	SERVICE_ANSWER_LIMIT = 64 << 10, /* bytes; more says nothing new */
	SERVICE_HUNG_UP_LIMIT = 3,	 /* connections on end */
	SERVICE_UNTAKEN_LIMIT = 2,	 /* the same */
};

enum service_verdict {
	SERVICE_CONCLUDE, /* nothing more is to be asked */
	SERVICE_ASK_ANEW, /* the next question, on a connection of its own */
	SERVICE_ASK_HERE, /* on this one, on which nothing was asked yet */
};

/* Is enough of the answer there to decide? Otherwise due_ms is moved to when it is taken as whole.
 */
bool service_judge_is_whole(struct talk *t, int64_t now_ms);

/* The answer is whole, or there is none. `closed`: by the server. */
enum service_verdict service_judge(struct talk *t, bool closed);
