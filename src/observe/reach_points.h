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

/* One packet to send: to the port of point `first`; its answer holds for the points before `end`.
 */
struct reach_ask {
	uint32_t first, end;
};

/* Neighbouring points with the same answer. */
struct reach_span {
	uint16_t first, last;
	size_t first_point, point_count;
};
struct reach_spans {
	struct reach_span *items;
	size_t count, cap;
};
/* Whether the answer at point `next` continues that of the span which begins at `first` and has
 * reached `next` - 1. */
typedef bool reach_points_same(size_t first, size_t next, void *context);
/* Merges: ret->items (free) covers 1-65535 in order; what was there before is gone. 0 or -ENOMEM.
 */
int reach_points_merge(const struct reach_points *p, reach_points_same *same, void *context,
		       struct reach_spans *ret);

/* The spans of answers of which only a few are others now. */
struct reach_spans_before {
	const struct reach_span *spans;
	const bool
		*plain; /* by span: any two of its points are the same, and to all others alike */
	size_t count;
	const struct reach_ask *changes; /* where: ascending, apart from each other */
	size_t change_count;
};
/* What reach_points_merge() would make, without looking at what has not changed. `same` holds both
 * ways and passes on between points of plain spans. */
int reach_points_merge_changed(const struct reach_points *p,
			       const struct reach_spans_before *before, reach_points_same *same,
			       void *context, struct reach_spans *ret);
