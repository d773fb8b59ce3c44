/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of reach_explore: ports that rules send on to others, one by one or all to the same. */
#include "observe/reach_explore_inner.h"

static bool is_accepted(const struct reach_answer *a)
{
	return a->verdicts & (1u << VERDICT_ACCEPT);
}

/* The port at which another port of the point arrives, or 0. */
static int arrival(struct explorer *x, uint32_t query, uint16_t port, uint16_t *ret)
{
	struct flow flow = x->plan->queries[query].flow;
	struct outcome outcome;
	int r;

	flow.again = true;
	r = twin_probe(x->m->probe, &flow, &port, 1, &outcome, &x->met, x->e);

	*ret = r >= 0 && outcome.verdict == VERDICT_ACCEPT ? outcome.target_port : 0;
	return r;
}

static bool is_moved(const struct explorer *x, uint32_t query, const struct reach_answer *a)
{
	return !address_equal(&x->ret->targets[a->target].address,
			      &x->plan->queries[query].flow.destination);
}

/*
 * An ask stands for several ports. When NAT gives its packets another port, do the others get the
 * same one, or do they follow one by one?
 */
static int look_at_shift(struct explorer *x, uint32_t query, uint32_t ask)
{
	const struct reach_ask *points = ask_of(x, query, ask);
	const struct reach_point *items = x->plan->points.items;
	struct reach_answer *a = answer_of(x, query, ask);
	uint16_t port = items[points->first].port, at[2];
	uint16_t ends[] = {items[points->first].first, items[points->end - 1].last};
	bool same = true, follows = true;

	for (int i = 0; i < 2; i++) {
		int r = arrival(x, query, ends[i], &at[i]);

		if (r < 0)
			return r;
		/* let in by a limit only: where nothing moves the first, it moves none */
		if (!at[i] && a->target_port == port && !is_moved(x, query, a))
			return 0;
		same &= at[i] == a->target_port;
		follows &= at[i] == (uint16_t)(a->target_port + (ends[i] - port));
	}
	a->shifts = follows;
	a->stays = same && !follows;
	a->odd = !same && !follows;
	return 0;
}

static bool may_move(const struct explorer *x, uint32_t query, const struct reach_ask *ask)
{
	const uint64_t *bits = x->moves[x->plan->queries[query].flow.proto == PROTO_UDP];

	for (uint32_t i = ask->first; i < ask->end; i++)
		if (bits[i / 64] >> (i % 64) & 1)
			return true;
	return false;
}

static bool may_shift(const struct explorer *x, uint32_t query, uint32_t ask)
{
	const struct reach_ask *points = ask_of(x, query, ask);
	const struct reach_point *items = x->plan->points.items;
	const struct reach_answer *a = answer_of(x, query, ask);

	return items[points->first].first != items[points->end - 1].last && is_accepted(a) &&
	       (may_move(x, query, points) || a->target_port != items[points->first].port ||
		is_moved(x, query, a));
}

int reach_explore_shifts(struct explorer *x)
{
	struct assignment none = {.order = x->order};
	int r = mirror_load(x->m, &none, x->e);

	for (uint32_t q = 0; q < x->plan->count && r >= 0; q++)
		for (uint32_t i = 0; i < x->plan->queries[q].asks.count && r >= 0; i++) {
			if (!may_shift(x, q, i))
				continue;
			if (reach_explore_is_over(x))
				answer_of(x, q, i)->late = true;
			else
				r = look_at_shift(x, q, i);
		}
	return r;
}
