/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/reach_join.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* What is known of every port of a protocol that nobody listens on. */
struct port_map {
	bool listens[2][65536];	  /* by family: somebody listens beyond loopback */
	bool cuts[65536];	  /* a class treats the next port otherwise */
	bool taken[65536];	  /* a socket of any kind has the number, or it is sent on */
	uint8_t let_in[2][65536]; /* by family: 1 + rank of the widest class; 0: none */
};

struct join {
	const struct snapshot *s;
	const struct reach *reach;
	struct listener_list *list;
	struct reach_join *ret;
	struct port_map *maps[2]; /* PROTO_TCP, PROTO_UDP */
	bool has_outside;	  /* there is an interface by which others could come */
	struct map published;	  /* listener << 16 | port: has a row */
};

static uint8_t family_bit(const struct address *a)
{
	return a->family == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;
}

static bool lets_in(enum verdict verdict)
{
	return verdict == VERDICT_ACCEPT || verdict == VERDICT_RATE_LIMITED;
}

/* The port that a packet to `port` arrives at. */
static uint16_t arrives_at(const struct reach_interval *i, uint16_t port)
{
	if (!i->nat)
		return port;
	return i->shifts ? (uint16_t)(i->target_port + (port - i->first)) : i->target_port;
}

static const struct address *arrives_on(const struct reach_class *c, const struct reach_interval *i)
{
	return i->nat ? &i->target : &c->destination;
}

static bool is_loopback(const struct snapshot *s, uint32_t ifindex)
{
	for (size_t i = 0; i < s->interface_count; i++)
		if (s->interfaces[i].netns == 0 && s->interfaces[i].ifindex == ifindex)
			return s->interfaces[i].loopback;
	return false;
}

/*
 * Is a packet to this address, that came in by this interface, one for the listener? What the
 * machine sends to itself comes in by the loopback interface, whatever the address.
 */
static bool serves(const struct join *j, const struct listener *l, const struct address *address,
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

static int add_way(struct join *j, const struct reach_class *c, const struct reach_interval *i,
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

/* Does the class knock at an address of the namespace that the listener is in? */
static bool knocks_at(const struct join *j, const struct reach_class *c, const struct listener *l)
{
	if (!c->behind)
		return l->netns == 0;
	for (size_t i = 0; i < j->s->address_count; i++)
		if (j->s->addresses[i].netns == l->netns &&
		    address_equal(&j->s->addresses[i].address, &c->destination))
			return l->netns != 0;
	return false;
}

/*
 * The way of one class to one listener by the listener's own number. When the packet is let in, the
 * address at which it arrives decides; when not, that to which it was sent.
 */
static int add_own_way(struct join *j, const struct reach_class *c, uint32_t listener)
{
	const struct listener *l = &j->list->listeners[listener];
	const struct reach_interval *i;

	if (c->proto != l->proto || !knocks_at(j, c, l))
		return 0;
	i = reach_find(j->reach, c, l->port);
	if (!i)
		return 0;
	if (lets_in(i->verdict) && arrives_at(i, l->port) != l->port)
		return 0;
	if (lets_in(i->verdict) && i->forwarded && !c->behind)
		return 0;
	if (!serves(j, l, lets_in(i->verdict) ? arrives_on(c, i) : &c->destination, c->ifindex))
		return 0;
	return add_way(j, c, i, listener, l->port);
}

/* --- from ways to a state ----------------------------------------------------------------------
 */

struct tally {
	unsigned counts[VERDICT_COUNT]; /* of ways from outside */
	unsigned inside[VERDICT_COUNT]; /* of ways from this machine */
	int widest, widest_unknown;	/* ranks, -1: none */
	bool all_limited;
	uint32_t why_str;
};

/* Packets that are let in may still be filtered at the socket: then nobody can say. */
static enum verdict verdict_of(const struct join *j, const struct reach_way *way, uint32_t *why_str)
{
	const struct reach_interval *i = &j->reach->intervals[way->interval];
	uint32_t socket = j->list->listeners[way->listener].socket;
	uint32_t filtered = lets_in(i->verdict) ? reach_filtered_why(j->reach, socket) : 0;

	*why_str = filtered ? filtered : i->why_str;
	return filtered ? VERDICT_UNKNOWN : i->verdict;
}

static void count_way(const struct join *j, struct reach_way *way, struct tally *t,
		      struct port_reach *r)
{
	const struct reach_class *c = &j->reach->classes[way->class];
	int rank = (int)source_class_rank(c->source_class);
	uint32_t why_str;

	way->verdict = verdict_of(j, way, &why_str);

	if (c->source_class == SOURCE_HOST)
		t->inside[way->verdict]++;
	else
		t->counts[way->verdict]++;
	if (way->verdict == VERDICT_UNKNOWN) {
		if (rank > t->widest_unknown)
			t->widest_unknown = rank;
		if (!t->why_str)
			t->why_str = why_str;
	}
	if (!lets_in(way->verdict) || rank < t->widest)
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

/* Does some class knock at the address, in a namespace that alone has it? */
static bool is_asked(const struct join *j, const struct address *a, uint32_t netns)
{
	for (size_t i = 0; i < j->s->address_count; i++)
		if (j->s->addresses[i].netns != netns &&
		    address_equal(&j->s->addresses[i].address, a))
			return false;
	for (size_t i = 0; i < j->reach->class_count; i++)
		if (j->reach->classes[i].behind &&
		    address_equal(&j->reach->classes[i].destination, a))
			return true;
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
		    !address_is_link_local(&a->address) && serves(j, l, &a->address, 0) &&
		    !is_asked(j, &a->address, l->netns))
			return true;
	}
	return false;
}

static void look_at_other_ways(const struct join *j, const struct port_row *row,
			       struct port_reach *r)
{
	if (r->state != PORT_FILTERED && r->state != PORT_REJECTED)
		return;
	for (uint32_t i = 0; i < row->listener_count; i++)
		if (has_other_ways(j, &j->list->listeners[row->first_listener + i])) {
			r->state = PORT_UNKNOWN;
			r->wider_unknown = true;
		}
}

static void judge_row(const struct join *j, struct port_row *row)
{
	struct tally t = {.widest = -1, .widest_unknown = -1};
	struct port_reach *r = &row->reach;

	for (uint32_t i = 0; i < r->way_count; i++)
		count_way(j, &j->ret->ways[r->first_way + i], &t, r);
	r->state = judge(is_inside(j, row, t.counts) ? t.inside : t.counts);
	r->rate_limited = r->reached && t.all_limited;
	r->wider_unknown = t.widest_unknown > t.widest;
	r->why_str = t.why_str;
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
		judge_row(j, row);
	}
	return 0;
}

