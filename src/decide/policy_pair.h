/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_pair: two openings that have a port, and sources that overlap: are they duplicates, or do
 * they contradict one another? Part of policy_conflicts; not for others.
 */
#pragma once

#include "model/policy_problems.h"

/* The kinds of who may listen: program, unit, user, container. */
enum { POLICY_OWNER_KINDS = 4 };

struct policy_pairs {
	const struct policy *p;
	struct policy_problems *problems;
	bool *told;	      /* by opening: it has been reported */
	struct port_range at; /* the port: first, proto */
};

/* An opening, with that source of it which overlaps. */
struct policy_pair_side {
	uint32_t opening, source;
};

/* The strings of who may listen, by kind; 0: not given. */
void policy_pair_owners(const struct opening *o, uint32_t strs[POLICY_OWNER_KINDS]);
/* Adds an error if there is one; the later of the two is told once. `same_network`: they do not
 * only overlap. */
void policy_pair_compare(struct policy_pairs *s, const struct policy_pair_side *a,
			 const struct policy_pair_side *b, bool same_network);
