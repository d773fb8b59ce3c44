/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_explore.h"
#include "base/i18n.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A packet that is to be asked about once more: a query and a point of it. */
struct item {
	uint32_t query, point;
};

/* An assignment, and the packets whose way leads to it. */
struct job {
	struct assignment assignment;
	uint16_t last; /* the doubt that was decided last; REACH_NO_DOUBT: none */
	struct item *items;
	size_t count, cap;
};

struct explorer {
	struct mirror *m;
	const struct reach_plan *plan;
	struct reach_answers *ret;
	struct err *e;
	uint64_t order;	  /* of chains at one priority: what is asked now */
	struct job *jobs; /* those before `next` are done */
	size_t job_count, job_cap, next;
	/* of one call of twin_probe */
	uint16_t *ports;
	uint32_t *points;
	struct outcome *outcomes;
	struct met_doubts met;
};

static struct reach_answer *answer_of(const struct explorer *x, uint32_t query, uint32_t point)
{
	return &x->ret->items[(size_t)query * x->ret->point_count + point];
}

/* --- what was seen ------------------------------------------------------------------------------
 */

static int find_target(struct explorer *x, const struct outcome *o, uint16_t *ret)
{
	struct reach_answers *a = x->ret;
	struct reach_target target = {o->forwarded, o->target, o->forwarded ? o->out_ifindex : 0};

	for (size_t i = a->target_count; i-- > 0;) {
		const struct reach_target *t = &a->targets[i];

		if (t->forwarded != target.forwarded || t->out_ifindex != target.out_ifindex ||
		    !address_equal(&t->address, &target.address))
			continue;
		*ret = (uint16_t)i;
		return 0;
	}
	if (a->target_count >= REACH_TARGET_LIMIT)
		return -E2BIG;
	if (mem_grow(&a->targets, &a->target_cap, a->target_count + 1, sizeof(target)) < 0)
		return -ENOMEM;
	*ret = (uint16_t)a->target_count;
	a->targets[a->target_count++] = target;
	return 0;
}

static void depend_on(const struct explorer *x, struct reach_answer *a, uint16_t doubt)
{
	a->kinds |= (uint8_t)(1u << x->m->doubts.items[doubt].kind);
	if (a->doubt == REACH_NO_DOUBT)
		a->doubt = doubt;
}

/* On the one that was decided last in the first place, but on the others, too. */
static void depend_on_job(const struct explorer *x, struct reach_answer *a, const struct job *job)
{
	if (job->last != REACH_NO_DOUBT)
		depend_on(x, a, job->last);
	for (size_t i = 0; i < x->m->doubts.count; i++)
		if (assignment_has(&job->assignment, i))
			depend_on(x, a, (uint16_t)i);
}

/*
 * Let in here, too, but to another place than before? On another machine it is one server of
 * several; here, who gets the packet is what is asked.
 */
static bool goes_elsewhere(const struct explorer *x, const struct reach_answer *a, uint16_t target,
			   uint16_t port)
{
	const struct reach_target *targets = x->ret->targets;

	if (a->target == target && a->target_port == port)
		return false;
	return !targets[a->target].forwarded || !targets[target].forwarded;
}

static int take_accepted(struct explorer *x, const struct job *job, struct reach_answer *a,
			 const struct outcome *o)
{
	bool first = !(a->verdicts & 1u << VERDICT_ACCEPT);
	uint16_t target;
	int r = find_target(x, o, &target);

	if (r == -ENOMEM)
		return r;
	if (r < 0 || (!first && goes_elsewhere(x, a, target, o->target_port))) {
		a->verdicts |= 1u << VERDICT_UNKNOWN;
		depend_on_job(x, a, job);
		return 0;
	}
	if (first) {
		a->target = target;
		a->target_port = o->target_port;
	}
	a->verdicts |= 1u << VERDICT_ACCEPT;
	return 0;
}

/* A SYN that is let in, but whose answer does not get out, opens nothing. */
static enum verdict with_reply(const struct outcome *o)
{
	if (o->verdict != VERDICT_ACCEPT)
		return o->verdict;
	switch (o->reply) {
	case REPLY_NO_ROUTE:
	case REPLY_DROPPED:
		return VERDICT_DROP;
	case REPLY_NONE:
		return VERDICT_UNKNOWN;
	case REPLY_NOT_ASKED:
	case REPLY_SENT:
		break;
	}
	return VERDICT_ACCEPT;
}

