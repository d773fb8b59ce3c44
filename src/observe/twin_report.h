/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_report: what of the machine's network is not in the twin as it should be, and which answers
 * that makes unknown.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum twin_scope {
	TWIN_ALL,	/* every answer */
	TWIN_FAMILY,	/* those of one family */
	TWIN_INTERFACE, /* those for packets that come in by one interface, or leave by it */
};

struct twin_difference {
	enum twin_scope scope;
	uint8_t family;	  /* AF_INET, AF_INET6; 0: both. Also narrows TWIN_INTERFACE */
	uint32_t ifindex; /* of TWIN_INTERFACE, else 0 */
	char what[160];	  /* "route 10.0.0.0/8 in table 254" */
	char why[160];	  /* "the kernel refuses it in a copy: Network is unreachable" */
};

enum { TWIN_REPORT_LIMIT = 256 };

struct twin_report {
	struct twin_difference *items;
	size_t count, cap;
	bool failed; /* out of memory: every answer is unknown */
};

void twin_report_done(struct twin_report *r);
/*
 * Adds one, once. `d` is copied. The last of TWIN_REPORT_LIMIT says that there are more, for
 * TWIN_ALL.
 */
void twin_report_add(struct twin_report *r, const struct twin_difference *d);
/* Is an answer about packets of this family by this interface touched? NULL, or the first that
 * does. */
const struct twin_difference *twin_report_find(const struct twin_report *r, uint8_t family,
					       uint32_t ifindex);
