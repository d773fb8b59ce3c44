/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xt_table: what the matches and targets of xtables (iptables' extensions, Linux 6.18) mean for a
 * twin: which of them the kernel decides there as it does on the machine, and which are doubts
 * (observe/doubts). Both rule languages use it: legacy tables, and nf_tables' compat expressions.
 * Pure. Blobs are untrusted in length and content: too short a blob never makes anything certain.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xt_kind {
	XT_PLAIN, /* the twin's kernel decides as the machine's would */
	XT_STRIP, /* no say in any verdict, but an effect elsewhere: leave it out (a match of this
		   * kind is always true) */
	XT_RATE,  /* a doubt, DOUBT_RATE */
	XT_UNMIRRORED, /* a doubt, DOUBT_UNMIRRORED */
	XT_STOP,       /* a doubt, DOUBT_STOP */
};

struct xt_row {
	const char *name;
	enum xt_kind kind; /* before the blob was looked at */
	bool clock;	   /* depends on the time of day: the answer is true only now */
};

/* NULL: not known (to be treated as XT_STOP). Names as the kernel has them, case matters. */
const struct xt_row *xt_match_find(const char *name);
const struct xt_row *xt_target_find(const char *name);

/*
 * The kind of one match or target, with its parameters: data[0..len) is what follows struct
 * xt_entry_match (or NFTA_MATCH_INFO). A recent --set is plain where a recent --update is a doubt,
 * and so on. Inversion is of no matter: a doubt is about the expression as it is written.
 */
enum xt_kind xt_match_kind(const char *name, uint8_t revision, const void *data, size_t len);
enum xt_kind xt_target_kind(const char *name, uint8_t revision, const void *data, size_t len);

/*
 * Takes out of a plain target's parameters what has no say in a verdict but an effect elsewhere, or
 * names what the twin does not have: SET's additions and deletions (of a SET with a map), CT's
 * timeout policy and helper. True when it changed something.
 */
bool xt_target_quiet(const char *name, uint8_t revision, void *data, size_t len);

/* The indexes of ipsets in a match or target; how many there are (at most 3). */
size_t xt_match_sets(const char *name, uint8_t revision, const void *data, size_t len,
		     uint16_t ret[3]);
/* Only those that the target adds to or deletes from. */
size_t xt_target_changed_sets(const char *name, uint8_t revision, const void *data, size_t len,
			      uint16_t ret[3]);
