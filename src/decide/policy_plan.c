/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_plan: the two sides know different groups of sources, because each set of rules mentions
 * addresses of its own. So each side is first brought into one form: for each class of sources,
 * interface and family what the class gets, and what of its addresses gets something else.
 */
#include "decide/policy_plan.h"
#include "base/map.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

const char *plan_kind_id(enum plan_kind kind)
{
	static const char *const ids[PLAN_KIND_COUNT] = {"stays",   "closes", "narrows",
							 "changes", "widens", "opens"};

	return ids[kind];
}

void policy_plan_done(struct plan *plan)
{
	free(plan->rows);
	free(plan->groups);
	*plan = (struct plan){0};
}

bool policy_plan_is_empty(const struct plan *plan)
{
	return plan->row_count == plan->counts[PLAN_STAYS] &&
	       plan->holes_before == plan->holes_after;
}

/* --- one row of one side ------------------------------------------------------------------------
 */

struct form {
	struct plan_group *groups;
	size_t count, cap;
};

static void form_done(struct form *f)
{
	free(f->groups);
}

/* By how much it lets in. */
static unsigned rank(enum verdict verdict)
{
	static const unsigned ranks[VERDICT_COUNT] = {
		[VERDICT_DROP] = 0,	    [VERDICT_REJECT] = 1, [VERDICT_UNKNOWN] = 2,
		[VERDICT_RATE_LIMITED] = 3, [VERDICT_ACCEPT] = 4,
	};

	return ranks[verdict];
}

static enum source_class class_of(const struct reach_class *c)
{
	return source_class_is_part(c->source_class) ? c->within : c->source_class;
}

static struct plan_group *find_group(struct form *f, const struct reach_class *c)
{
	uint8_t family = c->destination.family == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;

	for (size_t i = 0; i < f->count; i++)
		if (f->groups[i].class == class_of(c) && f->groups[i].ifindex == c->ifindex &&
		    f->groups[i].family == family)
			return &f->groups[i];
	if (mem_grow(&f->groups, &f->cap, f->count + 1, sizeof(*f->groups)) < 0)
		return NULL;
	f->groups[f->count] = (struct plan_group){.class = class_of(c),
						  .ifindex = c->ifindex,
						  .family = family,
						  .verdict = VERDICT_COUNT};
	return &f->groups[f->count++];
}

static const struct reach_class *way_class(const struct plan_side *side, const struct port_row *row,
					   uint32_t way, enum verdict *ret)
{
	const struct reach_way *w = &side->join->ways[row->reach.first_way + way];

	*ret = w->verdict;
	return &side->reach->classes[w->class];
}

/* Addresses that rules mention are no class of their own. The private networks may be told apart
 * from one another: together, they are the class. */
static bool is_part(const struct reach_class *c)
{
	return source_class_is_part(c->source_class) ||
	       (c->source_class == SOURCE_PRIVATE && c->sources_str != 0);
}

static void raise_verdict(enum verdict *verdict, enum verdict other)
{
	if (*verdict == VERDICT_COUNT || rank(other) > rank(*verdict))
		*verdict = other;
}

static void lower_verdict(enum verdict *verdict, enum verdict other)
{
	if (*verdict == VERDICT_COUNT || rank(other) < rank(*verdict))
		*verdict = other;
}

/* First what the whole classes get: of parts that make up a class, what the worst off gets. */
static int add_wholes(const struct plan_side *side, const struct port_row *row, struct form *f)
{
	for (uint32_t i = 0; i < row->reach.way_count; i++) {
		enum verdict verdict;
		const struct reach_class *c = way_class(side, row, i, &verdict);
		struct plan_group *g;

		if (class_of(c) == SOURCE_HOST)
			continue;
		g = find_group(f, c);
		if (!g)
			return -ENOMEM;
		if (!is_part(c))
			raise_verdict(&g->verdict, verdict);
		else if (c->source_class == SOURCE_PRIVATE)
			lower_verdict(&g->verdict, verdict);
	}
	for (size_t i = 0; i < f->count; i++)
		if (f->groups[i].verdict == VERDICT_COUNT)
			f->groups[i].verdict = VERDICT_DROP;
	return 0;
}

