/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rt_image: interfaces, addresses, nexthops, routes and rules of one network namespace, each in a
 * canonical form: the message as it could be sent to make the thing anew, without counters, timers
 * and states. So the same bytes serve to copy it, to compare two namespaces, and to hash one. Reads
 * rtnetlink (untrusted bytes); changes nothing.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nl;

enum {
	RT_NAME_SIZE = 16,
	RT_MAC_LIMIT = 32,
	RT_CONF_LIMIT = 80,	  /* values of an interface's sysctls that are kept */
	RT_ITEM_LIMIT = 2000000,  /* a full table of the internet has 1.2 million routes */
	RT_BYTES_LIMIT = 1 << 28, /* and 60 bytes each */
};

/* An interface. Its bytes beyond what is set are zero: it is hashed as it stands. */
struct rt_link {
	uint32_t ifindex;
	uint32_t flags; /* IFF_UP, IFF_LOWER_UP (has a carrier), IFF_LOOPBACK, IFF_POINTOPOINT,
			   IFF_BROADCAST: the others are masked out */
	uint32_t type;	/* ARPHRD_... */
	uint32_t mtu, master, group;
	uint32_t lower; /* that a VLAN, macvlan or the like gets its packets from; 0: none here */
	char name[RT_NAME_SIZE];
	char kind[RT_NAME_SIZE];       /* "bridge", "vrf", ...; "" for hardware */
	char slave_kind[RT_NAME_SIZE]; /* what its master is: "vrf", "bond", ... */
	uint8_t mac[RT_MAC_LIMIT];
	uint32_t mac_len;
	/* net.ipv4.conf.NAME and net.ipv6.conf.NAME: [IPV4_DEVCONF_x - 1], [DEVCONF_x]; 0 values:
	 * the interface has none of that family */
	uint32_t conf4_count, conf6_count;
	int32_t conf4[RT_CONF_LIMIT], conf6[RT_CONF_LIMIT];
};

enum rt_kind { RT_ADDRESS, RT_NEXTHOP, RT_ROUTE, RT_RULE, RT_KIND_COUNT };

struct rt_item {
	uint8_t kind;	  /* enum rt_kind */
	uint8_t family;	  /* AF_INET, AF_INET6; also 0 for a nexthop */
	bool refused;	  /* for who copies it: could not be made */
	uint32_t ifindex; /* of an address; of the interface of a route or nexthop with one; or 0 */
	uint32_t offset, len; /* canonical payload in bytes */
	uint64_t hash;	      /* of kind and payload */
};

struct rt_image {
	struct rt_link *links; /* in the order of the kernel */
	size_t link_count, link_cap;
	struct buf bytes;
	struct rt_item *items; /* of one kind together, in the order of the kernel */
	size_t count, cap;
	size_t tentative; /* IPv6 addresses that the kernel does not use yet, but soon */
	bool changing;	  /* some dump was interrupted every time */
};

enum {
	RT_READ_LINKS = 1 << RT_KIND_COUNT,
	RT_READ_ALL = (1 << RT_KIND_COUNT << 1) - 1,
};

void rt_image_done(struct rt_image *image);
/*
 * Reads what `what` says (bits 1 << enum rt_kind, RT_READ_LINKS) of the namespace of n, in place of
 * what `image` had of everything. What the kernel does not have (no nexthop objects, no policy
 * routing, no IPv6) is empty. 0 or a negative errno (-E2BIG: over the limits above).
 */
int rt_image_read(struct rt_image *image, struct nl *n, unsigned what, struct err *e);
const void *rt_image_payload(const struct rt_image *image, const struct rt_item *item);
const struct rt_link *rt_image_link(const struct rt_image *image, uint32_t ifindex);
/* "address 10.0.0.1/24", "route 10.0.0.0/8 in table 254", "rule 100", "nexthop 7" */
enum { RT_TEXT_SIZE = 128 };
void rt_image_describe(const struct rt_image *image, const struct rt_item *item,
		       char text[RT_TEXT_SIZE]);
/* A hash of all that was read; the same for the same network. */
uint64_t rt_image_hash(const struct rt_image *image);

/*
 * One RTM_NEWLINK payload. 0, or -EBADMSG with *ret unchanged. For tests and the fuzzer, as the
 * next.
 */
int rt_decode_link(const void *payload, size_t len, struct rt_link *ret);
/*
 * Appends the canonical form of an RTM_NEWADDR, NEWNEXTHOP, NEWROUTE or NEWRULE payload to `out`,
 * at an offset that is a multiple of 4; fills in family, ifindex, offset and len of *ret. A message
 * may give several items (an IPv6 route one for each hop): `which` counts from 0, until 1 is
 * returned. 0; 1: nothing (more) to keep (another family, a cached route, an address that another
 * machine has); RT_TENTATIVE: an IPv6 address that is not in use yet (only ret->ifindex is set);
 * -EBADMSG. Nothing is appended then.
 */
enum { RT_TENTATIVE = 2 };
int rt_canonical(enum rt_kind kind, const void *payload, size_t len, uint32_t which,
		 struct buf *out, struct rt_item *ret);
