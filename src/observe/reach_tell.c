/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_tell.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/reach_explore.h"
#include "observe/reach_gaps.h"
#include "observe/reach_routes.h"
#include "observe/reach_rows.h"
#include "observe/reach_sources.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* of all classes: memory, and nobody reads more */
enum { INTERVAL_LIMIT = 1 << 16, INTERVAL_LIMIT_THOROUGH = 1 << 20 };

struct answering {
	const struct mirror *m;
	const struct reach_plan *plan;
	const struct reach_answers *answers;
	struct reach *reach;
	struct reach_routes routes;
	uint32_t query;
	uint32_t blocked_str; /* why this query cannot be told at all; 0: it can */
	uint32_t left_str;
	const struct reach_options *options;
	struct reach_answer *row; /* of this query */
	struct reach_answer *own; /* ... room for it, if it is not that of its baseline, patched */
	struct reach_rows rows;	  /* of baselines */
	struct reach_spans spans; /* scratch */
	uint64_t **left; /* by query: points where groups are left out that get something else */
	bool *skip;	 /* by query */
	size_t expected, limit; /* intervals */
	bool too_many;
};

/* --- from answers to intervals ------------------------------------------------------------------
 */

static const struct reach_answer *answer_at(const struct answering *w, size_t point)
{
	return &w->row[point];
}

/* Of a point whose ports all get to one, that may be the one that was asked about. */
static bool is_nat(const struct answering *w, size_t point)
{
	const struct reach_answer *a = answer_at(w, point);
	const struct reach_point *p = &w->plan->points.items[point];

	return a->target_port != p->port || (a->stays && p->first != p->last) ||
	       !address_equal(&w->answers->targets[a->target].address,
			      &w->plan->queries[w->query].flow.destination);
}

/* The target port of the first port of a point. */
static uint16_t first_arrival(const struct answering *w, size_t point)
{
	const struct reach_answer *a = answer_at(w, point);
	const struct reach_point *p = &w->plan->points.items[point];

	return a->shifts ? (uint16_t)(a->target_port - (p->port - p->first)) : a->target_port;
}

static bool has_point(const uint64_t *bits, size_t point)
{
	return bits[point / 64] >> (point % 64) & 1;
}

/* Why others of the class may get something else at the point: a sentence; 0: they do not. */
static uint32_t others_at(const struct answering *w, size_t point)
{
	const struct reach_query *q = &w->plan->queries[w->query];
	size_t words = w->plan->ties.words;

	if (q->class.others_str &&
	    (!q->others || has_point(w->plan->others + (q->others - 1) * words, point)))
		return q->class.others_str;
	if (w->left[w->query] && has_point(w->left[w->query], point))
		return w->left_str;
	return 0;
}

/* Are two points alike, and does the second go on where the span that the first began ends? */
static bool is_alike(size_t first, size_t next, void *context)
{
	const struct answering *w = context;
	const struct reach_answer *a = answer_at(w, first), *b = answer_at(w, next);
	enum verdict verdict = reach_answer_verdict(a);
	uint16_t distance =
		(uint16_t)(w->plan->points.items[next].first - w->plan->points.items[first].first);

	if (reach_answer_verdict(b) != verdict)
		return false;
	if (!verdict_lets_in(verdict) && others_at(w, first) != others_at(w, next))
		return false;
	if (!verdict_lets_in(verdict) && a->reply != b->reply)
		return false;
	if (!verdict_lets_in(verdict))
		return verdict != VERDICT_UNKNOWN ||
		       (a->doubt == b->doubt && a->late == b->late && !a->verdicts == !b->verdicts);
	if (a->target != b->target || a->doubt != b->doubt || a->odd || b->odd ||
	    a->several != b->several)
		return false;
	if (is_nat(w, first) != is_nat(w, next))
		return false;
	if (!is_nat(w, first))
		return true;
	/* one by one, or all to the same */
	return (uint16_t)(first_arrival(w, first) + distance) == first_arrival(w, next) ||
	       (first_arrival(w, first) == first_arrival(w, next) && !b->shifts);
}

