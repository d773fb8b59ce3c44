/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_rows: what every expression of nf_tables, and every match and target of xtables, is to a
 * twin: harmless, a side effect, a doubt, or the end of what can be told. Data, without I/O; the
 * reasons stand beside the rows. The kernel that it was made from is Linux 6.18.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nft_treat {
	TREAT_PLAIN,	  /* says the same in the twin */
	TREAT_STRIP,	  /* does something beyond the packet, and nothing to it: left out */
	TREAT_NEVER,	  /* never holds for the first packet of a connection */
	TREAT_RATE,	  /* a doubt */
	TREAT_UNMIRRORED, /* a doubt */
	TREAT_STOP,	  /* a doubt that ends all */
	/* treated by what they say: */
	TREAT_KEYED,  /* meta: by key, see nft_meta_row() */
	TREAT_CHANCE, /* numgen, hash: a number by chance */
	TREAT_RECENT, /* xt recent: --set always holds */
	TREAT_IPSET,  /* xt set */
	TREAT_FEED,   /* dynset, xt SET: adds to a set */
	TREAT_LOOKUP,
	TREAT_OBJECT,
	TREAT_MATCH, /* xt: by its name */
	TREAT_TARGET,
};

enum nft_traits {
	TRAIT_EFFECT = 1, /* changes the packet, or its fate */
	TRAIT_RISKY = 2,  /* the twin's kernel may refuse it: see NFT_LEVEL_PLAIN */
	TRAIT_BREAKS = 4, /* a load that does not hold by itself when there is nothing to load */
	TRAIT_COMPARES = 8,
	TRAIT_TRANSFORMS = 16, /* from register to register */
};

struct nft_row {
	const char *name;
	enum nft_treat treat;
	unsigned traits;
	/* attributes which name registers (0: none), and the length of what is loaded in bytes */
	uint8_t dreg, len, sregs[4];
};

struct xt_row {
	const char *name;
	enum nft_treat treat;
};

struct nft_meta_row {
	uint32_t key;
	enum nft_treat treat;
	bool breaks;
	uint8_t slots; /* of 4 bytes, that it loads */
	const char *word;
};

/* NULL: not known. */
const struct nft_row *nft_row_find(const char *name);
const struct xt_row *xt_row_find_match(const char *name);
const struct xt_row *xt_row_find_target(const char *name);
/* Of keys to load; NULL: not known. */
const struct nft_meta_row *nft_row_find_meta(uint32_t key);
