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