/* ... then the parts that get something else. Their order does not matter. */
static int add_parts(const struct plan_side *side, const struct port_row *row, struct form *f)
{
	for (uint32_t i = 0; i < row->reach.way_count; i++) {
		enum verdict verdict;
		const struct reach_class *c = way_class(side, row, i, &verdict);
		struct plan_group *g;
		const char *text;

		if (class_of(c) == SOURCE_HOST || !is_part(c))
			continue;
		g = find_group(f, c);
		if (!g)
			return -ENOMEM;
		text = reach_text(side->reach, c->sources_str);
		if (verdict_lets_in(verdict) != verdict_lets_in(g->verdict) ||
		    (verdict_lets_in(verdict) && verdict != g->verdict))
			g->exceptions +=
				map_mix(map_hash_bytes(text, strlen(text)), (uint64_t)verdict) | 1;
	}
	return 0;
}

static int form_row(const struct plan_side *side, uint32_t row, struct form *f)
{
	int r = 0;

	if (row == PLAN_NONE)
		return 0;
	r = add_wholes(side, &side->list->rows[row], f);
	return r < 0 ? r : add_parts(side, &side->list->rows[row], f);
}

static const struct plan_group *same_group(const struct form *f, const struct plan_group *g)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->groups[i].class == g->class && f->groups[i].ifindex == g->ifindex &&
		    f->groups[i].family == g->family)
			return &f->groups[i];
	return NULL;
}

/* --- two sides ----------------------------------------------------------------------------------
 */

static int add_group(struct plan *plan, const struct plan_group *g)
{
	if (mem_grow(&plan->groups, &plan->group_cap, plan->group_count + 1,
		     sizeof(*plan->groups)) < 0)
		return -ENOMEM;
	plan->groups[plan->group_count++] = *g;
	return 0;
}

/* What one side lets in and the other does not. Adds to *ret_parts the families of which some
 * addresses get something else. Returns how many, or -ENOMEM. */
static int add_missing(struct plan *plan, const struct form *from, const struct form *to,
		       uint32_t *ret_first, uint8_t *ret_parts)
{
	int count = 0;

	*ret_first = (uint32_t)plan->group_count;
	for (size_t i = 0; i < from->count; i++) {
		const struct plan_group *g = &from->groups[i], *other = same_group(to, g);
		enum verdict verdict = other ? other->verdict : VERDICT_DROP;

		if ((other ? other->exceptions : 0) != g->exceptions)
			*ret_parts |= g->family;
		if (rank(g->verdict) <= rank(verdict) || rank(g->verdict) < rank(VERDICT_UNKNOWN))
			continue;
		if (add_group(plan, g) < 0)
			return -ENOMEM;
		count++;
	}
	return count;
}

/* Of all groups from `first` on. */
static uint8_t group_families(const struct plan *plan, size_t first)
{
	uint8_t families = 0;

	for (size_t i = first; i < plan->group_count; i++)
		families |= plan->groups[i].family;
	return families;
}

static bool gets_in(const struct plan_side *side, uint32_t row)
{
	return row != PLAN_NONE && side->list->rows[row].reach.reached &&
	       side->list->rows[row].reach.widest != SOURCE_HOST;
}

static bool is_doubtful(const struct plan_side *side, uint32_t row)
{
	const struct port_reach *r = row == PLAN_NONE ? NULL : &side->list->rows[row].reach;

	return r && (r->state == PORT_UNKNOWN || r->wider_unknown);
}

/* `parts`: some addresses get something else than before, though their class may not. */
static enum plan_kind kind_of(const struct plan_row *row, const struct plan_side *before,
			      const struct plan_side *after, bool parts)
{
	bool was = gets_in(before, row->before) || is_doubtful(before, row->before);
	bool is = gets_in(after, row->after) || is_doubtful(after, row->after);

	if (was && !is)
		return PLAN_CLOSES;
	if (!was && is)
		return PLAN_OPENS;
	if (row->lost_count && (row->gained_count || !parts))
		return row->gained_count ? PLAN_CHANGES : PLAN_NARROWS;
	if (row->lost_count)
		return PLAN_NARROWS;
	if (row->gained_count)
		return PLAN_WIDENS;
	return parts ? PLAN_CHANGES : PLAN_STAYS;
}

static int compare_row(struct plan *plan, const struct plan_side *before,
		       const struct plan_side *after, struct plan_row *row)
{
	struct form cleanup_call(form_done) was = {0};
	struct form cleanup_call(form_done) is = {0};
	uint8_t parts = 0;
	int lost, gained;

	if (form_row(before, row->before, &was) < 0 || form_row(after, row->after, &is) < 0)
		return -ENOMEM;
	lost = add_missing(plan, &was, &is, &row->first_lost, &parts);
	gained = lost < 0 ? lost : add_missing(plan, &is, &was, &row->first_gained, &parts);
	if (gained < 0)
		return -ENOMEM;
	row->lost_count = (uint32_t)lost;
	row->gained_count = (uint32_t)gained;
	row->maybe = is_doubtful(before, row->before);
	row->kind = kind_of(row, before, after, parts != 0);
	row->families = parts | group_families(plan, row->first_lost);
	return 0;
}

