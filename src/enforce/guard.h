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

struct guard_wish {
	const struct guard_place *place;
	const struct states *states; /* where accepted programs are remembered */
};

/* What became of it. Freed by guard_report_done(). */
struct guard_report {
	struct guard_programs programs; /* of the rules, which must outlive this */
	bool is_seeded;			/* sockets that are older than the guard are known */
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
 * The same for the rules that are in force: after an upgrade their programs are learned again,
 * after somebody laid hands on the guard it is whole again. -ENOENT: no guard is there.
 */
int guard_refresh(const struct guard_wish *wish, const struct guard_rules *r,
		  struct guard_report *ret, struct err *e);
int guard_off(const struct guard_place *place, struct err *e);

/* Does the package that a changed program belongs to say that this is its content? */
typedef bool guard_vouch(const char *path, const char *sha256, void *context);

struct guard_acceptance {
	bool accept_new;     /* programs that were never seen: a person has just declared them */
	bool accept_changed; /* those that are other than they were */
	const char *only;    /* ... and of both only this one; NULL: all */
	guard_vouch *vouch;  /* NULL: nobody does */
	void *context;
};

/*
 * Looks at all programs of the rules, and remembers the content of those that are to be accepted:
 * the guard learns no others. Changes nothing in the kernel. *ret refers to `r`, and is freed by
 * guard_programs_done(). 0 or a negative errno with a sentence.
 */
int guard_accept(const struct states *s, const struct guard_rules *r,
		 const struct guard_acceptance *a, struct guard_programs *ret, struct err *e);
void guard_report_done(struct guard_report *r);
