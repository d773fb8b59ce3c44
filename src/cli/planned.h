/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * planned: the machine as it is, and as it will be once the policy is applied: for `plan`, `apply`,
 * `open` and `close`. The new rules are tried in a twin before anything is touched, and every
 * packet that a twin is asked about must get what the policy says. Changes nothing.
 */
#pragma once

#include "cli/policy_load.h"
#include "cli/progress.h"
#include "cli/view.h"
#include "decide/policy_match.h"
#include "decide/policy_plan.h"
#include "decide/policy_verify.h"
#include "observe/explain.h"
#include "observe/nft_image.h"
#include "observe/policy_files.h"

#include <stdbool.h>
#include <stdint.h>

/* An opening that other rules of the machine keep closed: for one packet that it should let in. */
struct planned_blocked {
	uint32_t opening;
	bool wholly; /* none of the packets that it lets in gets through */
	struct explanation explanation;
};

enum { PLANNED_BLOCKED_LIMIT = 8 }; /* that are explained */

struct planned {
	int64_t now_s;
	struct policy policy;
	struct policy_problems problems;
	struct policy_links links;
	struct policy_files files;  /* the policy's, as they were read */
	struct buf script;	    /* what nft is to be given */
	struct nft_image rules;	    /* what the kernel makes of it */
	struct nft_image observing; /* the same, of rules that only observe */
	struct view now, after;
	struct policy_verify verify;
	bool is_complete; /* the twins that `verify` is of were asked everything */
	struct progress progress;
	struct plan plan;
	bool is_applied; /* the kernel's table is already as it is to be */
	bool has_table;	 /* it has one */
	struct planned_blocked blocked[PLANNED_BLOCKED_LIMIT];
	size_t blocked_count; /* that are explained */
	size_t blocked_total;
};

/* A file of the policy as it is to be. */
struct planned_file {
	const char *name; /* in the policy's folder */
	const char *text; /* NULL: it is to be removed */
};

/*
 * `file` (may be NULL): plan as if it were so already.
 * 0: looked, tried and compared (which may have failed: see planned_holds); a negative errno with a
 * sentence: there is no policy (-ENOENT), it has errors (-EINVAL: `problems` has them), the rules
 * cannot be tried. planned_done() in every case.
 */
int planned_take(struct planned *p, const struct options *o, const struct planned_file *file,
		 struct err *e);
void planned_done(struct planned *p);
/*
 * After the rules were loaded: asks a twin of the machine as it is now, and compares the kernel's
 * table: planned_holds() and is_applied tell. 0 or a negative errno with a sentence.
 */
int planned_look_again(struct planned *p, struct err *e);
/* Is the opening declared, in force, and does nobody listen there, neither here nor behind a port
 * that is published? False when not all listeners were seen. */
bool planned_is_missing(const struct planned *p, uint32_t opening);
/* Did the twin do exactly what the policy says? If not, nothing may be applied. */
bool planned_holds(const struct planned *p);
/* ... and was there nothing that it could not say, or was not asked? */
bool planned_is_proved(const struct planned *p);
/* Would applying it change anything: who gets in, or the rules in the kernel? */
bool planned_changes(const struct planned *p);
/* EXIT_BLIND where something is not known, EXIT_DIFFERENT where it would change something. */
int planned_exit_code(const struct planned *p);
/* What planned_take() failed for, with all problems of the policy. EXIT_BLIND. */
int planned_fail(const struct planned *p, const struct options *o, const struct err *e);
