/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/explain.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/explain_path.h"
#include "observe/mirror.h"
#include "observe/reach_explore.h"
#include "observe/reach_gaps.h"
#include "observe/reach_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How well a query is what a person means who did not say more: 0 is best. */
static unsigned strangeness(const struct reach_query *q, const struct reach_options *o)
{
	unsigned odd = 0;

	if (q->flow.source_port) /* one that the rules mention, as no ordinary sender has */
		odd += 128;
	if (q->class.behind && !o->to.family)
		odd += 64;
	if (address_is_link_local(&q->flow.destination) && !o->to.family)
		odd += 32;
	if (!o->from.family && q->class.source_class != SOURCE_INTERNET)
		odd += 16;
	/* who sends from a network that an interface leads to comes in by that one */
	if (o->from.family && q->class.source_class != SOURCE_LINK &&
	    q->class.source_class != SOURCE_HOST)
		odd += 8;
	/* what the machine sends to itself goes, as a rule, to where it comes from */
	if (o->from.family && q->class.source_class == SOURCE_HOST &&
	    !address_equal(&q->flow.source, &q->flow.destination))
		odd += 2;
	if (q->flow.destination.family != AF_INET && !o->families)
		odd += 4;
	return odd;
}

static const struct reach_query *choose(const struct reach_plan *plan,
					const struct reach_options *o)
{
	const struct reach_query *best = NULL;
	unsigned least = UINT32_MAX;

	for (size_t i = 0; i < plan->count; i++) {
		unsigned odd = strangeness(&plan->queries[i], o);

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
	}
	if (!(a->verdicts & 1u << VERDICT_ACCEPT))
		return;
	t = &answers->targets[a->target];
	x->forwarded = t->forwarded;
	x->target = t->address;
	x->target_port = a->target_port;
	x->nat = a->target_port != x->port || !address_equal(&t->address, &x->flow.destination);
	x->out_str = name_of(x, m, t->out_ifindex);
}

/* Which parts of the packet are a choice among several that nobody has made. */
static void note_choices(struct explanation *x, const struct reach_plan *plan,
			 const struct reach_query *query, const struct reach_options *o)
{
	x->chose_from = !o->from.family;
	for (size_t i = 0; i < plan->count; i++) {
		const struct flow *other = &plan->queries[i].flow;

		if (strangeness(&plan->queries[i], o) > strangeness(query, o))
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
	struct assignment assignment = {0};
	int r;

	plan->queries[0] = *query;
	plan->count = 1;
	x->flow = plan->queries[0].flow;
	x->in_str = name_of(x, m, x->flow.ifindex);
	r = reach_explore(m, plan, &answers, e);
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
	struct reach_options wanted = *options;
	const struct reach_query *query;
	uint32_t blocked;
	int r;

	wanted.protos = 1u << proto;
	wanted.only_port = x->port;
	r = reach_plan_build(m, &wanted, &x->reach, &plan, e);
	if (r < 0)
		return r;
	query = choose(&plan, options);
	if (!query)
		return err_set(e, -EINVAL,
			       _("no packet like that can come in: no interface that is up leads "
				 "there (portero reach shows what can)"));
	note_choices(x, &plan, query, options);
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
	struct mirror m = {.twin = {.ns = -1}, .legacy_sockets = {-1, -1}};
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
