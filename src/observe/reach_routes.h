/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_routes: which networks an interface leads to, by the machine's routes; and what of a packet
 * routing decides by (policy rules, routes back to the source). Pure.
 */
#pragma once

#include "observe/reach_sources.h"
#include "observe/rt_image.h"
#include "observe/rule_constants.h"

#include <stddef.h>
#include <stdint.h>

enum { REACH_ROUTE_LIMIT = 4096 }; /* the more would be a router of the internet */

struct reach_route {
	struct reach_prefix prefix; /* bits 0: the default route */
	uint32_t ifindex;
	struct address gateway; /* family 0: none, it is for whoever has the destination there */
};

struct reach_routes {
	struct reach_route *items;
	size_t count, cap;
};

/* Unicast routes of all tables, one item for each interface that a route has. 0 or -ENOMEM. */
int reach_routes_read(const struct rt_image *image, struct reach_routes *ret);
void reach_routes_done(struct reach_routes *r);
/*
 * The gateway to which a packet goes that leaves by that interface; family 0: to none. Where it
 * may be one of several, it is the address 0.0.0.0 or ::, which nobody has.
 */
struct address reach_routes_gateway(const struct reach_routes *r, const struct address *to,
				    uint32_t ifindex);
/* Is the address in the network? */
bool reach_prefix_has(const struct reach_prefix *prefix, const struct address *a);
/*
 * Is it a route that makes a whole network the machine's own (ip route add local)? Its network in
 * *ret then.
 */
bool reach_routes_local(const struct rt_image *image, const struct rt_item *item,
			struct reach_prefix *ret);
/* Is there any route of the family by that interface? */
bool reach_routes_has_any(const struct reach_routes *r, uint8_t family, uint32_t ifindex);
/*
 * Adds what routing compares packets with: the prefixes of routes (the reverse path filter looks
 * for the source's), and the addresses, ports and interfaces of policy rules. 0 or -ENOMEM.
 */
int reach_routes_constants(const struct rt_image *image, struct rule_constants *c);
/* Is there a default route of the family by that interface (0: by any)? */
bool reach_routes_has_default(const struct reach_routes *r, uint8_t family, uint32_t ifindex);
