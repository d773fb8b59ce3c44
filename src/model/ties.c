/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/ties.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

enum { CLIMB_LIMIT = 16 }; /* bridges one behind the other */

struct finding {
	const struct snapshot *s;
	struct ties *ret;
	uint32_t netns;
	size_t first; /* of the namespace's ties */
};

static bool is_own(const struct interface_info *i)
{
	return i->netns == 0;
}

/* 1: it is new; 0: it is there already. */
static int add(struct finding *f, uint32_t ifindex)
{
	struct ties *t = f->ret;

	for (size_t i = f->first; i < t->count; i++)
		if (t->items[i].ifindex == ifindex)
			return 0;
	if (mem_grow(&t->items, &t->cap, t->count + 1, sizeof(*t->items)) < 0)
		return -ENOMEM;
	t->items[t->count++] = (struct tie){ifindex, f->netns};
	return 1;
}

static bool is_bridge(const struct snapshot *s, uint32_t ifindex)
{
	for (size_t i = 0; i < s->interface_count; i++)
		if (is_own(&s->interfaces[i]) && s->interfaces[i].ifindex == ifindex)
			return s->interfaces[i].kind == LINK_BRIDGE;
	return false;
}

static int climb(struct finding *f, uint32_t ifindex, int depth);

/* A bridge leads to it, too, and so does what is paired with another of the bridge's ports. */
static int climb_bridge(struct finding *f, uint32_t bridge, int depth)
{
	int r = is_bridge(f->s, bridge) ? add(f, bridge) : 0;

	for (size_t i = 0; i < f->s->interface_count && r > 0; i++) {
		const struct interface_info *port = &f->s->interfaces[i];

		if (is_own(port) && port->master == bridge && port->kind == LINK_PAIR &&
		    port->link && port->link_netns == 0 && climb(f, port->link, depth + 1) < 0)
			r = -ENOMEM;
	}
	return r < 0 ? r : 0;
}

/* What leads to the namespace, from the interface on which its own is paired upwards. */
static int climb(struct finding *f, uint32_t ifindex, int depth)
{
	int r = depth < CLIMB_LIMIT ? add(f, ifindex) : 0;

	for (size_t i = 0; i < f->s->interface_count && r > 0; i++) {
		const struct interface_info *info = &f->s->interfaces[i];

		if (is_own(info) && info->ifindex == ifindex && info->master &&
		    climb_bridge(f, info->master, depth) < 0)
			r = -ENOMEM;
	}
	return r < 0 ? r : 0;
}

/*
 * The interfaces of its kind on the same one lead to it; that one itself does not: what it sends
 * goes out on the wire.
 */
static int add_beside(struct finding *f, const struct interface_info *child)
{
	int r = 0;

	for (size_t i = 0; i < f->s->interface_count && r >= 0; i++) {
		const struct interface_info *info = &f->s->interfaces[i];

		if (is_own(info) && info->kind == child->kind && info->link_netns == 0 &&
		    info->link == child->link)
			r = add(f, info->ifindex);
	}
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct tie *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return (x->netns > y->netns) - (x->netns < y->netns);
}

int ties_find(const struct snapshot *s, struct ties *ret)
{
	struct finding f = {.s = s, .ret = ret};
	int r = 0;

	*ret = (struct ties){0};
	for (size_t i = 0; i < s->interface_count && r >= 0; i++) {
		const struct interface_info *info = &s->interfaces[i];

		if (info->netns == 0 || info->link == 0 || info->link_netns != 0)
			continue;
		if (info->netns != f.netns) /* those of a namespace follow one another */
			f.first = ret->count;
		f.netns = info->netns;
		if (info->kind == LINK_PAIR)
			r = climb(&f, info->link, 0);
		else if (info->kind == LINK_MACVLAN || info->kind == LINK_IPVLAN)
			r = add_beside(&f, info);
	}
	if (r >= 0 && ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), compare);
	return r < 0 ? r : 0;
}

void ties_done(struct ties *t)
{
	free(t->items);
	*t = (struct ties){0};
}

size_t ties_of(const struct ties *t, uint32_t ifindex)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->items[middle].ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->count && t->items[low].ifindex == ifindex ? low : t->count;
}

bool ties_lead_to(const struct ties *t, uint32_t ifindex, uint32_t netns)
{
	for (size_t i = ties_of(t, ifindex); i < t->count && t->items[i].ifindex == ifindex; i++)
		if (t->items[i].netns == netns)
			return true;
	return false;
}
