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
#include "observe/rule_constants.h"

#include <stddef.h>
#include <stdint.h>

struct mirror;

enum {
	REACH_QUERY_LIMIT = 8192,
	REACH_DESTINATION_LIMIT =
		128, /* addresses of the machine, and behind it, that are asked for */
};

struct reach_query {
	struct reach_class class; /* without intervals */
	struct flow flow;
	uint32_t baseline; /* index of the query that it stands out from; itself, as a rule */
};

struct reach_plan {
	struct rule_constants constants;
	struct reach_points points; /* of every query */
	int group_sockets[2];	    /* of IPv4 and IPv6: what they joined in the twin; 0: none */
	struct reach_query *queries;
	size_t count, cap;
};

/*
 * Makes the plan. Names go into ret->strings; what cannot be asked for becomes a gap of *ret. 0;
 * -EINVAL when the options name an interface or address that is not there; -ENOMEM.
 */
int reach_plan_build(const struct mirror *m, const struct reach_options *options, struct reach *ret,
		     struct reach_plan *plan, struct err *e);
void reach_plan_done(struct reach_plan *plan);
