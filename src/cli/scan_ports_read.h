/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_ports_read: the ports of `portero scan` from its command line: those that are named, or the
 * likeliest.
 */
#pragma once

#include "cli/scan_targets_read.h"

/* Fills in the ports of *q. 0, or a negative errno with a sentence. */
int scan_ports_read(const struct options *o, struct scan_question *q, struct err *e);
