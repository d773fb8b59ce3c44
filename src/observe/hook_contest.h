/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hook_contest: chains that hook in at one place with one priority, and the orders in which they
 * can run, as far as these differ (see hook_order.h). Pure, but for asking the list.
 */
#pragma once

#include "observe/hook_order.h"

enum hook_space { HOOK_OF_PACKETS, HOOK_OF_BRIDGES, HOOK_OF_DEVICES };
enum hook_family { HOOK_IPV4, HOOK_IPV6, HOOK_FAMILIES };

/* Has the twin it always before the chains are made? */
bool hook_member_is_fixed(const struct hook_member *m);
/*
 * Of `count` that meet at one place, in the order in which order 0 runs them: those between which
 * the order matters, into `ret`. 1; 0: it does not matter; -E2BIG: more than HOOK_MEMBERS.
 */
int hook_contest_find(struct hook_contest *ret, const struct hook_member *members, size_t count);
/* The orders that differ, order 0 first; one alone where `told` (may be NULL) tells. 0; -E2BIG:
 * more than HOOK_PERMUTATIONS. */
int hook_contest_order(struct hook_contest *c, const struct nft_image *image,
		       struct hook_list *told);
/* Why an answer is not known: a sentence. */
void hook_contest_describe(const struct hook_contest *c, const struct nft_image *image,
			   const struct legacy_image *legacy, char *text, size_t size);
