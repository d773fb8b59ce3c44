/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_prefixes: lists of networks as nf_tables takes them: sorted, none inside another, and
 * equal lists kept once. Pure.
 */
#pragma once

#include "base/map.h"
#include "model/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prefix {
	uint32_t group; /* networks of different groups have nothing to do with each other */
	struct address network;
	uint8_t len;
};

struct prefixes {
	struct prefix *items;
	size_t count, cap;
};

/* 0 or -ENOMEM */
int prefixes_add(struct prefixes *list, uint32_t group, const struct address *network, uint8_t len);
/* Sorts (by group, family, address), and removes those that are inside another. */
void prefixes_tidy(struct prefixes *list);
void prefixes_done(struct prefixes *list);

/* Tidy lists, each with a number. */
struct prefix_store {
	struct prefixes all; /* one behind the other */
	struct prefix_slice {
		size_t first, count;
	} * slices;
	size_t slice_count, slice_cap;
	struct map by_hash;
};

/* The number of the list items[0..count); *ret_is_new: it was not there. 0 or -ENOMEM. */
int prefix_store_add(struct prefix_store *s, const struct prefix *items, size_t count,
		     uint32_t *ret, bool *ret_is_new);
void prefix_store_done(struct prefix_store *s);
