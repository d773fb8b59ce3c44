/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_explore: asks a plan's queries of a mirror. Packets that met doubts are asked again with
 * these decided otherwise, one path of decisions after the other, so that each answer has every
 * verdict that its packet could get, whatever the doubts are. Where chains at one priority run in
 * an order that is not known, all is asked in each order; what they do not agree on is unknown.
 */
#pragma once

#include "base/err.h"
#include "model/reach.h"
#include "observe/mirror.h"
#include "observe/reach_answers.h"
#include "observe/reach_plan.h"

#include <stddef.h>
#include <stdint.h>

/* Milliseconds of a clock that only goes forward. */
uint64_t reach_now(void);

enum {
	/* how often rules are loaded before the rest stays unknown; and again, in all other orders
	 * of chains at one priority */
	REACH_LOAD_LIMIT = 96,
	REACH_TARGET_LIMIT = 4096, /* different places where packets arrive */
};

/*
 * Asks, the most important first, until options->deadline (of reach_now()); of the options, only
 * that and the progress are read. 0 or a negative errno. Ended with reach_answers_done() in every
 * case.
 */
int reach_explore(struct mirror *m, const struct reach_plan *plan,
		  const struct reach_options *options, struct reach_answers *ret, struct err *e);
/* The same in one order of chains at one priority (see hook_order); for reach_orders. */
int reach_explore_order(struct mirror *m, const struct reach_plan *plan, size_t order,
			const struct reach_options *options, struct reach_answers *ret,
			struct err *e);
/* Why packets that are let in open nothing; "" for those that do. */
const char *reach_reply_text(enum reply reply);
