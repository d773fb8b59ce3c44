/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/policy_problems.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void policy_problems_done(struct policy_problems *p)
{
	strpool_done(&p->strings);
	free(p->items);
	*p = (struct policy_problems){0};
}

const char *policy_problems_text(const struct policy_problems *p, uint32_t str)
{
	return strpool_get(&p->strings, str);
}

struct policy_place policy_problems_place(struct policy_problems *p, const char *file,
					  uint32_t line, uint32_t column)
{
	struct policy_place place = {strpool_add_text(&p->strings, file), line, column};

	if (!place.file_str && file[0])
		p->failed = true;
	return place;
}

struct policy_place policy_problems_place_of(struct policy_problems *p, const struct policy *policy,
					     const struct policy_place *place)
{
	return policy_problems_place(p, policy_text(policy, place->file_str), place->line,
				     place->column);
}

void policy_problems_add(struct policy_problems *p, bool is_error, const struct policy_place *place,
			 const struct policy_place *other, const char *format, ...)
{
	bool full = policy_problems_are_full(p, is_error);
	struct policy_problem *item;
	char text[1024];
	va_list args;

	*(is_error ? &p->error_count : &p->warning_count) += 1;
	if (full)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (mem_grow(&p->items, &p->cap, p->count + 1, sizeof(*p->items)) < 0) {
		p->failed = true;
		return;
	}
	item = &p->items[p->count++];
	*item = (struct policy_problem){.is_error = is_error, .place = *place};
	if (other)
		item->other = *other;
	item->text_str = strpool_add_text(&p->strings, text);
	if (!item->text_str)
		p->failed = true;
}

bool policy_problems_are_full(const struct policy_problems *p, bool errors)
{
	return (errors ? p->error_count : p->warning_count) >= POLICY_PROBLEM_LIMIT;
}

static int compare_problems(const void *a_pointer, const void *b_pointer, void *context)
{
	const struct policy_problem *a = a_pointer, *b = b_pointer;
	const struct policy_problems *p = context;
	int order = strcmp(policy_problems_text(p, a->place.file_str),
			   policy_problems_text(p, b->place.file_str));

	if (order)
		return order;
	if (a->place.line != b->place.line)
		return a->place.line < b->place.line ? -1 : 1;
	if (a->place.column != b->place.column)
		return a->place.column < b->place.column ? -1 : 1;
	return strcmp(policy_problems_text(p, a->text_str), policy_problems_text(p, b->text_str));
}

void policy_problems_sort(struct policy_problems *p)
{
	if (p->count)
		qsort_r(p->items, p->count, sizeof(*p->items), compare_problems, p);
}
