/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * change_log: STATE_DIR/log.jsonl: one line of JSON for each thing that was done to the firewall.
 * It is a memory for people, nothing depends on it: a line that cannot be written (full disk) is
 * lost, and one that is not whole is skipped by who reads.
 */
#pragma once

#include "enforce/states.h"

#include <stddef.h>

enum change {
	CHANGE_APPLY,	 /* a state was loaded, to be confirmed */
	CHANGE_CONFIRM,	 /* it was confirmed */
	CHANGE_EXTEND,	 /* there is more time to confirm it */
	CHANGE_ROLLBACK, /* undone because somebody said so */
	CHANGE_UNDO,	 /* undone because nobody confirmed it in time */
	CHANGE_RESTORE,	 /* loaded at the start of the machine */
	CHANGE_FAILURE,	 /* it could not be undone; why is in `why` */
	CHANGE_COUNT,
};

struct change_entry {
	int64_t time_s;
	enum change what;
	uint32_t state;	 /* that it is about */
	uint32_t loaded; /* that the firewall has since */
	struct who who;
	char why[STATES_TEXT_SIZE], command[STATES_TEXT_SIZE]; /* escaped */
};

/* "apply", "confirm", "extend", "rollback", "undo", "restore", "failure" */
const char *change_id(enum change what);

/* Appends a line, with the time and who it is of now. why, command: not escaped; NULL: none. */
void change_log_add(const struct states *s, enum change what, uint32_t state, uint32_t loaded,
		    const char *why, const char *command);

/*
 * The newest entries, at most `limit`, oldest first; *ret is to be freed. 0, also when nothing was
 * ever done, or a negative errno with a sentence.
 */
int change_log_read(const struct states *s, size_t limit, struct change_entry **ret,
		    size_t *ret_count, struct err *e);

/* One line of the log, without its newline; false: it is none. */
bool change_log_parse(const char *line, size_t len, struct change_entry *ret);
