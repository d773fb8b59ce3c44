/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_nft_sets: what a lookup in a set of nf_tables compares with. A part of rule_constants.
 */
#pragma once

#include "observe/nft_image.h"
#include "observe/rule_registers.h"

struct nft_set {
	uint64_t key; /* of table and name */
	uint32_t flags;
	size_t key_len, data_len;
	struct cur name;
	uint32_t first_item, last_item; /* with elements; 0: none (item 0 is a table) */
	bool mixed;			/* sources of it are of several groups */
	bool has_catchall;
};

/* The set elements of an image by set, so that only those that are asked for are read. */
struct nft_sets {
	const struct nft_image *image;
	struct map by_name; /* a hash of family, table and name -> the set's index in `sets` */
	struct nft_set *sets;
	size_t count, cap;
	uint32_t *next; /* by item: the next message with elements of the same set, or 0 */
};

/* Indexes the sets. 0 or -ENOMEM; also then nft_sets_done() is due. */
int nft_sets_index(struct nft_sets *s, const struct nft_image *image);
void nft_sets_done(struct nft_sets *s);

/* The attributes of an item; empty and not ok when the image does not have them. */
struct cur nft_item_attributes(const struct nft_image *image, const struct nft_item *item);

/* What a rule looks up. */
struct nft_lookup {
	uint64_t table_key; /* of the rule's family and table */
	struct cur set_name;
	int at;	       /* the first register of the key */
	bool inverted; /* it goes on when the set does not have the key */
};
void nft_sets_collect(struct rule_collector *k, struct nft_sets *s, const struct nft_lookup *lookup,
		      const struct registers *r);
/* The same lookup, when what it finds is a verdict: notes which chains it leads to, by which ports.
 */
void nft_sets_follow(struct rule_collector *k, struct nft_sets *s, const struct nft_lookup *lookup,
		     const struct registers *r);
/* How many bytes a lookup in that map writes to its destination register; 0: not known, or a
 * verdict. */
size_t nft_sets_data_len(const struct nft_sets *s, uint64_t table_key, struct cur set_name);
uint64_t nft_name_hash(struct cur name);
/* What identifies a table for that. */
uint64_t nft_table_key(uint8_t family, struct cur table_name);
