/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_points: the ports that must be asked so that the answers hold for all of 1-65535, and back
 * from the answers to intervals. Pure.
 */
#pragma once

#include "observe/rule_constants.h"

/* Ports that all rules treat alike, and the one of them that is asked. */
struct reach_point {
	uint16_t first, last, port;
};

/* They cover 1-65535 in order, without a gap. */
struct reach_points {
	struct reach_point *items;
	size_t count, cap;
	bool every; /* each port is a point of its own: nothing was known about the rules */
};

/*
 * The points that `cuts` demand, with `alone` (host order, any order, 0 is passed over) as points
 * of their own. `full`, or opaque cuts: 65,535 of them. 0 or -ENOMEM.
 */
int reach_points_build(const struct port_cuts *cuts, const uint16_t *alone, size_t alone_count,
		       bool full, struct reach_points *ret);
void reach_points_done(struct reach_points *p);

/* Neighbouring points with the same answer. */
struct reach_span {
	uint16_t first, last;
	size_t first_point, point_count;
};
/* Whether the answer at point `next` continues that of the span which begins at `first` and has
 * reached `next` - 1. */
typedef bool reach_points_same(size_t first, size_t next, void *context);
/* Merges; *ret is a heap array (free) that covers 1-65535 in order. 0 or -ENOMEM. */
int reach_points_merge(const struct reach_points *p, reach_points_same *same, void *context,
		       struct reach_span **ret, size_t *ret_count);
