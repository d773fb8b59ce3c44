/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports that nobody listens on: holes in the firewall, and how many ports are closed in which way.
 */
#include "base/mem.h"
#include "decide/reach_join_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
		if (!verdict_lets_in(i->verdict))
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

int join_silence(struct join *j)
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
