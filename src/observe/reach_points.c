/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_points: from cuts to the ports that must be asked, and from the answers to intervals. See
 * the header.
 */
#include "observe/reach_points.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LAST_PORT = 65535 };

static bool is_cut(const struct port_cuts *cuts, uint32_t port)
{
	return cuts->cut[port / 64] >> (port % 64) & 1;
}

static int add_point(struct reach_points *p, uint32_t first, uint32_t last)
{
	if (mem_grow(&p->items, &p->cap, p->count + 1, sizeof(*p->items)) < 0)
		return -ENOMEM;
	p->items[p->count++] = (struct reach_point){
		.first = (uint16_t)first, .last = (uint16_t)last, .port = (uint16_t)first};
	return 0;
}

int reach_points_build(const struct port_cuts *cuts, const uint16_t *alone, size_t alone_count,
		       bool full, struct reach_points *ret)
{
	struct reach_points p = {.every = full || cuts->opaque};
	struct port_cuts own = *cuts;
	uint32_t first = 1;

	for (size_t i = 0; i < alone_count; i++)
		if (alone[i] != 0)
			rule_constants_cut_ports(&own, alone[i], alone[i]);
	for (uint32_t port = 2; port <= LAST_PORT + 1; port++) {
		if (port <= LAST_PORT && !p.every && !is_cut(&own, port))
			continue;
		if (add_point(&p, first, port - 1) < 0) {
			reach_points_done(&p);
			return -ENOMEM;
		}
		first = port;
	}
	*ret = p;
	return 0;
}

void reach_points_done(struct reach_points *p)
{
	free(p->items);
	*p = (struct reach_points){0};
}

/* The points from `first` on to before `end`, which are the same among each other. */
static int take_points(const struct reach_points *p, size_t first, size_t end, bool goes_on,
		       struct reach_spans *ret)
{
	struct reach_span *span = goes_on ? &ret->items[ret->count - 1] : NULL;

	if (!span) {
		if (mem_grow(&ret->items, &ret->cap, ret->count + 1, sizeof(*span)) < 0)
			return -ENOMEM;
		span = &ret->items[ret->count++];
		*span = (struct reach_span){p->items[first].first, 0, first, 0};
	}
	span->last = p->items[end - 1].last;
	span->point_count = end - span->first_point;
	return 0;
}

int reach_points_merge(const struct reach_points *p, reach_points_same *same, void *context,
		       struct reach_spans *ret)
{
	ret->count = 0;
	for (size_t i = 0; i < p->count; i++) {
		bool goes_on =
			ret->count && same(ret->items[ret->count - 1].first_point, i, context);

		if (take_points(p, i, i + 1, goes_on, ret) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* How far from point `i` on (of that span) nothing has changed; `i`: it has. `change`: the first
 * that does not lie before `i`. */
static size_t end_of_same(const struct reach_spans_before *before, size_t span, size_t change,
			  size_t i)
{
	const struct reach_span *s = &before->spans[span];
	size_t end = s->first_point + s->point_count;

	if (!before->plain[span])
		return i;
	if (change < before->change_count && before->changes[change].first < end)
		end = before->changes[change].first > i ? before->changes[change].first : i;
	return end;
}

int reach_points_merge_changed(const struct reach_points *p,
			       const struct reach_spans_before *before, reach_points_same *same,
			       void *context, struct reach_spans *ret)
{
	size_t span = 0, change = 0, end;

	ret->count = 0;
	for (size_t i = 0; i < p->count; i = end) {
		bool goes_on =
			ret->count && same(ret->items[ret->count - 1].first_point, i, context);

		while (i >= before->spans[span].first_point + before->spans[span].point_count)
			span++;
		while (change < before->change_count && before->changes[change].end <= i)
			change++;
		end = end_of_same(before, span, change, i);
		end = end > i ? end : i + 1;
		if (take_points(p, i, end, goes_on, ret) < 0)
			return -ENOMEM;
	}
	return 0;
}
