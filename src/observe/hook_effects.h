/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hook_effects: what the rules behind a base chain can do to a packet, as far as it matters for
 * the question whether two such chains may change places: what only lets packets through or drops
 * them gives the same in any order. Pure.
 */
#pragma once

#include "base/map.h"
#include "observe/legacy_image.h"
#include "observe/nft_image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HOOK_DROPS = 1,
	HOOK_REFUSES = 2,
	HOOK_CHANGES = 4, /* the packet, its connection, or anything that is not known here */
};

struct hook_effects {
	struct map chains; /* nft_image_item_key() of a base chain -> what its own rules do */
	struct map tables; /* key of a table -> what the rules of all its other chains do */
};

/* Looks at all rules once. 0 or -ENOMEM; *ret is to be done in both cases. */
int hook_effects_find(const struct nft_image *image, struct hook_effects *ret);
void hook_effects_done(struct hook_effects *e);
/* Of a base chain, by its item: its policy, its rules, and those of chains that it may jump to. */
unsigned hook_effects_of_chain(const struct hook_effects *e, const struct nft_image *image,
			       size_t item);
/* The same of a table of iptables-legacy at a hook. */
unsigned hook_effects_of_legacy(const struct legacy_image *image, size_t table, uint32_t hook);
/* The key of the table that an item is in. */
uint64_t hook_effects_table_key(const struct nft_image *image, size_t item);
/* Does it matter which of two comes first? */
bool hook_effects_collide(unsigned a, unsigned b);
