/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_inner: what the parts of a scan share: the whole (scan), and how a group of hosts is asked:
 * by packets (scan_packets), by connect() (scan_connect), by datagrams (scan_udp); and whether the
 * ways there are still the same (scan_ways). For them only.
 */
#pragma once

#include "base/map.h"
#include "base/nl.h"
#include "observe/scan.h"
#include "observe/scan_way.h"
#include "observe/udp_payload.h"

#include <sodium/crypto_shorthash.h>

#define MS_NS UINT64_C(1000000)

enum { NO_PORT = 0xffff };

struct run {
	struct scan *scan;
	const struct scan_wish *wish;
	struct nl route;
	struct scan_way *ways; /* of each host */
	uint8_t key[crypto_shorthash_KEYBYTES];
	uint64_t seed;
	uint16_t first_port; /* of the sources: + slot */
	/* of each port among those of its protocol in scan->ports, or NO_PORT */
	uint16_t index[PROTO_COUNT][65536];
	struct udp_payloads payloads;
	size_t done; /* hosts */
	uint64_t begun_ns;
	uint64_t save_ns; /* when the next time */
	bool resumes;	  /* the group that was being asked is to be taken first */
	struct err *e;
};

/* A group of hosts that are asked together. */
struct group {
	struct run *run;
	struct scan_host hosts[PROBE_HOST_LIMIT]; /* as in the scan: replies are its own */
	uint32_t indexes[PROBE_HOST_LIMIT];	  /* in the scan */
	uint32_t count;
	struct map by_address;
	struct probe_engine *engine;
	const struct probe_memory *memory; /* to go on with, or NULL */
	uint64_t now_ns;
	uint64_t look_ns;		 /* when the ways are looked at again */
	bool way_lost[PROBE_HOST_LIMIT]; /* it ended, and did not come back */
};

bool scan_is_stopped(const struct run *run);
/* Finds a host of the group. */
bool scan_group_find(const struct group *g, const struct address *a, uint32_t *ret);
/* Tells the caller of the scan how far it is. */
void scan_group_report(const struct group *g, const struct probe_progress *p);
/* The same of what the group's engine asks, which is also saved now and then. */
void scan_group_report_tcp(const struct group *g);
/* Gives the engine an answer, and tells the caller of the scan of a port that is open. */
void scan_group_answer(struct group *g, const struct probe *to, enum scan_reply reply);

/* Were they looked at so long ago that they should be? */
bool scan_ways_are_due(const struct group *g);
/*
 * Takes the ways that there are now; of those that ended it waits for a moment whether they come
 * back, else way_lost[] tells. `routed`: the kernel finds them itself for what is sent. True: not
 * all are what they were, so that packets may have gone nowhere. Sets now_ns.
 */
bool scan_ways_look(struct group *g, bool routed);
/* The same for what the group's engine asks, whenever it is due. */
void scan_group_look_tcp(struct group *g, bool routed);
/* The same at once, of ways that the kernel finds. */
bool scan_group_look_again(struct group *g);

/* Each asks until the engine has finished, or it is stopped. 0 or a negative errno. */
int scan_packets_ask(struct group *g);
int scan_connect_ask(struct group *g);
/* Of hosts that kept silent, those that nobody answers for (SCAN_NO_NEIGHBOUR). Waits for that. */
void scan_connect_find_absent(struct group *g);
/* This one makes an engine of its own, within what is left of the hosts' time, and concludes. */
int scan_udp_ask(struct group *g, bool near);