/* --- which rows belong together -----------------------------------------------------------------
 */

static uint64_t row_key(const struct plan_side *side, uint32_t index)
{
	const struct port_row *row = &side->list->rows[index];
	uint64_t key = map_mix((uint64_t)row->proto << 32 | row->port, row->netns);

	/* both lists were made of the same sockets */
	return map_mix(key,
		       map_mix(row->published, side->list->listeners[row->first_listener].socket));
}

static int index_rows(const struct plan_side *side, struct map *ret)
{
	for (size_t i = 0; i < side->list->row_count; i++)
		if (map_set(ret, row_key(side, (uint32_t)i), (uint32_t)i) < 0)
			return -ENOMEM;
	return 0;
}

static int add_row(struct plan *plan, const struct policy *p, const struct snapshot *s,
		   const struct plan_side *sides[2], const uint32_t rows[2], int64_t now_s)
{
	bool is_new = rows[0] == PLAN_NONE;
	const struct plan_side *side = sides[is_new];
	struct plan_row row = {.before = rows[0], .after = rows[1]};

	row.declared =
		policy_row(p, s, side->list, &side->list->rows[rows[is_new]], now_s, &row.opening);
	if (compare_row(plan, sides[0], sides[1], &row) < 0 ||
	    mem_grow(&plan->rows, &plan->row_cap, plan->row_count + 1, sizeof(*plan->rows)) < 0)
		return -ENOMEM;
	plan->counts[row.kind]++;
	plan->rows[plan->row_count++] = row;
	return 0;
}

static int add_rows(struct plan *plan, const struct policy *p, const struct snapshot *s,
		    const struct plan_side *sides[2], int64_t now_s)
{
	struct map cleanup_call(map_done) before = {0};
	struct map cleanup_call(map_done) after = {0};
	uint32_t rows[2];

	if (index_rows(sides[0], &before) < 0 || index_rows(sides[1], &after) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < sides[0]->list->row_count; i++) {
		rows[0] = i;
		if (!map_get(&after, row_key(sides[0], i), &rows[1]))
			rows[1] = PLAN_NONE;
		if (add_row(plan, p, s, sides, rows, now_s) < 0)
			return -ENOMEM;
	}
	rows[0] = PLAN_NONE;
	for (uint32_t i = 0; i < sides[1]->list->row_count; i++) {
		uint32_t found;

		rows[1] = i;
		if (!map_get(&before, row_key(sides[1], i), &found) &&
		    add_row(plan, p, s, sides, rows, now_s) < 0)
			return -ENOMEM;
	}
	return 0;
}

static size_t count_holes(const struct reach_join *j)
{
	size_t count = 0;

	for (size_t i = 0; i < j->hole_count; i++)
		count += (size_t)(j->holes[i].last - j->holes[i].first) + 1;
	return count;
}

static int by_kind(const void *a, const void *b)
{
	static const unsigned orders[PLAN_KIND_COUNT] = {
		[PLAN_CLOSES] = 0, [PLAN_NARROWS] = 1, [PLAN_CHANGES] = 2,
		[PLAN_WIDENS] = 3, [PLAN_OPENS] = 4,   [PLAN_STAYS] = 5,
	};
	const struct plan_row *x = a, *y = b;

	if (x->kind != y->kind)
		return orders[x->kind] < orders[y->kind] ? -1 : 1;
	/* the rows of a list have the most exposed first */
	if (x->before != y->before)
		return x->before < y->before ? -1 : 1;
	return x->after < y->after ? -1 : x->after > y->after;
}

int policy_plan_build(const struct policy *p, const struct snapshot *s,
		      const struct plan_side *before, const struct plan_side *after, int64_t now_s,
		      struct plan *ret)
{
	const struct plan_side *sides[2] = {before, after};

	*ret = (struct plan){.holes_before = count_holes(before->join),
			     .holes_after = count_holes(after->join)};
	if (add_rows(ret, p, s, sides, now_s) < 0)
		return -ENOMEM;
	if (ret->row_count)
		qsort(ret->rows, ret->row_count, sizeof(*ret->rows), by_kind);
	return 0;
}
