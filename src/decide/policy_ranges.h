/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_ranges: many ranges of numbers (ports, or addresses), each of a target (an opening): the
 * numbers cut into segments, and for each segment the list of the targets whose ranges hold it.
 * Pure.
 *
 * n ranges can have n segments with n targets each. So lists share their ends: a list is some
 * targets and the rest, which is another list, and equal ones are one. A tree of segments decides
 * who shares what: it has few levels, since whoever follows a list goes from one to the next
 * (nf_tables follows 15 chains at most), and many branches.
 */
#pragma once

#include "base/map.h"
#include "model/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A number of up to 128 bits, or the one past the last of them (over is 1, the others 0). */
struct range_key {
	uint64_t over, high, low;
};

struct range_item {
	struct range_key first, end; /* end is the number behind the last */
	uint32_t target;
};

/* No list has more than so many others behind it, one behind the other. */
enum { RANGES_DEPTH = 4 };

/* lists[0] is the empty list, and the only one without targets of its own. */
struct range_list {
	uint32_t first, count; /* in targets[], ascending */
	uint32_t rest;	       /* index of the list of the others, a smaller one; 0: none */
};

struct range_segment {
	struct range_key first, end;
	uint32_t list;
};

struct policy_ranges {
	struct range_item *items; /* what the caller adds */
	size_t item_count, item_cap;
	uint32_t *targets;
	size_t target_count, target_cap;
	struct range_list *lists;
	size_t list_count, list_cap;
	struct range_segment
		*segments; /* in order; neighbours with one list are one; none is empty */
	size_t segment_count, segment_cap;
	struct map by_parts; /* hash of targets and rest -> list */
};

/* 0 or -ENOMEM */
int policy_ranges_add_ports(struct policy_ranges *r, uint16_t first, uint16_t last,
			    uint32_t target);
int policy_ranges_add_network(struct policy_ranges *r, const struct address *network,
			      uint8_t prefix_len, uint32_t target);
/* Makes the lists and segments of the items. 0 or -ENOMEM. */
int policy_ranges_cut(struct policy_ranges *r);
void policy_ranges_done(struct policy_ranges *r);

/* The first and the last number of a segment, as ports and as addresses. */
uint16_t range_first_port(const struct range_segment *s);
uint16_t range_last_port(const struct range_segment *s);
struct address range_first_address(const struct range_segment *s, int family);
struct address range_last_address(const struct range_segment *s, int family);
