/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_inside: looks at this machine's listeners and firewall for the UDP ports of a scan that are
 * its own, and that silence alone tells little of: before they are asked, and afterwards.
 */
#pragma once

#include "cli/options.h"
#include "model/scan.h"

#include <signal.h>

struct inside_look;

struct scan_inside {
	const volatile sig_atomic_t *stop; /* becomes true: nothing more is looked at */
	unsigned patience_s;		   /* for the firewall in one look; 0: as long as usual */
	struct inside_look *looks;	   /* of hosts that are being asked; owned */
};

/*
 * The host's UDP ports are about to be asked. One look serves all addresses of this machine that
 * are asked together; hosts that were begun before and joined are done by then.
 */
void scan_inside_begin(struct scan_inside *inside, const struct options *o, const struct scan *s,
		       size_t host);
/*
 * Joins the host of *s, which is done, with what is known inside, if that can help. What cannot be
 * looked at, before as well as now, stays as the scan found it.
 */
void scan_inside_join(struct scan_inside *inside, struct scan *s, size_t host);
void scan_inside_done(struct scan_inside *inside);
