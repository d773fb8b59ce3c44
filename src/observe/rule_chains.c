/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/rule_chains.h"
#include "base/mem.h"
#include "model/port.h"

#include <errno.h>
#include <stdlib.h>

enum { BOTH_PROTOS = 1 << PROTO_TCP | 1 << PROTO_UDP };

void rule_chains_done(struct rule_chains *c)
{
	map_done(&c->by_key);
	free(c->chains);
	free(c->edges);
	free(c->waiting);
	*c = (struct rule_chains){0};
}

int rule_chains_add(struct rule_chains *c, uint64_t key, bool is_base)
{
	if (mem_grow(&c->chains, &c->cap, c->count + 1, sizeof(*c->chains)) < 0)
		return -ENOMEM;
	c->chains[c->count] = (struct rule_chain){.is_base = is_base};
	return map_set(&c->by_key, key, (uint32_t)c->count++);
}

uint32_t rule_chains_find(const struct rule_chains *c, uint64_t key)
{
	uint32_t index;

	return map_get(&c->by_key, key, &index) ? index : RULE_NO_CHAIN;
}

int rule_chains_add_edge(struct rule_chains *c, const struct rule_edge *edge)
{
	if (mem_grow(&c->edges, &c->edge_cap, c->edge_count + 1, sizeof(*edge)) < 0)
		return -ENOMEM;
	c->edges[c->edge_count++] = *edge;
	return 0;
}

int rule_chains_again(struct rule_chains *c, uint64_t map_key, uint32_t from)
{
	size_t count = c->edge_count;

	for (size_t i = 0; i < count; i++) {
		struct rule_edge edge = c->edges[i];

		if (edge.by_map != map_key)
			continue;
		edge.from = from;
		edge.span = (struct rule_port_span){0, UINT16_MAX, BOTH_PROTOS};
		if (rule_chains_add_edge(c, &edge) < 0)
			return -ENOMEM;
	}
	return 0;
}

int rule_chains_wait(struct rule_chains *c, uint32_t chain, const struct rule_tie *tie)
{
	if (mem_grow_unset(&c->waiting, &c->waiting_cap, c->waiting_count + 1,
			   sizeof(*c->waiting)) < 0)
		return -ENOMEM;
	c->waiting[c->waiting_count++] = (struct rule_waiting){chain, *tie};
	return 0;
}

/* --- which ports lead where ---------------------------------------------------------------------
 */

static bool intersect(const struct rule_port_span *a, const struct rule_port_span *b,
		      struct rule_port_span *ret)
{
	*ret = (struct rule_port_span){.first = a->first > b->first ? a->first : b->first,
				       .last = a->last < b->last ? a->last : b->last,
				       .protos = a->protos & b->protos};
	return ret->first <= ret->last && ret->protos;
}

static bool covers(const struct rule_port_span *a, const struct rule_port_span *b)
{
	return a->first <= b->first && a->last >= b->last && !(b->protos & ~a->protos);
}

/* Adds a span to the chain. Did it have less before? */
static bool widen(struct rule_chain *chain, const struct rule_port_span *span)
{
	struct rule_port_span whole = *span;

	for (uint8_t i = 0; i < chain->count; i++)
		if (covers(&chain->spans[i], span))
			return false;
	if (chain->count < RULE_CHAIN_RANGES) {
		chain->spans[chain->count++] = *span;
		return true;
	}
	for (uint8_t i = 0; i < chain->count; i++) {
		const struct rule_port_span *one = &chain->spans[i];

		whole.first = one->first < whole.first ? one->first : whole.first;
		whole.last = one->last > whole.last ? one->last : whole.last;
		whole.protos |= one->protos;
	}
	chain->spans[0] = whole;
	chain->count = 1;
	return true;
}

static bool follow(struct rule_chains *c, const struct rule_edge *edge)
{
	uint32_t to = rule_chains_find(c, edge->to);
	const struct rule_chain *from = edge->from == RULE_NO_CHAIN ? NULL : &c->chains[edge->from];
	bool changed = false;

	if (to == RULE_NO_CHAIN || c->chains[to].is_base)
		return false;
	if (!from || from->is_base)
		return widen(&c->chains[to], &edge->span);
	for (uint8_t i = 0; i < from->count; i++) {
		struct rule_port_span both;

		if (intersect(&from->spans[i], &edge->span, &both))
			changed |= widen(&c->chains[to], &both);
	}
	return changed;
}

/* The kernel allows no circles, and spans only grow: it comes to an end. */
static void follow_all(struct rule_chains *c)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < c->edge_count; i++)
			changed |= follow(c, &c->edges[i]);
	}
}

static int settle_one(const struct rule_chains *c, const struct rule_waiting *w,
		      struct rule_constants *ret)
{
	const struct rule_chain *chain = &c->chains[w->chain];
	struct rule_port_span own = {w->tie.first, w->tie.last, w->tie.protos}, both;
	bool any = false;

	for (uint8_t i = 0; i < chain->count && !chain->is_base; i++) {
		struct rule_tie tie = w->tie;

		if (!intersect(&chain->spans[i], &own, &both))
			continue;
		any = true;
		tie.first = both.first;
		tie.last = both.last;
		tie.protos = both.protos;
		if (rule_constants_tie(ret, &tie) < 0)
			return -ENOMEM;
	}
	/* a rule that nothing leads to: as if everything did. No tie at all would say just that. */
	return any ? 0 : rule_constants_tie(ret, &w->tie);
}

int rule_chains_settle(struct rule_chains *c, struct rule_constants *ret)
{
	int r = 0;

	follow_all(c);
	for (size_t i = 0; i < c->waiting_count && r >= 0; i++)
		r = settle_one(c, &c->waiting[i], ret);
	return r;
}