static int take_outcome(struct explorer *x, const struct job *job, struct reach_answer *a,
			const struct outcome *o)
{
	enum verdict verdict = with_reply(o);
	uint8_t bit = (uint8_t)(1u << verdict);

	if (a->verdicts && !(a->verdicts & bit))
		depend_on_job(x, a, job);
	if (verdict != o->verdict)
		a->reply = (uint8_t)o->reply;
	if (verdict == VERDICT_ACCEPT)
		return take_accepted(x, job, a, o);
	a->verdicts |= bit;
	return 0;
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
	*job = (struct job){.assignment = *assignment, .last = REACH_NO_DOUBT};
	return job;
}

static int add_item(struct explorer *x, const struct assignment *before, uint16_t doubt,
		    uint32_t query, uint32_t point)
{
	struct assignment assignment = *before;
	struct job *job;

	assignment_set(&assignment, doubt);
	job = find_job(x, &assignment);
	if (!job || mem_grow(&job->items, &job->cap, job->count + 1, sizeof(*job->items)) < 0)
		return -ENOMEM;
	job->last = doubt;
	job->items[job->count++] = (struct item){query, point};
	return 0;
}

/*
 * The doubts that one packet met, in order: each that was decided as "does not match", and comes
 * after the last one that was decided otherwise, is a way that was not gone yet. A STOP has no
 * other side.
 */
