/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp_silence: what the silence of a port means, and when the next refusal is due: that part of
 * udp_host (whose comment tells how) which thinks about tokens. Pure. For udp_host only.
 */
#pragma once

#include "observe/udp_host.h"

enum {
	UDP_MOST_TRIES = 12,
	/* in place of a port's `good` */
	UDP_GOOD_LIMIT = 250,
	UDP_GIVEN_UP = 253,
	UDP_ANSWERED = 254,
	UDP_SILENT = 255,
};

/* Times as they are kept of each ask: from 1 on. */
uint32_t udp_silence_tick(const struct udp_host *h, uint64_t ns);
uint64_t udp_silence_tick_ns(const struct udp_host *h, uint32_t ticks);
/* More silences are needed where answers were lost that should have come: sets `needed`. */
void udp_silence_set_needed(struct udp_host *h);
bool udp_silence_is_over(const struct udp_port *p);
void udp_silence_conclude(struct udp_host *h, struct udp_port *p);
/* How long after one token was taken the next is there for certain. */
uint64_t udp_silence_sure_ns(const struct udp_host *h);
/*
 * A port was refused: judges the silences before it, and learns when tokens come. True: it took one
 * when none was left, and next_ns says when to try for the next.
 */
bool udp_silence_end(struct udp_host *h, uint32_t port);
