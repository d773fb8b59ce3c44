/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_sources: from the pieces of the number line (source_sweep) to groups of sources: one for
 * each block and signature, with an address to ask with and a text that says who is meant.
 */
#include "observe/reach_sources.h"

#include "base/i18n.h"
#include "base/mem.h"
#include "observe/source_drafts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	GROUPS_KEPT =
		REACH_SOURCE_LIMIT_THOROUGH, /* while grouping: those over it are counted only */
	MASK_TRIES = 64,
};

static void drafts_done(struct drafts *d)
{
	for (size_t i = 0; i < d->count; i++)
		buf_done(&d->items[i].prefixes);
	free(d->items);
	free(d->baselines);
	map_done(&d->by_key);
	map_done(&d->plausible);
}

uint64_t drafts_key(const struct source_piece *piece)
{
	return map_mix(piece->signature, (uint64_t)piece->block << 1 | piece->elsewhere);
}

/* The draft of a piece; NULL with *r == 0 when there are too many. */
static struct draft *find_draft(struct drafts *d, const struct source_piece *piece, int *r)
{
	uint64_t key = drafts_key(piece);
	struct draft *draft;
	uint32_t index;

	*r = 0;
	if (map_get(&d->by_key, key, &index))
		return &d->items[index];
	if (d->count >= GROUPS_KEPT)
		return NULL;
	*r = -ENOMEM;
	if (mem_grow(&d->items, &d->cap, d->count + 1, sizeof(*draft)) < 0 ||
	    map_set(&d->by_key, key, (uint32_t)d->count) < 0)
		return NULL;
	*r = 0;
	draft = &d->items[d->count++];
	*draft = (struct draft){.group.signature = piece->signature,
				.block = piece->block,
				.elsewhere = piece->elsewhere,
				.rules = piece->rules,
				.labels = piece->labels};
	return draft;
}

static int group_pieces(struct drafts *d, const struct source_pieces *pieces)
{
	for (size_t i = 0; i < pieces->count; i++) {
		const struct source_piece *piece = &pieces->items[i];
		double size = number_size(piece->first, piece->last);
		struct draft *draft;
		int r;

		if (piece->block == SOURCE_NO_BLOCK)
			continue;
		draft = find_draft(d, piece, &r);
		if (r < 0)
			return r;
		if (!draft) {
			d->left_out += size;
			continue;
		}
		draft->group.size += size;
		if (size <= draft->largest)
			continue;
		draft->largest = size;
		draft->first = piece->first;
		draft->last = piece->last;
	}
	return 0;
}

/* Larger; but plausible ones before those elsewhere: a tunnel may have all of a block. */
static bool is_better(const struct draft *one, const struct draft *other)
{
	if (one->elsewhere != other->elsewhere)
		return other->elsewhere;
	return one->group.size > other->group.size;
}

/* Private networks that are all elsewhere are no class here: they stand out from the internet. */
static void leave_private(struct drafts *d)
{
	uint32_t internet = 0;

	for (size_t i = 0; i < d->blocks->count && !internet; i++)
		if (d->blocks->items[i].source_class == SOURCE_INTERNET)
			internet = d->baselines[i];
	for (size_t i = 0; i < d->blocks->count && internet; i++)
		if (d->baselines[i] && d->items[d->baselines[i] - 1].elsewhere &&
		    d->blocks->items[i].source_class == SOURCE_PRIVATE)
			d->baselines[i] = internet;
}

/* What most of a block has. */
static int choose_baselines(struct drafts *d)
{
	d->baselines = calloc(d->blocks->count + 1, sizeof(*d->baselines));
	if (!d->baselines)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->count; i++) {
		uint32_t *best = &d->baselines[d->items[i].block];

		if (*best == 0 || is_better(&d->items[i], &d->items[*best - 1]))
			*best = i + 1;
	}
	leave_private(d);
	for (uint32_t i = 0; i < d->count; i++) {
		struct draft *draft = &d->items[i];

		draft->group.baseline = d->baselines[draft->block] - 1;
		draft->group.source_class = draft->group.baseline == i
						    ? d->blocks->items[draft->block].source_class
					    : draft->elsewhere ? SOURCE_FORGED
							       : SOURCE_LISTED;
	}
	return 0;
}

/* What tells a draft from others that stand out from the same baseline, but for routes where no
 * rule asks for those of the sender. */
static uint64_t rules_of(const struct drafts *d, const struct rule_constants *c,
			 const struct draft *draft)
{
	return map_mix(c->asks_source_routes ? draft->group.signature : draft->rules,
		       d->items[draft->group.baseline].block);
}

/* Who forges an address, or comes by a detour, gets what others get, unless rules tell them apart.
 * Routing alone can only keep them out (rp_filter). */
static int leave_alike(struct drafts *d, const struct rule_constants *c)
{
	for (size_t i = 0; i < d->count; i++)
		if (d->items[i].group.source_class != SOURCE_FORGED &&
		    map_set(&d->plausible, rules_of(d, c, &d->items[i]), 1) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < d->count; i++) {
		uint32_t known;

		d->items[i].left = d->items[i].group.source_class == SOURCE_FORGED &&
				   map_get(&d->plausible, rules_of(d, c, &d->items[i]), &known);
	}
	return 0;
}

/* --- representatives ---------------------------------------------------------------------------
 */

static bool mask_has(const struct rule_mask *mask, const uint8_t *bytes)
{
	for (size_t i = 0; i < RULE_VALUE_SIZE; i++)
		if ((bytes[i] & mask->mask[i]) != mask->value[i])
			return false;
	return true;
}

static bool any_mask_has(const struct rule_conditions *list, const uint8_t *bytes)
{
	for (size_t i = 0; i < list->mask_count; i++)
		if (mask_has(&list->masks[i], bytes))
			return true;
	return false;
}

