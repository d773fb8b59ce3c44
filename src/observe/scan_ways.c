/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_ways: are the ways to the hosts of a group still what they were? A scan's packets go where
 * the kernel said when it began, past the kernel's routing: when a route, an address or a gateway
 * changes meanwhile they end nowhere, and ports that nobody can answer for would be told to be
 * filtered. So the kernel is asked again, each second and before silence is judged.
 */
#include "base/clock.h"
#include "observe/scan_inner.h"

#include <string.h>
#include <time.h>

enum {
	LOOK_MS = 1000,
	AGAIN_MS = 20,
	PATIENCE_MS = 2000, /* so long may a route be away, or a new gateway take to answer */
};

enum look { WAY_SAME, WAY_CHANGED, WAY_ENDED };

static bool is_same_hop(const struct scan_way *a, const struct scan_way *b)
{
	return a->way.to.link.sll_ifindex == b->way.to.link.sll_ifindex &&
	       address_equal(&a->hop, &b->hop);
}

static bool is_same(const struct scan_way *a, const struct scan_way *b)
{
	if (!address_equal(&a->source, &b->source))
		return false;
	return a->way.own ||
	       (is_same_hop(a, b) && memcmp(a->way.to.link.sll_addr, b->way.to.link.sll_addr,
					    sizeof(a->way.to.link.sll_addr)) == 0);
}

/*
 * A neighbour that the kernel has forgotten, as it does when it sends nothing itself, is asked for
 * again, and is taken to be where it was.
 */
static enum look look_at(struct run *run, const struct address *to, bool routed,
			 struct scan_way *way)
{
	struct scan_way now;
	struct err ignored;

	if (scan_way_find(&run->route, to, &now, &ignored) < 0 || !now.source.family ||
	    !now.carrier || now.way.own != way->way.own || now.near != way->near)
		return WAY_ENDED; /* or shared with others, where it may not be sent as fast */
	if (routed)
		return WAY_SAME;
	if (scan_way_resolve(&run->route, &now) != 0) {
		scan_way_ask(&run->route, &now, to);
		return is_same_hop(&now, way) ? WAY_SAME : WAY_ENDED;
	}
	if (is_same(&now, way))
		return WAY_SAME;
	*way = now;
	return WAY_CHANGED;
}

bool scan_ways_are_due(const struct group *g)
{
	return g->now_ns >= g->look_ns;
}

/* How many have ended, of those that had not before. */
static uint32_t look_at_all(struct group *g, bool routed, bool *changed, bool *ended)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < g->count; i++) {
		enum look seen = g->way_lost[i] ? WAY_SAME
						: look_at(g->run, &g->hosts[i].address, routed,
							  &g->run->ways[g->indexes[i]]);

		ended[i] = seen == WAY_ENDED;
		count += ended[i];
		*changed |= seen != WAY_SAME;
	}
	return count;
}

bool scan_ways_look(struct group *g, bool routed)
{
	static const struct timespec moment = {.tv_nsec = AGAIN_MS * 1000000};
	uint64_t limit_ms = (uint64_t)g->run->wish->host_timeout_s * 1000;
	uint64_t patience_ms = limit_ms && limit_ms < PATIENCE_MS ? limit_ms : PATIENCE_MS;
	uint64_t until = clock_mono_ns() + patience_ms * MS_NS;
	bool changed = false, ended[PROBE_HOST_LIMIT];

	while (look_at_all(g, routed, &changed, ended) && clock_mono_ns() < until &&
	       !scan_is_stopped(g->run))
		nanosleep(&moment, NULL);
	for (uint32_t i = 0; i < g->count; i++)
		g->way_lost[i] |= ended[i];
	g->now_ns = clock_mono_ns();
	g->look_ns = g->now_ns + LOOK_MS * MS_NS;
	return changed;
}
