/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_sinks: the table of a twin in which every packet ends that got through all rules: it is
 * logged to NFLOG group GROUP_SINK and dropped, before the kernel keeps its connection.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct nl;

#define TWIN_SINKS_TABLE "portero_twin"
#define TWIN_SINK_INPUT	 "I"
#define TWIN_SINK_OUTPUT "O" /* what leaves the machine */

/*
 * Loads the sinks in place of those that are there. `split`: as tables of ip and ip6, for kernels
 * that have no inet tables. `shut`: every packet to the machine is dropped just before its sink (to
 * see whether that is noticed). 0 or a negative errno.
 */
int twin_sinks_load(struct nl *filter, bool split, bool shut, struct err *e);
/* 0: they are there; -ENOENT: something deleted their table; or another negative errno. */
int twin_sinks_check(struct nl *filter, bool split, struct err *e);
