/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_sweep: sorts all beginnings and ends, and goes along them once. A group is active while
 * any of its conditions is; the signature is the XOR of the keys of active groups.
 */
#include "observe/source_sweep.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct group {
	uint64_t key;
	uint32_t active;	 /* conditions of it that hold here */
	uint32_t label_plus_one; /* 0: has none */
	bool route;
};

/* Before `at` things change: a group (or, from `group_count` on, a block) begins or ends. */
struct event {
	struct source_number at;
	uint32_t what;
	bool begins;
};

struct sweep {
	const struct source_blocks *blocks;
	struct group *groups;
	size_t group_count, group_cap;
	struct map by_group;
	uint32_t *active_blocks; /* by block: 1 while it holds */
	uint32_t block;		 /* the one that decides; or SOURCE_NO_BLOCK */
	bool elsewhere;
	struct event *events;
	size_t event_count, event_cap;
	uint64_t signature, rules, labels;
	struct source_number end; /* the last number of the line */
};

static int find_group(struct sweep *s, const struct rule_constants *c, uint64_t id, uint32_t *ret)
{
	struct group group = {.key = rule_constants_group_key(id),
			      .route = rule_constants_is_route(c, id)};

	if (map_get(&s->by_group, id, ret))
		return 0;
	if (mem_grow(&s->groups, &s->group_cap, s->group_count + 1, sizeof(group)) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->label_count && i < SOURCE_LABELS; i++)
		if (c->labels[i].group == id)
			group.label_plus_one = i + 1;
	*ret = (uint32_t)s->group_count;
	s->groups[s->group_count++] = group;
	return map_set(&s->by_group, id, *ret);
}

static int add_events(struct sweep *s, struct source_number first, struct source_number last,
		      uint32_t what)
{
	if (mem_grow(&s->events, &s->event_cap, s->event_count + 2, sizeof(*s->events)) < 0)
		return -ENOMEM;
	s->events[s->event_count++] = (struct event){first, what, true};
	if (number_compare(last, s->end) < 0)
		s->events[s->event_count++] = (struct event){number_next(last), what, false};
	return 0;
}

static int add_conditions(struct sweep *s, const struct rule_constants *c, enum rule_field field)
{
	const struct rule_conditions *list = &c->fields[field];
	size_t width = rule_field_width(field);

	for (size_t i = 0; i < list->range_count; i++) {
		const struct rule_range *range = &list->ranges[i];
		uint32_t group;

		if (find_group(s, c, range->group, &group) < 0 ||
		    add_events(s, number_from_bytes(range->first, width),
			       number_from_bytes(range->last, width), group) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int add_blocks(struct sweep *s)
{
	for (size_t i = 0; i < s->blocks->count; i++)
		if (add_events(s, s->blocks->items[i].first, s->blocks->items[i].last,
			       (uint32_t)(s->group_count + i)) < 0)
			return -ENOMEM;
	return 0;
}

static int compare_events(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return number_compare(x->at, y->at);
}

static void apply_group(struct sweep *s, struct group *group, bool begins)
{
	if (begins ? group->active++ > 0 : --group->active > 0)
		return;
	s->signature ^= group->key;
	if (!group->route)
		s->rules ^= group->key;
	if (group->label_plus_one)
		s->labels ^= UINT64_C(1) << (group->label_plus_one - 1);
}

/* Of the blocks that hold, the one that decides, and whether a network elsewhere outranks it. */
static void choose_block(struct sweep *s)
{
	const struct source_block *blocks = s->blocks->items;
	unsigned elsewhere = 0;

	s->block = SOURCE_NO_BLOCK;
	for (uint32_t i = 0; i < s->blocks->count; i++) {
		if (!s->active_blocks[i])
			continue;
		if (blocks[i].elsewhere)
			elsewhere = blocks[i].rank > elsewhere ? blocks[i].rank : elsewhere;
		else if (s->block == SOURCE_NO_BLOCK || blocks[i].rank > blocks[s->block].rank)
			s->block = i;
	}
	if (s->block != SOURCE_NO_BLOCK && blocks[s->block].excluded)
		s->block = SOURCE_NO_BLOCK;
	s->elsewhere = s->block != SOURCE_NO_BLOCK && elsewhere > blocks[s->block].rank;
}

/* Everything that changes at one place; returns the first event beyond. */
static size_t apply_events(struct sweep *s, size_t i)
{
	struct source_number at = s->events[i].at;
	bool blocks_changed = false;

	for (; i < s->event_count && number_compare(s->events[i].at, at) == 0; i++) {
		const struct event *event = &s->events[i];

		if (event->what < s->group_count) {
			apply_group(s, &s->groups[event->what], event->begins);
		} else {
			s->active_blocks[event->what - s->group_count] = event->begins;
			blocks_changed = true;
		}
	}
	if (blocks_changed)
		choose_block(s);
	return i;
}

static int add_piece(struct sweep *s, struct source_pieces *pieces, struct source_number first,
		     struct source_number last)
{
	struct source_piece piece = {.first = first,
				     .last = last,
				     .block = s->block,
				     .elsewhere = s->elsewhere,
				     .signature = s->signature,
				     .rules = s->rules,
				     .labels = s->labels};
	struct source_piece *before = pieces->count ? &pieces->items[pieces->count - 1] : NULL;

	if (before && before->block == piece.block && before->elsewhere == piece.elsewhere &&
	    before->signature == piece.signature) {
		before->last = last;
		return 0;
	}
	if (mem_grow(&pieces->items, &pieces->cap, pieces->count + 1, sizeof(piece)) < 0)
		return -ENOMEM;
	pieces->items[pieces->count++] = piece;
	return 0;
}

static int run(struct sweep *s, struct source_pieces *pieces)
{
	size_t i = 0;

	if (s->event_count == 0)
		return 0;
	qsort(s->events, s->event_count, sizeof(*s->events), compare_events);
	/* nothing holds before the first event */
	if (number_compare(s->events[0].at, (struct source_number){0, 0}) > 0 &&
	    add_piece(s, pieces, (struct source_number){0, 0}, number_previous(s->events[0].at)) <
		    0)
		return -ENOMEM;
	while (i < s->event_count) {
		struct source_number first = s->events[i].at, last = s->end;

		i = apply_events(s, i);
		if (i < s->event_count)
			last = number_previous(s->events[i].at);
		if (add_piece(s, pieces, first, last) < 0)
			return -ENOMEM;
	}
	return 0;
}

int source_sweep(const struct rule_constants *c, enum rule_field field,
		 const struct source_blocks *blocks, struct source_pieces *ret)
{
	struct source_pieces pieces = {0};
	struct sweep s = {.blocks = blocks, .block = SOURCE_NO_BLOCK};
	int r = -ENOMEM;

	s.end = (struct source_number){blocks->width == 4 ? 0 : UINT64_MAX,
				       blocks->width == 4 ? UINT32_MAX : UINT64_MAX};
	s.active_blocks = calloc(blocks->count + 1, sizeof(*s.active_blocks));
	if (s.active_blocks && add_conditions(&s, c, field) == 0 && add_blocks(&s) == 0)
		r = run(&s, &pieces);
	free(s.active_blocks);
	free(s.groups);
	free(s.events);
	map_done(&s.by_group);
	if (r < 0)
		free(pieces.items);
	else
		*ret = pieces;
	return r;
}
