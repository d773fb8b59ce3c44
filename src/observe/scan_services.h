/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_services: asks the open ports that a scan has found what speaks there (observe/service).
 */
#pragma once

#include "observe/scan.h"

/*
 * Fills in services[] of the scan (of a saved one, those that are not known yet), many ports at
 * once, within what the scan has left of each host's time. A silent UDP port that answers is open.
 * 0, or a negative errno with a sentence: the rest is not known.
 */
int scan_services_ask(struct scan *s, const struct scan_wish *wish, struct err *e);
/*
 * Afterwards: a host whose time was too short for it, and those that were not asked when the wish's
 * `stop` came, are in trouble; UDP ports that are silent still have no service.
 */
void scan_services_conclude(struct scan *s, const struct scan_wish *wish);
