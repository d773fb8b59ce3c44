/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_sinks: the table of a twin in which every packet ends that got through all rules: it is
 * logged to NFLOG group GROUP_SINK and dropped, before the kernel keeps its connection. What the
 * machine answers is logged twice, before and behind all rules, and gets out.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct nl;

#define TWIN_SINKS_TABLE "portero_twin"
#define TWIN_SINK_INPUT	 "I"
#define TWIN_SINK_OUTPUT "O" /* what leaves the machine */
#define TWIN_SINK_REPLY	 "R" /* an answer of the machine, before all rules */
#define TWIN_SINK_SENT	 "S" /* the same, behind all rules */

/*
 * The sink of input lets a SYN pass whose sequence number has this bit, so that the machine answers
 * it. No rule looks at sequence numbers.
 */
#define TWIN_REPLY_COOKIE 0x80000000u

/*
 * Loads the sinks in place of those that are there. `split`: as tables of ip and ip6, for kernels
 * that have no inet tables. `shut`: every packet to the machine is dropped just before its sink (to
 * see whether that is noticed). 0 or a negative errno.
 */
int twin_sinks_load(struct nl *filter, bool split, bool shut, struct err *e);
/* 0: they are there; -ENOENT: something deleted their table; or another negative errno. */
int twin_sinks_check(struct nl *filter, bool split, struct err *e);
