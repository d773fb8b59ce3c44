/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_source_tree: the sources of a policy, each once, ordered so that whatever lies within one
 * stands right behind it. Networks nest or are apart, so the sources form a tree. Pure.
 */
#pragma once

#include "model/policy.h"

/* What a node is; the order is that of the nodes. */
enum source_kind { KIND_INTERNET, KIND_LINK, KIND_IPV4, KIND_IPV6, KIND_HOST };

struct source_node {
	enum source_kind kind;
	struct address network; /* IPV4, IPV6 */
	uint8_t prefix_len;
	uint32_t parent; /* the smallest node that holds this one; SOURCE_TREE_NONE */
	uint32_t end;	 /* the nodes within it are those from the next one up to before this */
};

#define SOURCE_TREE_NONE UINT32_MAX

struct source_tree {
	struct source_node *nodes;
	size_t node_count, node_cap;
	/* for each source of the policy the nodes that it is: private is several networks */
	uint32_t *first, *members; /* source i: members[first[i]..first[i + 1]) */
	size_t member_count;
};

/* 0 or -ENOMEM. source_tree_done() in every case. */
int source_tree_build(const struct policy *p, struct source_tree *ret);
void source_tree_done(struct source_tree *t);
