/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_explore: asks a plan's queries of a mirror. Packets that met doubts are asked again with
 * these decided otherwise, one path of decisions after the other, so that each answer has every
 * verdict that its packet could get, whatever the doubts are. Where chains at one priority run in
 * an order that is not known, all is asked in each order; what they do not agree on is unknown.
 */
#pragma once

#include "base/err.h"
#include "model/reach.h"
#include "observe/mirror.h"
#include "observe/reach_plan.h"

#include <stddef.h>
#include <stdint.h>

enum {
	/* how often rules are loaded before the rest stays unknown; and again, in all other orders
	 * of chains at one priority */
	REACH_LOAD_LIMIT = 96,
	REACH_TARGET_LIMIT = 4096, /* different places where packets arrive */
	REACH_NO_DOUBT = UINT16_MAX,
};

/* What one port of a query gets. */
struct reach_answer {
	uint8_t verdicts; /* bits 1 << enum verdict: all that were seen */
	uint8_t kinds;	  /* bits 1 << enum doubt_kind: of doubts on which the verdict depends */
	uint16_t doubt;	  /* one of them, or REACH_NO_DOUBT */
	uint16_t target;  /* accepted: index into targets */
	uint16_t target_port;
	uint8_t reply; /* enum reply: what kept the answer to an accepted SYN from getting out */
	bool shifts;   /* of a point with several ports: their target ports follow one another */
	bool odd;      /* ... or do neither that, nor stay the same */
};

struct reach_target {
	bool forwarded;
	struct address address;
	uint32_t out_ifindex;
};

struct reach_answers {
	struct reach_answer *items; /* [query * points + point] */
	size_t point_count;
	struct reach_target *targets;
	size_t target_count, target_cap;
	bool exhausted; /* the limit of loads was met: some answers are unknown for that */
};

/* 0 or a negative errno. Ended with reach_answers_done() in every case. */
int reach_explore(struct mirror *m, const struct reach_plan *plan, struct reach_answers *ret,
		  struct err *e);
void reach_answers_done(struct reach_answers *a);
/* The verdict of an answer: what all its paths agree on, or why they do not. */
enum verdict reach_answer_verdict(const struct reach_answer *a);
/* Why packets that are let in open nothing; "" for those that do. */
const char *reach_reply_text(enum reply reply);
