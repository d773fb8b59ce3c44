/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp_probe: which UDP port of which host is asked next, and when all is known that can be: what
 * observe/probe is for TCP. Pure: no descriptor, no clock, no packet; time is given, and never goes
 * back. What is learnt of each host is in observe/udp_host.
 */
#pragma once

#include "model/scan.h"
#include "observe/probe.h"

struct udp_wish {
	struct scan_host
		*hosts;	       /* whose replies (from `first` on), trouble, rtt_ms are filled in */
	uint32_t host_count;   /* at most PROBE_HOST_LIMIT */
	uint32_t first;	       /* of the replies */
	uint32_t port_count;   /* 1 to 65,535 */
	const uint8_t *likely; /* not 0: ports that go first */
	uint64_t seed;	       /* of the order */
	double rate;	       /* packets a second, at most */
	unsigned tries;	       /* silences that count, until a port is silent: 1 to 12 */
	uint64_t host_timeout_ns; /* 0: none */
	/* addresses that are asked from, since a host limits its refusals to each; 0: 1. Port i is
	 * asked from the i % `sources`th, but from no more than there are ports */
	uint32_t sources;
};

struct udp_engine;

/* The hosts stay the caller's, and must live as long. NULL: out of memory. */
struct udp_engine *udp_probe_new(const struct udp_wish *wish, uint64_t now_ns);
void udp_probe_free(struct udp_engine *u);
/* As probe_next(), probe_wake_ns(), probe_finished(), probe_progress(); slot: how often it was
 * asked before. */
size_t udp_probe_next(struct udp_engine *u, uint64_t now_ns, struct probe *out, size_t room);
uint64_t udp_probe_wake_ns(const struct udp_engine *u, uint64_t now_ns);
bool udp_probe_finished(const struct udp_engine *u);
struct probe_progress udp_probe_progress(const struct udp_engine *u);
/* What came back: SCAN_UDP_ANSWER, SCAN_UDP_CLOSED, or an ICMP error. Nonsense is ignored. */
void udp_probe_answer(struct udp_engine *u, uint64_t now_ns, uint32_t host, uint32_t port,
		      enum scan_reply reply);
/* What udp_probe_next() gave was kept back by this machine (EPERM): the port is SCAN_KEPT_BACK
 * unless it answers what was sent before, and the host SCAN_KEPT_HERE. */
void udp_probe_kept_back(struct udp_engine *u, uint32_t host, uint32_t port);
/* The host is asked no more, unless it is finished; what is not known yet stays SCAN_UNSURE. */
void udp_probe_end_host(struct udp_engine *u, uint32_t host, enum scan_trouble trouble);
/*
 * Fills in what is known by now: of what is silent, SCAN_UDP_SILENT where that is sure, else
 * SCAN_UNSURE. Once.
 */
void udp_probe_conclude(struct udp_engine *u, bool interrupted);
