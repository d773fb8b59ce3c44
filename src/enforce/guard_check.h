/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_check: is the guard in the kernel what was applied? Its links, its programs and what its
 * maps say are compared with the rules of a state. Changes nothing. Root can take any of it away:
 * so it is not proof against root, but shows it.
 */
#pragma once

#include "enforce/guard.h"
#include "enforce/guard_state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum guard_fault {
	/* what somebody did to it */
	GUARD_FAULT_ABSENT,    /* the rules want a guard, and none is pinned */
	GUARD_FAULT_DETACHED,  /* subject: the part; it was detached, and refuses nothing */
	GUARD_FAULT_UNPINNED,  /* subject: the part; its pin is gone, or was never there */
	GUARD_FAULT_FOREIGN,   /* subject: the part; it is another program than portero's */
	GUARD_FAULT_MAPS,      /* the maps say something else than the rules */
	GUARD_FAULT_MAP_GONE,  /* subject: the map; its pin is gone, what is attached uses it */
	GUARD_FAULT_VERSION,   /* it is another version's, whose maps cannot be read */
	GUARD_FAULT_ELSEWHERE, /* it guards another network namespace */
	/* of nobody's intention */
	GUARD_FAULT_UNFINISHED, /* a guard that is to take its place waits beside it, or alone */
	GUARD_FAULT_CLOCK,	/* the clock was set: openings that end do so at another time */
	/* what keeps declared programs from their ports */
	GUARD_FAULT_PROGRAM_MISSING, /* subject: the path */
	GUARD_FAULT_PROGRAM_CHANGED, /* ... is another than the one that was accepted */
	GUARD_FAULT_PROGRAM_TOUCHED, /* ... has the same content, but must be learned again */
	GUARD_FAULT_USER_UNKNOWN,    /* subject: the name */
	GUARD_FAULT_COUNT,
};

struct guard_check_fault {
	enum guard_fault kind;
	const char *subject; /* of the rules, or a part's name; "": none */
};

enum { GUARD_CHECK_FAULT_LIMIT = 64 };

struct guard_check {
	bool there;	   /* something is pinned */
	bool whole;	   /* all maps are, of this version; else only what follows is known */
	unsigned attached; /* bits of the parts that are */
	bool mode_known;
	bool learning;	      /* it is being put up, and judges nothing yet */
	enum guard_mode mode; /* of the kernel's */
	bool is_seeded;	      /* sockets that are older than the guard are known */
	unsigned absent;      /* bits of optional parts that are not attached */
	uint64_t counts[GUARD_COUNT_COUNT];
	struct guard_check_fault faults[GUARD_CHECK_FAULT_LIMIT];
	size_t fault_count, fault_total; /* kept, and all */
	size_t programs;		 /* that the kernel knows */
};

/*
 * Compares the guard at `where` with the rules. `thorough`: also whether each program is this
 * version's, which takes a tenth of a second. 0, or a negative errno with a sentence when it could
 * not be looked at (-EPERM). *ret refers to the rules.
 */
int guard_check(const struct states *s, const struct guard_place *place,
		const struct guard_rules *r, bool thorough, struct guard_check *ret, struct err *e);
/* Is it one of those that somebody must have done? */
bool guard_fault_is_tampering(enum guard_fault fault);
/* "detached", ... for JSON */
const char *guard_fault_id(enum guard_fault fault);
