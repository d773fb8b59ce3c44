/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * changes: what the commands that change the firewall have in common: how they begin, and how they
 * say what is so now, to a person or as portero.change/1.
 */
#pragma once

#include "cli/options.h"
#include "cli/view.h"
#include "enforce/rollback.h"

#include <jansson.h>

/*
 * Opens the state folder (with `make`, makes it if need be), takes the lock, and brings in order
 * what others left who were killed; a change that was undone thereby is told on stderr, and in
 * *ended. states_close() in every case. Returns 1 when there was one, 0, or a negative errno with a
 * sentence (-ENOENT: nothing was ever applied).
 */
int changes_begin(const struct options *o, struct states *s, bool make, struct rollback_end *ended,
		  struct err *e);

/* What a command did. */
struct changes_told {
	const char *what;	       /* "apply", "confirm", ... */
	uint32_t state, loaded;	       /* as in struct rollback_end */
	const struct pending *pending; /* what waits to be confirmed now; NULL: nothing */
	const char *sentence;	       /* for people, translated */
};
/* EXIT_DECLARED, or what command_fail() returns. */
int changes_tell(const struct options *o, const struct changes_told *told);

/* What waits to be confirmed: 1 something does, 0 nothing; or a negative errno with a sentence. */
int changes_pending(const struct options *o, struct pending *ret, struct err *e);

/* A line about it for people, if something does: what is there now may be about to be undone. */
void changes_print_pending(const struct view *v);

/* Says on stderr that nothing brings the rules back at a start of the machine, where that is so. */
void changes_warn_of_start(const struct options *o);

/* "15:04:05", of the wall's clock here. */
void changes_time(int64_t time_s, char text[16]);
/* RFC 3339 in UTC; null for 0. */
json_t *changes_json_time(int64_t time_s);
/* "state 12", or for 0 "no rules of portero". */
void changes_name_state(uint32_t state, char *text, size_t size);
