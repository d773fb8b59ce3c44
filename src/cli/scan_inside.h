/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_inside: looks at this machine's listeners and firewall for the UDP ports of a scan that are
 * its own, and that silence alone tells little of.
 */
#pragma once

#include "cli/options.h"
#include "model/scan.h"

/*
 * Joins the host of *s, which is done, with what is known inside, if that can help. What cannot be
 * looked at stays as the scan found it.
 */
void scan_inside_join(const struct options *o, struct scan *s, size_t host);
