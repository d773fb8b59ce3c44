/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_join_parts: what the parts of reach_join share, and nobody else: reach_join.c (listeners by
 * their own numbers), reach_published.c (what is sent on), reach_tie.c (to which namespace),
 * reach_silence.c (ports without a listener).
 */
#pragma once

#include "decide/reach_join.h"
#include "model/ties.h"

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
	bool *answered;		  /* by port, while one interval is looked at */
	struct map published;	  /* listener << 16 | port: has a row */
	struct map places;	  /* hash of namespace and address: index into addresses[] */
	struct ties ties;
};

/* Where a packet leaves the machine. */
struct leaving {
	uint32_t ifindex;
	struct address gateway; /* that it goes to there; family 0: to none */
};

/* Does what leaves there, for an address, get to a namespace? */
enum arrival {
	ARRIVAL_NONE,
	ARRIVAL_UNTIED, /* who knows: none that has the address is tied to the interface */
	ARRIVAL_ONE_OF_SEVERAL,
	ARRIVAL_SURE,
};

static inline uint8_t family_bit(const struct address *a)
{
	return a->family == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;
}

/* The port that a packet to `port` arrives at. */
static inline uint16_t arrives_at(const struct reach_interval *i, uint16_t port)
{
	if (!i->nat)
		return port;
	return i->shifts ? (uint16_t)(i->target_port + (port - i->first)) : i->target_port;
}

static inline struct leaving leaves_by(const struct reach_interval *i)
{
	return (struct leaving){i->out_ifindex, i->gateway};
}

static inline const struct address *arrives_on(const struct reach_class *c,
					       const struct reach_interval *i)
{
	return i->nat ? &i->target : &c->destination;
}

/*
 * Is a packet to this address, that came in by this interface, one for the listener? What the
 * machine sends to itself comes in by the loopback interface, whatever the address.
 */
bool join_serves(const struct join *j, const struct listener *l, const struct address *address,
		 uint32_t ifindex);
/* Has an interface of that namespace (SNAPSHOT_NONE: of any) the address? */
bool join_has_address(const struct join *j, uint32_t netns, const struct address *a);
/* Is it an address of portero's own namespace? */
bool join_is_own(const struct join *j, const struct address *a);
enum arrival join_arrival(const struct join *j, uint32_t netns, const struct address *a,
			  const struct leaving *by);
/* Has another namespace the address, that is tied to the interface? */
bool join_is_tied(const struct join *j, const struct address *a, const struct leaving *by);
/*
 * Of what may arrive at the listener: may it also arrive where nobody answers? Then why it is not
 * known is in *ret_why.
 */
bool join_is_doubtful(const struct join *j, uint32_t listener, const struct address *a,
		      const struct leaving *by, uint32_t *ret_why);
/* 0 or -ENOMEM, as the next ones */
int join_add_way(struct join *j, const struct reach_class *c, const struct reach_interval *i,
		 uint32_t listener, uint16_t port);
/* From the ways of a row to its state. */
void join_judge_row(const struct join *j, struct port_row *row);
/* Adds and judges the rows from `first_row` on of what is sent on, and the forwards. */
int join_published(struct join *j, size_t first_row);
/* Holes, and the counts of ports without a listener. */
int join_silence(struct join *j);
