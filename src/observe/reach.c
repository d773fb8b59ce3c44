/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/mirror.h"
#include "observe/reach_cache.h"
#include "observe/reach_explore.h"
#include "observe/reach_gaps.h"
#include "observe/reach_plan.h"
#include "observe/reach_routes.h"
#include "observe/reach_sources.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct answering {
	const struct mirror *m;
	const struct reach_plan *plan;
	const struct reach_answers *answers;
	struct reach *reach;
	struct reach_routes routes;
	uint32_t query;
	uint32_t blocked_str; /* why this query cannot be told at all; 0: it can */
	uint32_t exhausted_str;
	bool one_source; /* the user gave it: its text stays */
};

/* --- from answers to intervals ------------------------------------------------------------------
 */

static const struct reach_answer *answer_at(const struct answering *w, size_t point)
{
	return &w->answers->items[(size_t)w->query * w->answers->point_count + point];
}

static bool is_nat(const struct answering *w, size_t point)
{
	const struct reach_answer *a = answer_at(w, point);

	return a->target_port != w->plan->points.items[point].port ||
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

static bool lets_in(enum verdict verdict)
{
	return verdict == VERDICT_ACCEPT || verdict == VERDICT_RATE_LIMITED;
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
	if (!lets_in(verdict))
		return verdict != VERDICT_UNKNOWN || a->doubt == b->doubt;
	if (a->target != b->target || a->doubt != b->doubt || a->odd || b->odd)
		return false;
	if (is_nat(w, first) != is_nat(w, next))
		return false;
	if (!is_nat(w, first))
		return true;
	/* one by one, or all to the same */
	return (uint16_t)(first_arrival(w, first) + distance) == first_arrival(w, next) ||
	       (first_arrival(w, first) == first_arrival(w, next) && !b->shifts);
}

static uint32_t why(const struct answering *w, const struct reach_answer *a, enum verdict verdict)
{
	if (verdict != VERDICT_UNKNOWN && verdict != VERDICT_RATE_LIMITED)
		return 0;
	if (a->doubt < w->m->doubts.count)
		return strpool_add_text(&w->reach->strings, w->m->doubts.items[a->doubt].text);
	if (w->answers->exhausted)
		return w->exhausted_str;
	/* as from 127.0.0.1 to where NAT sends it on by another interface than lo */
	return verdict == VERDICT_UNKNOWN
		       ? strpool_add_text(&w->reach->strings,
					  _("such a packet cannot be sent: no route takes it"))
		       : 0;
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
static int add_span(const struct answering *w, const struct reach_span *span, uint32_t others_str)
{
	struct reach_interval *i = reach_add_interval(w->reach);
	const struct reach_answer *a = answer_at(w, span->first_point);

	if (!i)
		return -ENOMEM;
	i->first = span->first;
	i->last = span->last;
	i->verdict = reach_answer_verdict(a);
	i->why_str = why(w, a, i->verdict);
	if (!lets_in(i->verdict) && i->verdict != VERDICT_UNKNOWN && others_str) {
		i->verdict = VERDICT_UNKNOWN;
		i->why_str = others_str;
	}
	if (lets_in(i->verdict))
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

static int add_class(struct answering *w)
{
	struct reach_class *c = reach_add_class(w->reach);
	struct reach_span cleanup_free *spans = NULL;
	uint32_t others_str = w->plan->queries[w->query].class.others_str;
	size_t count = 0;
	int r = 0;

	if (!c)
		return -ENOMEM;
	*c = w->plan->queries[w->query].class;
	c->first_interval = (uint32_t)w->reach->interval_count;
	if (w->blocked_str)
		r = add_blocked(w);
	else
		r = reach_points_merge(&w->plan->points, is_alike, w, &spans, &count);
	for (size_t i = 0; i < count && r >= 0; i++)
		r = add_span(w, &spans[i], others_str);
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

/* The classes of all queries; then those that do not differ become one. */
static int add_classes(struct answering *w)
{
	uint32_t cleanup_free *baselines = calloc(w->plan->count + 1, sizeof(*baselines));
	int r = 0;

	if (!baselines)
		return -ENOMEM;
	for (size_t q = 0; q < w->plan->count && r >= 0; q++) {
		baselines[q] = w->plan->queries[q].baseline;
		w->query = (uint32_t)q;
		w->blocked_str = reach_gaps_of_query(w->m, &w->plan->queries[q], w->reach);
		r = add_class(w);
	}
	if (r >= 0)
		r = reach_classes_merge(w->reach, baselines);
	if (r >= 0 && !w->one_source)
		name_private(w->reach);
	return r;
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static int answer(const struct mirror *m, const struct reach_plan *plan,
		  const struct reach_answers *answers, bool one_source, struct reach *ret)
{
	struct answering w = {
		.m = m, .plan = plan, .answers = answers, .reach = ret, .one_source = one_source};

	int r = reach_routes_read(&m->twin.host, &w.routes);

	w.exhausted_str = strpool_add_text(&ret->strings,
					   _("too many rules that depend on more than one packet"));
	if (r >= 0)
		r = add_classes(&w);
	reach_routes_done(&w.routes);
	return r;
}

static int ask(struct mirror *m, const struct reach_options *options, struct reach *ret,
	       struct err *e)
{
	struct reach_plan plan = {0};
	struct reach_answers answers = {0};
	int r = reach_plan_build(m, options, ret, &plan, e);

	if (r >= 0)
		r = reach_explore(m, &plan, &answers, e);
	if (r >= 0) {
		ret->available = true;
		reach_gaps_add(m, ret);
		r = answer(m, &plan, &answers, options->from.family != 0, ret);
	}
	reach_answers_done(&answers);
	reach_plan_done(&plan);
	return r;
}

/* Without a twin nothing is known, and the reason is all that there is to say. */
void reach_say_why_not(struct reach *ret, int code, const struct err *e)
{
	const char *remedy = "";

	if (code == -EPERM || code == -EACCES)
		remedy = _("run portero as root");
	else if (code == -ENODEV)
		remedy = _("load the kernel module tun (modprobe tun)");
	ret->available = false;
	reach_add_gap(ret, _("who can reach the ports"), e->msg, remedy);
}

static bool uses_cache(const struct reach_options *options)
{
	return options->cache_dir && !options->no_cache;
}

/* Are the answers of an unchanged machine at hand? `m` has read, and looked, then. */
static bool find_kept(struct mirror *m, const struct reach_options *options, struct reach *ret)
{
	uint64_t key;

	if (mirror_read(m, NULL) < 0 || mirror_look(m, options->snapshot, NULL) < 0) {
		mirror_done(m);
		return false;
	}
	key = reach_cache_key(m, options);
	return key && !m->nft.changing && !m->legacy.changing && !m->ipset.changing &&
	       reach_cache_load(options->cache_dir, key, ret);
}

/* Answers that are only of this moment are not kept, nor what failed by chance. */
static void keep(const struct mirror *m, const struct reach_options *options,
		 const struct reach *reach)
{
	uint64_t key = reach_cache_key(m, options);

	if (key && !m->changing && !m->clock && !m->ipset.changing && reach_gaps_are_lasting(m))
		reach_cache_save(options->cache_dir, key, reach);
}

/* For whoever joins the answers with other namespaces. */
static void add_sentences(struct reach *r)
{
	r->untied_str = strpool_add_text(
		&r->strings, _("no network namespace with the address that it is sent on to is "
			       "directly behind the interface that its route leads to"));
	r->several_str = strpool_add_text(
		&r->strings, _("several network namespaces behind the same interface have the "
			       "address that it is sent on to, and not all of them listen"));
	r->apart_str = strpool_add_text(
		&r->strings,
		_("its network namespace is not directly behind an interface of this machine"));
}

/* From the cache, or else from a twin. */
static int take(struct mirror *m, const struct reach_options *options, struct reach *ret,
		struct err *e)
{
	bool kept = uses_cache(options) && find_kept(m, options, ret);
	int r = 0;

	if (!kept) {
		*ret = (struct reach){.complete = true};
		r = mirror_open(m, options->snapshot, e);
	}
	if (r >= 0 && !kept)
		r = ask(m, options, ret, e);
	if (r < 0)
		return r;
	if (!kept && uses_cache(options))
		keep(m, options, ret);
	ret->generation = m->nft.generation;
	add_sentences(ret);
	reach_gaps_add_filtered(m, options->snapshot, ret);
	return 0;
}

int reach_take(const struct reach_options *options, struct reach *ret, struct err *e)
{
	struct mirror m = {.twin = {.ns = -1}, .legacy_sockets = {-1, -1}};
	struct err why = {0};
	int r;

	*ret = (struct reach){0};
	r = take(&m, options, ret, &why);
	mirror_done(&m);
	if (r == -EINVAL && why.code == -EINVAL && (options->in || options->to.family)) {
		if (e)
			*e = why;
		return r;
	}
	if (r == -ENOMEM)
		return err_set(e, r, _("out of memory"));
	if (r < 0)
		reach_say_why_not(ret, r, &why);
	return 0;
}

static bool is_on(const char *path)
{
	FILE *f = fopen(path, "re");
	int c = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	return c != EOF && c != '0';
}

bool reach_forwards(void)
{
	static const char *const patterns[] = {"/proc/sys/net/ipv4/conf/*/forwarding",
					       "/proc/sys/net/ipv6/conf/*/forwarding"};
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		glob_t found;

		if (glob(patterns[i], GLOB_NOSORT, NULL, &found) != 0)
			continue;
		for (size_t k = 0; k < found.gl_pathc; k++)
			any |= is_on(found.gl_pathv[k]);
		globfree(&found);
	}
	return any;
}
