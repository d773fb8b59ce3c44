/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_match: what an answer says of the service (service_probes' patterns). Pure: the bytes are
 * a stranger's; the work of a pattern is bounded.
 */
#pragma once

#include "model/service.h"
#include "observe/service_probes.h"

struct service_matcher {
	const struct probes *probes;
	pcre2_match_context *context;
	pcre2_match_data *data;
	pcre2_jit_stack *stack;
	unsigned groups; /* how many the last match set, the whole being one */
};

/* The probes must live longer. 0 or -ENOMEM; service_matcher_done() in every case. */
int service_matcher_init(struct service_matcher *m, const struct probes *p);
void service_matcher_done(struct service_matcher *m);

/*
 * The first match that fits the answer to `event` (a request, or PROBE_GREETING): those of other
 * files before those of the request's own, a weak one only when no other fits; then those on
 * greetings, since a server may greet late. NULL: none.
 */
const struct probe_match *service_find(struct service_matcher *m, int event, const void *answer,
				       size_t len);

/*
 * Adds to *s what the match says, where *s says nothing yet; the protocol and confidence of the
 * first stay.
 */
void service_take(struct service_matcher *m, const struct probe_match *match, const void *answer,
		  size_t len, struct service *s);

/* Adds the notes that fit the answer to the event; of each name the first. */
void service_take_notes(struct service_matcher *m, int event, const void *answer, size_t len,
			struct service *s);

/* Does the pattern fit? */
bool service_fits(struct service_matcher *m, const pcre2_code *pattern, const void *answer,
		  size_t len);
