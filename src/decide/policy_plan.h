/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_plan: what becomes of each port when the policy is applied: the machine as it is, and as a
 * twin of it says it will be, put side by side. Pure.
 */
#pragma once

#include "decide/policy_rows.h"
#include "decide/reach_join.h"
#include "model/policy.h"
#include "model/reach.h"
#include "model/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was seen at one time: who listens, who gets through, and both joined. */
struct plan_side {
	const struct listener_list *list;
	const struct reach *reach;
	const struct reach_join *join;
};

enum plan_kind {
	PLAN_STAYS,
	PLAN_CLOSES,  /* from outside nobody gets in any more */
	PLAN_NARROWS, /* fewer do */
	PLAN_CHANGES, /* some do no more, others do now */
	PLAN_WIDENS,  /* more do */
	PLAN_OPENS,   /* it was out of reach */
	PLAN_KIND_COUNT,
};
const char *plan_kind_id(enum plan_kind kind); /* "closes", ...: in JSON */

enum { PLAN_NONE = UINT32_MAX };

/* Sources of one class, at one interface and family, and what they get at the listeners of a row:
 * the best of all its addresses. */
struct plan_group {
	enum source_class class; /* LINK, PRIVATE, INTERNET; HOST is left out */
	uint32_t ifindex;
	uint8_t family; /* FAMILY_IPV4, FAMILY_IPV6 */
	enum verdict verdict;
	uint64_t exceptions; /* a hash of the addresses that get something else; 0: none do */
};

struct plan_row {
	enum plan_kind kind;
	uint32_t before; /* index of the row in the list of that side, or PLAN_NONE */
	uint32_t after;
	enum declared declared;
	uint32_t opening; /* see policy_row() */
	/* in groups[] of the plan: classes that got in as a whole, and do no more; and new ones */
	uint32_t first_lost, lost_count;
	uint32_t first_gained, gained_count;
	uint8_t families; /* FAMILY_*: whose packets get something else; 0: nobody's */
	bool maybe;	  /* what it was before is not fully known */
};

struct plan {
	struct plan_row *rows; /* those that close first, then by port */
	size_t row_count, row_cap;
	struct plan_group *groups;
	size_t group_count, group_cap;
	size_t counts[PLAN_KIND_COUNT];
	/* ports that are let in from outside although nobody listens, tcp and udp together */
	size_t holes_before, holes_after;
};

/* 0 or -ENOMEM; ended with policy_plan_done() in every case. */
int policy_plan_build(const struct policy *p, const struct snapshot *s,
		      const struct plan_side *before, const struct plan_side *after, int64_t now_s,
		      struct plan *ret);
void policy_plan_done(struct plan *plan);
/* Would applying it change who gets in? */
bool policy_plan_is_empty(const struct plan *plan);