const char *reach_tell_why(const struct mirror *m, const struct reach_answers *answers,
			   const struct reach_answer *a)
{
	enum verdict verdict = reach_answer_verdict(a);

	if (a->reply && (verdict == VERDICT_DROP || a->doubt == REACH_NO_DOUBT) && !a->late)
		return reach_reply_text(a->reply);
	if (verdict != VERDICT_UNKNOWN && verdict != VERDICT_RATE_LIMITED)
		return NULL;
	if (a->late || (!a->verdicts && answers->out_of_time))
		return _("time ran out before it was asked; portero reach --in INTERFACE "
			 "--from ADDRESS asks for one");
	if (a->doubt < m->doubts.count)
		return m->doubts.items[a->doubt].text;
	if (answers->exhausted)
		return _("too many rules that depend on more than one packet");
	/* as from 127.0.0.1 to where NAT sends it on by another interface than lo */
	return verdict == VERDICT_UNKNOWN ? _("such a packet cannot be sent: no route takes it")
					  : NULL;
}

static void fill_target(const struct answering *w, const struct reach_span *span,
			struct reach_interval *i)
{
	const struct reach_answer *a = answer_at(w, span->first_point);
	const struct reach_target *t = &w->answers->targets[a->target];
	size_t last = span->first_point + span->point_count - 1;

	i->forwarded = t->forwarded;
	i->out_ifindex = t->out_ifindex;
	if (t->forwarded)
		i->gateway = reach_routes_gateway(&w->routes, &t->address, t->out_ifindex);
	i->target = t->address;
	i->nat = is_nat(w, span->first_point);
	i->several = a->several;
	i->target_port = first_arrival(w, span->first_point);
	i->shifts = i->nat &&
		    (span->point_count > 1 ? first_arrival(w, last) != i->target_port : a->shifts);
	if (a->odd) {
		i->verdict = VERDICT_UNKNOWN;
		i->why_str = strpool_add_text(
			&w->reach->strings, _("NAT gives its packets ports that follow no order"));
	}
}

/* That one address is kept out says nothing where others of the class may be treated otherwise. */
static int add_span(const struct answering *w, const struct reach_span *span)
{
	struct reach_interval *i = reach_add_interval(w->reach);
	const struct reach_answer *a = answer_at(w, span->first_point);
	uint32_t others_str = others_at(w, span->first_point);
	const char *why = reach_tell_why(w->m, w->answers, a);

	if (!i)
		return -ENOMEM;
	i->first = span->first;
	i->last = span->last;
	i->verdict = reach_answer_verdict(a);
	i->why_str = why ? strpool_add_text(&w->reach->strings, why) : 0;
	if (!verdict_lets_in(i->verdict) && i->verdict != VERDICT_UNKNOWN && others_str) {
		i->verdict = VERDICT_UNKNOWN;
		i->why_str = others_str;
	}
	if (verdict_lets_in(i->verdict))
		fill_target(w, span, i);
	return 0;
}

/* A query that something unmirrored stands in the way of: nothing is known of any port. */
static int add_blocked(const struct answering *w)
{
	struct reach_interval *i = reach_add_interval(w->reach);

	if (!i)
		return -ENOMEM;
	*i = (struct reach_interval){
		.first = 1, .last = 65535, .verdict = VERDICT_UNKNOWN, .why_str = w->blocked_str};
	return 0;
}

/* Two points of such a span are alike however they are compared: see is_alike(). */
static bool is_plain(const struct answering *w, size_t point)
{
	const struct reach_answer *a = answer_at(w, point);

	return !verdict_lets_in(reach_answer_verdict(a)) ||
	       (!a->odd && !a->several && !is_nat(w, point));
}

/* The row of the query's baseline, with its spans; NULL: out of memory. */
static struct reach_row *find_baseline(struct answering *w, uint32_t query)
{
	uint32_t before = w->query;
	struct reach_row *row = reach_rows_find(&w->rows, w->plan->queries[query].baseline);

