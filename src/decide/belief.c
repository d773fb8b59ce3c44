/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/belief.h"

static const struct reach_class *class_of(const struct belief_question *q)
{
	const struct reach *r = q->reach;

	for (size_t i = 0; i < r->class_count; i++)
		if (r->classes[i].proto == q->proto && !r->classes[i].behind &&
		    (r->classes[i].source_class == SOURCE_HOST) == q->of_host &&
		    address_equal(&r->classes[i].destination, &q->to))
			return &r->classes[i];
	return NULL;
}

/* Packets that are sent on to where no listener is known may be answered there all the same. */
static void believe_rules(const struct reach *r, const struct reach_class *c,
			  struct belief *beliefs)
{
	for (uint32_t k = 0; k < c->interval_count; k++) {
		const struct reach_interval *i = &r->intervals[c->first_interval + k];
		bool sure = i->verdict == VERDICT_DROP || i->verdict == VERDICT_REJECT ||
			    (i->verdict == VERDICT_ACCEPT && !i->forwarded);

		for (unsigned port = i->first; port <= i->last; port++)
			beliefs[port] = (struct belief){.open = sure ? SURE_CLOSED : UNSURE,
							.verdict = i->verdict,
							.listener = SNAPSHOT_NONE};
	}
}

/* Of several listeners on one port, the one that nobody is sure of decides. */
static void believe_listeners(const struct belief_question *q, const struct reach_class *c,
			      struct belief *beliefs)
{
	for (size_t i = 0; i < q->join->way_count; i++) {
		const struct reach_way *way = &q->join->ways[i];
		struct belief *b = &beliefs[way->port];
		bool unsure =
			way->verdict == VERDICT_UNKNOWN || way->verdict == VERDICT_RATE_LIMITED;

		if (way->class != (uint32_t)(c - q->reach->classes) ||
		    (b->listener != SNAPSHOT_NONE && b->open == UNSURE))
			continue;
		b->listener = way->listener;
		b->verdict = way->verdict;
		if (unsure)
			b->open = UNSURE;
		else if (way->verdict == VERDICT_ACCEPT)
			b->open = SURE_OPEN;
	}
}

/* Nothing that is known says that it is closed, where nothing was asked. */
void belief_take(const struct belief_question *q, struct belief *beliefs)
{
	const struct reach_class *c = q->reach->available ? class_of(q) : NULL;

	for (unsigned port = 0; port <= UINT16_MAX; port++)
		beliefs[port] = (struct belief){
			.open = UNSURE, .verdict = VERDICT_UNKNOWN, .listener = SNAPSHOT_NONE};
	if (!c)
		return;
	believe_rules(q->reach, c, beliefs);
	believe_listeners(q, c, beliefs);
}
