/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_index.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

enum { PORTS = 65536 };

/* What to do with each interval that an opening has. */
typedef void interval_visitor(struct policy_port_lists *l, uint32_t interval, uint32_t opening);

static void visit_all(const struct policy *p, enum proto proto, struct policy_port_lists *l,
		      interval_visitor *visit)
{
	for (uint32_t i = 0; i < p->opening_count; i++)
		for (uint32_t j = 0; j < p->openings[i].port_count; j++) {
			const struct port_range *range = &p->ports[p->openings[i].first_port + j];

			if (!range->any_proto && range->proto != proto)
				continue;
			for (uint32_t k = l->interval_of[range->first];
			     k <= l->interval_of[range->last]; k++)
				visit(l, k, i);
		}
}

static void count_one(struct policy_port_lists *l, uint32_t interval, uint32_t opening)
{
	(void)opening;
	l->first[interval + 1]++;
}

/* first[] is where the next one goes: afterwards, it has moved on to the next interval. */
static void add_one(struct policy_port_lists *l, uint32_t interval, uint32_t opening)
{
	l->items[l->first[interval]++] = opening;
}

/* Ports between two that some opening begins or ends at are one interval. */
static uint32_t cut(const struct policy *p, enum proto proto, uint32_t *interval_of)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < p->opening_count; i++)
		for (uint32_t j = 0; j < p->openings[i].port_count; j++) {
			const struct port_range *range = &p->ports[p->openings[i].first_port + j];

			if (!range->any_proto && range->proto != proto)
				continue;
			interval_of[range->first] = 1;
			if (range->last + 1 < PORTS)
				interval_of[range->last + 1] = 1;
		}
	for (uint32_t port = 0; port < PORTS; port++) {
		count += interval_of[port];
		interval_of[port] = count;
	}
	return count + 1;
}

/* An opening with a port twice is in its list twice, which does no harm. */
static size_t count_items(const struct policy *p, enum proto proto, struct policy_port_lists *l,
			  uint32_t intervals)
{
	size_t total = 0;

	visit_all(p, proto, l, count_one);
	for (uint32_t i = 0; i <= intervals; i++) {
		total += l->first[i];
		l->first[i] = (uint32_t)total;
	}
	return total;
}

/* How many there are at most, without going through all intervals of each. */
static bool is_too_large(const struct policy *p, enum proto proto,
			 const struct policy_port_lists *l)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < p->opening_count; i++)
		for (uint32_t j = 0; j < p->openings[i].port_count; j++) {
			const struct port_range *range = &p->ports[p->openings[i].first_port + j];

			if (range->any_proto || range->proto == proto)
				total += l->interval_of[range->last] -
					 l->interval_of[range->first] + 1;
		}
	return total > POLICY_INDEX_LIMIT;
}

static void forget(struct policy_port_lists *l)
{
	free(l->interval_of);
	free(l->first);
	free(l->items);
	*l = (struct policy_port_lists){0};
}

static int build(const struct policy *p, enum proto proto, struct policy_port_lists *l)
{
	uint32_t intervals;

	l->interval_of = calloc(PORTS, sizeof(*l->interval_of));
	if (!l->interval_of)
		return -ENOMEM;
	intervals = cut(p, proto, l->interval_of);
	if (is_too_large(p, proto, l)) {
		forget(l);
		return 0;
	}
	l->first = calloc(intervals + 2, sizeof(*l->first));
	if (!l->first)
		return -ENOMEM;
	l->items = calloc(count_items(p, proto, l, intervals) + 1, sizeof(*l->items));
	if (!l->items)
		return -ENOMEM;
	visit_all(p, proto, l, add_one);
	for (uint32_t i = intervals; i > 0; i--)
		l->first[i] = l->first[i - 1];
	l->first[0] = 0;
	return 0;
}

int policy_index_build(const struct policy *p, struct policy_index *ret)
{
	int r = 0;

	*ret = (struct policy_index){.policy = p};
	for (size_t i = 0; i < ARRAY_LEN(ret->protos) && r == 0; i++)
		r = build(p, (enum proto)i, &ret->protos[i]);
	return r;
}

void policy_index_done(struct policy_index *index)
{
	for (size_t i = 0; i < ARRAY_LEN(index->protos); i++)
		forget(&index->protos[i]);
	*index = (struct policy_index){0};
}

struct policy_candidates policy_index_find(const struct policy_index *index, uint16_t port,
					   enum proto proto)
{
	const struct policy_port_lists *l;
	uint32_t interval;

	if (proto > PROTO_UDP || !index->protos[proto].interval_of)
		return (struct policy_candidates){.all = true,
						  .count = (uint32_t)index->policy->opening_count};
	l = &index->protos[proto];
	interval = l->interval_of[port];
	return (struct policy_candidates){.items = l->items + l->first[interval],
					  .count = l->first[interval + 1] - l->first[interval]};
}
