/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * filter: which rows of the table are wanted. Pure. Conditions of one kind are alternatives, and
 * all kinds that are given must hold: `portero 1-1024/tcp 8080 nginx` = (1-1024/tcp or 8080) and
 * nginx.
 */
#pragma once

#include "decide/listeners.h"

enum { FILTER_WORD_LIMIT = 256 };

struct filter {
	struct port_range ranges[FILTER_WORD_LIMIT];
	size_t range_count;
	const char *words[FILTER_WORD_LIMIT]; /* program, service, unit, container, package */
	size_t word_count;
	const char *unit; /* NULL: any */
	bool only_user;
	uint32_t uid;
	bool only_bound;
	enum bound bound;
	uint32_t protos; /* bits 1 << enum proto; 0: all */
};

/* Takes a word of the command line: a port or range, else a name. -EINVAL with a sentence. */
int filter_add_word(struct filter *f, const char *word, struct err *e);
/* Sets the bound class from its id (bound_id). -EINVAL when there is no such. */
int filter_set_bound(struct filter *f, const char *id);

bool filter_matches(const struct filter *f, const struct snapshot *s,
		    const struct services *services, const struct listener_list *list,
		    const struct port_row *row);
/* Drops the rows that do not match. */
void filter_apply(const struct filter *f, const struct snapshot *s, const struct services *services,
		  struct listener_list *list);
