/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_rows.h"

#include <errno.h>
#include <stdlib.h>

int reach_rows_begin(struct reach_rows *r, const struct reach_plan *plan,
		     const struct reach_answers *answers)
{
	*r = (struct reach_rows){.plan = plan, .answers = answers};
	r->before = calloc(plan->points.count + 1, sizeof(*r->before));
	return r->before ? 0 : -ENOMEM;
}

void reach_rows_done(struct reach_rows *r)
{
	for (size_t i = 0; i < r->count; i++) {
		free(r->kept[i].answers);
		free(r->kept[i].spans.items);
		free(r->kept[i].plain);
	}
	free(r->before);
	*r = (struct reach_rows){0};
}

static struct reach_row *add_row(struct reach_rows *r)
{
	struct reach_row *row = &r->kept[r->count];

	row->answers = calloc(r->plan->points.count + 1, sizeof(*row->answers));
	row->plain = calloc(r->plan->points.count + 1, sizeof(*row->plain));
	if (!row->answers || !row->plain) {
		free(row->answers);
		free(row->plain);
		*row = (struct reach_row){0};
		return NULL;
	}
	r->count++;
	return row;
}

struct reach_row *reach_rows_find(struct reach_rows *r, uint32_t query)
{
	struct reach_row *row;

	for (size_t i = 0; i < r->count; i++)
		if (r->kept[i].query == query)
			return &r->kept[i];
	row = r->count < REACH_ROWS_KEPT ? add_row(r) : &r->kept[r->next++ % REACH_ROWS_KEPT];
	if (!row)
		return NULL;
	row->query = query;
	row->spans.count = 0;
	reach_answers_row(r->plan, r->answers, query, row->answers);
	return row;
}
