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

int reach_points_merge(const struct reach_points *p, reach_points_same *same, void *context,
		       struct reach_span **ret, size_t *ret_count)
{
	struct reach_span *spans = NULL, *span = NULL;
	size_t count = 0, cap = 0;

	for (size_t i = 0; i < p->count; i++) {
		if (span && same(span->first_point, i, context)) {
			span->last = p->items[i].last;
			span->point_count++;
			continue;
		}
		if (mem_grow(&spans, &cap, count + 1, sizeof(*spans)) < 0) {
			free(spans);
			return -ENOMEM;
		}
		span = &spans[count++];
		*span = (struct reach_span){p->items[i].first, p->items[i].last, i, 1};
	}
	*ret = spans;
	*ret_count = count;
	return 0;
}
