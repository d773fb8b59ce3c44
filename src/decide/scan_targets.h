/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_targets: which addresses and ports a person means. Pure: names are for the caller to look
 * up.
 */
#pragma once

#include "base/map.h"
#include "decide/probe_scope.h"

enum {
	SCAN_TARGET_LIMIT = 65536, /* addresses */
	SCAN_PROBE_LIMIT = 1 << 28 /* addresses times ports: a byte each */
};

/* Addresses, each once, in the order in which they were named. */
struct scan_targets {
	struct address *items;
	size_t count, cap;
	struct map known;
};

/* One address more; known ones are passed over. 0, -E2BIG or -ENOMEM with a sentence. */
int scan_targets_add(struct scan_targets *t, const struct address *a, struct err *e);
/* All addresses of the network. The same. */
int scan_targets_add_network(struct scan_targets *t, const struct network *n, struct err *e);
/* Takes those out that are in the network. */
void scan_targets_exclude(struct scan_targets *t, const struct network *n);
void scan_targets_done(struct scan_targets *t);

/*
 * "22,80,8000-8100", "-1024", "60000-", "-" (all): ports[] in ascending order, each once. Returns
 * how many, or -EINVAL with a sentence.
 */
int scan_ports_parse(const char *text, uint16_t ports[65535], struct err *e);

/*
 * The ports of UDP that are asked when none is named, a text as above: those whose protocol portero
 * knows a request of (data/probes/), and others that are usual, most of which keep silent. About a
 * hundred, since a Linux host tells of one closed port a second.
 */
extern const char scan_ports_usual_udp[];

/* What -p says of each protocol: "53,U:161,T:22-25"; what stands before any letter is for all. */
struct scan_ports {
	uint16_t tcp[65535], udp[65535]; /* ascending, each once */
	size_t tcp_count, udp_count;
};

/*
 * NULL: all of TCP, the usual ones of UDP. A protocol that is not wanted has none. 0; or -EINVAL
 * with a sentence: also when ports are named of a protocol that is not wanted, or none of one that
 * is.
 */
int scan_ports_parse_protos(const char *text, bool tcp, bool udp, struct scan_ports *ret,
			    struct err *e);