static int branch(struct explorer *x, const struct assignment *assignment, uint32_t query,
		  uint32_t point, const struct met_doubt *met, size_t count)
{
	struct reach_answer *a = answer_of(x, query, point);
	size_t start = 0;

	for (size_t i = 0; i < count; i++)
		if (assignment_has(assignment, met[i].doubt))
			start = i + 1;
	for (size_t i = start; i < count; i++) {
		if (met[i].doubt >= x->m->doubts.count)
			continue;
		if (x->m->doubts.items[met[i].doubt].kind == DOUBT_STOP) {
			a->verdicts = (uint8_t)((a->verdicts & ~(1u << VERDICT_DROP)) |
						1u << VERDICT_UNKNOWN);
			depend_on(x, a, met[i].doubt);
		} else if (add_item(x, assignment, met[i].doubt, query, point) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

/* Asks `count` points (x->points, x->ports) of one query. The job may move: no pointer to it. */
static int ask(struct explorer *x, size_t job, uint32_t query, size_t count)
{
	struct flow flow = x->plan->queries[query].flow;
	size_t met = 0;
	int r;

	flow.replied = true;
	r = twin_probe(x->m->probe, &flow, x->ports, count, x->outcomes, &x->met, x->e);

	for (size_t i = 0; i < count && r >= 0; i++) {
		const struct reach_point *point = &x->plan->points.items[x->points[i]];
		struct assignment assignment = x->jobs[job].assignment;
		size_t first = met;

		/* one port does not speak for all, where it is not known which ports rules mean */
		if (point->first != point->last && x->plan->constants.source_ports.opaque)
			x->outcomes[i].reply = REPLY_NOT_ASKED;

		r = take_outcome(x, &x->jobs[job], answer_of(x, query, x->points[i]),
				 &x->outcomes[i]);
		while (met < x->met.count && x->met.items[met].index == i)
			met++;
		if (r >= 0)
			r = branch(x, &assignment, query, x->points[i], x->met.items + first,
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

static int run_first(struct explorer *x)
{
	int r = 0;

	for (size_t i = 0; i < x->ret->point_count; i++) {
		x->points[i] = (uint32_t)i;
		x->ports[i] = x->plan->points.items[i].port;
	}
	for (size_t q = 0; q < x->plan->count && r >= 0; q++)
		if (is_asked(x, q))
			r = ask(x, 0, (uint32_t)q, x->ret->point_count);
	return r;
}

/* Items of one query stand together: they were added query by query. */
static int run_job(struct explorer *x, size_t job)
{
	int r = 0;

	for (size_t i = 0; i < x->jobs[job].count && r >= 0;) {
		uint32_t query = x->jobs[job].items[i].query;
		size_t count = 0;

		for (; i < x->jobs[job].count && x->jobs[job].items[i].query == query &&
		       count < x->ret->point_count;
		     i++) {
			x->points[count] = x->jobs[job].items[i].point;
			x->ports[count] = x->plan->points.items[x->points[count]].port;
			count++;
		}
		r = ask(x, job, query, count);
	}
	free(x->jobs[job].items);
	x->jobs[job].items = NULL;
	return r;
}

/* What was not asked for is not known. */
static void give_up(struct explorer *x)
{
	for (; x->next < x->job_count; x->next++) {
		const struct job *job = &x->jobs[x->next];

		for (size_t i = 0; i < job->count; i++) {
			struct reach_answer *a =
				answer_of(x, job->items[i].query, job->items[i].point);

			a->verdicts |= 1u << VERDICT_UNKNOWN;
			depend_on_job(x, a, job);
			x->ret->exhausted = true;
		}
	}
}

/* --- ports that are sent on ---------------------------------------------------------------------
 */

static bool is_accepted(const struct reach_answer *a)
{
	return a->verdicts & (1u << VERDICT_ACCEPT);
}

/* The port at which another port of the point arrives, or 0. */
static int arrival(struct explorer *x, uint32_t query, uint16_t port, uint16_t *ret)
{
	struct outcome outcome;
	int r = twin_probe(x->m->probe, &x->plan->queries[query].flow, &port, 1, &outcome, &x->met,
			   x->e);

	*ret = r >= 0 && outcome.verdict == VERDICT_ACCEPT ? outcome.target_port : 0;
	return r;
}

/*
 * A point stands for several ports. When NAT gives its packets another port, do the others get the
 * same one, or do they follow one by one?
 */
static int look_at_shift(struct explorer *x, uint32_t query, uint32_t point)
{
	const struct reach_point *p = &x->plan->points.items[point];
	struct reach_answer *a = answer_of(x, query, point);
	uint16_t ends[] = {p->first, p->last}, at[2];
	bool same = true, follows = true;

	for (int i = 0; i < 2; i++) {
		int r = arrival(x, query, ends[i], &at[i]);

		if (r < 0)
			return r;
		same &= at[i] == a->target_port;
		follows &= at[i] == (uint16_t)(a->target_port + (ends[i] - p->port));
	}
	a->shifts = follows;
	a->odd = !same && !follows;
	return 0;
}

static int look_at_shifts(struct explorer *x)
{
	struct assignment none = {.order = x->order};
	int r = mirror_load(x->m, &none, x->e);

	for (size_t q = 0; q < x->plan->count && r >= 0; q++)
		for (size_t i = 0; i < x->ret->point_count && r >= 0; i++) {
			const struct reach_point *p = &x->plan->points.items[i];
			const struct reach_answer *a = answer_of(x, (uint32_t)q, (uint32_t)i);

			if (p->first != p->last && is_accepted(a) &&
			    (a->target_port != p->port ||
			     !address_equal(&x->ret->targets[a->target].address,
					    &x->plan->queries[q].flow.destination)))
				r = look_at_shift(x, (uint32_t)q, (uint32_t)i);
		}
	return r;
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static int prepare(struct explorer *x)
{
	size_t points = x->plan->points.count;
	struct job *first;

	x->ret->point_count = points;
	x->ret->items = calloc(x->plan->count * points + 1, sizeof(*x->ret->items));
	x->ports = calloc(points + 1, sizeof(*x->ports));
	x->points = calloc(points + 1, sizeof(*x->points));
	x->outcomes = calloc(points + 1, sizeof(*x->outcomes));
	first = find_job(x, &(struct assignment){.order = x->order});
	if (!x->ret->items || !x->ports || !x->points || !x->outcomes || !first)
		return err_set(x->e, -ENOMEM, _("out of memory"));
	for (size_t i = 0; i < x->plan->count * points; i++)
		x->ret->items[i].doubt = REACH_NO_DOUBT;
	return 0;
}

static void clean(struct explorer *x)
{
	for (size_t i = 0; i < x->job_count; i++)
		free(x->jobs[i].items);
	free(x->jobs);
	free(x->ports);
	free(x->points);
	free(x->outcomes);
	met_doubts_done(&x->met);
}

static int explore_order(struct mirror *m, const struct reach_plan *plan, size_t order,
			 struct reach_answers *ret, struct err *e)
{
	struct explorer x = {.m = m, .plan = plan, .ret = ret, .e = e, .order = order};
	/* all others together have as many as order 0 */
	size_t limit = REACH_LOAD_LIMIT / (order ? m->orders.count : 1) + 1;
	unsigned before = m->loads;
	int r;

	*ret = (struct reach_answers){0};
	r = prepare(&x);
	for (; r >= 0 && x.next < x.job_count && m->loads - before < limit;) {
		size_t job = x.next++;

		r = mirror_load(m, &x.jobs[job].assignment, e);
		if (r >= 0)
			r = job == 0 ? run_first(&x) : run_job(&x, job);
	}
	if (r >= 0)
		give_up(&x);
	if (r >= 0)
		r = look_at_shifts(&x);
	clean(&x);
	return r;
}

static bool is_same_target(const struct reach_target *a, const struct reach_target *b)
{
	return a->forwarded == b->forwarded && a->out_ifindex == b->out_ifindex &&
	       address_equal(&a->address, &b->address);
}

/* Do two answers of one packet say the same? */
static bool agree(const struct reach_answers *first, const struct reach_answers *second,
		  size_t item)
{
	const struct reach_answer *a = &first->items[item], *b = &second->items[item];

	if (reach_answer_verdict(a) != reach_answer_verdict(b))
		return false;
	if (!is_accepted(a) || !is_accepted(b))
		return is_accepted(a) == is_accepted(b);
	return is_same_target(&first->targets[a->target], &second->targets[b->target]) &&
	       a->target_port == b->target_port && a->shifts == b->shifts && a->odd == b->odd;
}

/* What another order makes of it is not known. */
static void merge(const struct mirror *m, const struct reach_plan *plan, size_t order,
		  const struct reach_answers *other, struct reach_answers *ret)
{
	for (size_t i = 0; i < plan->count * ret->point_count; i++) {
		const struct flow *flow = &plan->queries[i / ret->point_count].flow;
		struct reach_answer *a = &ret->items[i];

		if (reach_answer_verdict(a) == VERDICT_UNKNOWN ||
		    !hook_orders_concern(&m->orders, order, flow->ifindex == 0) ||
		    agree(ret, other, i))
			continue;
		a->verdicts |= 1u << VERDICT_UNKNOWN;
		a->kinds |= 1u << DOUBT_ORDER;
		a->doubt = hook_orders_doubt(&m->orders, order);
	}
}

static int explore_others(struct mirror *m, const struct reach_plan *plan,
			  struct reach_answers *ret, struct err *e)
{
	int r = 0;

	for (size_t order = 1; order < m->orders.count && r >= 0; order++) {
		struct reach_answers cleanup_call(reach_answers_done) other = {0};

		r = explore_order(m, plan, order, &other, e);
		if (r >= 0)
			merge(m, plan, order, &other, ret);
	}
	return r;
}

int reach_explore(struct mirror *m, const struct reach_plan *plan, struct reach_answers *ret,
		  struct err *e)
{
	int r = explore_order(m, plan, 0, ret, e);

	return r < 0 ? r : explore_others(m, plan, ret, e);
}

void reach_answers_done(struct reach_answers *a)
{
	free(a->items);
	free(a->targets);
	*a = (struct reach_answers){0};
}

enum verdict reach_answer_verdict(const struct reach_answer *a)
{
	static const enum verdict plain[] = {VERDICT_ACCEPT, VERDICT_REJECT, VERDICT_DROP};
	const uint8_t accept = 1u << VERDICT_ACCEPT;

	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (a->verdicts == 1u << plain[i])
			return plain[i];
	if (!a->verdicts || a->verdicts & 1u << VERDICT_UNKNOWN || a->kinds & ~(1u << DOUBT_RATE))
		return VERDICT_UNKNOWN;
	/* refused or dropped, by a count: closed in any case */
	return a->verdicts & accept ? VERDICT_RATE_LIMITED : VERDICT_REJECT;
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
	case REPLY_NOT_ASKED:
	case REPLY_SENT:
		break;
	}
	return "";
}
