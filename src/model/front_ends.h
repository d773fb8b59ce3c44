/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * front_ends: which program writes firewall rules under which names, and what a person does there
 * to open or to close a port (data/front-ends.tsv), compiled in; no I/O. Anyone can choose a name:
 * it is a hint.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

struct front_end {
	const char *id, *name;		/* "ufw", "Docker" */
	bool of_table;			/* the pattern is for names of tables, not of chains */
	bool sets_policies;		/* of the built-in chains that lead to its own */
	const char *pattern;		/* fnmatch(3) */
	const char *to_open, *to_close; /* "-": with nft or iptables */
};

extern const struct front_end front_ends_rows[];
extern const unsigned front_ends_row_count;

/* Whose rules are in that table and chain; NULL: a person's, or nobody's that is known. */
const struct front_end *front_ends_find(const char *table, const char *chain);

/* What the words in braces of to_open and to_close stand for. */
struct front_end_words {
	const char *port;     /* as a rule for packets to the machine sees it: after NAT */
	const char *asked;    /* port that the packet was sent to */
	const char *proto;    /* "tcp" */
	const char *from;     /* address, or "any" */
	const char *address;  /* the same, or "ADDRESS" */
	const char *to;	      /* address, after NAT, or "any" */
	const char *in;	      /* interface */
	const char *iptables; /* "iptables" or "ip6tables" */
};
void front_ends_fill(const char *command, const struct front_end_words *words, struct buf *out);
