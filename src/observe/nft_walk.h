/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_walk: goes through the expressions of one rule and decides what the twin gets of each. The
 * inner part of nft_rewrite; pure.
 */
#pragma once

#include "observe/doubts.h"
#include "observe/nft_rewrite.h"

/*
 * Finding: `found` gets the rule's doubts (and w->feeds what they feed), nothing is written.
 * Loading: `found` is NULL; the expressions that the twin gets go to `out`, one NFTA_LIST_ELEM
 * after the other, decided by the assignment. Both meet the same doubts in the same order. Returns
 * 0, or -ENOMEM.
 */
int nft_walk_rule(struct nft_rewrite *w, size_t item, struct doubt_list *found,
		  const struct assignment *assignment, struct buf *out);

/* Set a rule reads in a `lookup` or an `objref` of its; used to know which sets are looked up. */
void nft_walk_note_lookups(struct nft_rewrite *w, size_t item);
