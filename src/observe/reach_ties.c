/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_ties.h"
#include "base/mem.h"
#include "observe/source_number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { GROUPS_KEPT = 1 << 21 }; /* of all sources together; the more: nothing is known of them */

static void set_bit(uint64_t *bits, uint32_t at)
{
	bits[at / 64] |= UINT64_C(1) << (at % 64);
}

static bool has_bit(const uint64_t *bits, uint32_t at)
{
	return bits[at / 64] >> (at % 64) & 1;
}

int reach_ties_begin(struct reach_ties *t, const struct rule_constants *c,
		     const struct reach_points *points, const uint16_t *alone, size_t alone_count)
{
	*t = (struct reach_ties){.constants = c, .points = points};
	t->words = points->count / 64 + 1;
	t->alone = calloc(t->words, sizeof(*t->alone));
	t->borders = calloc(t->words, sizeof(*t->borders));
	t->differs = calloc(t->words, sizeof(*t->differs));
	if (!t->alone || !t->borders || !t->differs)
		return -ENOMEM;
	if (points->every || c->ties.off)
		return 0;
	t->point_of = calloc(65536, sizeof(*t->point_of));
	if (!t->point_of)
		return -ENOMEM;
	for (uint32_t i = 0; i < points->count; i++)
		for (uint32_t port = points->items[i].first; port <= points->items[i].last; port++)
			t->point_of[port] = i;
	for (size_t i = 0; i < alone_count; i++) {
		set_bit(t->alone, t->point_of[alone[i]]);
		if (alone[i] < UINT16_MAX)
			set_bit(t->alone, t->point_of[alone[i] + 1]);
	}
	return 0;
}

void reach_ties_done(struct reach_ties *t)
{
	free(t->point_of);
	free(t->alone);
	free(t->borders);
	free(t->differs);
	for (size_t i = 0; i < ARRAY_LEN(t->common); i++)
		free(t->common[i]);
	*t = (struct reach_ties){0};
}

/* --- which conditions hold for a source ----------------------------------------------------------
 */

/* A condition begins or ends before `at`; or (`source` set) a source is there. */
struct event {
	struct source_number at;
	uint32_t what; /* its group's place, or the source */
	enum { BEGINS, ENDS, IS_SOURCE } kind;
};

struct look {
	struct event *events;
	size_t event_count, event_cap;
	struct map by_group;
	uint64_t *groups; /* by place */
	uint32_t *counts; /* conditions of the group that hold here */
	uint32_t *held;	  /* places of groups that hold here; at[place]: where in `held` */
	uint32_t *at;
	size_t group_count, held_count;
};

static int find_place(struct look *l, uint64_t group, uint32_t *ret)
{
	if (map_get(&l->by_group, group, ret))
		return 0;
	*ret = (uint32_t)l->group_count;
	l->groups[l->group_count++] = group;
	return map_set(&l->by_group, group, *ret);
}

static int add_ranges(struct look *l, const struct rule_conditions *list, size_t width)
{
	struct source_number end = {width == 4 ? 0 : UINT64_MAX,
				    width == 4 ? UINT32_MAX : UINT64_MAX};

	for (size_t i = 0; i < list->range_count; i++) {
		struct source_number last = number_from_bytes(list->ranges[i].last, width);
		uint32_t place;

		if (find_place(l, list->ranges[i].group, &place) < 0)
			return -ENOMEM;
		l->events[l->event_count++] = (struct event){
			number_from_bytes(list->ranges[i].first, width), place, BEGINS};
		if (number_compare(last, end) < 0)
			l->events[l->event_count++] =
				(struct event){number_next(last), place, ENDS};
	}
	return 0;
}

static int compare_events(const void *a, const void *b)
{
	const struct event *x = a, *y = b;
	int order = number_compare(x->at, y->at);

	return order ? order : (int)x->kind - (int)y->kind;
}

static void begin_or_end(struct look *l, uint32_t place, bool begins)
{
	if (begins) {
		if (l->counts[place]++ > 0)
			return;
		l->at[place] = (uint32_t)l->held_count;
		l->held[l->held_count++] = place;
		return;
	}
	if (--l->counts[place] > 0)
		return;
	l->held[l->at[place]] = l->held[--l->held_count];
	l->at[l->held[l->at[place]]] = l->at[place];
}

