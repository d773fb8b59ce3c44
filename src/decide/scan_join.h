/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_join: what a scan has found of this machine's own UDP ports x what is known inside: silence
 * alone leaves them open|filtered, and a refusal may be the firewall's. Pure.
 */
#pragma once

#include "decide/belief.h"
#include "model/scan.h"

/* Is there anything about the host that the inside could tell better? */
bool scan_join_helps(const struct scan *s, const struct scan_host *host);
/* A look inside: of the machine's own packets to the host (belief_take()), by port. */
struct scan_look {
	const struct belief *beliefs;
	bool knows_all; /* no listener can be missed in them */
};

/*
 * Silent ports become SCAN_UDP_BOUND, SCAN_UDP_UNBOUND or SCAN_UDP_DROPPED where that is sure;
 * refused ones where somebody is bound SCAN_PORT_UNREACH. Where the look before the scan and the
 * one after it would make different things of it, SCAN_UDP_CHANGED; so where both know of nobody,
 * but the host refused others of which they say the same: somebody may have been there between
 * them.
 */
void scan_join_udp(const struct scan *s, struct scan_host *host, const struct scan_look *before,
		   const struct scan_look *after);
