/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_join: who listens x who can reach it. From the rows of `listeners` and the verdicts of
 * `reach` to the state and the reach of each port, the ports that are published to containers, and
 * the holes: ports that the firewall lets in although nobody listens. Pure.
 */
#pragma once

#include "decide/listeners.h"
#include "model/reach.h"

/* One class of sources and what becomes of its packets to a listener. */
struct reach_way {
	uint32_t listener; /* in listeners[] of the list */
	uint32_t class;	   /* in classes[] of the reach */
	uint32_t interval; /* in intervals[] of the reach */
	uint16_t port; /* the port that was knocked at; not the listener's where NAT changes it */
	enum verdict verdict; /* of the interval, and of what is not known of the rest of the way */
	uint32_t why_str;     /* of the reach: why it is unknown or rate-limited */
};

/* Ports that are sent on to another address, where no listener is known. */
struct forward {
	enum proto proto;
	uint16_t first, last;
	struct address target;
	uint16_t target_port; /* of `first` */
	bool shifts;
	bool several;	/* or to other targets */
	bool here;	/* the address is of a namespace of this machine: nobody listens there */
	uint32_t class; /* the widest that is sent on */
};

/* Ports that are let in from outside, and on which nobody listens. */
struct hole {
	enum proto proto;
	uint8_t families;
	uint16_t first, last;
	enum source_class widest;
};

struct reach_join {
	struct reach_way *ways;
	size_t way_count, way_cap;
	struct forward *forwards;
	size_t forward_count, forward_cap;
	struct hole *holes; /* by protocol, then port; neighbours with the same fate are one */
	size_t hole_count, hole_cap;
	bool filters; /* some packets from outside are not let in */
	/* by protocol (PROTO_TCP, PROTO_UDP): ports without a listener, and what becomes of a
	 * packet to them that comes from the widest class there is: by the state that it would see
	 */
	uint32_t silent[2][PORT_STATE_COUNT];
};

/*
 * Joins: fills in `reach` of the rows. Adds a row for each port whose packets are sent on to a
 * listener with another number or in another namespace of the snapshot (its `published` is set),
 * and sorts the list by exposure. 0 or -ENOMEM; ended with reach_join_done() in every case. A reach
 * that is not available leaves every row unknown.
 */
int reach_join(const struct snapshot *s, const struct reach *reach, struct listener_list *list,
	       struct reach_join *ret);
void reach_join_done(struct reach_join *j);
