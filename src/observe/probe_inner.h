/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe_inner: the engine of observe/probe, for its two halves: what is asked (probe.c), and what
 * is answered (probe_answers.c). For them only.
 */
#pragma once

#include "observe/permutation.h"
#include "observe/probe.h"
#include "observe/probe_rate.h"

enum { PLACES_PER_TIME = 64 };

struct sentinel {
	uint64_t sent_ns; /* 0: it was answered, or is not used */
	uint32_t port;
	uint8_t class;
};

/* Slots are used in turn; those from `oldest` to before `next` may still wait. */
struct sentinels {
	struct sentinel slots[PROBE_SENTINEL_SLOTS];
	uint32_t oldest, next; /* counted on; modulo PROBE_SENTINEL_SLOTS */
	uint32_t out;	       /* how many wait */
};

enum phase { PHASE_ASKING, PHASE_WAITING, PHASE_FINISHED };

struct probe_engine {
	struct probe_wish wish;
	struct permutation order;
	struct probe_rate rate;
	struct probe_host hosts[PROBE_HOST_LIMIT];
	struct sentinels *sentinels; /* of each host */
	uint64_t *times_ns;	     /* when each 64th place was passed, in this pass */
	uint64_t place;		     /* of the order: the next */
	uint64_t begun_ns, looked_ns;
	uint64_t pass_begun_ns, asked_ns, last_sent_ns; /* asked: a port, not a sentinel */
	enum phase phase;
	unsigned pass;
	bool spoilt;
	uint32_t left; /* hosts that are not finished */
	uint32_t since_sentinel;
	uint64_t sent, answered, pass_sent;
};

void probe_finish_host(struct probe_engine *p, uint32_t host, enum scan_trouble trouble);
/* It was answered, or (`lost`) not in time. */
void probe_end_sentinel(struct probe_engine *p, uint32_t host, struct sentinel *s, bool lost);
