/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * obstacles: what stands on a packet's way and cannot be copied into a twin: XDP and tc programs on
 * interfaces, BPF programs of cgroups, of socket lookup and of netfilter, IPsec policies, IPVS.
 * Only looks, in the network namespace of the caller. What it finds makes answers unknown.
 */
#pragma once

#include "base/err.h"
#include "model/snapshot.h"

#include <stddef.h>
#include <stdint.h>

enum obstacle_scope {
	OBSTACLE_ALL,	    /* any packet may meet it */
	OBSTACLE_FAMILY,    /* packets of `family` */
	OBSTACLE_INTERFACE, /* packets that come in by `ifindex` */
	OBSTACLE_SOCKET, /* packets to sockets[socket] of the snapshot, once all else let them in */
};

struct obstacle {
	enum obstacle_scope scope;
	uint8_t family;	  /* AF_INET, AF_INET6 */
	uint32_t ifindex; /* or `socket` */
	char what[192];	  /* "XDP program on eth0": what stands in the way, for a person */
};

struct obstacles {
	struct obstacle *items;
	size_t count, cap;
};

struct nft_image;

/*
 * Looks for all of them. `nft` (may be NULL): the rules of nf_tables, of which those count that a
 * twin's packets do not meet: on the way into a bridge, or on what it consists of. `s` (may be
 * NULL): whose listening sockets of portero's own namespace are looked at. What cannot be looked at
 * (no privilege) becomes an obstacle too, which says so. 0 or -ENOMEM.
 */
int obstacles_find(const struct nft_image *nft, const struct snapshot *s, struct obstacles *ret,
		   struct err *e);
void obstacles_done(struct obstacles *o);
/* Adds one, for callers that find more. 0 or -ENOMEM. */
int obstacles_add(struct obstacles *o, enum obstacle_scope scope, uint8_t family, uint32_t index,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));
