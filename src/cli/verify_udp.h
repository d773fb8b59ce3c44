/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify_udp: which UDP ports portero verify -sU looks at, and from where.
 */
#pragma once

#include "cli/verify_look.h"

/* Room for all ports. 0, or a negative errno with a sentence. */
int verify_udp_read(struct verify_look *l, struct err *e);
/* Where no port was named, those too that are bound inside, which the last look has. */
void verify_udp_add_bound(struct verify_look *l);
/* What a scan of one look is made for: its ports, TCP's or UDP's. 0 or -ENOMEM. */
int verify_udp_init_scan(const struct verify_look *l, const uint16_t *ports, size_t count,
			 struct scan *s);
