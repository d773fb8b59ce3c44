/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/reach_join.h"
#include "base/mem.h"
#include "decide/reach_join_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_loopback(const struct snapshot *s, uint32_t ifindex)
{
	for (size_t i = 0; i < s->interface_count; i++)
		if (s->interfaces[i].netns == 0 && s->interfaces[i].ifindex == ifindex)
			return s->interfaces[i].loopback;
	return false;
}

bool join_serves(const struct join *j, const struct listener *l, const struct address *address,
		 uint32_t ifindex)
{
	if (!(l->families & family_bit(address)))
		return false;
	if (!address_is_any(&l->address) && !address_equal(&l->address, address))
		return false;
	/* of another namespace, the interface by which it comes in there is not known */
	if (l->ifindex == 0 || l->netns != 0)
		return true;
	return ifindex ? l->ifindex == ifindex : is_loopback(j->s, l->ifindex);
}

int join_add_way(struct join *j, const struct reach_class *c, const struct reach_interval *i,
		 uint32_t listener, uint16_t port)
{
	struct reach_join *ret = j->ret;

	if (mem_grow(&ret->ways, &ret->way_cap, ret->way_count + 1, sizeof(*ret->ways)) < 0)
		return -ENOMEM;
	ret->ways[ret->way_count++] = (struct reach_way){
		.listener = listener,
		.class = (uint32_t)(c - j->reach->classes),
		.interval = (uint32_t)(i - j->reach->intervals),
		.port = port,
	};
	return 0;
}

/* The key of an address in a namespace; SNAPSHOT_NONE: in any. */
static uint64_t place_key(uint32_t netns, const struct address *a)
{
	struct address key = {.family = a->family};

	memcpy(key.bytes, a->bytes, a->family == AF_INET ? 4 : sizeof(key.bytes));
	return map_mix(netns, map_hash_bytes(&key, sizeof(key)));
}

/* There may be ten thousands of listeners and addresses: no search from one end to the other. */
static int index_addresses(struct join *j)
{
	for (size_t i = 0; i < j->s->address_count; i++) {
		const struct interface_address *a = &j->s->addresses[i];

		if (map_set(&j->places, place_key(a->netns, &a->address), (uint32_t)i) < 0 ||
		    map_set(&j->places, place_key(SNAPSHOT_NONE, &a->address), (uint32_t)i) < 0)
			return -ENOMEM;
	}
	return 0;
}

bool join_has_address(const struct join *j, uint32_t netns, const struct address *a)
{
	uint32_t at;

	if (!map_get(&j->places, place_key(netns, a), &at))
		return false;
	/* two places may have one key */
	for (size_t i = 0; i < j->s->address_count; i++, at++) {
		const struct interface_address *found = &j->s->addresses[at % j->s->address_count];

		if ((netns == SNAPSHOT_NONE || found->netns == netns) &&
		    address_equal(&found->address, a))
			return true;
	}
	return false;
}

/*
 * Does the class knock at an address of the namespace that the listener is in? What is kept out
 * would have gone where the route leads.
 */
static bool knocks_at(const struct join *j, const struct reach_class *c,
		      const struct reach_interval *i, const struct listener *l)
{
	struct leaving route = {.ifindex = c->leads_to}, by = leaves_by(i);

	if (!c->behind)
		return true;
	if (!verdict_lets_in(i->verdict))
		return join_arrival(j, l->netns, &c->destination, &route) != ARRIVAL_NONE;
	return i->forwarded && join_arrival(j, l->netns, arrives_on(c, i), &by) != ARRIVAL_NONE;
}

/*
 * The way of one class to one listener by the listener's own number. When the packet is let in, the
 * address at which it arrives decides; when not, that to which it was sent.
 */
static int add_own_way(struct join *j, const struct reach_class *c, uint32_t listener)
{
	const struct listener *l = &j->list->listeners[listener];
	const struct reach_interval *i;

	if (c->proto != l->proto || c->behind != (l->netns != 0))
		return 0;
	i = reach_find(j->reach, c, l->port);
	if (!i || !knocks_at(j, c, i, l))
		return 0;
	if (verdict_lets_in(i->verdict) && arrives_at(i, l->port) != l->port)
		return 0;
	if (verdict_lets_in(i->verdict) && i->forwarded && !c->behind)
		return 0;
	if (!join_serves(j, l, verdict_lets_in(i->verdict) ? arrives_on(c, i) : &c->destination,
			 c->ifindex))
		return 0;
	return join_add_way(j, c, i, listener, l->port);
}

