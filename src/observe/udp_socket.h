/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp_socket: datagrams out, and what comes of them: answers, and the ICMP errors that the kernel
 * hands on to the socket whose datagram they quote (IP_RECVERR, IPV6_RECVERR: ip(7), ipv6(7)).
 * Needs no privileges. From a port by chance, one for each scan; from a second one those are asked
 * whose servers answer from another port than they were asked at (TFTP: RFC 1350, section 4).
 */
#pragma once

#include "base/err.h"
#include "model/port.h"
#include "model/scan.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UDP_BATCH = 64, UDP_STRAY_PORT = 69 };

union udp_name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct udp_datagram {
	union udp_name to;
	const uint8_t *bytes;
	size_t len;
	const struct address *from; /* one of this machine's; NULL: as its routes have it */
	bool kept_back; /* udp_socket_send(): this machine's own rules refuse it (EPERM) */
};

struct udp_socket {
	int family;
	int fds[2];
	uint16_t ports[2]; /* of the sockets */
};

/* 0 or a negative errno with a sentence; udp_socket_close() either way. */
int udp_socket_open(struct udp_socket *u, int family, struct err *e);
void udp_socket_close(struct udp_socket *u);
void udp_name_set(union udp_name *n, const struct address *a, uint16_t port, uint32_t scope);
/* At most UDP_BATCH. What the kernel does not take is lost like any other. */
void udp_socket_send(struct udp_socket *u, struct udp_datagram *datagrams, size_t count);

struct udp_seen {
	struct address of; /* who was asked */
	uint16_t port;	   /* and where */
	uint16_t from;	   /* an answer: the port that it came from */
	enum scan_reply reply;
	/* an ICMP error: who sent it, and what it quotes of our datagram's bytes */
	struct address offender;
	const uint8_t *quoted;
	size_t quoted_len;
};

/* Tells all that has come; reply is SCAN_UDP_ANSWER or what an ICMP error means. */
typedef void udp_take(const struct udp_seen *seen, void *context);
void udp_socket_receive(struct udp_socket *u, udp_take *take, void *context);
/* Waits until something has come, or so long. */
void udp_socket_wait(const struct udp_socket *u, uint64_t ns);
