/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_conflicts: goes through the port numbers and keeps, in the tree of sources, the openings
 * that have the port. An opening that comes in is compared with those at its own sources, with
 * those of the wider sources around them, and, where a sum says that somebody else is there, with
 * those within them. So the work grows with what is declared, not with its square.
 */
#include "decide/policy_conflicts.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "decide/policy_pair.h"
#include "decide/policy_source_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_BITS = 17 };
enum { ENTRY_NONE = UINT32_MAX };

/* A port from which on an opening counts, or no longer counts. */
struct edge {
	uint32_t key; /* protocol, port, and at one port those that end before those that begin */
	uint32_t opening;
};

/* An opening at a node of the tree, for the port that is looked at. */
struct entry {
	struct policy_pair_side side;
	uint32_t next;
};

/* Who listens, of all openings at a node and within it. */
struct crowd {
	uint32_t entries;
	uint32_t count[POLICY_OWNER_KINDS]; /* that name one */
	uint64_t sum[POLICY_OWNER_KINDS];   /* of its hashes: count times the hash, if all name the
					       same */
};

struct search {
	struct policy_pairs pairs;
	struct source_tree tree;
	struct edge *edges;
	size_t edge_count, edge_cap;
	uint32_t *heads; /* by node: the first entry */
	struct crowd *crowds;
	struct entry *entries;
	size_t entry_count, entry_cap;
	uint32_t free_entry;
};

static bool is_done(const struct search *s)
{
	return policy_problems_are_full(s->pairs.problems, true) || s->pairs.problems->failed;
}

/* --- who is there --------------------------------------------------------------------------- */

static uint64_t owner_hash(uint32_t str)
{
	return map_mix(str, 1);
}

/* Adds the opening to the node and all around it, or takes it out. */
static void count_in(struct search *s, uint32_t node, const struct opening *o, bool in)
{
	uint32_t strs[POLICY_OWNER_KINDS];

	policy_pair_owners(o, strs);
	for (; node != SOURCE_TREE_NONE; node = s->tree.nodes[node].parent) {
		struct crowd *c = &s->crowds[node];

		c->entries += in ? 1u : -1u;
		for (int i = 0; i < POLICY_OWNER_KINDS; i++) {
			if (!strs[i])
				continue;
			c->count[i] += in ? 1u : -1u;
			c->sum[i] += in ? owner_hash(strs[i]) : -owner_hash(strs[i]);
		}
	}
}

/* Is somebody at the node or within it who names another owner? */
static bool has_others(const struct crowd *c, const struct opening *o)
{
	uint32_t strs[POLICY_OWNER_KINDS];

	policy_pair_owners(o, strs);
	for (int i = 0; i < POLICY_OWNER_KINDS; i++)
		if (strs[i] && c->sum[i] != c->count[i] * owner_hash(strs[i]))
			return true;
	return false;
}

static void compare_at(struct search *s, const struct entry *new, uint32_t node, bool same_node)
{
	for (uint32_t e = s->heads[node]; e != ENTRY_NONE && !is_done(s); e = s->entries[e].next)
		policy_pair_compare(&s->pairs, &new->side, &s->entries[e].side, same_node);
}

static void compare_all(struct search *s, const struct entry *new, uint32_t node)
{
	const struct source_node *nodes = s->tree.nodes;
	const struct opening *o = &s->pairs.p->openings[new->side.opening];

	compare_at(s, new, node, true);
	for (uint32_t n = nodes[node].parent; n != SOURCE_TREE_NONE; n = nodes[n].parent)
		compare_at(s, new, n, false);
	if (!has_others(&s->crowds[node], o))
		return;
	for (uint32_t n = node + 1;
	     n < nodes[node].end && !s->pairs.told[new->side.opening] && !is_done(s);) {
		if (has_others(&s->crowds[n], o)) {
			compare_at(s, new, n, false);
			n++;
		} else {
			n = nodes[n].end;
		}
	}
}

static int enter(struct search *s, uint32_t opening, uint32_t source, uint32_t node)
{
	uint32_t index = s->free_entry;

	if (index == ENTRY_NONE) {
		if (mem_grow(&s->entries, &s->entry_cap, s->entry_count + 1, sizeof(*s->entries)) <
		    0)
			return -ENOMEM;
		index = (uint32_t)s->entry_count++;
	} else {
		s->free_entry = s->entries[index].next;
	}
	s->entries[index] = (struct entry){{opening, source}, s->heads[node]};
	compare_all(s, &s->entries[index], node);
	s->heads[node] = index;
	count_in(s, node, &s->pairs.p->openings[opening], true);
	return 0;
}

static void leave(struct search *s, uint32_t opening, uint32_t node)
{
	uint32_t *link = &s->heads[node];

	while (*link != ENTRY_NONE && s->entries[*link].side.opening != opening)
		link = &s->entries[*link].next;
	if (*link != ENTRY_NONE) {
		uint32_t index = *link;

		*link = s->entries[index].next;
		s->entries[index].next = s->free_entry;
		s->free_entry = index;
		count_in(s, node, &s->pairs.p->openings[opening], false);
	}
}

