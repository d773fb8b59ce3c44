/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_drafts: groups of sources while reach_sources makes them, and the texts that say who is
 * meant (source_texts.c). For these two alone.
 */
#pragma once

#include "observe/source_sweep.h"

/* A group while it is being made. */
struct draft {
	struct source_group group;
	uint32_t block;
	bool elsewhere;
	bool left; /* no rule tells it from plausible ones */
	uint64_t rules, labels;
	struct source_number first, last; /* its largest piece */
	double largest;
	uint64_t prefix_count;
	size_t runs;	     /* index + 1 of the last run of pieces that is in the text */
	struct buf prefixes; /* the first of them, as text */
};

struct drafts {
	struct draft *items;
	size_t count, cap;
	struct map by_key;    /* block and signature -> index */
	struct map plausible; /* what rules tell apart of sources whose way is by this interface */
	uint32_t *baselines;  /* by block: index + 1; 0: none */
	double left_out;      /* addresses of groups over GROUPS_KEPT */
	const struct source_blocks *blocks;
};

/* What tells drafts apart: block and signature. */
uint64_t drafts_key(const struct source_piece *piece);
/* Writes down the first prefixes of each draft that is a part of another class. */
void drafts_find_prefixes(struct drafts *d, const struct source_pieces *pieces);
/* Sets block_str and text_str of the group, in `strings`; baselines and prefixes must be there. */
void drafts_describe(const struct drafts *d, const struct rule_constants *c, struct draft *draft,
		     struct strpool *strings);
