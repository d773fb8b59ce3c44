/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * applying_guard: the guard's part of applying a plan: which programs it names, and whether these
 * are still what they were; and afterwards, whether it is in force.
 */
#pragma once

#include "cli/guard_rules.h"
#include "cli/options.h"
#include "enforce/guard_state.h"

#include <stdbool.h>

/* A guard_vouch of enforce/guard: does a package say so? */
bool applying_guard_vouch(const char *path, const char *sha256, void *context);

struct applying_guard {
	struct guard_rules rules;
	char *text; /* of the rules, for the state; NULL: no guard */
};

/*
 * Before anything is changed: makes the rules; refuses (-EKEYREJECTED) when a program is another
 * than the one that was accepted, unless its package vouches for it, or --force is given. What is
 * accepted is remembered. 0 or a negative errno with a sentence.
 */
int applying_guard_prepare(const struct options *o, const struct states *s, const struct planned *p,
			   struct applying_guard *ret, struct err *e);
/* Is the guard in force already? Also when none is wanted, and none is there. */
bool applying_guard_is_applied(const struct options *o, const struct planned *p);
/* Has that state the guard of the plan, which a start of the machine will bring back? */
bool applying_guard_is_kept(const struct states *s, uint32_t state, const struct planned *p);
/* Tells on stderr what keeps it from its promise. False: it is not in force at all, or nobody
 * knows. */
bool applying_guard_tell(const struct states *s, const struct applying_guard *g);
void applying_guard_done(struct applying_guard *g);