/* --- through the ports ---------------------------------------------------------------------- */

static int add_edge(struct search *s, enum proto proto, uint32_t port, bool begins, size_t opening)
{
	if (mem_grow(&s->edges, &s->edge_cap, s->edge_count + 1, sizeof(*s->edges)) < 0)
		return -ENOMEM;
	s->edges[s->edge_count++] = (struct edge){
		(uint32_t)proto << (PORT_BITS + 1) | port << 1 | begins, (uint32_t)opening};
	return 0;
}

static int compare_ranges(const void *a_pointer, const void *b_pointer)
{
	const struct port_range *a = a_pointer, *b = b_pointer;

	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	return (a->first > b->first) - (a->first < b->first);
}

static void tell_port_twice(struct search *s, const struct opening *o, const struct port_range *r)
{
	struct policy_place place =
		policy_problems_place_of(s->pairs.problems, s->pairs.p, &o->place);

	policy_problems_add(s->pairs.problems, true, &place, NULL,
			    _("%u/%s is in the ports of this opening twice"), r->first,
			    proto_name(r->proto));
}

/* The edges of an opening, of ranges that do not overlap. */
static int add_edges(struct search *s, size_t index)
{
	const struct opening *o = &s->pairs.p->openings[index];
	struct port_range cleanup_free *ranges = calloc(o->port_count + 1, sizeof(*ranges));
	int r = ranges ? 0 : -ENOMEM;
	uint32_t n = 0;

	if (r < 0)
		return r;
	memcpy(ranges, &s->pairs.p->ports[o->first_port], o->port_count * sizeof(*ranges));
	qsort(ranges, o->port_count, sizeof(*ranges), compare_ranges);
	while (n < o->port_count && r == 0) {
		struct port_range whole = ranges[n++];
		bool twice = false;

		for (; n < o->port_count && ranges[n].proto == whole.proto &&
		       ranges[n].first <= whole.last;
		     n++) {
			if (!twice)
				tell_port_twice(s, o, &ranges[n]);
			twice = true;
			if (ranges[n].last > whole.last)
				whole.last = ranges[n].last;
		}
		r = add_edge(s, whole.proto, whole.first, true, index);
		if (r == 0)
			r = add_edge(s, whole.proto, whole.last + 1u, false, index);
	}
	return r;
}

static int compare_edges(const void *a_pointer, const void *b_pointer)
{
	const struct edge *a = a_pointer, *b = b_pointer;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return (a->opening > b->opening) - (a->opening < b->opening);
}

static int take_edge(struct search *s, const struct edge *e)
{
	const struct opening *o = &s->pairs.p->openings[e->opening];

	s->pairs.at.proto = (enum proto)(e->key >> (PORT_BITS + 1));
	s->pairs.at.first = (uint16_t)(e->key >> 1);
	for (uint32_t i = o->first_source; i < o->first_source + o->source_count; i++) {
		for (uint32_t m = s->tree.first[i]; m < s->tree.first[i + 1]; m++) {
			if (!(e->key & 1))
				leave(s, e->opening, s->tree.members[m]);
			else if (enter(s, e->opening, i, s->tree.members[m]) < 0)
				return -ENOMEM;
			if (is_done(s))
				return 0;
		}
	}
	return 0;
}

static int search_start(struct search *s, int64_t now_s)
{
	size_t nodes;

	if (source_tree_build(s->pairs.p, &s->tree) < 0)
		return -ENOMEM;
	nodes = s->tree.node_count;
	s->heads = malloc((nodes + 1) * sizeof(*s->heads));
	s->crowds = calloc(nodes + 1, sizeof(*s->crowds));
	s->pairs.told = calloc(s->pairs.p->opening_count + 1, sizeof(*s->pairs.told));
	if (!s->heads || !s->crowds || !s->pairs.told)
		return -ENOMEM;
	memset(s->heads, 0xff, (nodes + 1) * sizeof(*s->heads)); /* ENTRY_NONE */
	for (size_t i = 0; i < s->pairs.p->opening_count; i++)
		if (!opening_is_over(&s->pairs.p->openings[i], now_s) && add_edges(s, i) < 0)
			return -ENOMEM;
	if (s->edge_count)
		qsort(s->edges, s->edge_count, sizeof(*s->edges), compare_edges);
	return 0;
}

int policy_conflicts_find(const struct policy *p, int64_t now_s, struct policy_problems *problems)
{
	struct search s = {.pairs = {.p = p, .problems = problems}, .free_entry = ENTRY_NONE};
	int r = search_start(&s, now_s);

	for (size_t i = 0; i < s.edge_count && r == 0 && !is_done(&s); i++)
		r = take_edge(&s, &s.edges[i]);
	source_tree_done(&s.tree);
	free(s.edges);
	free(s.heads);
	free(s.crowds);
	free(s.entries);
	free(s.pairs.told);
	return problems->failed ? -ENOMEM : r;
}
