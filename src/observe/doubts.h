/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doubts: conditions in rules whose truth one packet in a twin cannot tell: they depend on more
 * than this packet (limits, counts, chance), or on something that the twin does not have. The rules
 * are loaded with each doubt decided by a bit of an assignment, and a recorder before it, so that
 * each packet tells which doubts it met; observe/reach asks with the other assignments too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum doubt_kind {
	DOUBT_RATE,	  /* limit, quota, ct count, recent, statistic, numgen, ... */
	DOUBT_UNMIRRORED, /* depends on what the twin does not have */
	DOUBT_STOP,	  /* nobody can tell what comes after: queue, synproxy, a rule not loaded */
	DOUBT_ORDER, /* which of two tables comes first: no condition, see observe/hook_order */
};

enum {
	DOUBT_LIMIT = 256,
	/* NFLOG groups in the twin */
	GROUP_SINK = 1,	    /* prefix "I" (input) or "F" (forward) */
	GROUP_RECORDER = 2, /* prefix "D" and the doubt's index in decimal */
};

struct doubt {
	enum doubt_kind kind;
	char text[160]; /* what and where: "limit in ip filter ufw-user-input, rule 5" */
};

struct doubt_list {
	struct doubt items[DOUBT_LIMIT];
	size_t count;
	bool overflow; /* there were more: the last item, a STOP, stands for all of them */
};

/* Which doubts hold: bit = the expression as it is written in the rule matches. */
struct assignment {
	uint64_t bits[DOUBT_LIMIT / 64];
	uint64_t order; /* one of observe/hook_order */
};

/* Adds a doubt and returns its index; past the limit, that of the last, which becomes a STOP. */
size_t doubts_add(struct doubt_list *list, enum doubt_kind kind, const char *text);
bool assignment_has(const struct assignment *a, size_t doubt);
void assignment_set(struct assignment *a, size_t doubt);
