/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_explore.h"
#include "base/clock.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/reach_explore_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHUNK = 256 }; /* packets between two looks at the clock */

bool reach_explore_is_over(struct explorer *x)
{
	x->ret->out_of_time = x->ret->out_of_time || reach_now() >= x->options->deadline;
	return x->ret->out_of_time;
}

/* --- jobs ---------------------------------------------------------------------------------------
 */

static struct job *find_job(struct explorer *x, const struct assignment *assignment)
{
	struct job *job;

	for (size_t i = x->next; i < x->job_count; i++)
		if (memcmp(&x->jobs[i].assignment, assignment, sizeof(*assignment)) == 0)
			return &x->jobs[i];
	if (mem_grow(&x->jobs, &x->job_cap, x->job_count + 1, sizeof(*x->jobs)) < 0)
		return NULL;
	job = &x->jobs[x->job_count++];
	*job = (struct job){.assignment = *assignment};
	return job;
}

static int add_item(struct explorer *x, const struct assignment *before, uint16_t doubt,
		    uint32_t query, uint32_t ask)
{
	struct assignment assignment = *before;
	struct job *job;

	assignment_set(&assignment, doubt);
	job = find_job(x, &assignment);
	if (!job || mem_grow(&job->items, &job->cap, job->count + 1, sizeof(*job->items)) < 0)
		return -ENOMEM;
	job->items[job->count++] = (struct item){query, ask, doubt};
	return 0;
}

static bool has_met(const struct met_doubt *met, size_t count, uint16_t doubt)
{
	for (size_t i = 0; i < count; i++)
		if (met[i].doubt == doubt)
			return true;
	return false;
}

/*
 * The doubts that one packet met, in order: each that was decided as "does not match", and comes
 * after the last one that was decided otherwise, is a way that was not gone yet. A STOP has no
 * other side.
 */
