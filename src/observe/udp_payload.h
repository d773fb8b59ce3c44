/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp_payload: what a UDP port is asked: the requests of data/probes/ for its number, since a
 * server keeps silent when it does not understand. No I/O.
 */
#pragma once

#include "observe/service_probes.h"

#include "model/port.h"

enum {
	UDP_PAYLOAD_LIMIT = 3,	 /* requests of one port */
	UDP_PAYLOAD_SIZE = 1472, /* bytes, which an Ethernet frame holds */
};

struct udp_payloads {
	struct probes probes;
	/* of each port, requests in probes.requests, the most common first; PROBE_NONE: no more */
	int requests[65536][UDP_PAYLOAD_LIMIT];
};

/* From the built-in files. 0 or a negative errno with a sentence; udp_payloads_done() either way.
 */
int udp_payloads_init(struct udp_payloads *u, struct err *e);
void udp_payloads_done(struct udp_payloads *u);
/* How many requests there are for the port. */
unsigned udp_payloads_count(const struct udp_payloads *u, uint16_t port);
/*
 * Writes the one of that number (below the count), with the address that is asked in the place of
 * "$host". Returns its length; 0: it has no room.
 */
size_t udp_payloads_write(const struct udp_payloads *u, uint16_t port, unsigned number,
			  const struct address *to, uint8_t room[UDP_PAYLOAD_SIZE]);
