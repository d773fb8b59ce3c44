/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify_ports: which ports portero verify looks at: TCP's, or with -sU those of UDP.
 */
#pragma once

#include "cli/verify_look.h"

/* Fills in proto and ports, which has room for all. 0, or a negative errno with a sentence. */
int verify_ports_read(struct verify_look *l, struct err *e);
/* Of UDP, where no port was named, those too that are bound inside, which the last look has. */
void verify_ports_add_bound(struct verify_look *l);
/* What a scan of one look is made for: its ports, TCP's or UDP's. 0 or -ENOMEM. */
int verify_ports_init_scan(const struct verify_look *l, const uint16_t *ports, size_t count,
			   struct scan *s);