/* --- what is sent on ---------------------------------------------------------------------------
 */

static bool has_address(const struct snapshot *s, uint32_t netns, const struct address *a)
{
	for (size_t i = 0; i < s->address_count; i++)
		if (s->addresses[i].netns == netns && address_equal(&s->addresses[i].address, a))
			return true;
	return false;
}

/* Is it an address of portero's own namespace? */
static bool is_own(const struct snapshot *s, const struct address *a)
{
	return address_is_loopback(a) || has_address(s, 0, a);
}

/*
 * May packets to the address arrive in that namespace? Several namespaces may have it: which one
 * they get to is for the routes to say, so each counts.
 */
static bool may_arrive(const struct snapshot *s, uint32_t netns, const struct address *a)
{
	return is_own(s, a) ? netns == 0 : has_address(s, netns, a);
}

static bool is_of_other_netns(const struct snapshot *s, const struct address *a)
{
	if (is_own(s, a))
		return false;
	for (size_t i = 0; i < s->address_count; i++)
		if (address_equal(&s->addresses[i].address, a))
			return true;
	return false;
}

/* Adds a row once for each listener and first port. */
static int add_published(struct join *j, uint32_t listener, uint16_t port, uint16_t last)
{
	uint64_t key = (uint64_t)listener << 16 | port;
	uint32_t found;
	struct listener_list *list = j->list;
	const struct listener *l = &list->listeners[listener];
	struct port_row *row;

	if (map_get(&j->published, key, &found))
		return 0;
	if (map_set(&j->published, key, 0) < 0 ||
	    mem_grow(&list->rows, &list->row_cap, list->row_count + 1, sizeof(*list->rows)) < 0)
		return -ENOMEM;
	row = &list->rows[list->row_count++];
	*row = (struct port_row){
		.proto = l->proto,
		.port = port,
		.last_port = last > port ? last : 0,
		.bound = l->bound,
		.families = l->families,
		.first_listener = listener,
		.listener_count = 1,
		.notes = l->notes,
		.published = true,
	};
	return 0;
}

/* Which of an interval's ports arrive at that number: *ret_first..*ret_last; false: none. */
static bool ports_to(const struct reach_interval *i, uint16_t number, uint16_t *ret_first,
		     uint16_t *ret_last)
{
	int at;

	if (i->nat && !i->shifts) {
		*ret_first = i->first;
		*ret_last = i->last;
		return i->target_port == number;
	}
	at = i->nat ? i->first + (number - i->target_port) : number;
	if (at < i->first || at > i->last)
		return false;
	*ret_first = *ret_last = (uint16_t)at;
	return true;
}

