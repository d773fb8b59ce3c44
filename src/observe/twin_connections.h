/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_connections: keeps a twin's table of connections empty. A packet that fits one that the
 * kernel knows is no new one any more, and a full table drops new ones.
 */
#pragma once

#include "base/err.h"

#include "model/reach.h"

#include <stdbool.h>
#include <stddef.h>

struct nl;

struct twin_connections {
	int netns;
	struct nl *filter; /* NETLINK_NETFILTER in the twin */
	size_t count;	   /* at most so many since the table was emptied; the user counts */
	bool cannot;	   /* the kernel has no netlink for connections */
};

/*
 * Empties the table, if count is not 0. Costs little while there is nothing in it, as after packets
 * from TAPs, which the sinks end before the kernel keeps their connections. 0 or a negative errno.
 */
int twin_connections_forget(struct twin_connections *c, struct err *e);
/*
 * Takes out those that packets of the flow (from flow->source_port), sent to the ports, have left.
 * Where one is not found, as in a zone of its own, the table is emptied. 0 or a negative errno.
 */
int twin_connections_forget_some(struct twin_connections *c, const struct flow *flow,
				 const uint16_t *ports, size_t count, struct err *e);