	if (!row || row->spans.count)
		return row;
	w->query = row->query;
	w->row = row->answers;
	if (reach_points_merge(&w->plan->points, is_alike, w, &row->spans) < 0)
		row = NULL;
	for (size_t i = 0; row && i < row->spans.count; i++)
		row->plain[i] = is_plain(w, row->spans.items[i].first_point);
	w->query = before;
	return row;
}

/* Does it get what its baseline gets, but for what it was asked? */
static bool is_like_baseline(const struct answering *w, uint32_t query)
{
	const struct reach_query *q = &w->plan->queries[query];
	const struct reach_query *baseline = &w->plan->queries[q->baseline];

	return q->reference != query && q->reference == q->baseline && q->baseline != query &&
	       q->others == baseline->others && !w->left[query] &&
	       q->class.others_str == baseline->class.others_str &&
	       address_equal(&q->flow.destination, &baseline->flow.destination);
}

/* w->row and w->spans of w->query; ended with hide(). 0 or -ENOMEM. */
static int show(struct answering *w)
{
	const struct reach_query *q = &w->plan->queries[w->query];
	struct reach_row *row = is_like_baseline(w, w->query) ? find_baseline(w, w->query) : NULL;

	if (!row) {
		w->row = w->own;
		reach_answers_row(w->plan, w->answers, w->query, w->own);
		return reach_points_merge(&w->plan->points, is_alike, w, &w->spans);
	}
	w->row = row->answers;
	reach_answers_patch(w->plan, w->answers, w->query, w->row, w->rows.before);
	return reach_points_merge_changed(
		&w->plan->points,
		&(struct reach_spans_before){row->spans.items, row->plain, row->spans.count,
					     w->plan->asks.items + q->asks.first, q->asks.count},
		is_alike, w, &w->spans);
}

static void hide(struct answering *w)
{
	if (w->row != w->own)
		reach_answers_unpatch(w->plan, w->query, w->row, w->rows.before);
}

static int add_spans(struct answering *w)
{
	int r = show(w);

	for (size_t i = 0; i < w->spans.count && r >= 0; i++)
		r = add_span(w, &w->spans.items[i]);
	hide(w);
	return r;
}

static int add_class(struct answering *w)
{
	struct reach_class *c = reach_add_class(w->reach);
	int r;

	if (!c)
		return -ENOMEM;
	*c = w->plan->queries[w->query].class;
	c->first_interval = (uint32_t)w->reach->interval_count;
	r = w->blocked_str ? add_blocked(w) : add_spans(w);
	c->interval_count = (uint32_t)w->reach->interval_count - c->first_interval;
	return r;
}

/* Is another class of private sources told apart from this one, at the same place? */
static bool is_split(const struct reach *r, const struct reach_class *c)
{
	for (size_t i = 0; i < r->class_count; i++) {
		const struct reach_class *other = &r->classes[i];

		if (other != c && other->source_class == SOURCE_PRIVATE &&
		    other->ifindex == c->ifindex && other->proto == c->proto &&
		    address_equal(&other->destination, &c->destination))
			return true;
	}
	return false;
}

/* Private networks that all get the same need no list. */
static void name_private(struct reach *r)
{
	for (size_t i = 0; i < r->class_count; i++)
		if (r->classes[i].source_class == SOURCE_PRIVATE && !is_split(r, &r->classes[i]))
			r->classes[i].sources_str = 0;
}

/* --- classes that are not told ------------------------------------------------------------------
 */

/* A group is left out: at what it was asked, the answers of its baseline are not those of all. */
static int leave_out(struct answering *w, const struct reach_query *q)
{
	uint64_t **left = &w->left[q->baseline];

	if (!*left)
		*left = calloc(w->plan->ties.words, sizeof(**left));
	if (!*left)
		return -ENOMEM;
	for (uint32_t i = 0; i < q->asks.count; i++) {
		const struct reach_ask *ask = &w->plan->asks.items[q->asks.first + i];

		for (uint32_t at = ask->first; at < ask->end; at++)
			(*left)[at / 64] |= UINT64_C(1) << (at % 64);
	}
	w->too_many = true;
	return 0;
}

