/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_tell: from the answers to a plan's queries to classes and intervals: neighbouring ports
 * with the same answer become one interval, groups of sources with the same answers one class.
 */
#pragma once

#include "model/reach.h"
#include "observe/reach_explore.h"

/* Why the answer is unknown, or depends; or why none gets out to whom it is let in from. NULL: none
 * of these. Lasts as long as `m`. */
const char *reach_tell_why(const struct mirror *m, const struct reach_answers *answers,
			   const struct reach_answer *a);
/* The text of a source that the options name stays. 0 or -ENOMEM. */
int reach_tell(const struct mirror *m, const struct reach_plan *plan,
	       const struct reach_answers *answers, const struct reach_options *options,
	       struct reach *ret);
