/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_way: how a packet gets to an address, as the kernel says: by which interface, from which
 * address, to which neighbour (whom the kernel asks for, by ARP or neighbour discovery). Changes
 * nothing but the kernel's neighbour cache, which forgets by itself.
 */
#pragma once

#include "base/err.h"
#include "base/nl.h"
#include "observe/rawsock.h"

#include <stdbool.h>

struct scan_way {
	struct address source;
	struct address hop; /* the neighbour: the target itself, or a gateway */
	struct rawsock_way way;
	bool near;    /* shares no link with others: this machine, or the other end of a veth */
	bool pending; /* the neighbour is still asked for */
	bool carrier; /* the link is up at both ends, as far as its driver knows; or it needs none
		       */
};

/*
 * rtnetlink's answer for one address. 0; -ENETUNREACH (no route, or one that refuses);
 * -EDESTADDRREQ (broadcast or multicast: not one host); or another negative errno.
 */
int scan_way_find(struct nl *route, const struct address *to, struct scan_way *ret, struct err *e);
/* The kernel begins to ask for the neighbour on the way `to` a host. Needs CAP_NET_ADMIN. */
void scan_way_ask(struct nl *route, const struct scan_way *w, const struct address *to);
/*
 * Has the neighbour answered? 0: yes, or none is needed (*w is complete then); 1: not yet;
 * -EHOSTUNREACH: nobody has the address.
 */
int scan_way_resolve(struct nl *route, struct scan_way *w);

/*
 * Of an address that the kernel itself has just sent to: 1: no neighbour answers for it (or for the
 * gateway there); -EAGAIN: it is still asked for; 0: neither, or not known.
 */
int scan_way_is_absent(struct nl *route, const struct address *to);

/* One RTM_NEWROUTE or RTM_NEWNEIGH payload. For tests and the fuzzer. -EBADMSG: malformed. */
int scan_way_decode_route(const void *payload, size_t len, struct scan_way *ret, uint32_t *ifindex);
int scan_way_decode_neighbour(const void *payload, size_t len, uint16_t *state,
			      struct sockaddr_ll *ret);
