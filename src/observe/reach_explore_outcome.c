/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of reach_explore: what became of one packet, as part of an answer. */
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/reach_explore_inner.h"

#include <errno.h>

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

void reach_explore_depend_on(const struct explorer *x, struct reach_answer *a, uint16_t doubt)
{
	a->kinds |= (uint8_t)(1u << x->m->doubts.items[doubt].kind);
	if (a->doubt == REACH_NO_DOUBT)
		a->doubt = doubt;
}

void reach_explore_depend_on_job(const struct explorer *x, struct reach_answer *a,
				 const struct job *job, uint16_t last)
{
	if (last != REACH_NO_DOUBT)
		reach_explore_depend_on(x, a, last);
	for (size_t i = 0; i < x->m->doubts.count; i++)
		if (assignment_has(&job->assignment, i))
			reach_explore_depend_on(x, a, (uint16_t)i);
}

/* Is it on other machines that the packet arrives, whichever way it goes? */
static bool are_forwarded(const struct explorer *x, uint16_t target, uint16_t other)
{
	return x->ret->targets[target].forwarded && x->ret->targets[other].forwarded;
}

/*
 * Let in again. To another place than before: on other machines it is one server of several; here,
 * who gets the packet is what is asked.
 */
static int take_accepted(struct explorer *x, const struct job *job, struct reach_answer *a,
			 uint16_t last, const struct outcome *o)
{
	bool first = !(a->verdicts & 1u << VERDICT_ACCEPT);
	uint16_t target;
	int r = find_target(x, o, &target);

	if (r == -ENOMEM)
		return r;
	if (r < 0 || (!first && (a->target != target || a->target_port != o->target_port))) {
		if (r >= 0 && are_forwarded(x, a->target, target)) {
			a->several = true;
			return 0;
		}
		a->verdicts |= 1u << VERDICT_UNKNOWN;
		reach_explore_depend_on_job(x, a, job, last);
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
	case REPLY_SOME:
		return VERDICT_UNKNOWN;
	case REPLY_NOT_ASKED:
	case REPLY_SENT:
	case REPLY_LEFT:
		break;
	}
	return VERDICT_ACCEPT;
}

int reach_explore_take(struct explorer *x, const struct job *job, struct reach_answer *a,
		       uint16_t last, const struct outcome *o)
{
	enum verdict verdict = with_reply(o);
	uint8_t bit = (uint8_t)(1u << verdict);

	if (a->verdicts && !(a->verdicts & bit))
		reach_explore_depend_on_job(x, a, job, last);
	if (verdict != o->verdict)
		a->reply = (uint8_t)o->reply;
	if (verdict == VERDICT_ACCEPT)
		return take_accepted(x, job, a, last, o);
	a->verdicts |= bit;
	return 0;
}
