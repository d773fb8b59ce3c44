/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard: makes the kernel let only those programs bind and listen that the rules name. The rules
 * take effect in one store (bpf/guard_abi.h): whoever is killed, at whatever moment, leaves the old
 * rules or the new ones. Everything is pinned (enforce/guard_kernel), so no process is needed.
 */
#pragma once

#include "enforce/guard_kernel.h"
#include "enforce/guard_programs.h"
#include "enforce/states.h"
#include "model/guard.h"

#include <stdbool.h>
#include <stddef.h>

/* Does the package that a changed program belongs to say that this is its content? */
typedef bool guard_vouch(const char *path, const char *sha256, void *context);

struct guard_wish {
	const struct guard_place *place;
	const struct states *states; /* where accepted programs are remembered */
	bool accept_new;	     /* that were never seen: a person has just declared them */
	bool accept_changed;	     /* that are other than they were */
	guard_vouch *vouch;	     /* NULL: nobody does */
	void *context;
};

/* What became of it. Freed by guard_report_done(). */
struct guard_report {
	struct guard_programs programs; /* of the rules, which must outlive this */
	size_t missing, changed;	/* programs that are not there; that nobody accepted */
	size_t unknown_users;
	size_t seeds;	 /* sockets that are older than the guard */
	bool is_seeded;	 /* those are known */
	unsigned absent; /* bits 1 << enum guard_part: optional parts that this kernel lacks */
};

/*
 * Puts the rules in force; GUARD_OFF takes the guard away. Programs that are missing, or not
 * accepted, get no port; that is told in *ret, not an error. 0, or a negative errno with a
 * sentence, when what was in force still is.
 */
int guard_load(const struct guard_wish *wish, const struct guard_rules *r, struct guard_report *ret,
	       struct err *e);
/*
 * Learns the programs again, for the rules that are in force: after an upgrade. Changes nothing
 * else. -ENOENT: no guard is there.
 */
int guard_refresh(const struct guard_wish *wish, const struct guard_rules *r,
		  struct guard_report *ret, struct err *e);
int guard_off(const struct guard_place *place, struct err *e);
void guard_report_done(struct guard_report *r);
