/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state_store: the states themselves: adding one, reading them, letting old ones go. The folder is
 * that of enforce/states.
 */
#pragma once

#include "enforce/states.h"

#include <stddef.h>

/* A file of the policy, as it was when the state was made. */
struct state_file {
	const char *name; /* "web.yaml": no slash */
	const char *text;
	size_t len;
};

/* What is to be kept. */
struct state_wish {
	const char *script; /* for firewall_load() */
	size_t script_len;
	const struct state_file *files;
	size_t file_count;
	const char *guard;	   /* rules of the guard (guard_rules_json); NULL: none */
	const char *why, *command; /* NULL: none */
};

/* What is known of a state. Texts are escaped (base/text). */
struct state_info {
	uint32_t number;
	int64_t time_s;	  /* when it was made; 0: state 0 */
	bool unconfirmed; /* nobody ever confirmed it */
	struct who who;
	uint64_t fingerprint; /* of the script */
	uint64_t script_len;
	char why[STATES_TEXT_SIZE], command[STATES_TEXT_SIZE];
};

/*
 * Keeps a new state, which is whole on the disk, or not there at all, whenever this is interrupted.
 * The lock is ours. It is not loaded, and `unconfirmed`. Its number is one more than that of the
 * newest. -ENOSPC, -EROFS, ...: with a sentence, and nothing is left of it.
 */
int state_add(const struct states *s, const struct state_wish *wish, uint32_t *ret_number,
	      struct err *e);

/* Takes one back that was never loaded. What cannot be removed stays. The lock is ours. */
void state_remove(const struct states *s, uint32_t number);

/* The numbers of all states but 0, ascending; *ret is to be freed. */
int state_list(const struct states *s, uint32_t **ret, size_t *ret_count, struct err *e);
/* -ENOENT when there is no such state, with a sentence that names those that there are. */
int state_read(const struct states *s, uint32_t number, struct state_info *ret, struct err *e);
/* The script of a state; -EBADMSG when it is not what was written. State 0: empty. */
int state_read_script(const struct states *s, uint32_t number, struct buf *out, struct err *e);
/* The state before this one, by number: 0 when there is none. */
int state_before(const struct states *s, uint32_t number, uint32_t *ret, struct err *e);
/* It was confirmed. Not being able to write that down is no error. */
void state_set_confirmed(const struct states *s, uint32_t number);

/* States that are never let go: 0 in unused places. */
struct state_keep {
	uint32_t numbers[4];
};
/* Removes all states but the STATES_KEPT newest, those to keep, and the one before each of these.
 * What cannot be removed stays. The lock is ours. */
void state_prune(const struct states *s, const struct state_keep *keep);

/* FNV-1a, 64 bits: to tell scripts apart, and damage. */
uint64_t state_fingerprint(const char *script, size_t len);
