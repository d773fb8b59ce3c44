/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rollback: apply, then confirm, or it is undone. The way of a change, under one lock (enforce/
 * states), and what happens when whoever makes it is killed after each step:
 *
 *	state_add	the new state is kept		nothing: it is one that was never loaded
 *	rollback_arm	`loading` and pending.json are	the old rules are loaded once more at the
 *			written, the undo process	deadline
 *			is there
 *	rollback_load	the kernel has the new rules	they are undone at the deadline, or by the
 *			`loading` is removed		next portero, when it finds `loading`
 *	  ... somebody looks whether all is well ...
 *	rollback_confirm
 *	    `confirmed` is renamed			the change is confirmed: who finds
 *pending.json with that state finishes the rest copies of the policy's files and pending.json are
 *removed
 *
 * What comes back when a change is undone is always the confirmed state (0, no table, when none
 * was). A second change while one is pending takes its place: its deadline is a new one, and both
 * are undone together. Undoing and confirming need no room on the disk.
 */
#pragma once

#include "enforce/change_log.h"
#include "enforce/pending.h"
#include "enforce/states.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ROLLBACK_WINDOW_S = 120, /* to confirm, if nothing else is said */
	ROLLBACK_WINDOW_LIMIT_S = 7 * 86400,
};

struct rollback_wish {
	uint32_t state; /* that is about to be loaded */
	uint32_t window_s;
	const char *const *files; /* absolute paths that the change is about to write or remove */
	size_t file_count;
	const char *why, *command; /* for the log; NULL: none */
};

/* A change under way, between rollback_arm() and rollback_done(). */
struct rollback {
	const struct rollback_wish *wish;
	struct pending pending; /* this change */
	struct pending former;	/* the one whose place it takes */
	bool has_former;
};

/*
 * Gets all ready for the way back, before anything is touched: checks that the state to come back
 * can be read, copies the files, writes pending.json and starts the undo process. The lock is ours.
 * On an error (with a sentence) nothing is pending that was not before. `wish` must outlive *ret,
 * which rollback_done() frees.
 */
int rollback_arm(struct states *s, const struct rollback_wish *wish, struct rollback *ret,
		 struct err *e);
/*
 * Loads the new state, lets its time begin, and lets states go that are too old. When the kernel or
 * nft refuses it, everything is again as it was before rollback_arm(), also the files. Until it
 * returns, the lock is handed on to nft: nobody else can change anything while a transaction may
 * still come.
 */
int rollback_load(struct states *s, struct rollback *change, struct err *e);
/* Takes back what rollback_arm() did; for a change that is given up before it was loaded. */
void rollback_disarm(struct states *s, struct rollback *change);
void rollback_done(struct rollback *change);

/* What became of the change that was pending. */
struct rollback_end {
	uint32_t state;	 /* the change's; 0: nothing was pending */
	uint32_t loaded; /* what the firewall has now */
};

/*
 * The pending change stays. -ENODATA: nothing is pending; -ETIME: its time is over, or it was
 * interrupted (see rollback_settle()); -ESTALE: the firewall has lost the rules. The lock is ours.
 */
int rollback_confirm(struct states *s, const char *command, struct rollback_end *ret,
		     struct err *e);
/* Its time begins anew. Errors as above. */
int rollback_extend(struct states *s, uint32_t window_s, const char *command, struct pending *ret,
		    struct err *e);
/*
 * Takes the pending change back, whatever its deadline. `what` is CHANGE_ROLLBACK or CHANGE_UNDO.
 * -ENODATA: nothing is pending. When files of the policy cannot be put back, the firewall is
 * undone all the same, and an error is returned. The lock is ours.
 */
int rollback_undo(struct states *s, enum change what, const char *why, const char *command,
		  struct rollback_end *ret, struct err *e);

/*
 * To be called first by all who took the lock: brings in order what others left who were killed. A
 * change whose time is over, that was interrupted while it was loaded, or that is of an earlier
 * start of the machine, is undone (returns 1,
 * and *ret says which); one that was confirmed is confirmed in full; one that nobody watches gets
 * an undo process again. 0 when there was nothing that a person must be told, or a negative errno.
 */
int rollback_settle(struct states *s, struct rollback_end *ret, struct err *e);

/*
 * Goes to any state that is kept, 0 too: it is armed and loaded like a new one, with that much time
 * to be confirmed; window 0: it is confirmed at once. A pending change is undone before. *ret: the
 * deadline, when it is to be confirmed. The lock is ours.
 */
int rollback_to(struct states *s, uint32_t state, const struct rollback_wish *wish,
		struct pending *ret, struct err *e);

/*
 * At the start of the machine, and whenever the table may have been lost: loads the confirmed
 * state. A change that is pending since an earlier start counts as not confirmed, and its files are
 * put back; one whose time is not over is loaded again. *ret: what was loaded, and which change was
 * undone. The lock is ours.
 */
int rollback_restore(struct states *s, const char *command, struct rollback_end *ret,
		     struct err *e);

/* Loads a state, or removes the table for state 0; changes nothing on the disk. */
int rollback_load_state(struct states *s, uint32_t state, struct err *e);
