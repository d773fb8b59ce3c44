/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/explain.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/explain_path.h"
#include "observe/mirror.h"
#include "observe/reach_explore.h"
#include "observe/reach_gaps.h"
#include "observe/reach_plan.h"
#include "observe/reach_planner.h"
#include "observe/reach_routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct chooser {
	const struct reach_options *options;
	struct reach_routes routes;
};

static void chooser_done(struct chooser *c)
{
	reach_routes_done(&c->routes);
}

/* Is the interface the one (or one of those) by which the machine would answer the sender? */
static bool is_way_back(const struct chooser *c, uint32_t ifindex)
{
	const struct reach_route *best = NULL;
	bool any = false;

	for (size_t i = 0; i < c->routes.count; i++) {
		const struct reach_route *route = &c->routes.items[i];

		if (!planner_in_prefix(&c->options->from, &route->prefix) ||
		    (best && route->prefix.bits < best->prefix.bits))
			continue;
		if (!best || route->prefix.bits > best->prefix.bits)
			any = false;
		best = route;
		any |= route->ifindex == ifindex;
	}
	return any;
}

/* Is it an address of the interface by which the packet comes? */
static bool is_at_home(const struct chooser *c, const struct flow *flow)
{
	const struct snapshot *s = c->options->snapshot;

	for (size_t i = 0; i < s->address_count; i++)
		if (s->addresses[i].netns == 0 && s->addresses[i].ifindex == flow->ifindex &&
		    address_equal(&s->addresses[i].address, &flow->destination))
			return true;
	return false;
}

/* How well a query is what a person means who did not say more: 0 is best. */
static unsigned strangeness(const struct reach_query *q, const struct chooser *c)
{
	const struct reach_options *o = c->options;
	const struct flow *flow = &q->flow;
	unsigned odd = 0;

	if (flow->source_port) /* one that the rules mention, as no ordinary sender has */
		odd += 128;
	if (q->class.behind && !o->to.family)
		odd += 64;
	if (address_is_link_local(&flow->destination) && !o->to.family)
		odd += 32;
	if (!o->from.family && q->class.source_class != SOURCE_INTERNET)
		odd += 16;
	if (o->from.family && flow->ifindex && !is_way_back(c, flow->ifindex))
		odd += 8;
	if (flow->destination.family != AF_INET && !o->families)
		odd += 4;
	/* what the machine sends to itself goes, as a rule, to where it comes from */
	if (flow->ifindex ? !is_at_home(c, flow)
			  : o->from.family && !address_equal(&flow->source, &flow->destination))
		odd += 2;
	return odd;
}

static const struct reach_query *choose(const struct reach_plan *plan, const struct chooser *c)
{
	const struct reach_query *best = NULL;
	unsigned least = UINT32_MAX;

	for (size_t i = 0; i < plan->count; i++) {
		unsigned odd = strangeness(&plan->queries[i], c);

		if (odd >= least)
			continue;
		least = odd;
		best = &plan->queries[i];
	}
	return best;
}

static uint32_t name_of(struct explanation *x, const struct mirror *m, uint32_t ifindex)
{
	const struct twin_link *link = ifindex ? twin_find_link(&m->twin, ifindex) : NULL;

	return link ? strpool_add_text(&x->reach.strings, link->name) : 0;
}

static void take_answer(struct explanation *x, const struct mirror *m,
			const struct reach_answers *answers)
{
	const struct reach_answer *a = &answers->items[0];
	const struct reach_target *t;

	x->verdict = reach_answer_verdict(a);
	if ((x->verdict == VERDICT_UNKNOWN || x->verdict == VERDICT_RATE_LIMITED) &&
	    a->doubt < m->doubts.count) {
		x->why_str = strpool_add_text(&x->reach.strings, m->doubts.items[a->doubt].text);
		x->stopped = m->doubts.items[a->doubt].kind == DOUBT_STOP;
	} else if (a->reply && (x->verdict == VERDICT_DROP || x->verdict == VERDICT_UNKNOWN)) {
		x->reply = a->reply;
		x->why_str = strpool_add_text(&x->reach.strings, reach_reply_text(a->reply));
	}
	if (!(a->verdicts & 1u << VERDICT_ACCEPT))
		return;
	t = &answers->targets[a->target];
	x->forwarded = t->forwarded;
	x->several = a->several;
	x->target = t->address;
	x->target_port = a->target_port;
	x->nat = a->target_port != x->port || !address_equal(&t->address, &x->flow.destination);
	x->out_str = name_of(x, m, t->out_ifindex);
}

