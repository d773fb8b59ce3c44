/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe_host: what is learnt of one host while it is scanned: how long its answers take, how many
 * of them are lost, and thus how often a silent port must be asked until silence means something.
 * Pure: no I/O, no clock.
 *
 * Loss is measured by asking again a port that is known to answer (a *sentinel*): a port that never
 * answered tells nothing of what is lost. Answers of open and of closed ports are counted apart,
 * since a host may limit its RSTs, and nothing else.
 */
#pragma once

#include "model/scan.h"

#include <stdbool.h>
#include <stdint.h>

enum probe_class { PROBE_OPEN, PROBE_CLOSED, PROBE_CLASS_COUNT };

struct probe_host {
	uint32_t silent;		      /* ports that have not answered */
	uint32_t kept_back;		      /* ports that this machine sends nothing to */
	uint32_t answers[PROBE_CLASS_COUNT];  /* ports that have */
	uint32_t sentinel[PROBE_CLASS_COUNT]; /* one of each: its index; only with answers */
	uint32_t kept[PROBE_CLASS_COUNT], lost[PROBE_CLASS_COUNT]; /* sentinels */
	uint32_t lost_in_row; /* sentinels, since anything was heard of it: at heard_ns */
	uint64_t heard_ns;
	uint32_t tries;	 /* how often each silent port was asked under what is counted here */
	uint32_t found;	 /* ports that answered in this pass for the first time */
	double expected; /* how many of them were to be expected, at most */
	uint64_t srtt_ns, rttvar_ns; /* RFC 6298; srtt 0: not known */
	uint64_t least_ns;	     /* of its patience, where more is wished for */
	bool finished;
	enum scan_trouble trouble; /* of a finished one */
};

void probe_host_init(struct probe_host *h, uint32_t port_count);
/* One measured round trip (RFC 6298, section 2). */
void probe_host_take_rtt(struct probe_host *h, uint64_t rtt_ns);
/* How long answers take as a rule, always less than its patience; 0 when nothing is known. */
uint64_t probe_host_usual(const struct probe_host *h);
/* How long an answer may take: RFC 6298, but at least 20 ms (so long may a busy machine be busy
 * with something else), and at most 3 s; 500 ms when nothing is known. */
uint64_t probe_host_patience(const struct probe_host *h);
/*
 * Of the silent ports, how many answer nevertheless, all answers having been lost: the expected
 * number, by the upper bound of the measured loss.
 */
double probe_host_expect_missed(const struct probe_host *h);
/* What the next pass finds is counted, and compared with what is to be expected by now. */
void probe_host_begin_pass(struct probe_host *h);
/*
 * Is the host done: 1 in 10,000 scans misses a port, and the last pass found none that the ones
 * before had missed?
 */
bool probe_host_is_sure(const struct probe_host *h);
/* How many more sentinels are wanted before a judgement; `gentle`: not of open ports. */
uint32_t probe_host_wants(const struct probe_host *h, bool gentle);
/* It answers, or did so just now. */
void probe_host_hear(struct probe_host *h, uint64_t now_ns);
/* It answered, and nothing is heard of it any more, though it is asked for an answer. */
bool probe_host_fell_silent(const struct probe_host *h, uint64_t now_ns);
/* The rate was lowered: what was lost before tells nothing of now. */
void probe_host_forget_loss(struct probe_host *h);
/* The share of sentinels that were lost, of the worse class; negative: not known. */
double probe_host_loss(const struct probe_host *h);
/*
 * May it be asked too fast? More than half of the sentinels are lost; or the last pass found more
 * than the sentinels let expect, since whole passes are lost where single packets are not.
 */
bool probe_host_is_hurried(const struct probe_host *h);
