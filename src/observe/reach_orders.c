/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_orders: everything is asked in each order that chains at one priority may have, and where
 * the answers differ it is not known.
 */
#include "base/mem.h"
#include "observe/reach_explore.h"

static bool is_accepted(const struct reach_answer *a)
{
	return a->verdicts & (1u << VERDICT_ACCEPT);
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
	       a->target_port == b->target_port && a->shifts == b->shifts && a->stays == b->stays &&
	       a->odd == b->odd && a->several == b->several;
}

static void merge_query(const struct mirror *m, const struct reach_query *query, size_t order,
			const struct reach_answers *other, struct reach_answers *ret)
{
	for (size_t i = query->first_answer; i < query->first_answer + query->asks.count; i++) {
		struct reach_answer *a = &ret->items[i];

		if (reach_answer_verdict(a) == VERDICT_UNKNOWN || agree(ret, other, i))
			continue;
		a->verdicts |= 1u << VERDICT_UNKNOWN;
		a->kinds |= 1u << DOUBT_ORDER;
		a->doubt = hook_orders_doubt(&m->orders, order);
		a->late |= !other->items[i].verdicts && other->out_of_time;
	}
}

/* What another order makes of it is not known. */
static void merge(const struct mirror *m, const struct reach_plan *plan, size_t order,
		  const struct reach_answers *other, struct reach_answers *ret)
{
	for (size_t q = 0; q < plan->count; q++) {
		const struct reach_query *query = &plan->queries[q];

		if (hook_orders_concern(&m->orders, order, query->flow.ifindex == 0))
			merge_query(m, query, order, other, ret);
	}
}

static int explore_others(struct mirror *m, const struct reach_plan *plan,
			  const struct reach_options *options, struct reach_answers *ret,
			  struct err *e)
{
	int r = 0;

	for (size_t order = 1; order < m->orders.count && r >= 0; order++) {
		struct reach_answers cleanup_call(reach_answers_done) other = {0};

		r = reach_explore_order(m, plan, order, options, &other, e);
		if (r >= 0)
			merge(m, plan, order, &other, ret);
		ret->out_of_time |= other.out_of_time;
	}
	return r;
}

int reach_explore(struct mirror *m, const struct reach_plan *plan,
		  const struct reach_options *options, struct reach_answers *ret, struct err *e)
{
	int r = reach_explore_order(m, plan, 0, options, ret, e);

	return r < 0 ? r : explore_others(m, plan, options, ret, e);
}