/* Which parts of the packet are a choice among several that nobody has made. */
static void note_choices(struct explanation *x, const struct reach_plan *plan,
			 const struct reach_query *query, const struct chooser *c)
{
	const struct reach_options *o = c->options;

	x->chose_from = !o->from.family;
	for (size_t i = 0; i < plan->count; i++) {
		const struct flow *other = &plan->queries[i].flow;

		if (strangeness(&plan->queries[i], c) > strangeness(query, c))
			continue;
		x->chose_in |= !o->in && other->ifindex != query->flow.ifindex;
		x->chose_to |= !o->to.family &&
			       !address_equal(&other->destination, &query->flow.destination);
	}
}

/* One query and one port of the plan, and its way with the doubt that matters decided as matching.
 */
static int ask(struct mirror *m, struct reach_plan *plan, const struct reach_query *query,
	       struct explanation *x, struct err *e)
{
	struct reach_answers cleanup_call(reach_answers_done) answers = {0};
	const struct reach_options patiently = {.deadline = reach_now() +
							    REACH_PATIENCE * UINT64_C(1000)};
	struct assignment assignment = {0};
	int r;

	plan->queries[0] = *query;
	plan->queries[0].reference = plan->queries[0].first_answer = 0;
	plan->count = plan->answer_count = 1;
	x->flow = plan->queries[0].flow;
	x->in_str = name_of(x, m, x->flow.ifindex);
	r = reach_explore(m, plan, &patiently, &answers, e);
	if (r < 0)
		return r;
	take_answer(x, m, &answers);
	if (x->why_str && answers.items[0].doubt < DOUBT_LIMIT)
		assignment_set(&assignment, answers.items[0].doubt);
	r = mirror_load(m, &assignment, e);
	return r < 0 ? r : explain_path(m, &assignment, x, e);
}

static int explain(struct mirror *m, const struct reach_options *options, enum proto proto,
		   struct explanation *x, struct err *e)
{
	struct reach_plan cleanup_call(reach_plan_done) plan = {0};
	struct chooser cleanup_call(chooser_done) chooser = {.options = options};
	struct reach_options wanted = *options;
	const struct reach_query *query;
	uint32_t blocked;
	int r;

	wanted.protos = 1u << proto;
	wanted.only_port = x->port;
	r = reach_plan_build(m, &wanted, &x->reach, &plan, e);
	if (r < 0)
		return r;
	r = reach_routes_read(&m->twin.host, &chooser.routes);
	if (r < 0)
		return err_set(e, r, _("out of memory"));
	query = choose(&plan, &chooser);
	if (!query)
		return err_set(e, -EINVAL,
			       _("no packet like that can come in: no interface that is up leads "
				 "there (portero reach shows what can)"));
	note_choices(x, &plan, query, &chooser);
	x->reach.available = true;
	x->reach.generation = m->nft.generation;
	r = ask(m, &plan, query, x, e);
	reach_gaps_add(m, &x->reach);
	blocked = reach_gaps_of_query(m, &plan.queries[0], &x->reach);
	if (blocked) {
		x->verdict = VERDICT_UNKNOWN;
		x->why_str = blocked;
	}
	return r;
}

int explain_take(const struct reach_options *options, uint16_t port, enum proto proto,
		 struct explanation *ret, struct err *e)
{
	struct mirror m = mirror_of(options->planned);
	struct err why = {0};
	int r;

	*ret = (struct explanation){.reach = {.complete = true},
				    .port = port,
				    .flow = {.proto = proto},
				    .decides = EXPLAIN_NONE,
				    .translates = EXPLAIN_NONE};
	r = mirror_open(&m, options->snapshot, &why);
	if (r >= 0) {
		r = explain(&m, options, proto, ret, &why);
		if (r == -EINVAL && e)
			*e = why;
	} else {
		r = r == -EINVAL ? -EIO : r;
	}
	mirror_done(&m);
	if (r == -EINVAL || r == -ENOMEM)
		return r == -ENOMEM ? err_set(e, r, _("out of memory")) : r;
	if (r < 0)
		reach_say_why_not(&ret->reach, r, &why);
	return 0;
}

void explanation_done(struct explanation *x)
{
	reach_done(&x->reach);
	free(x->steps);
	*x = (struct explanation){0};
}
