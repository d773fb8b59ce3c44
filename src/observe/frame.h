/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame: packets as bytes: encodes the two that knock at a port (an ordinary TCP SYN, a small UDP
 * datagram), and decodes what comes of them: the same packets seen elsewhere, RSTs, ICMP errors.
 * Each carries a cookie of the caller (in TCP's sequence number; behind a mark in UDP's payload),
 * which NAT leaves alone. Pure: no descriptor, no clock. Network byte order stays inside: every
 * field here is in host order, and addresses are bytes (model/port.h).
 */
#pragma once

#include "model/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_ETHERNET_LEN = 14,
	FRAME_MAC_LEN = 6,
	/* the longest that is encoded: Ethernet, IPv6, and TCP with 20 bytes of options */
	FRAME_LIMIT = FRAME_ETHERNET_LEN + 40 + 40,
};

/* What is to be sent. */
struct frame_knock {
	enum proto proto;		    /* PROTO_TCP: a SYN; PROTO_UDP: a datagram */
	struct address source, destination; /* of one family */
	uint16_t source_port, destination_port;
	uint32_t cookie;
	/* Ethernet's header comes first; without it the packet begins with IP's */
	bool ethernet;
	uint8_t source_mac[FRAME_MAC_LEN], destination_mac[FRAME_MAC_LEN];
};

/*
 * Encodes the packet as Linux would send it (options of the SYN, Don't Fragment, hop limit 64),
 * with right checksums. UDP's payload has 8 bytes. Returns its length, or -EINVAL: families or
 * protocol that it does not know.
 */
int frame_encode(const struct frame_knock *knock, uint8_t to[FRAME_LIMIT]);

enum frame_what {
	FRAME_OTHER,	  /* IP, but none of these; only family and addresses are set */
	FRAME_SYN,	  /* TCP: SYN without ACK; cookie: its sequence number */
	FRAME_SYN_ACK,	  /* TCP: cookie: the acknowledged number less one */
	FRAME_RST,	  /* TCP: the same, when it has ACK; else its sequence number */
	FRAME_UDP,	  /* cookie: only of our own payload */
	FRAME_ICMP_ERROR, /* ICMP or ICMPv6, which quotes the packet that it is about */
};

struct frame_seen {
	enum frame_what what;
	struct address source, destination; /* of the packet itself */
	/* FRAME_ICMP_ERROR: those of the quoted packet, in the direction in which that went */
	enum proto proto; /* PROTO_TCP or PROTO_UDP; PROTO_COUNT: another */
	uint16_t source_port, destination_port;
	bool has_cookie;
	uint32_t cookie;
	/* only FRAME_ICMP_ERROR: */
	uint8_t icmp_type, icmp_code;
	struct address quoted_source, quoted_destination;
};

/*
 * Decodes a packet that begins with its IP header, of which the end may be cut off: what is needed
 * must be there. Checksums are not looked at (the kernel leaves some to hardware). Of IPv6's
 * extension headers it passes hop-by-hop and destination options, routing, and first fragments.
 * 0, or -EBADMSG: too short, or no IP. *ret on success only.
 */
int frame_decode(const void *bytes, size_t len, struct frame_seen *ret);
/* The same with Ethernet's header (and up to two VLAN tags) before it. */
int frame_decode_ethernet(const void *bytes, size_t len, struct frame_seen *ret);

/*
 * Does the packet mean that ours was refused: a RST, or an ICMP error "unreachable" (any code but
 * "fragmentation needed")? Redirects, time exceeded and packet too big are no refusals.
 */
bool frame_is_refusal(const struct frame_seen *seen);
