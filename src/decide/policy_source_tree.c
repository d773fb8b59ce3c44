/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_source_tree.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* RFC 1918, RFC 6598, RFC 4193: what SOURCE_PRIVATE is. */
static const struct source_node private_networks[] = {
	{KIND_IPV4, {AF_INET, {10}}, 8, 0, 0},	     {KIND_IPV4, {AF_INET, {100, 64}}, 10, 0, 0},
	{KIND_IPV4, {AF_INET, {172, 16}}, 12, 0, 0}, {KIND_IPV4, {AF_INET, {192, 168}}, 16, 0, 0},
	{KIND_IPV6, {AF_INET6, {0xfc}}, 7, 0, 0},
};

/* A node, and where its number is to be written once all are sorted. */
struct entry {
	struct source_node node;
	uint32_t member;
};

struct builder {
	struct source_tree *tree;
	struct entry *entries;
	size_t count, cap;
};

void source_tree_done(struct source_tree *t)
{
	free(t->nodes);
	free(t->first);
	free(t->members);
	*t = (struct source_tree){0};
}

static int add_entry(struct builder *b, const struct source_node *node)
{
	if (mem_grow(&b->entries, &b->cap, b->count + 1, sizeof(*b->entries)) < 0)
		return -ENOMEM;
	b->entries[b->count] = (struct entry){*node, (uint32_t)b->count};
	b->count++;
	return 0;
}

static int add_source(struct builder *b, const struct policy_source *s)
{
	struct source_node node = {.network = s->network, .prefix_len = s->prefix_len};

	switch (s->class) {
	case SOURCE_INTERNET:
		node.kind = KIND_INTERNET;
		break;
	case SOURCE_LINK:
		node.kind = KIND_LINK;
		break;
	case SOURCE_HOST:
		node.kind = KIND_HOST;
		break;
	case SOURCE_PRIVATE:
		for (size_t i = 0; i < ARRAY_LEN(private_networks); i++)
			if (add_entry(b, &private_networks[i]) < 0)
				return -ENOMEM;
		return 0;
	default:
		node.kind = s->network.family == AF_INET ? KIND_IPV4 : KIND_IPV6;
		break;
	}
	return add_entry(b, &node);
}

static int compare_nodes(const struct source_node *a, const struct source_node *b)
{
	int order;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	order = memcmp(a->network.bytes, b->network.bytes, sizeof(a->network.bytes));
	if (order)
		return order;
	return (a->prefix_len > b->prefix_len) - (a->prefix_len < b->prefix_len);
}

static int compare_entries(const void *a, const void *b)
{
	return compare_nodes(&((const struct entry *)a)->node, &((const struct entry *)b)->node);
}

static bool holds(const struct source_node *outer, const struct source_node *inner)
{
	if (outer->kind == KIND_INTERNET)
		return inner->kind != KIND_HOST;
	return outer->kind == inner->kind && outer->prefix_len <= inner->prefix_len &&
	       address_in_network(&inner->network, &outer->network, outer->prefix_len);
}

static int make_nodes(struct builder *b)
{
	struct source_tree *t = b->tree;

	for (size_t i = 0; i < b->count; i++) {
		if (i == 0 || compare_entries(&b->entries[i - 1], &b->entries[i]) != 0) {
			if (mem_grow(&t->nodes, &t->node_cap, t->node_count + 1,
				     sizeof(*t->nodes)) < 0)
				return -ENOMEM;
			t->nodes[t->node_count++] = b->entries[i].node;
		}
		t->members[b->entries[i].member] = (uint32_t)t->node_count - 1;
	}
	return 0;
}

/* The parent of a node is the one before it, or one of that one's ancestors. */
static void link_nodes(struct source_tree *t)
{
	for (uint32_t i = 0; i < t->node_count; i++) {
		uint32_t parent = i ? i - 1 : SOURCE_TREE_NONE;

		while (parent != SOURCE_TREE_NONE && !holds(&t->nodes[parent], &t->nodes[i])) {
			t->nodes[parent].end = i;
			parent = t->nodes[parent].parent;
		}
		t->nodes[i].parent = parent;
		t->nodes[i].end = (uint32_t)t->node_count;
	}
}

int source_tree_build(const struct policy *p, struct source_tree *ret)
{
	struct builder b = {.tree = ret};
	int r = 0;

	*ret = (struct source_tree){0};
	ret->first = calloc(p->source_count + 1, sizeof(*ret->first));
	if (!ret->first)
		return -ENOMEM;
	for (size_t i = 0; i < p->source_count && r == 0; i++) {
		ret->first[i] = (uint32_t)b.count;
		r = add_source(&b, &p->sources[i]);
	}
	ret->first[p->source_count] = (uint32_t)b.count;
	ret->members = calloc(b.count + 1, sizeof(*ret->members));
	ret->member_count = b.count;
	if (!ret->members)
		r = -ENOMEM;
	if (r == 0 && b.count)
		qsort(b.entries, b.count, sizeof(*b.entries), compare_entries);
	if (r == 0)
		r = make_nodes(&b);
	if (r == 0)
		link_nodes(ret);
	free(b.entries);
	return r;
}