/* --- from ways to a state ----------------------------------------------------------------------
 */

struct tally {
	unsigned counts[VERDICT_COUNT]; /* of ways from outside */
	unsigned inside[VERDICT_COUNT]; /* of ways from this machine */
	int widest, widest_unknown;	/* ranks, -1: none */
	bool all_limited;
	uint32_t why_str, dropped_str; /* of what is unknown, and dropped */
};

/*
 * Packets that are let in may still be filtered at the socket, or get to another namespace: then
 * nobody can say.
 */
static enum verdict verdict_of(const struct join *j, const struct reach_way *way, uint32_t *why_str)
{
	const struct reach_class *c = &j->reach->classes[way->class];
	const struct reach_interval *i = &j->reach->intervals[way->interval];
	uint32_t socket = j->list->listeners[way->listener].socket;
	uint32_t filtered = verdict_lets_in(i->verdict) ? reach_filtered_why(j->reach, socket) : 0;
	struct leaving by = leaves_by(i);

	*why_str = filtered ? filtered : i->why_str;
	if (filtered)
		return VERDICT_UNKNOWN;
	if (verdict_lets_in(i->verdict) && i->forwarded &&
	    join_is_doubtful(j, way->listener, arrives_on(c, i), &by, why_str))
		return VERDICT_UNKNOWN;
	return i->verdict;
}

static void count_way(const struct join *j, struct reach_way *way, struct tally *t,
		      struct port_reach *r)
{
	const struct reach_class *c = &j->reach->classes[way->class];
	int rank = (int)source_class_rank(c->source_class);

	way->verdict = verdict_of(j, way, &way->why_str);
	if (c->source_class == SOURCE_HOST)
		t->inside[way->verdict]++;
	else
		t->counts[way->verdict]++;
	if (way->verdict == VERDICT_UNKNOWN) {
		if (rank > t->widest_unknown)
			t->widest_unknown = rank;
		if (!t->why_str)
			t->why_str = way->why_str;
	}
	if (way->verdict == VERDICT_DROP && c->source_class != SOURCE_HOST && !t->dropped_str)
		t->dropped_str = way->why_str;
	if (!verdict_lets_in(way->verdict) || rank < t->widest)
		return;
	if (rank > t->widest) {
		t->widest = rank;
		t->all_limited = true;
		r->families = 0;
		r->widest = c->source_class;
		r->reached = true;
	}
	r->families |= family_bit(&c->destination);
	t->all_limited &= way->verdict == VERDICT_RATE_LIMITED;
}

static bool is_for_host_only(const struct join *j, const struct port_row *row)
{
	for (uint32_t i = 0; i < row->listener_count; i++)
		if (j->list->listeners[row->first_listener + i].bound != BOUND_HOST)
			return false;
	return true;
}

static enum port_state judge(const unsigned counts[VERDICT_COUNT])
{
	if (counts[VERDICT_ACCEPT] || counts[VERDICT_RATE_LIMITED])
		return PORT_OPEN;
	if (counts[VERDICT_UNKNOWN])
		return PORT_UNKNOWN;
	if (counts[VERDICT_REJECT])
		return PORT_REJECTED;
	return counts[VERDICT_DROP] ? PORT_FILTERED : PORT_UNKNOWN;
}

/* Does only what this machine sends decide, because nothing from outside is meant for the row? */
static bool is_inside(const struct join *j, const struct port_row *row, const unsigned *outside)
{
	if (!j->has_outside)
		return true;
	if (outside[VERDICT_ACCEPT] || outside[VERDICT_RATE_LIMITED] || outside[VERDICT_UNKNOWN])
		return false;
	if (is_for_host_only(j, row))
		return true;
	/* all of it is sent on elsewhere, unless something was not asked */
	return j->reach->complete && !outside[VERDICT_DROP] && !outside[VERDICT_REJECT];
}

/* Does some class knock at the address, to which the route leads in that namespace alone? */
static bool is_asked(const struct join *j, const struct address *a, uint32_t netns)
{
	for (size_t i = 0; i < j->reach->class_count; i++) {
		const struct reach_class *c = &j->reach->classes[i];
		struct leaving route = {.ifindex = c->leads_to};

		if (c->behind && address_equal(&c->destination, a) &&
		    join_arrival(j, netns, a, &route) == ARRIVAL_SURE)
			return true;
	}
	return false;
}

