/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * legacy_walk: takes one table of iptables-legacy apart: the blob of entries that the kernel gives
 * by IPT_SO_GET_ENTRIES, into entries, chains and rule numbers. Pure; the blob is untrusted.
 * (linux/netfilter_ipv4/ip_tables.h; entries of IPv6 differ only in the size of their ip part.)
 */
#pragma once

#include "base/cur.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LEGACY_NAME = 32,	      /* of a table or chain, with its NUL */
	LEGACY_EXTENSION_NAME = 29,   /* of a match or target */
	LEGACY_HOOKS = 5,	      /* NF_INET_PRE_ROUTING ... NF_INET_POST_ROUTING */
	LEGACY_SIZE_LIMIT = 64 << 20, /* bytes of one table: 300,000 rules */
	LEGACY_NO_RULE = UINT32_MAX,
	/* what a standard verdict can be besides an offset to jump to */
	LEGACY_ACCEPT = -2,
	LEGACY_DROP = -1,
	LEGACY_QUEUE = -4,
	LEGACY_RETURN = -5,
};

struct legacy_table {
	uint8_t family; /* AF_INET or AF_INET6 */
	char name[LEGACY_NAME];
	uint32_t valid_hooks; /* bits of NF_INET_... */
	uint32_t hook_entry[LEGACY_HOOKS], underflow[LEGACY_HOOKS];
	uint32_t num_entries;
	size_t offset, size; /* of its entries in legacy_image.bytes; offset is a multiple of 8 */
	uint32_t *refused;   /* ascending entry indexes that a kernel refused to load; owned */
	size_t refused_count, refused_cap;
	size_t first_doubt; /* set by legacy_rewrite_find */
};

/* Where things are in an entry of that family. */
struct legacy_layout {
	size_t entry_size; /* without matches and target */
	size_t flags;	   /* offset of the byte with goto_flag */
	uint8_t goto_flag; /* a jump that does not come back */
	size_t target_offset, next_offset, comefrom, counters;
};
const struct legacy_layout *legacy_layout_of(uint8_t family);

enum legacy_target {
	LEGACY_STANDARD,  /* a verdict or a jump */
	LEGACY_HEADER,	  /* the name of a chain, or the end of the table (ERROR) */
	LEGACY_EXTENSION, /* anything that has a name */
};

struct legacy_entry {
	uint32_t offset, size;	/* in the blob */
	uint32_t target_offset; /* in the entry */
	enum legacy_target target;
	int32_t verdict; /* LEGACY_STANDARD: an offset in the blob, or LEGACY_... */
	uint32_t chain;	 /* index into chains; LEGACY_NO_RULE: none (the end of the table) */
	uint32_t rule;	 /* its number as iptables -L --line-numbers counts, from 1; 0: a header */
	bool last;	 /* the policy of a built-in chain, or the end of another */
};

struct legacy_chain {
	char name[LEGACY_NAME];
	bool builtin;
	uint32_t hook; /* builtin */
};

struct legacy_walk {
	struct legacy_entry *entries;
	size_t count, cap;
	struct legacy_chain *chains;
	size_t chain_count, chain_cap;
};

/* A match or a target within an entry. */
struct legacy_extension {
	char name[LEGACY_EXTENSION_NAME + 1];
	uint8_t revision;
	const uint8_t *whole; /* with its header; in the blob */
	size_t whole_len;
	const uint8_t *data;
	size_t len;
};

/*
 * Takes blob[0..t->size) apart. 0; -EINVAL when it is no table: sizes that do not fit, a jump or a
 * hook to where no entry begins; -ENOMEM.
 */
int legacy_walk_read(struct legacy_walk *w, const struct legacy_table *t, const uint8_t *blob);
void legacy_walk_done(struct legacy_walk *w);
/* The index of the entry at that offset, or -1. */
ptrdiff_t legacy_walk_find(const struct legacy_walk *w, uint32_t offset);
/* A cursor over an entry's matches, for legacy_match_next (false: no more, or not well formed). */
struct cur legacy_matches(const struct legacy_layout *l, const uint8_t *blob,
			  const struct legacy_entry *entry);
bool legacy_match_next(struct cur *c, struct legacy_extension *ret);
bool legacy_target_read(const uint8_t *blob, const struct legacy_entry *entry,
			struct legacy_extension *ret);
/* Zeroes what the kernel itself writes into entries: counters, and marks of its own checks. */
void legacy_walk_mask(const struct legacy_walk *w, uint8_t family, uint8_t *blob);
/* Packets that an entry counted. */
uint64_t legacy_entry_packets(const struct legacy_layout *l, const uint8_t *blob,
			      const struct legacy_entry *entry);
