/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_look: the guard as the states have it, and what speaks against the one that is there.
 */
#pragma once

#include "enforce/guard_check.h"
#include "enforce/guard_state.h"

struct guard_look {
	struct states states;
	struct guard_where where;
	struct guard_rules rules;
	uint32_t state; /* whose rules they are; 0: none */
	struct guard_check check;
};

/* NULL: out of memory. */
struct guard_look *guard_look_new(void);
void guard_look_free(struct guard_look **l);

/* All of it. 1; 0 when nothing was ever applied; or a negative errno with a sentence. */
int guard_look_take(struct guard_look *l, const char *state_dir, struct err *e);
/* Where it is, and which rules it is to have, of states that are open. 0 or a negative errno. */
int guard_look_read(struct guard_look *l, struct err *e);
