/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_answers: what a plan's queries were answered, and from that the answer at every port. Pure.
 */
#pragma once

#include "model/reach.h"
#include "observe/reach_plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REACH_NO_DOUBT = UINT16_MAX };

/* What one port of a query gets. */
struct reach_answer {
	uint8_t verdicts; /* bits 1 << enum verdict: all that were seen */
	uint8_t kinds;	  /* bits 1 << enum doubt_kind: of doubts on which the verdict depends */
	uint16_t doubt;	  /* one of them, or REACH_NO_DOUBT */
	uint16_t target;  /* accepted: index into targets */
	uint16_t target_port;
	uint8_t reply; /* enum reply: what kept the answer to an accepted SYN from getting out */
	bool shifts;   /* of a point with several ports: their target ports follow one another */
	bool stays;    /* ... or are one */
	bool odd;      /* ... or neither */
	bool several;  /* of the ways that differ by doubts, some lead to other machines than target
			*/
	bool late;     /* not all of it was asked when the time was over */
};

struct reach_target {
	bool forwarded;
	struct address address;
	uint32_t out_ifindex;
};

struct reach_answers {
	struct reach_answer *items; /* one for each ask of each query: see reach_query */
	size_t count;
	size_t asked;	  /* of them, before the time was over */
	bool out_of_time; /* what was not asked is unknown */
	struct reach_target *targets;
	size_t target_count, target_cap;
	bool exhausted; /* the limit of loads was met: some answers are unknown for that */
};

void reach_answers_done(struct reach_answers *a);
/*
 * The answer at every point of the plan: those of the query, and where it was not asked, those of
 * the query that it refers to. `row` has room for all points.
 */
void reach_answers_row(const struct reach_plan *plan, const struct reach_answers *a, uint32_t query,
		       struct reach_answer *row);
/* Puts the answers of the query's own asks into a row of its reference; `before` (room for a row)
 * takes what they replace, for reach_answers_unpatch(). */
void reach_answers_patch(const struct reach_plan *plan, const struct reach_answers *a,
			 uint32_t query, struct reach_answer *row, struct reach_answer *before);
void reach_answers_unpatch(const struct reach_plan *plan, uint32_t query, struct reach_answer *row,
			   const struct reach_answer *before);
/* Does nothing that the query was asked say otherwise than what the one does that it refers to,
 * whose row is given? */
bool reach_answers_are_alike(const struct reach_plan *plan, const struct reach_answers *a,
			     uint32_t query, const struct reach_answer *row);
/* The verdict of an answer: what all its paths agree on, or why they do not. */
enum verdict reach_answer_verdict(const struct reach_answer *a);
