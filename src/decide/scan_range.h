/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_range: IPv4 addresses as nmap's users write many at once: for each octet numbers, ranges and
 * lists, as in "10.0.0-3.1,5", "192.168.1.20-" or "192.168.*.1". Pure.
 */
#pragma once

#include "base/err.h"
#include "model/port.h"

#include <stdbool.h>
#include <stdint.h>

struct scan_range {
	bool wanted[4][256]; /* of each octet */
};

/*
 * 0, or -EINVAL with a sentence; *ret on success only. -ENOENT, without a sentence: it is not meant
 * as one (a name, or a single address).
 */
int scan_range_parse(const char *text, struct scan_range *ret, struct err *e);
/* How many addresses: 1 to 2^32. */
uint64_t scan_range_count(const struct scan_range *r);
/* The `number`th, from 0, in ascending order. */
struct address scan_range_at(const struct scan_range *r, uint64_t number);
bool scan_range_has(const struct scan_range *r, const struct address *a);