/* The second address of the largest piece, as .0 looks odd; one that no scattered mask is about,
 * when there is one nearby. */
static void choose_address(struct draft *draft, const struct rule_conditions *list, uint8_t family)
{
	size_t width = family == AF_INET ? 4 : 16;
	struct source_number at = draft->first;
	struct address *address = &draft->group.address;

	if (draft->largest > 2)
		at = number_next(at);
	address->family = family;
	number_to_bytes(at, address->bytes, width);
	for (int i = 0; list->mask_count && i < MASK_TRIES; i++) {
		uint8_t bytes[RULE_VALUE_SIZE] = {0};

		number_to_bytes(at, bytes, width);
		if (!any_mask_has(list, bytes)) {
			memcpy(address->bytes, bytes, width);
			return;
		}
		if (number_compare(at, draft->last) == 0)
			return;
		at = number_next(at);
	}
}

/* --- the result --------------------------------------------------------------------------------
 */

/* Baselines first, then the larger before the smaller. */
static int compare_drafts(const void *a, const void *b, void *context)
{
	const struct draft *items = context;
	const struct draft *x = &items[*(const uint32_t *)a], *y = &items[*(const uint32_t *)b];
	bool part = source_class_is_part(x->group.source_class);

	if (part != source_class_is_part(y->group.source_class))
		return part ? 1 : -1;
	if (x->group.size != y->group.size)
		return x->group.size > y->group.size ? -1 : 1;
	return number_compare(x->first, y->first);
}

static int emit(struct drafts *d, struct reach_sources *ret)
{
	cleanup_free uint32_t *order = calloc(d->count + 1, sizeof(*order));
	cleanup_free uint32_t *place = calloc(d->count + 1, sizeof(*place));
	size_t count = 0;

	if (!order || !place ||
	    mem_grow(&ret->items, &ret->cap, d->count + 1, sizeof(*ret->items)) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->count; i++)
		if (!d->items[i].left)
			order[count++] = i;
	qsort_r(order, count, sizeof(*order), compare_drafts, d->items);
	for (uint32_t i = 0; i < count; i++)
		place[order[i]] = i;
	for (size_t i = 0; i < count; i++) {
		ret->items[i] = d->items[order[i]].group;
		ret->items[i].baseline = place[ret->items[i].baseline];
	}
	ret->count = ret->total = count;
	return 0;
}

static void set_incomplete(struct reach_sources *ret, const char *why)
{
	if (ret->complete)
		ret->why_str = strpool_add_text(&ret->strings, why);
	ret->complete = false;
}

/* What keeps the groups from being all there is to tell. */
static void check_complete(const struct rule_constants *c, const struct rule_conditions *list,
			   const struct drafts *d, struct reach_sources *ret)
{
	char text[160];

	ret->complete = true;
	ret->vague = list->opaque || list->mask_count || d->left_out > 0;
	if (list->opaque)
		set_incomplete(ret, rule_constants_text(c, list->why_str));
	if (list->mask_count)
		set_incomplete(ret, _("addresses are compared under a mask that is no prefix"));
	if (d->left_out == 0)
		return;
	snprintf(text, sizeof(text), _("the rules tell more than %zu groups of addresses apart"),
		 d->count);
	set_incomplete(ret, text);
}

void reach_sources_limit(struct reach_sources *s, size_t limit)
{
	char text[160];

	if (s->count <= limit)
		return;
	s->count = limit;
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].baseline >= s->count)
			s->items[i].baseline = (uint32_t)i;
	snprintf(text, sizeof(text),
		 _("the rules tell %zu groups of addresses apart, %zu were asked about"), s->total,
		 s->count);
	s->complete = s->complete && s->total <= s->count;
	s->why_str = strpool_add_text(&s->strings, text);
}

static int build(const struct rule_constants *c, enum rule_field field, struct drafts *d,
		 const struct source_pieces *pieces, struct reach_sources *ret)
{
	const struct rule_conditions *list = &c->fields[field];

	if (group_pieces(d, pieces) < 0 || choose_baselines(d) < 0 || leave_alike(d, c) < 0)
		return -ENOMEM;
	drafts_find_prefixes(d, pieces);
	for (size_t i = 0; i < d->count; i++) {
		choose_address(&d->items[i], list, d->blocks->family);
		drafts_describe(d, c, &d->items[i], &ret->strings);
	}
	check_complete(c, list, d, ret);
	return emit(d, ret);
}

int reach_sources_build(const struct rule_constants *c, const struct source_scope *scope,
			struct reach_sources *ret)
{
	enum rule_field field = scope->family == AF_INET ? RULE_SOURCE4 : RULE_SOURCE6;
	struct source_blocks blocks = {0};
	struct source_pieces pieces = {0};
	struct drafts drafts = {.blocks = &blocks};
	struct reach_sources built = {0};
	int r = source_blocks_build(&blocks, scope);

	if (r == 0)
		r = source_sweep(c, field, &blocks, &pieces);
	if (r == 0)
		r = build(c, field, &drafts, &pieces, &built);
	if (r == 0) {
		reach_sources_limit(&built, scope->limit ? scope->limit : REACH_SOURCE_LIMIT);
		*ret = built;
	} else {
		reach_sources_done(&built);
	}
	drafts_done(&drafts);
	free(pieces.items);
	source_blocks_done(&blocks);
	return r;
}

void reach_sources_done(struct reach_sources *s)
{
	free(s->items);
	strpool_done(&s->strings);
	*s = (struct reach_sources){0};
}

const char *reach_sources_text(const struct reach_sources *s, uint32_t str)
{
	return strpool_get(&s->strings, str);
}
