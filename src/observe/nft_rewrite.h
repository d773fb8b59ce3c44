/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_rewrite: what of a machine's nf_tables rules must be changed before a twin may have them.
 * Pure: bytes in, bytes out; nothing is sent here.
 *
 * A doubt (observe/doubts) is written into the rule itself: a `log` to GROUP_RECORDER where the
 * doubting expression stood, so that it tells exactly those packets which got as far, and behind it
 * nothing (the doubt holds), or a comparison that never does. So a rule stays one rule, and what
 * stands before the doubt is done once. A STOP ends in a drop. Side effects that one probe must not
 * have on the next, or on the machine's logs, are taken out.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "observe/doubts.h"
#include "observe/nft_image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nft_expr;

/* How a rule is loaded, from the best to the worst. */
enum nft_level {
	NFT_LEVEL_WHOLE,  /* with all that it says */
	NFT_LEVEL_PLAIN,  /* up to the first expression that needs more than the kernel's core */
	NFT_LEVEL_NOTHING /* as a STOP for every packet */
};

struct nft_set_info {
	uint32_t item; /* in the image */
	uint32_t flags, key_len, object_type;
	bool stateful;	/* it, or an element, has a limit, a quota or a count */
	bool looked_up; /* by some rule of its table */
	bool refused;	/* the kernel did not take it */
	bool used;	/* by a rule of this load: an anonymous set must be */
	int8_t forced;	/* this load: 1: all is in it, -1: nothing is; see nft_rewrite_begin() */
};

/* A rule adds to a set, or deletes from it, what other rules look up there. */
struct nft_feed {
	uint32_t set;
	uint16_t doubt;
	bool deletes;
};

struct nft_rewrite {
	const struct nft_image *image;
	struct map by_key; /* nft_image_item_key() -> index in sets */
	struct nft_set_info *sets;
	size_t set_count, set_cap;
	struct nft_feed *feeds;
	size_t feed_count, feed_cap;
	/* per item of the image */
	uint16_t *first_doubt; /* of a rule */
	uint16_t *stop;	       /* the doubt that stands for what is not loaded of a rule */
	uint16_t *position;    /* of a rule in its chain, from 1; UINT16_MAX: that or more */
	uint8_t *level;	       /* enum nft_level */
	bool *later;   /* a base chain whose priority is made one higher: see hook_order.h */
	bool overflow; /* as in the doubt list, when it was found */
	bool clock;    /* some rule asks for the time: what it says holds now */
	struct nft_expr *exprs; /* room for those of one rule */
};

/*
 * Finds the doubts of all rules and appends them to `doubts`, in the order of the image. The image
 * must outlive *w. Call it once; the loads follow. 0, or -ENOMEM with *w empty.
 */
int nft_rewrite_find(struct nft_rewrite *w, const struct nft_image *image,
		     struct doubt_list *doubts);
void nft_rewrite_done(struct nft_rewrite *w);

/*
 * Takes a rule one level down, since the kernel refused it, with a STOP in `doubts` that says so
 * (why: the kernel's words, "" for none). False when it is at the last level already.
 */
bool nft_rewrite_lower(struct nft_rewrite *w, size_t item, const char *why,
		       struct doubt_list *doubts);

/* Before each load: which sets are forced, and that none is used yet. */
void nft_rewrite_begin(struct nft_rewrite *w, const struct assignment *assignment);
/* The attributes of an item that is no rule, as they are to be in the twin; `room` holds them where
 * these are others than the machine's. */
struct cur nft_rewrite_attributes(const struct nft_rewrite *w, size_t item, struct buf *room);
/*
 * Appends the rule's NFTA_RULE_EXPRESSIONS and, where it needs one, NFTA_RULE_COMPAT; marks the
 * sets that it uses.
 */
void nft_rewrite_rule(struct nft_rewrite *w, size_t item, const struct assignment *assignment,
		      struct buf *out);
/* The set of a NEWSET or NEWSETELEM item; NULL: none of the image. */
struct nft_set_info *nft_rewrite_set(const struct nft_rewrite *w, size_t item);