/* A listener reached by this interval under another number, or in another namespace. */
static bool is_sent_to(const struct join *j, const struct reach_class *c,
		       const struct reach_interval *i, uint32_t listener, uint16_t *first,
		       uint16_t *last)
{
	const struct listener *l = &j->list->listeners[listener];

	if (l->proto != c->proto || !ports_to(i, l->port, first, last) ||
	    !serves(j, l, arrives_on(c, i), c->ifindex) ||
	    !may_arrive(j->s, l->netns, arrives_on(c, i)))
		return false;
	return l->netns != 0 || *first != l->port || *last != l->port;
}

static int add_forward(struct join *j, const struct reach_class *c, const struct reach_interval *i,
		       bool here)
{
	struct reach_join *ret = j->ret;

	for (size_t k = 0; k < ret->forward_count; k++) {
		struct forward *f = &ret->forwards[k];

		if (f->proto != c->proto || f->first != i->first || f->last != i->last ||
		    !address_equal(&f->target, arrives_on(c, i)))
			continue;
		if (source_class_rank(c->source_class) >
		    source_class_rank(j->reach->classes[f->class].source_class))
			f->class = (uint32_t)(c - j->reach->classes);
		return 0;
	}
	if (mem_grow(&ret->forwards, &ret->forward_cap, ret->forward_count + 1,
		     sizeof(*ret->forwards)) < 0)
		return -ENOMEM;
	ret->forwards[ret->forward_count++] = (struct forward){
		.proto = c->proto,
		.first = i->first,
		.last = i->last,
		.target = *arrives_on(c, i),
		.target_port = arrives_at(i, i->first),
		.shifts = i->shifts || !i->nat,
		.here = here,
		.class = (uint32_t)(c - j->reach->classes),
	};
	return 0;
}

/*
 * A row for each part of first..last that no class treats in two ways, but for the listener's own
 * number, which has a row.
 */
