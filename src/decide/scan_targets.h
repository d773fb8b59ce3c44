/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_targets: which addresses a person means; ports are decide/scan_ports'. Pure: names are for
 * the caller to look up.
 */
#pragma once

#include "base/map.h"
#include "decide/probe_scope.h"
#include "decide/scan_range.h"

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
int scan_targets_add_range(struct scan_targets *t, const struct scan_range *range, struct err *e);
/*
 * Leaves those out that are in the network, or the range. After the last target was added, and
 * scan_targets_settle() comes last.
 */
void scan_targets_exclude(struct scan_targets *t, const struct network *n);
void scan_targets_exclude_range(struct scan_targets *t, const struct scan_range *range);
void scan_targets_settle(struct scan_targets *t);
void scan_targets_done(struct scan_targets *t);
