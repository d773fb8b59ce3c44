/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_plan: which packets must be sent so that their answers hold for every source, port, family
 * and interface: one query for each group of sources that the rules treat alike, at each interface
 * by which they can come and each address that they can go to, and one port of each group of ports.
 * Pure but for what it is given.
 */
#pragma once

#include "base/err.h"
#include "model/reach.h"
#include "observe/reach.h"
#include "observe/reach_points.h"
#include "observe/reach_replies.h"
#include "observe/reach_ties.h"
#include "observe/rule_constants.h"

#include <stddef.h>
#include <stdint.h>

struct mirror;

enum {
	REACH_QUERY_LIMIT = 1 << 16,
	REACH_ANSWER_LIMIT = 4 << 20, /* of all queries: memory */
	REACH_ASK_LIMIT = 1 << 20,
	REACH_THOROUGH = 16, /* times as many, for a proof */
	REACH_DESTINATION_LIMIT =
		1024, /* addresses of the machine, and behind it, that are asked for */
};

struct reach_query {
	struct reach_class class; /* without intervals */
	struct flow flow;
	uint32_t baseline; /* index of the query that it stands out from; itself, as a rule */
	/* index of the query, before this one, that answers for the points which none of `asks` is
	 * about; itself: there are none */
	uint32_t reference;
	struct reach_asks asks; /* in plan->asks */
	uint32_t first_answer;	/* of reach_answers: one for each ask */
	uint32_t others; /* + 1, of plan->others: where class.others_str holds; 0: everywhere */
};

enum { REACH_ORDINARY_PORT = 40000 }; /* that twin_probe sends from: no rule is meant for it */

struct reach_plan {
	struct rule_constants constants;
	struct reach_points points; /* of every query */
	int group_sockets[2];	    /* of IPv4 and IPv6: what they joined in the twin; 0: none */
	struct reach_query *queries;
	size_t count, cap;
	struct reach_ask_list asks;
	size_t answer_count;
	struct reach_ties ties;
	struct reach_replies replies;
	bool *listened;	  /* by point: somebody listens there, so it is asked first */
	uint64_t *others; /* ties.words for each list: points where others may get something else */
	size_t other_count, other_cap;
};

/*
 * Makes the plan. Names go into ret->strings; what cannot be asked for becomes a gap of *ret. 0;
 * -EINVAL when the options name an interface or address that is not there; -ENOMEM.
 */
int reach_plan_build(const struct mirror *m, const struct reach_options *options, struct reach *ret,
		     struct reach_plan *plan, struct err *e);
void reach_plan_done(struct reach_plan *plan);