static int add_parts(struct join *j, uint32_t listener, uint16_t first, uint16_t last)
{
	const struct listener *l = &j->list->listeners[listener];

	for (unsigned from = first, to; from <= last; from = to + 1) {
		bool own = l->netns == 0 && from == l->port;

		for (to = from; !own && to < last && !j->maps[l->proto]->cuts[to] &&
				!(l->netns == 0 && to + 1 == l->port);)
			to++;
		if (!own && add_published(j, listener, (uint16_t)from, (uint16_t)to) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Rows for what one interval sends on; where nobody is known to listen, a forward. */
static int publish(struct join *j, const struct reach_class *c, const struct reach_interval *i)
{
	uint16_t first, last;
	bool any = false;

	for (size_t k = 0; k < j->list->listener_count; k++) {
		if (!is_sent_to(j, c, i, (uint32_t)k, &first, &last))
			continue;
		any = true;
		if (add_parts(j, (uint32_t)k, first, last) < 0)
			return -ENOMEM;
	}
	if (any || !i->forwarded)
		return 0;
	return add_forward(j, c, i, is_of_other_netns(j->s, arrives_on(c, i)));
}

static bool is_sent_on(const struct reach_class *c, const struct reach_interval *i)
{
	return !c->behind && c->proto <= PROTO_UDP && (i->nat || i->forwarded) &&
	       lets_in(i->verdict);
}

/* The ways of every class to a published row: also of those that are kept out. */
static int judge_published(struct join *j, struct port_row *row)
{
	const struct listener *l = &j->list->listeners[row->first_listener];
	uint16_t first, last;

	row->reach = (struct port_reach){.looked = true, .first_way = (uint32_t)j->ret->way_count};
	for (size_t k = 0; k < j->reach->class_count; k++) {
		const struct reach_class *c = &j->reach->classes[k];
		const struct reach_interval *i = reach_find(j->reach, c, row->port);

		if (!i || c->proto != row->proto || c->behind ||
		    !(l->families & family_bit(&c->destination)))
			continue;
		if (lets_in(i->verdict) &&
		    (!is_sent_on(c, i) || !is_sent_to(j, c, i, row->first_listener, &first, &last)))
			continue;
		if (add_way(j, c, i, row->first_listener, row->port) < 0)
			return -ENOMEM;
	}
	row->reach.way_count = (uint32_t)j->ret->way_count - row->reach.first_way;
	judge_row(j, row);
	return 0;
}

static int compare_published(const void *a, const void *b)
{
	const struct port_row *x = a, *y = b;

	if (x->first_listener != y->first_listener)
		return x->first_listener < y->first_listener ? -1 : 1;
	return (int)x->port - y->port;
}

/* Is the row's first port the one behind the last of `before`, and its fate the same? */
static bool follows(const struct port_row *before, const struct port_row *row)
{
	const struct port_reach *x = &before->reach, *y = &row->reach;
	uint16_t last = before->last_port ? before->last_port : before->port;

	return before->first_listener == row->first_listener && last + 1 == row->port &&
	       x->state == y->state && x->reached == y->reached && x->widest == y->widest &&
	       x->families == y->families && x->rate_limited == y->rate_limited &&
	       x->wider_unknown == y->wider_unknown && x->why_str == y->why_str &&
	       x->widest != SOURCE_LISTED;
}

/* Neighbours that read the same are one row, as far as its ports arrive at one listener. */
static void merge_published(struct join *j, size_t first_row)
{
	struct listener_list *list = j->list;
	size_t kept = first_row;

	for (size_t i = first_row; i < list->row_count; i++) {
		struct port_row *row = &list->rows[i], *before = &list->rows[kept - 1];
		uint16_t last = row->last_port ? row->last_port : row->port;

		if (kept > first_row && follows(before, row))
			before->last_port = last;
		else
			list->rows[kept++] = *row;
	}
	list->row_count = kept;
}

/* Marks the last ports of all intervals, so that a part between two marks has one fate. */
static void mark_cuts(struct join *j)
{
	for (size_t k = 0; k < j->reach->class_count; k++) {
		const struct reach_class *c = &j->reach->classes[k];

		for (uint32_t n = 0; n < c->interval_count && c->proto <= PROTO_UDP; n++)
			j->maps[c->proto]->cuts[j->reach->intervals[c->first_interval + n].last] =
				true;
	}
}

static int join_published(struct join *j, size_t first_row)
{
	mark_cuts(j);
	for (size_t k = 0; k < j->reach->class_count; k++) {
		const struct reach_class *c = &j->reach->classes[k];

		for (uint32_t n = 0; n < c->interval_count; n++) {
			const struct reach_interval *i =
				&j->reach->intervals[c->first_interval + n];

			if (is_sent_on(c, i) && publish(j, c, i) < 0)
				return -ENOMEM;
		}
	}
	qsort(j->list->rows + first_row, j->list->row_count - first_row, sizeof(*j->list->rows),
	      compare_published);
	for (size_t i = first_row; i < j->list->row_count; i++)
		if (judge_published(j, &j->list->rows[i]) < 0)
			return -ENOMEM;
	merge_published(j, first_row);
	return 0;
}

/* --- ports without a listener ------------------------------------------------------------------
 */

static void map_sockets(struct join *j)
{
	for (size_t i = 0; i < j->s->socket_count; i++) {
		const struct socket_info *socket = &j->s->sockets[i];

		if (socket->netns == 0 && socket->proto <= PROTO_UDP &&
		    (socket->kind == SOCKET_PORT || socket->kind == SOCKET_CLIENT))
			j->maps[socket->proto]->taken[socket->port] = true;
	}
	for (size_t i = 0; i < j->list->listener_count; i++) {
		const struct listener *l = &j->list->listeners[i];

		if (l->netns != 0 || l->proto > PROTO_UDP || l->bound == BOUND_HOST)
			continue;
		if (l->families & FAMILY_IPV4)
			j->maps[l->proto]->listens[0][l->port] = true;
		if (l->families & FAMILY_IPV6)
			j->maps[l->proto]->listens[1][l->port] = true;
	}
}

static void map_class(struct join *j, const struct reach_class *c)
{
	struct port_map *map = j->maps[c->proto];
	int family = c->destination.family == AF_INET ? 0 : 1;
	uint8_t mark = (uint8_t)(1 + source_class_rank(c->source_class));

	for (uint32_t n = 0; n < c->interval_count; n++) {
		const struct reach_interval *i = &j->reach->intervals[c->first_interval + n];

		j->ret->filters |= i->verdict != VERDICT_ACCEPT;
		if (!lets_in(i->verdict))
			continue;
		for (unsigned port = i->first; port <= i->last; port++) {
			if (i->nat || i->forwarded)
				map->taken[port] = true;
			else if (mark > map->let_in[family][port])
				map->let_in[family][port] = mark;
		}
	}
}

/* The hole at a port, as marks of the two families: 0 where it is none. */
static unsigned hole_at(const struct port_map *map, unsigned port)
{
	unsigned marks[2];

	for (int f = 0; f < 2; f++)
		marks[f] = map->listens[f][port] ? 0 : map->let_in[f][port];
	return marks[0] | marks[1] << 8;
}

static enum source_class class_of_mark(unsigned mark)
{
	for (int class = 0; class < SOURCE_CLASS_COUNT; class ++)
		if (1 + source_class_rank((enum source_class) class) == mark)
			return (enum source_class) class;
	return SOURCE_HOST;
}

static int add_hole(struct join *j, enum proto proto, unsigned marks, unsigned first, unsigned last)
{
	unsigned mark4 = marks & 0xff, mark6 = marks >> 8, widest = mark4 > mark6 ? mark4 : mark6;
	struct reach_join *ret = j->ret;

	if (mem_grow(&ret->holes, &ret->hole_cap, ret->hole_count + 1, sizeof(*ret->holes)) < 0)
		return -ENOMEM;
	ret->holes[ret->hole_count++] = (struct hole){
		.proto = proto,
		.families = (uint8_t)((mark4 == widest ? FAMILY_IPV4 : 0) |
				      (mark6 == widest ? FAMILY_IPV6 : 0)),
		.first = (uint16_t)first,
		.last = (uint16_t)last,
		.widest = class_of_mark(widest),
	};
	return 0;
}

static int find_holes(struct join *j, enum proto proto)
{
	const struct port_map *map = j->maps[proto];

	for (unsigned first = 1, last; first <= 65535; first = last + 1) {
		unsigned marks = hole_at(map, first);

		for (last = first; last < 65535 && hole_at(map, last + 1) == marks;)
			last++;
		if (marks && add_hole(j, proto, marks, first, last) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* How open a verdict leaves a port on which nobody listens. */
static uint8_t openness(enum verdict verdict)
{
	static const uint8_t order[VERDICT_COUNT] = {
		[VERDICT_DROP] = 1,	    [VERDICT_REJECT] = 2, [VERDICT_UNKNOWN] = 3,
		[VERDICT_RATE_LIMITED] = 4, [VERDICT_ACCEPT] = 4,
	};

	return order[verdict];
}

/* Counts the ports without a listener by what the widest class there is sees of them. */
static void count_silent(struct join *j, enum proto proto)
{
	static const enum port_state states[] = {PORT_UNKNOWN, PORT_FILTERED, PORT_REJECTED,
						 PORT_UNKNOWN, PORT_CLOSED};
	uint8_t most[65536] = {0};
	unsigned widest = 0;

	for (size_t k = 0; k < j->reach->class_count; k++) {
		const struct reach_class *c = &j->reach->classes[k];

		if (c->proto != proto || c->behind || source_class_rank(c->source_class) < widest)
			continue;
		if (source_class_rank(c->source_class) > widest)
			memset(most, 0, sizeof(most));
		widest = source_class_rank(c->source_class);
		for (uint32_t n = 0; n < c->interval_count; n++) {
			const struct reach_interval *i =
				&j->reach->intervals[c->first_interval + n];

			for (unsigned port = i->first; port <= i->last; port++)
				if (openness(i->verdict) > most[port])
					most[port] = openness(i->verdict);
		}
	}
	for (unsigned port = 1; port <= 65535; port++)
		if (!j->maps[proto]->taken[port])
			j->ret->silent[proto][states[most[port]]]++;
}

static int look_at_silence(struct join *j)
{
	map_sockets(j);
	for (size_t k = 0; k < j->reach->class_count; k++) {
		const struct reach_class *c = &j->reach->classes[k];

		if (c->source_class != SOURCE_HOST && !c->behind && c->proto <= PROTO_UDP)
			map_class(j, c);
	}
	for (int proto = PROTO_TCP; proto <= PROTO_UDP; proto++) {
		if (find_holes(j, (enum proto)proto) < 0)
			return -ENOMEM;
		count_silent(j, (enum proto)proto);
	}
	return 0;
}

int reach_join(const struct snapshot *s, const struct reach *reach, struct listener_list *list,
	       struct reach_join *ret)
{
	struct port_map cleanup_free *maps = calloc(2, sizeof(*maps));
	struct join j = {.s = s,
			 .reach = reach,
			 .list = list,
			 .ret = ret,
			 .maps = {maps, maps ? maps + 1 : NULL}};
	int r;
	size_t row_count = list->row_count;

	*ret = (struct reach_join){0};
	if (!maps)
		return -ENOMEM;
	for (size_t k = 0; k < reach->class_count; k++)
		j.has_outside |= reach->classes[k].source_class != SOURCE_HOST;
	r = judge_own_rows(&j, row_count) < 0 || join_published(&j, row_count) < 0 ||
			    look_at_silence(&j) < 0
		    ? -ENOMEM
		    : 0;
	map_done(&j.published);
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
