/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify_remote: the look from another machine: portero scan there, run by ssh, without a question
 * (keys, an agent). What it prints is not trusted.
 */
#pragma once

#include "base/err.h"
#include "model/scan.h"

#include <stdbool.h>
#include <stdint.h>

struct verify_look;

/*
 * Who the other machine is (l->from): sets l->remote, by which interface it comes in, and, when no
 * target is given, the address that it knows this machine by as the one to look at. 0, or a
 * negative errno with a sentence.
 */
int verify_remote_find(struct verify_look *l, struct err *e);
/*
 * Fills in *s (scan_init), as scan_run() does, and with l->with_services as scan_services_ask();
 * max_rate: packets a second, 0: any. There the scan has a time for each address, and here ssh an
 * end. The same.
 */
int verify_remote_scan(const struct verify_look *l, uint64_t max_rate, struct scan *s,
		       struct err *e);
