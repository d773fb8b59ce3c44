/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/reach.h"
#include "base/mem.h"

#include <stdlib.h>

const char *verdict_id(enum verdict verdict)
{
	static const char *const ids[VERDICT_COUNT] = {"unknown", "accept", "drop", "reject",
						       "rate-limited"};

	return verdict < VERDICT_COUNT ? ids[verdict] : "unknown";
}

bool verdict_lets_in(enum verdict verdict)
{
	return verdict == VERDICT_ACCEPT || verdict == VERDICT_RATE_LIMITED;
}

const char *source_class_id(enum source_class class)
{
	static const char *const ids[SOURCE_CLASS_COUNT] = {"host",	"link",	  "private",
							    "internet", "listed", "forged"};

	return class < SOURCE_CLASS_COUNT ? ids[class] : "unknown";
}

bool source_class_is_part(enum source_class class)
{
	return class == SOURCE_LISTED || class == SOURCE_FORGED;
}

unsigned source_class_rank(enum source_class class)
{
	static const unsigned ranks[SOURCE_CLASS_COUNT] = {
		[SOURCE_HOST] = 0,   [SOURCE_FORGED] = 1,  [SOURCE_LINK] = 2,
		[SOURCE_LISTED] = 3, [SOURCE_PRIVATE] = 4, [SOURCE_INTERNET] = 5,
	};

	return ranks[class];
}

const char *port_state_id(enum port_state state)
{
	static const char *const ids[PORT_STATE_COUNT] = {"unknown", "open", "filtered", "rejected",
							  "closed"};

	return state < PORT_STATE_COUNT ? ids[state] : "unknown";
}

void reach_done(struct reach *r)
{
	strpool_done(&r->strings);
	free(r->classes);
	free(r->intervals);
	free(r->gaps);
	free(r->filtered);
	*r = (struct reach){0};
}

const char *reach_text(const struct reach *r, uint32_t str)
{
	return strpool_get(&r->strings, str);
}

struct reach_class *reach_add_class(struct reach *r)
{
	if (mem_grow(&r->classes, &r->class_cap, r->class_count + 1, sizeof(*r->classes)) < 0)
		return NULL;
	r->classes[r->class_count] = (struct reach_class){0};
	return &r->classes[r->class_count++];
}

struct reach_interval *reach_add_interval(struct reach *r)
{
	if (mem_grow(&r->intervals, &r->interval_cap, r->interval_count + 1,
		     sizeof(*r->intervals)) < 0)
		return NULL;
	r->intervals[r->interval_count] = (struct reach_interval){0};
	return &r->intervals[r->interval_count++];
}

void reach_add_gap(struct reach *r, const char *what, const char *why, const char *remedy)
{
	struct reach_gap gap = {strpool_add_text(&r->strings, what),
				strpool_add_text(&r->strings, why),
				strpool_add_text(&r->strings, remedy)};

	r->complete = false;
	for (size_t i = 0; i < r->gap_count; i++)
		if (r->gaps[i].what_str == gap.what_str && r->gaps[i].why_str == gap.why_str)
			return;
	if (mem_grow(&r->gaps, &r->gap_cap, r->gap_count + 1, sizeof(gap)) == 0)
		r->gaps[r->gap_count++] = gap;
}

void reach_add_filtered(struct reach *r, uint32_t socket, const char *why)
{
	if (mem_grow(&r->filtered, &r->filtered_cap, r->filtered_count + 1, sizeof(*r->filtered)) ==
	    0)
		r->filtered[r->filtered_count++] =
			(struct reach_filtered){socket, strpool_add_text(&r->strings, why)};
	else
		r->complete = false;
}

uint32_t reach_filtered_why(const struct reach *r, uint32_t socket)
{
	size_t low = 0, high = r->filtered_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->filtered[middle].socket < socket)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->filtered_count && r->filtered[low].socket == socket
		       ? r->filtered[low].why_str
		       : 0;
}

const struct reach_interval *reach_find(const struct reach *r, const struct reach_class *class,
					uint16_t port)
{
	size_t low = class->first_interval, high = low + class->interval_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct reach_interval *i = &r->intervals[middle];

		if (port < i->first)
			high = middle;
		else if (port > i->last)
			low = middle + 1;
		else
			return i;
	}
	return NULL;
}
