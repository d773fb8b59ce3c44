/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_state: the guard as part of the states (enforce/states):
 *
 *	STATE_DIR/states/N/guard.json	its rules (enforce/guard_rules_json); none: no guard
 *	STATE_DIR/guard.json		where it is: the cgroup and the pins
 *	STATE_DIR/programs.json		what the programs were when they were accepted
 */
#pragma once

#include "enforce/guard.h"
#include "enforce/states.h"

/* Where the guard is, or is to be. Empty: the standard place. */
struct guard_where {
	char cgroup[4096], pins[4096];
	struct guard_place place; /* refers to those */
};

/* The place that was written down: 1; the standard one when none was: 0. */
int guard_state_where(const struct states *s, struct guard_where *ret, struct err *e);
/*
 * Writes down the place that is to be (NULL: the standard one). -EBUSY when a guard is at another
 * one now. The lock is ours.
 */
int guard_state_set_where(const struct states *s, const char *cgroup, const char *pins,
			  struct err *e);

/* The rules of a state; GUARD_OFF when it has none, and for state 0. */
int guard_state_read(const struct states *s, uint32_t state, struct guard_rules *ret,
		     struct err *e);

/*
 * Puts the guard of that state in force, or takes it away. A kernel that cannot have one is no
 * error, when none is there: it is logged, and the firewall does its half. The lock is ours.
 */
int guard_state_load(const struct states *s, uint32_t state, struct err *e);
