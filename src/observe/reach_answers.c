/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_answers.h"
#include "base/mem.h"
#include "observe/doubts.h"

#include <stdlib.h>

void reach_answers_done(struct reach_answers *a)
{
	free(a->items);
	free(a->targets);
	*a = (struct reach_answers){0};
}

enum verdict reach_answer_verdict(const struct reach_answer *a)
{
	static const enum verdict plain[] = {VERDICT_ACCEPT, VERDICT_REJECT, VERDICT_DROP};
	const uint8_t accept = 1u << VERDICT_ACCEPT;

	for (size_t i = 0; i < ARRAY_LEN(plain) && !a->late; i++)
		if (a->verdicts == 1u << plain[i])
			return plain[i];
	if (!a->verdicts || a->late || a->verdicts & 1u << VERDICT_UNKNOWN ||
	    a->kinds & ~(1u << DOUBT_RATE))
		return VERDICT_UNKNOWN;
	/* refused or dropped, by a count: closed in any case */
	return a->verdicts & accept ? VERDICT_RATE_LIMITED : VERDICT_REJECT;
}

/* --- rows ---------------------------------------------------------------------------------------
 */

/* What an ask says of a point that it stands for. */
static struct reach_answer answer_at(const struct reach_plan *plan, const struct reach_answer *a,
				     const struct reach_ask *ask, uint32_t point)
{
	const struct reach_point *items = plan->points.items;
	uint16_t first = items[ask->first].port, port = items[point].port;
	struct reach_answer ret = *a;

	if (a->shifts || (a->target_port == first && !a->stays))
		ret.target_port = (uint16_t)(a->target_port + (port - first));
	return ret;
}

void reach_answers_row(const struct reach_plan *plan, const struct reach_answers *a, uint32_t query,
		       struct reach_answer *row)
{
	const struct reach_query *q = &plan->queries[query];

	if (q->reference != query)
		reach_answers_row(plan, a, q->reference, row);
	for (uint32_t i = 0; i < q->asks.count; i++) {
		const struct reach_ask *ask = &plan->asks.items[q->asks.first + i];

		for (uint32_t at = ask->first; at < ask->end; at++)
			row[at] = answer_at(plan, &a->items[q->first_answer + i], ask, at);
	}
}

void reach_answers_patch(const struct reach_plan *plan, const struct reach_answers *a,
			 uint32_t query, struct reach_answer *row, struct reach_answer *before)
{
	const struct reach_query *q = &plan->queries[query];

	for (uint32_t i = 0; i < q->asks.count; i++) {
		const struct reach_ask *ask = &plan->asks.items[q->asks.first + i];

		for (uint32_t at = ask->first; at < ask->end; at++) {
			*before++ = row[at];
			row[at] = answer_at(plan, &a->items[q->first_answer + i], ask, at);
		}
	}
}

void reach_answers_unpatch(const struct reach_plan *plan, uint32_t query, struct reach_answer *row,
			   const struct reach_answer *before)
{
	const struct reach_query *q = &plan->queries[query];

	for (uint32_t i = 0; i < q->asks.count; i++) {
		const struct reach_ask *ask = &plan->asks.items[q->asks.first + i];

		for (uint32_t at = ask->first; at < ask->end; at++)
			row[at] = *before++;
	}
}

static bool is_same(const struct reach_answer *a, const struct reach_answer *b)
{
	return a->verdicts == b->verdicts && a->kinds == b->kinds && a->doubt == b->doubt &&
	       a->target == b->target && a->target_port == b->target_port &&
	       a->shifts == b->shifts && a->stays == b->stays && a->odd == b->odd &&
	       a->several == b->several && a->reply == b->reply && a->late == b->late;
}

bool reach_answers_are_alike(const struct reach_plan *plan, const struct reach_answers *a,
			     uint32_t query, const struct reach_answer *row)
{
	const struct reach_query *q = &plan->queries[query];

	for (uint32_t i = 0; i < q->asks.count; i++) {
		const struct reach_ask *ask = &plan->asks.items[q->asks.first + i];

		for (uint32_t at = ask->first; at < ask->end; at++) {
			struct reach_answer own =
				answer_at(plan, &a->items[q->first_answer + i], ask, at);

			if (!is_same(&own, &row[at]))
				return false;
		}
	}
	return true;
}
