/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_links: the machine's interfaces and addresses in the twin. Each interface with Ethernet
 * frames becomes a TAP, any other but lo a TUN, of the same name, index, MAC, MTU, group and state;
 * without neighbours (arp off), and with no traffic of its own. Bridges and bonds become TAPs too:
 * packets are put in where the machine's IP stack would get them. VRFs are not mirrored.
 */
#pragma once

#include "base/err.h"

struct twin;
struct twin_report;

/*
 * From t->host into t->links and the twin's namespace; all are down then. TAPs are persistent: to
 * be closed one by one they need not be unregistered one by one. 0 or a negative errno: none can
 * be made.
 */
int twin_links_copy(struct twin *t, struct twin_report *report, struct err *e);
/* Puts up what is up, with its MTU, group and MAC; to be done after the sysctls. */
int twin_links_start(struct twin *t, struct twin_report *report, struct err *e);
/*
 * All addresses, so that the kernel makes local and connected routes by itself; takes away those
 * that it made and the machine lacks. Waits until IPv6 addresses are in use.
 */
int twin_addresses_copy(struct twin *t, struct twin_report *report, struct err *e);
