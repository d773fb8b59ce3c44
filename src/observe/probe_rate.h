/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe_rate: how many packets a second. It rises while nothing is lost; when something is, half
 * the rate is tried. If as many answers a second come as before, the rate was what lost them (a
 * full queue, a host that limits its RSTs), and it goes on down; if fewer come, the loss is the
 * way's own, and the rate comes back. Pure: time is given.
 */
#pragma once

#include "observe/probe_host.h"

struct probe_rate {
	double rate, cap; /* packets a second */
	bool fixed;	  /* never changed */
	double credit;	  /* packets that may be sent now */
	uint64_t credit_ns;
	/* an epoch: what was sent and came since `begin_ns`, which lies after the last change */
	uint64_t begin_ns;
	uint64_t sent, answers[PROBE_CLASS_COUNT];
	uint32_t kept[PROBE_CLASS_COUNT], lost[PROBE_CLASS_COUNT];
	double tolerated; /* share of loss that a lower rate did not mend */
	bool trying, slowed;
	/* when trying: the rate before, and what was sent and came in a second, of `class` */
	double before, before_sent, before_answers;
	enum probe_class class;
};

struct probe_rate probe_rate_init(double rate, double cap, bool fixed);
/* How many packets may be sent now. */
uint32_t probe_rate_allows(struct probe_rate *r, uint64_t now_ns);
/* When the next may be. */
uint64_t probe_rate_next_ns(const struct probe_rate *r);
void probe_rate_sent(struct probe_rate *r, uint32_t count);
void probe_rate_answered(struct probe_rate *r, enum probe_class class);
void probe_rate_sentinel(struct probe_rate *r, enum probe_class class, bool lost);
/* From outside: it was too high. */
void probe_rate_lower(struct probe_rate *r, double rate);
/* Nothing is sent for a while: an epoch begins anew. `patience_ns`: until answers have come. */
void probe_rate_pause(struct probe_rate *r, uint64_t now_ns, uint64_t patience_ns);
/* Looks at what was measured, and changes the rate. True: it was too high until now. */
bool probe_rate_adapt(struct probe_rate *r, uint64_t now_ns, uint64_t patience_ns);
