/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rawsock: IP packets out, and the answers in, past the machine's own TCP: nothing is kept in the
 * kernel for a packet, and everything is gone with the process. It does not know what is in the
 * packets (observe/frame). Needs CAP_NET_RAW.
 *
 * Out: AF_PACKET, the kernel makes the link's header (Ethernet, or none of a tun); to an address of
 * this machine a raw IP socket, since lo takes no IPv4 packets from AF_PACKET (a packet that comes
 * in with the machine's own source address is martian; packet(7), raw(7)). In: a TPACKET_V2 ring of
 * all interfaces, with a filter in the kernel for TCP to our ports, and ICMP errors.
 */
#pragma once

#include "base/err.h"
#include "observe/frame.h"

#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RAWSOCK_BATCH = 256 };

/* Where a packet goes. */
struct rawsock_way {
	bool own; /* an address of this machine */
	union {
		struct sockaddr_ll link; /* interface, and the neighbour's address on it */
		struct sockaddr_in ip4;
		struct sockaddr_in6 ip6;
	} to;
};

struct rawsock_packet {
	const struct rawsock_way *way;
	size_t len;
	bool kept_back; /* rawsock_send(): to an own address, this machine's rules refuse it */
	uint8_t bytes[FRAME_LIMIT]; /* from the IP header on */
};

struct rawsock {
	int packet_fd, raw_fd, ring_fd;
	uint8_t *ring;
	size_t ring_at;		       /* the next frame */
	struct rawsock_helper *helper; /* NULL: there is none (yet) */
	bool alone;		       /* and there will be none */
	bool link_lost; /* of a packet sent: its link was down or gone. The caller's to clear */
};

/*
 * `family`: of all packets. TCP to the ports first_port..first_port + port_count - 1 of this
 * machine comes in. 0 or a negative errno (-EPERM); rawsock_close() either way.
 */
int rawsock_open(struct rawsock *r, int family, uint16_t first_port, uint16_t port_count,
		 struct err *e);
void rawsock_close(struct rawsock *r);
/*
 * Sends all, at most RAWSOCK_BATCH. What a full queue or this machine's own firewall swallowed
 * counts as sent: it is lost like any other; of the second, kept_back tells. Of a long row, a
 * helper on another processor sends half: what a packet costs is the way through the kernel, on
 * veth and lo also its receiver's. 0 or a negative errno (-ENETDOWN, -ENXIO).
 */
int rawsock_send(struct rawsock *r, struct rawsock_packet *packets, size_t count, struct err *e);
/* Hands over what came: packets from their IP header on, the end possibly cut off. */
typedef void rawsock_take(const void *bytes, size_t len, void *context);
size_t rawsock_receive(struct rawsock *r, rawsock_take *take, void *context);
/* How many the ring had no room for, since the last time. */
uint32_t rawsock_overflows(struct rawsock *r);
