/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * states: the folder --state-dir, where the states of the firewall that were applied are kept, and
 * the lock of all who change something.
 *
 *	lock			who is changing the policy; see states_lock()
 *	confirmed		number of the state that a start of the machine brings back
 *	states/000012/		a state: never changed once it is there (but for `unconfirmed`)
 *		ruleset.nft	what enforce/firewall loads
 *		meta.json	number, when, who, why, which command, fingerprint of the rules
 *		policy/		copies of the policy's files
 *		unconfirmed	an empty file, until somebody confirmed the state
 *	pending.json, ...	see enforce/pending
 *	log.jsonl		see enforce/change_log
 *
 * State 0 is "no table at all": it is always there, and has no folder. All files are root's alone
 * (0700, 0600). Each change is one rename: kill -9, a full disk or a loss of power leave what was
 * before or what was to be.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "enforce/who.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	STATES_KEPT = 20,
	STATES_NUMBER_LIMIT = 999999,
	STATES_TEXT_SIZE = 512, /* why, command */
	STATES_FILE_LIMIT = 20000,
};

struct states {
	int dir_fd;  /* -1: not open */
	int lock_fd; /* -1: the lock is not ours */
	char dir[4096];
};

/*
 * Opens the folder; with `make`, makes it when it is not there. Refuses one that belongs to another
 * user, or that others may write to: who can write there decides what the firewall does. -ENOENT:
 * there is none (and with it no state but 0). *s is closed by states_close() in every case.
 */
int states_open(struct states *s, const char *dir, bool make, struct err *e);
void states_close(struct states *s); /* unlocks, too */

/*
 * The lock of all changes. -EBUSY when somebody has it for longer than a moment (the undo process
 * takes it to look, and gives it back at once); the sentence names that process.
 * It is tied to the open file: programs that were started with descriptors inherited
 * (states_share_lock) keep it until they end, too.
 */
int states_lock(struct states *s, struct err *e);
int states_try_lock(struct states *s, struct err *e); /* the same, not even for a moment */
void states_unlock(struct states *s);
/* Do programs that are started from now on inherit it? (Not, unless they are said to.) */
void states_share_lock(const struct states *s, bool share);
/*
 * Ends, by SIGKILL, the process that has the lock, if it is still the one that took it. Whoever is
 * killed leaves the old state or the new one, so this does no harm but to that process; for the
 * undo process, which must not be kept waiting by one that was stopped. 0, or a negative errno.
 */
int states_break_lock(const struct states *s);

/* Number of the confirmed state; 0: none was ever confirmed. */
int states_confirmed(const struct states *s, uint32_t *ret, struct err *e);
/*
 * In two steps, so that the second needs no room on the disk: `states_prepare` writes the number to
 * `confirmed.next`, and `states_make_confirmed` renames that. The lock is ours.
 */
int states_prepare(const struct states *s, uint32_t number, struct err *e);
int states_make_confirmed(const struct states *s, uint32_t number, struct err *e);

/* "000012" */
void states_name(uint32_t number, char name[8]);
/* A sentence for a failed step on a file of the folder. Returns r. */
int states_fail(const struct states *s, int r, const char *name, struct err *e);
/* Escapes a text (NULL: "") and cuts it, between two characters, so that it fits. */
void states_text(const char *text, char to[STATES_TEXT_SIZE]);
