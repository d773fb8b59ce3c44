/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_rows: the answers of baselines, point by point, and their spans, kept while the many groups
 * are told that differ from them at a few points each. A part of reach_tell. Pure.
 */
#pragma once

#include "observe/reach_answers.h"
#include "observe/reach_plan.h"

enum { REACH_ROWS_KEPT = 16 }; /* blocks of sources, for both protocols */

struct reach_row {
	uint32_t query; /* whose it is */
	struct reach_answer *answers;
	struct reach_spans spans;
	bool *plain; /* by span */
};

struct reach_rows {
	const struct reach_plan *plan;
	const struct reach_answers *answers;
	struct reach_row kept[REACH_ROWS_KEPT];
	size_t count, next;
	struct reach_answer *before; /* of the query that a row is patched for */
};

/* 0 or -ENOMEM; reach_rows_done() in every case. */
int reach_rows_begin(struct reach_rows *r, const struct reach_plan *plan,
		     const struct reach_answers *answers);
void reach_rows_done(struct reach_rows *r);
/* The row of a baseline, or NULL; spans.count 0: the spans are still to be made. It is good until
 * others have been asked for. */
struct reach_row *reach_rows_find(struct reach_rows *r, uint32_t query);
