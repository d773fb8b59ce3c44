/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin: a scratch network namespace that carries a copy of the machine's, so that the kernel itself
 * says what it would do with a packet. It is a bundle of descriptors: no process, no name, nothing
 * on disk. When the process ends, however it does, the kernel closes them and the namespace dies.
 * This module makes it, and copies the network into it (twin_links, twin_sysctls, twin_routes); the
 * rules of the firewall, and the packets, are for others.
 */
#pragma once

#include "base/err.h"
#include "base/nl.h"
#include "observe/rt_image.h"
#include "observe/twin_report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An interface of the machine, and what stands for it in the twin under the same index. */
struct twin_link {
	uint32_t ifindex;
	char name[RT_NAME_SIZE];
	char kind[RT_NAME_SIZE]; /* of the machine's: "bridge", "veth", ...; "" for hardware */
	/* Packets go in by write() on it, and what the twin answers comes by read(). Not blocking.
	 * -1: nothing can be sent through it (lo, or it could not be made: the report says so). */
	int tap;
	bool is_tun; /* packets have no Ethernet header */
	bool loopback;
	bool up; /* of the machine's */
	bool carrier;
	uint32_t master; /* index of the bridge, bond, ... that it belongs to; 0: none */
	uint32_t type;	 /* ARPHRD_... of the machine's, and of the twin's */
	uint32_t mtu;
	uint8_t mac[6]; /* of the twin's: frames are to be addressed to it; zero for a tun */
};

struct twin {
	int ns;		      /* the namespace; -1: there is none */
	struct nl route;      /* NETLINK_ROUTE, in the twin */
	struct nl filter;     /* NETLINK_NETFILTER, in the twin */
	struct nl host_route; /* NETLINK_ROUTE, in the namespace of who opened the twin */
	struct twin_link *links;
	size_t link_count, link_cap;
	struct rt_image host;  /* the machine's network, as it was copied */
	uint64_t host_sysctls; /* hash of its sysctls then */
};

/*
 * Makes an empty twin of the network namespace that the calling thread is in. 0, or with a sentence
 * in *e and nothing left open:
 *  -EPERM	may not make a namespace (CAP_SYS_ADMIN)
 *  -EACCES	may not configure one (CAP_NET_ADMIN)
 *  -ENODEV	/dev/net/tun is not there or may not be opened
 *  -EOPNOTSUPP the kernel has no network namespaces
 *  another	something that should not happen
 */
int twin_open(struct twin *t, struct err *e);
/* Legal after a twin_open that failed, and for a struct that is all zero. */
void twin_close(struct twin *t);

/*
 * Copies interfaces, addresses, sysctls, nexthops, routes and rules into an empty twin, in the
 * order that works, and compares. What differs is in the report (twin_report_add), and the answers
 * that depend on it are unknown. 0; 1: the machine's network changed meanwhile (the report says so
 * too: try once more with a new twin); or a negative errno: nothing can be asked.
 */
int twin_network_copy(struct twin *t, struct twin_report *report, struct err *e);

const struct twin_link *twin_find_link(const struct twin *t, uint32_t ifindex);

/*
 * A hash of all that twin_network_copy copies: the same as long as nothing of it changes. `route`
 * is a NETLINK_ROUTE socket of the namespace that the thread is in. 0 or a negative errno.
 */
int twin_network_fingerprint(struct nl *route, uint64_t *ret, struct err *e);
