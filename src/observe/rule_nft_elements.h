/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_nft_elements: reads the elements of sets and maps of nf_tables. A part of rule_constants.
 *
 * Three kinds of keys are dumped (net/netfilter/nft_set_*.c): whole values; values with an end
 * (NFTA_SET_ELEM_KEY_END: concatenations with ranges); and the borders of intervals, where an end
 * is an element of its own (NFT_SET_ELEM_INTERVAL_END) that is the first value after it.
 */
#pragma once

#include "observe/rule_nft_sets.h"

enum { NFT_KEY_LIMIT = REGISTER_BYTES };

struct nft_set_element {
	uint8_t key[NFT_KEY_LIMIT], key_end[NFT_KEY_LIMIT];
	bool has_key, is_catchall, is_end;
	uint64_t data; /* a hash of what the map has for it; 0: nothing */
	uint64_t to;   /* a hash of the name of the chain that it leads to; 0: to none */
};

typedef void nft_element_taker(struct rule_collector *k, const struct nft_set_element *e,
			       void *context);

/* The elements as they stand. `everything`: also the one for all that no other has. */
void nft_set_each(struct rule_collector *k, const struct nft_sets *s, struct nft_set *set,
		  bool everything, nft_element_taker *take, void *context);
/* The same, of a set of intervals of one field that is the whole key: borders become intervals. */
void nft_set_each_interval(struct rule_collector *k, const struct nft_sets *s, struct nft_set *set,
			   bool everything, nft_element_taker *take, void *context);