/*
 * Has the listener, in another namespace, an address that was not asked? Then it may be reached by
 * ways that do not lead through this machine: an uplink of its own, a network of containers.
 */
static bool has_other_ways(const struct join *j, const struct listener *l)
{
	for (size_t i = 0; i < j->s->address_count && l->netns != 0; i++) {
		const struct interface_address *a = &j->s->addresses[i];

		if (a->netns == l->netns && !address_is_loopback(&a->address) &&
		    !address_is_link_local(&a->address) && join_serves(j, l, &a->address, 0) &&
		    !is_asked(j, &a->address, l->netns))
			return true;
	}
	return false;
}

/* Is there no interface here behind which the namespace is? */
static bool is_untied(const struct join *j, uint32_t netns)
{
	for (size_t i = 0; i < j->ties.count; i++)
		if (j->ties.items[i].netns == netns)
			return false;
	return netns != 0;
}

static void look_at_other_ways(const struct join *j, const struct port_row *row,
			       struct port_reach *r)
{
	if (r->state == PORT_UNKNOWN && r->way_count == 0 && j->reach->available &&
	    is_untied(j, row->netns))
		r->why_str = j->reach->apart_str;
	if (r->state != PORT_FILTERED && r->state != PORT_REJECTED)
		return;
	for (uint32_t i = 0; i < row->listener_count; i++)
		if (has_other_ways(j, &j->list->listeners[row->first_listener + i])) {
			r->state = PORT_UNKNOWN;
			r->wider_unknown = true;
		}
}

void join_judge_row(const struct join *j, struct port_row *row)
{
	struct tally t = {.widest = -1, .widest_unknown = -1};
	struct port_reach *r = &row->reach;

	for (uint32_t i = 0; i < r->way_count; i++)
		count_way(j, &j->ret->ways[r->first_way + i], &t, r);
	r->state = judge(is_inside(j, row, t.counts) ? t.inside : t.counts);
	r->rate_limited = r->reached && t.all_limited;
	r->wider_unknown = t.widest_unknown > t.widest;
	r->why_str = t.why_str || r->state != PORT_FILTERED ? t.why_str : t.dropped_str;
	look_at_other_ways(j, row, r);
}

static int judge_own_rows(struct join *j, size_t row_count)
{
	for (size_t i = 0; i < row_count; i++) {
		struct port_row *row = &j->list->rows[i];

		row->reach = (struct port_reach){.looked = true,
						 .first_way = (uint32_t)j->ret->way_count};
		for (uint32_t k = 0; k < row->listener_count; k++)
			for (size_t c = 0; c < j->reach->class_count; c++)
				if (add_own_way(j, &j->reach->classes[c], row->first_listener + k) <
				    0)
					return -ENOMEM;
		row->reach.way_count = (uint32_t)j->ret->way_count - row->reach.first_way;
		join_judge_row(j, row);
	}
	return 0;
}

int reach_join(const struct snapshot *s, const struct reach *reach, struct listener_list *list,
	       struct reach_join *ret)
{
	struct port_map cleanup_free *maps = calloc(2, sizeof(*maps));
	bool cleanup_free *answered = calloc(65536, sizeof(*answered));
	struct join j = {.s = s,
			 .reach = reach,
			 .list = list,
			 .ret = ret,
			 .answered = answered,
			 .maps = {maps, maps ? maps + 1 : NULL}};
	int r;
	size_t row_count = list->row_count;

	*ret = (struct reach_join){0};
	if (!maps || !answered)
		return -ENOMEM;
	for (size_t k = 0; k < reach->class_count; k++)
		j.has_outside |= reach->classes[k].source_class != SOURCE_HOST;
	r = index_addresses(&j) < 0 || ties_find(s, &j.ties) < 0 ||
			    judge_own_rows(&j, row_count) < 0 ||
			    join_published(&j, row_count) < 0 || join_silence(&j) < 0
		    ? -ENOMEM
		    : 0;
	ties_done(&j.ties);
	map_done(&j.published);
	map_done(&j.places);
	if (r < 0)
		return r;
	listeners_sort(s, list, ORDER_EXPOSURE);
	return 0;
}

void reach_join_done(struct reach_join *j)
{
	free(j->ways);
	free(j->forwards);
	free(j->holes);
	*j = (struct reach_join){0};
}