static int compare_groups(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What holds at one source. */
static int note_source(const struct look *l, uint32_t source, struct reach_ties_sources *ret)
{
	if (ret->count + l->held_count > GROUPS_KEPT) {
		ret->unknown = true;
		return 0;
	}
	if (mem_grow(&ret->groups, &ret->cap, ret->count + l->held_count + 1,
		     sizeof(*ret->groups)) < 0)
		return -ENOMEM;
	ret->places[source] = (struct reach_asks){(uint32_t)ret->count, (uint32_t)l->held_count};
	for (size_t i = 0; i < l->held_count; i++)
		ret->groups[ret->count++] = l->groups[l->held[i]];
	if (l->held_count > 1)
		qsort(ret->groups + ret->count - l->held_count, l->held_count, sizeof(*ret->groups),
		      compare_groups);
	return 0;
}

static int go_along(struct look *l, struct reach_ties_sources *ret)
{
	int r = 0;

	qsort(l->events, l->event_count, sizeof(*l->events), compare_events);
	for (size_t i = 0; i < l->event_count && r == 0 && !ret->unknown; i++) {
		const struct event *e = &l->events[i];

		if (e->kind == IS_SOURCE)
			r = note_source(l, e->what, ret);
		else
			begin_or_end(l, e->what, e->kind == BEGINS);
	}
	return r;
}

int reach_ties_look(const struct reach_ties *t, const struct address *list, size_t count,
		    struct reach_ties_sources *ret)
{
	bool ip4 = count == 0 || list[0].family == AF_INET;
	size_t width = ip4 ? 4 : 16;
	const struct rule_conditions *conditions =
		&t->constants->fields[ip4 ? RULE_SOURCE4 : RULE_SOURCE6];
	struct look l = {0};
	int r = -ENOMEM;

	*ret = (struct reach_ties_sources){0};
	ret->unknown = !t->point_of || conditions->opaque || conditions->mask_count;
	ret->places = calloc(count + 1, sizeof(*ret->places));
	if (!ret->places || ret->unknown)
		return ret->places ? 0 : -ENOMEM;
	l.events = calloc(conditions->range_count * 2 + count + 1, sizeof(*l.events));
	l.groups = calloc(conditions->range_count + 1, sizeof(*l.groups));
	l.counts = calloc(conditions->range_count + 1, sizeof(*l.counts));
	l.held = calloc(conditions->range_count + 1, sizeof(*l.held));
	l.at = calloc(conditions->range_count + 1, sizeof(*l.at));
	if (l.events && l.groups && l.counts && l.held && l.at &&
	    add_ranges(&l, conditions, width) == 0) {
		for (uint32_t i = 0; i < count; i++)
			l.events[l.event_count++] = (struct event){
				number_from_bytes(list[i].bytes, width), i, IS_SOURCE};
		r = go_along(&l, ret);
	}
	free(l.events);
	free(l.groups);
	free(l.counts);
	free(l.held);
	free(l.at);
	map_done(&l.by_group);
	return r;
}

void reach_ties_sources_done(struct reach_ties_sources *s)
{
	free(s->groups);
	free(s->places);
	*s = (struct reach_ties_sources){0};
}

/* --- borders: where the answer may be another than at the port before ----------------------------
 */

static void mark_border(const struct reach_ties *t, uint32_t port)
{
	if (port > 0 && port <= UINT16_MAX)
		set_bit(t->borders, t->point_of[port]);
}

/* The cuts of rules that go on for sources of that group. */
static void mark_cuts(const struct reach_ties *t, const struct reach_tie_question *q, uint64_t need)
{
	const struct rule_ties *ties = &t->constants->ties;
	unsigned family = q->family == AF_INET ? 1 : 2;
	uint32_t at;

	if (!map_get(&ties->cuts_by_need, need, &at))
		return;
	for (at++; at; at = ties->cuts[at - 1].next) {
		const struct rule_cut *cut = &ties->cuts[at - 1];

		if (!(cut->families & family) || !(cut->protos >> q->proto & 1))
			continue;
		mark_border(t, cut->first);
		mark_border(t, (uint32_t)cut->last + 1);
	}
}

static const uint64_t *groups_of(const struct reach_ties_sources *s, size_t source, size_t *count)
{
	*count = s->places[source].count;
	return s->groups ? s->groups + s->places[source].first : NULL;
}

/* Those that are borders for every source. */
static const uint64_t *find_common(struct reach_ties *t, const struct reach_tie_question *q)
{
	const uint64_t *always = t->constants->destination_ports.always;
	uint64_t **kept = &t->common[(q->family == AF_INET ? 0 : 2) + (q->proto == PROTO_UDP)];
	uint64_t *common = *kept;

	if (common)
		return common;
	common = calloc(t->words, sizeof(*common));
	if (!common)
		return NULL;
	*kept = common;
	memcpy(t->borders, t->alone, t->words * sizeof(*t->borders));
	for (uint32_t i = 0; i < t->points->count; i++)
		if (i == 0 || has_bit(always, t->points->items[i].first))
			set_bit(t->borders, i);
	mark_cuts(t, q, 0);
	memcpy(common, t->borders, t->words * sizeof(*t->borders));
	return common;
}

static int find_borders(struct reach_ties *t, const struct reach_tie_question *q)
{
	const uint64_t *common = find_common(t, q), *groups;
	size_t count;

	if (!common)
		return -ENOMEM;
	memcpy(t->borders, common, t->words * sizeof(*t->borders));
	groups = groups_of(q->sources, q->source, &count);
	for (size_t i = 0; i < count; i++)
		mark_cuts(t, q, groups[i]);
	return 0;
}

/* --- where a source may get something else than its reference ------------------------------------
 */

static void mark_ties(const struct reach_ties *t, uint64_t group, enum proto proto, uint64_t *ret)
{
	const struct rule_ties *ties = &t->constants->ties;
	uint32_t at;

	if (!map_get(&ties->ties_by_group, group, &at)) {
		if (group != RULE_MOVED)
			memset(ret, 0xff, t->words * sizeof(*ret));
		return;
	}
	for (at++; at; at = ties->ties[at - 1].next) {
		const struct rule_tie *tie = &ties->ties[at - 1];
		uint32_t last = t->point_of[tie->last];

		if (!(tie->protos >> proto & 1))
			continue;
		for (uint32_t i = t->point_of[tie->first]; i <= last; i++)
			set_bit(ret, i);
	}
}

void reach_ties_mark(struct reach_ties *t, const struct reach_tie_question *q, uint64_t *ret)
{
	const uint64_t *own, *other;
	size_t own_count, other_count, i = 0, j = 0;
	bool any = false;

	if (q->reference == REACH_NO_SOURCE || q->sources->unknown) {
		memset(ret, 0xff, t->words * sizeof(*ret));
		return;
	}
	own = groups_of(q->sources, q->source, &own_count);
	other = groups_of(q->sources, q->reference, &other_count);
	while (i < own_count || j < other_count) {
		if (i < own_count && j < other_count && own[i] == other[j]) {
			i++;
			j++;
			continue;
		}
		any = true;
		if (j >= other_count || (i < own_count && own[i] < other[j]))
			mark_ties(t, own[i++], q->proto, ret);
		else
			mark_ties(t, other[j++], q->proto, ret);
	}
	if (any)
		mark_ties(t, RULE_MOVED, q->proto, ret);
}

void reach_ties_mark_moved(const struct reach_ties *t, enum proto proto, uint64_t *ret)
{
	if (t->point_of)
		mark_ties(t, RULE_MOVED, proto, ret);
	else
		memset(ret, 0xff, t->words * sizeof(*ret));
}

/* --- what to ask ---------------------------------------------------------------------------------
 */

static int add_ask(struct reach_ask_list *list, uint32_t first)
{
	if (mem_grow(&list->items, &list->cap, list->count + 1, sizeof(*list->items)) < 0)
		return -ENOMEM;
	list->items[list->count++] = (struct reach_ask){first, first + 1};
	return 0;
}

/* The point, if it is to be asked; or it is answered by the ask before. */
static int ask_point(struct reach_ties *t, uint32_t at, struct reach_ask_list *list, bool before)
{
	if (!before || has_bit(t->borders, at))
		return add_ask(list, at);
	list->items[list->count - 1].end = at + 1;
	return 0;
}

int reach_ties_ask(struct reach_ties *t, const struct reach_tie_question *q,
		   struct reach_ask_list *list, struct reach_asks *ret)
{
	bool before = false;
	int r = 0;

	ret->first = (uint32_t)list->count;
	memset(t->differs, 0, t->words * sizeof(*t->differs));
	reach_ties_mark(t, q, t->differs);
	if (q->sources->unknown)
		memset(t->borders, 0xff, t->words * sizeof(*t->borders));
	else
		r = find_borders(t, q);
	/* most sources differ at a few points of many: whole words are passed over */
	for (uint32_t i = 0; i < t->points->count && r == 0; i++) {
		bool here = has_bit(t->differs, i);

		if (here)
			r = ask_point(t, i, list, before);
		else if (t->differs[i / 64] == 0)
			i |= 63;
		before = here;
	}
	ret->count = (uint32_t)(list->count - ret->first);
	return r;
}