static int branch(struct explorer *x, const struct assignment *assignment, uint32_t query,
		  uint32_t ask, const struct met_doubt *met, size_t count)
{
	struct reach_answer *a = answer_of(x, query, ask);
	size_t start = 0;

	for (size_t i = 0; i < count; i++)
		if (assignment_has(assignment, met[i].doubt))
			start = i + 1;
	for (size_t i = start; i < count; i++) {
		/* who is asked again with a listener meets the same once more */
		if (met[i].doubt >= x->m->doubts.count ||
		    has_met(met + start, i - start, met[i].doubt))
			continue;
		if (x->m->doubts.items[met[i].doubt].kind == DOUBT_STOP) {
			a->verdicts = (uint8_t)((a->verdicts & ~(1u << VERDICT_DROP)) |
						1u << VERDICT_UNKNOWN);
			reach_explore_depend_on(x, a, met[i].doubt);
		} else if (add_item(x, assignment, met[i].doubt, query, ask) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

/* Does the answer get out to another port of the sender? */
static int is_for_some(struct explorer *x, uint32_t query, uint16_t port, bool *ret)
{
	struct flow flow = x->plan->queries[query].flow;
	int r = 0;

	*ret = false;
	if (flow.source_port)
		return 0;
	flow.replied = flow.exact = flow.again = true;
	for (size_t i = 0; i < x->plan->replies.port_count && !*ret && r >= 0; i++) {
		struct outcome outcome = {0};

		flow.source_port = x->plan->replies.ports[i];
		r = twin_probe(x->m->probe, &flow, &port, 1, &outcome, NULL, x->e);
		*ret = r >= 0 && outcome.verdict == VERDICT_ACCEPT && outcome.reply >= REPLY_SENT;
	}
	return r;
}

/* What keeps from saying for certain that an answer does not get out, or does. */
static int doubt_reply(struct explorer *x, uint32_t query, size_t i)
{
	const struct reach_replies *replies = &x->plan->replies;
	struct outcome *o = &x->outcomes[i];
	bool some = false;
	int r = 0;

	if (o->verdict != VERDICT_ACCEPT || o->reply == REPLY_NOT_ASKED)
		return 0;
	/* a filter behind all other rules; what goes out by no TAP is not seen there */
	if (o->reply == REPLY_SENT && replies->egress && x->plan->queries[query].flow.ifindex)
		o->reply = REPLY_NONE;
	if (o->reply >= REPLY_SENT)
		return 0;
	/* one port does not speak for all, where it is not known which ports rules mean; nor does
	 * the twin's listener for one with a user, a mark or an interface of its own */
	if (replies->odd || (is_range(x, query, x->asks[i]) && replies->opaque))
		o->reply = REPLY_NONE;
	if (o->reply == REPLY_DROPPED)
		r = is_for_some(x, query, x->ports[i], &some);
	if (some)
		o->reply = REPLY_SOME;
	else if (o->reply == REPLY_DROPPED && replies->more_ports)
		o->reply = REPLY_NONE;
	return r;
}

/* Asks `count` of the asks (x->asks, x->ports) of one query. The job may move: no pointer to it. */
static int ask(struct explorer *x, size_t job, uint32_t query, size_t count)
{
	struct flow flow = x->plan->queries[query].flow;
	size_t met = 0;
	int r;

	flow.replied = flow.again = true;
	flow.exact = x->plan->replies.rules;
	if (!flow.source_port && x->plan->replies.one_port)
		flow.source_port = REACH_ORDINARY_PORT;
	r = twin_probe(x->m->probe, &flow, x->ports, count, x->outcomes, &x->met, x->e);

	for (size_t i = 0; i < count && r >= 0; i++) {
		struct assignment assignment = x->jobs[job].assignment;
		size_t first = met;

		r = doubt_reply(x, query, i);
		if (r < 0)
			break;
		r = reach_explore_take(x, &x->jobs[job], answer_of(x, query, x->asks[i]),
				       x->lasts[i], &x->outcomes[i]);
		while (met < x->met.count && x->met.items[met].index == i)
			met++;
		if (r >= 0)
			r = branch(x, &assignment, query, x->asks[i], x->met.items + first,
				   met - first);
	}
	return r;
}

/* With another order of chains at one priority: can they get something else? */
static bool is_asked(const struct explorer *x, size_t query)
{
	return x->order == 0 || hook_orders_concern(&x->m->orders, x->order,
						    x->plan->queries[query].flow.ifindex == 0);
}

/* What was not asked for is not known: the items of a job from `first` on. */
static void leave(struct explorer *x, const struct job *job, size_t first)
{
	for (size_t i = first; i < job->count; i++) {
		struct reach_answer *a = answer_of(x, job->items[i].query, job->items[i].ask);

		a->verdicts |= 1u << VERDICT_UNKNOWN;
		a->late |= x->ret->out_of_time;
		reach_explore_depend_on_job(x, a, job, job->items[i].last);
		x->ret->exhausted = true;
	}
}

/* What stands in x->asks. */
static int ask_chosen(struct explorer *x, size_t job, uint32_t query, size_t count)
{
	for (size_t i = 0; i < count; i++)
		x->ports[i] = port_of(x, query, x->asks[i]);
	x->ret->asked += job == 0 ? count : 0;
	if (job == 0 && x->order == 0 && x->options->progress)
		x->options->progress(x->ret->asked, x->plan->answer_count,
				     x->options->progress_context);
	return count ? ask(x, job, query, count) : 0;
}

/* Of a query's asks, those about ports where somebody listens, or the others. */
static int run_query(struct explorer *x, uint32_t query, bool listened)
{
	const struct reach_query *q = &x->plan->queries[query];
	size_t count = 0;
	int r = 0;

	for (uint32_t i = 0; i < q->asks.count && r >= 0; i++) {
		if (x->plan->listened[ask_of(x, query, i)->first] != listened)
			continue;
		x->lasts[count] = REACH_NO_DOUBT;
		x->asks[count++] = i;
		if (count < CHUNK)
			continue;
		r = reach_explore_is_over(x) ? 0 : ask_chosen(x, 0, query, count);
		count = 0;
	}
	return r < 0 || reach_explore_is_over(x) ? r : ask_chosen(x, 0, query, count);
}

/* What a person wants to know first. */
static unsigned importance(const struct reach_query *q)
{
	static const uint8_t ranks[SOURCE_CLASS_COUNT] = {
		[SOURCE_INTERNET] = 0, [SOURCE_LINK] = 1,   [SOURCE_HOST] = 2,
		[SOURCE_PRIVATE] = 2,  [SOURCE_LISTED] = 3, [SOURCE_FORGED] = 3,
	};

	return ranks[q->class.source_class];
}

static int run_first(struct explorer *x)
{
	int r = 0;

	/* addresses that the rules mention come when all is known of the wider classes */
	for (unsigned turn = 0; turn < 4; turn++)
		for (unsigned rank = turn < 2 ? 0 : 3; rank < (turn < 2 ? 3u : 4u); rank++)
			for (uint32_t q = 0;
			     q < x->plan->count && r >= 0 && !reach_explore_is_over(x); q++)
				if (importance(&x->plan->queries[q]) == rank && is_asked(x, q))
					r = run_query(x, q, turn % 2 == 0);
	return r;
}

/* Items of one query stand together: they were added query by query. */
static int run_job(struct explorer *x, size_t job)
{
	size_t i = 0;
	int r = 0;

	while (i < x->jobs[job].count && r >= 0 && !reach_explore_is_over(x)) {
		uint32_t query = x->jobs[job].items[i].query;
		size_t count = 0;

		for (; i < x->jobs[job].count && x->jobs[job].items[i].query == query &&
		       count < CHUNK;
		     i++) {
			x->lasts[count] = x->jobs[job].items[i].last;
			x->asks[count++] = x->jobs[job].items[i].ask;
		}
		r = ask_chosen(x, job, query, count);
	}
	if (r >= 0 && i < x->jobs[job].count)
		leave(x, &x->jobs[job], i);
	free(x->jobs[job].items);
	x->jobs[job].items = NULL;
	return r;
}

static void give_up(struct explorer *x)
{
	for (; x->next < x->job_count; x->next++)
		leave(x, &x->jobs[x->next], 0);
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static int prepare(struct explorer *x)
{
	size_t count = x->plan->answer_count;
	struct job *first;

	x->ret->items = calloc(count + 1, sizeof(*x->ret->items));
	x->ports = calloc(CHUNK, sizeof(*x->ports));
	x->asks = calloc(CHUNK, sizeof(*x->asks));
	x->lasts = calloc(CHUNK, sizeof(*x->lasts));
	for (int i = 0; i < 2; i++) {
		x->moves[i] = calloc(x->plan->ties.words, sizeof(*x->moves[i]));
		if (!x->moves[i])
			return err_set(x->e, -ENOMEM, _("out of memory"));
		reach_ties_mark_moved(&x->plan->ties, i ? PROTO_UDP : PROTO_TCP, x->moves[i]);
	}
	x->outcomes = calloc(CHUNK, sizeof(*x->outcomes));
	first = find_job(x, &(struct assignment){.order = x->order});
	if (!x->ret->items || !x->ports || !x->asks || !x->lasts || !x->outcomes || !first)
		return err_set(x->e, -ENOMEM, _("out of memory"));
	x->ret->count = count;
	for (size_t i = 0; i < count; i++)
		x->ret->items[i].doubt = REACH_NO_DOUBT;
	return 0;
}

static void clean(struct explorer *x)
{
	for (size_t i = 0; i < x->job_count; i++)
		free(x->jobs[i].items);
	free(x->jobs);
	free(x->ports);
	free(x->asks);
	free(x->lasts);
	free(x->moves[0]);
	free(x->moves[1]);
	free(x->outcomes);
	met_doubts_done(&x->met);
}

int reach_explore_order(struct mirror *m, const struct reach_plan *plan, size_t order,
			const struct reach_options *options, struct reach_answers *ret,
			struct err *e)
{
	struct explorer x = {
		.m = m, .plan = plan, .options = options, .ret = ret, .e = e, .order = order};
	/* all others together have as many as order 0 */
	size_t limit = REACH_LOAD_LIMIT / (order ? m->orders.count : 1) + 1;
	unsigned before = m->loads;
	int r;

	*ret = (struct reach_answers){0};
	r = prepare(&x);
	while (r >= 0 && x.next < x.job_count && m->loads - before < limit &&
	       !reach_explore_is_over(&x)) {
		size_t job = x.next++;

		r = mirror_load(m, &x.jobs[job].assignment, e);
		if (r >= 0)
			r = job == 0 ? run_first(&x) : run_job(&x, job);
	}
	if (r >= 0)
		give_up(&x);
	if (r >= 0)
		r = reach_explore_shifts(&x);
	clean(&x);
	return r;
}

uint64_t reach_now(void)
{
	return (uint64_t)clock_mono_ms();
}

const char *reach_reply_text(enum reply reply)
{
	switch (reply) {
	case REPLY_DROPPED:
		return _("packets get in, but the machine's own rules drop its answer");
	case REPLY_NO_ROUTE:
		return _("packets get in, but no route leads the answer back to them");
	case REPLY_NONE:
		return _("packets get in, but the machine does not answer them, and why is not "
			 "known");
	case REPLY_SOME:
		return _("packets get in, but the machine's own rules let its answer out to some "
			 "ports of the sender only");
	case REPLY_NOT_ASKED:
	case REPLY_SENT:
	case REPLY_LEFT:
		break;
	}
	return "";
}
