/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_gaps: what the mirror could not mirror, as gaps of a reach, and which queries cannot be
 * answered for it.
 */
#pragma once

#include "model/reach.h"
#include "model/snapshot.h"
#include "observe/reach_plan.h"

#include <stdbool.h>

struct mirror;

/* Adds a gap for each thing that is not mirrored. */
void reach_gaps_add(const struct mirror *m, struct reach *ret);
/* Adds the sockets (of `s`, which may be NULL) that something filters. */
void reach_gaps_add_filtered(const struct mirror *m, const struct snapshot *s, struct reach *ret);
/* Is all that is not mirrored so for a reason that stays as long as the machine is what it is? */
bool reach_gaps_are_lasting(const struct mirror *m);
/* Why the query cannot be answered: a sentence of ret->strings; 0: it can. */
uint32_t reach_gaps_of_query(const struct mirror *m, const struct reach_query *q,
			     struct reach *ret);
