/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_walk_inner: the state of a pass over one rule, shared by the files of nft_walk and by nobody
 * else: nft_walk (the pass, and nf_tables' own expressions), nft_walk_xt (xtables), nft_walk_sender
 * (what is any sender's own), nft_walk_effect (which expressions do something), nft_walk_state
 * (doubts and registers). Pure.
 */
#pragma once

#include "observe/doubts.h"
#include "observe/nft_attr.h"
#include "observe/nft_rewrite.h"
#include "observe/nft_rows.h"

enum {
	NFT_WALK_SLOTS = 16,	   /* registers of 4 bytes */
	NFT_WALK_IPSET = 1u << 31, /* a feed's set is the index of an ipset */
};

/* A register that the twin cannot fill as the machine would. */
struct nft_taint {
	enum { CLEAN, OPEN, DECIDED } state; /* DECIDED: a doubt was asked for already */
	enum doubt_kind kind;
	const char *word;
	uint32_t modulus, offset; /* a number by chance; 0: any other */
};

struct nft_walk {
	struct nft_rewrite *w;
	size_t item;
	uint8_t family;
	uint8_t version; /* NFPROTO_IPV4, _IPV6 or _ARP: what follows in the rule is of such packets
			    alone */
	struct nft_expr *exprs;
	size_t count, effects; /* effects: expressions up to the last that has one */
	struct nft_taint slots[NFT_WALK_SLOTS];
	struct doubt_list *found;
	const struct assignment *assignment;
	struct buf *out;
	size_t next; /* doubt, when loading */
	bool tail;   /* behind the last effect: nothing depends on a doubt any more */
	bool ended;
	bool failed;
};

/* The expression as it is; and one that never holds, behind which nothing is asked. */
void nft_walk_emit(struct nft_walk *k, const struct nft_expr *expr);
void nft_walk_never(struct nft_walk *k);

/* Asks a doubt, and returns its bit; *ret (may be NULL) is its index. Past the end of the list it
 * is a STOP. */
bool nft_walk_ask(struct nft_walk *k, enum doubt_kind kind, const char *word, size_t *ret);
/* A doubt in the place of an expression that has no other meaning than to hold or not. */
void nft_walk_doubt(struct nft_walk *k, enum doubt_kind kind, const char *word);
void nft_walk_stop(struct nft_walk *k, const char *word);
void nft_walk_stop_at(struct nft_walk *k, size_t doubt); /* one that is in the list already */
/* A doubt: the packet is added to (deleted from) a set, and rules that look there know. */
void nft_walk_feed(struct nft_walk *k, uint32_t set, bool deletes);

/* The registers that an expression writes: known, or not. Lengths in bytes, slots of 4 bytes. */
void nft_walk_clean(struct nft_walk *k, const struct nft_row *row, const struct nft_expr *expr,
		    uint32_t len);
void nft_walk_taint(struct nft_walk *k, const struct nft_row *row, const struct nft_expr *expr,
		    uint32_t slots, struct nft_taint taint);
/* How many it reads from each that it names; `set` is the one it looks up, or NULL. */
uint32_t nft_walk_read_slots(const struct nft_row *row, const struct nft_expr *expr,
			     const struct nft_set_info *set);
/* The first tainted register among those that it reads; NULL: none. */
struct nft_taint *nft_walk_find_taint(struct nft_walk *k, const struct nft_row *row,
				      const struct nft_expr *expr, const struct nft_set_info *set);
/*
 * A number by chance becomes one that the assignment chooses, bit by bit: each outcome of a small
 * map can be had. False: it is no such number, or one of too many.
 */
bool nft_walk_choose(struct nft_walk *k, struct nft_taint *taint);

bool nft_walk_has(const struct nft_expr *expr, uint16_t attribute);

/* The set that an expression looks up or fills; NULL: none that is known. */
struct nft_set_info *nft_walk_set_of(const struct nft_walk *k, const struct nft_expr *expr);
/* Does it do anything to the packet, or to what other rules ask, but compare? */
bool nft_walk_is_effect(const struct nft_walk *k, const struct nft_expr *expr);
/* Of a key that is set: does anything that a rule can ask follow from it? */
bool nft_walk_is_meta_effect(const struct nft_expr *expr);
bool nft_walk_is_ct_effect(const struct nft_expr *expr);
/* Might the kernel have refused the rule for this expression's sake? */
bool nft_walk_is_risky(const struct nft_walk *k, const struct nft_expr *expr);

/* Does expression `at` compare the version of IP? Then it is known from here on. */
void nft_walk_note_version(struct nft_walk *k, size_t at);
/*
 * What a `payload` loads that is its sender's own, so that the packet which is asked with says
 * nothing of others: the card, how far away it is, how much is sent, and what. NULL: nothing.
 */
const char *nft_walk_senders_own(const struct nft_walk *k, const struct nft_expr *expr);

/* xtables */
enum nft_treat nft_walk_target_treat(const struct nft_expr *expr);
void nft_walk_match(struct nft_walk *k, const struct nft_expr *expr);
void nft_walk_target(struct nft_walk *k, const struct nft_expr *expr);