/* Groups that get what their baseline gets are a part of it; of the others, not endlessly many can
 * be told. */
static int choose_told(struct answering *w)
{
	int r = 0;

	for (uint32_t i = 0; i < w->plan->count && r >= 0; i++) {
		const struct reach_query *q = &w->plan->queries[i];
		struct reach_row *row;

		w->query = i;
		if (q->reference == i || q->reference != q->baseline) {
			w->expected += 1;
			continue;
		}
		row = find_baseline(w, i);
		if (!row)
			return -ENOMEM;
		w->skip[i] = source_class_is_part(q->class.source_class) &&
			     reach_answers_are_alike(w->plan, w->answers, i, row->answers);
		if (w->skip[i])
			continue;
		if (w->expected <= w->limit) {
			r = show(w);
			hide(w);
			w->expected += w->spans.count;
		}
		w->skip[i] = w->expected > w->limit;
		if (r >= 0 && w->skip[i])
			r = leave_out(w, q);
	}
	return r;
}

/* --- the whole ----------------------------------------------------------------------------------
 */

/* The classes of all queries; then those that do not differ become one. */
static int add_classes(struct answering *w)
{
	uint32_t cleanup_free *baselines = calloc(w->plan->count + 1, sizeof(*baselines));
	uint32_t cleanup_free *place = calloc(w->plan->count + 1, sizeof(*place));
	int r = baselines && place ? choose_told(w) : -ENOMEM;

	for (uint32_t q = 0; q < w->plan->count && r >= 0; q++) {
		const struct reach_query *query = &w->plan->queries[q];

		if (w->skip[q])
			continue;
		place[q] = (uint32_t)w->reach->class_count;
		baselines[place[q]] = place[query->baseline];
		w->query = q;
		w->blocked_str = reach_gaps_of_query(w->m, query, w->reach);
		r = add_class(w);
	}
	if (r >= 0)
		r = reach_classes_merge(w->reach, baselines);
	if (r >= 0 && !w->options->from.family)
		name_private(w->reach);
	return r;
}

static void add_gaps(const struct answering *w)
{
	const char *remedy = _("ask for some: portero reach --in INTERFACE --from ADDRESS");
	char why[160];

	if (w->answers->out_of_time) {
		snprintf(why, sizeof(why), _("time ran out: %zu of %zu packets were asked about"),
			 w->answers->asked, w->answers->count);
		reach_add_gap(w->reach, _("some of what the rules may treat otherwise"), why,
			      remedy);
	}
	if (w->too_many)
		reach_add_gap(w->reach, _("some groups of source addresses"),
			      reach_text(w->reach, w->left_str), remedy);
}

int reach_tell(const struct mirror *m, const struct reach_plan *plan,
	       const struct reach_answers *answers, const struct reach_options *options,
	       struct reach *ret)
{
	struct answering w = {.m = m,
			      .plan = plan,
			      .answers = answers,
			      .options = options,
			      .reach = ret,
			      .limit =
				      options->thorough ? INTERVAL_LIMIT_THOROUGH : INTERVAL_LIMIT};
	int r = -ENOMEM;

	w.left_str = strpool_add_text(&ret->strings,
				      _("too many groups of sources get something of their own"));
	w.own = calloc(plan->points.count + 1, sizeof(*w.own));
	w.left = calloc(plan->count + 1, sizeof(*w.left));
	w.skip = calloc(plan->count + 1, sizeof(*w.skip));
	if (w.own && w.left && w.skip)
		r = reach_rows_begin(&w.rows, plan, answers);
	if (r >= 0)
		r = reach_routes_read(&m->twin.host, &w.routes);
	if (r >= 0)
		r = options->only_each ? 0 : add_classes(&w);
	add_gaps(&w);
	for (size_t i = 0; w.left && i < plan->count; i++)
		free(w.left[i]);
	free(w.left);
	free(w.own);
	free(w.spans.items);
	reach_rows_done(&w.rows);
	free(w.skip);
	reach_routes_done(&w.routes);
	return r;
}
