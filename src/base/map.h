/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map: a hash table from 64-bit keys to 32-bit values (open addressing, linear probing), and a
 * pool that keeps one copy of each string.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
	uint64_t key;
	uint32_t value_plus_one; /* 0 = empty */
};

struct map {
	struct map_slot *slots;
	size_t size; /* a power of two, or 0 */
	size_t count;
};

void map_done(struct map *m);
/* Finds the value of `key`; *ret is written only when it is there. */
bool map_get(const struct map *m, uint64_t key, uint32_t *ret);
/* Sets key to value (at most UINT32_MAX - 1), replacing what was there. 0 or -ENOMEM. */
int map_set(struct map *m, uint64_t key, uint32_t value);
/* Mixes two numbers into one key: for keys made of several fields. Not cryptographic. */
uint64_t map_mix(uint64_t a, uint64_t b);
uint64_t map_hash_bytes(const void *bytes, size_t len);

/*
 * strpool: strings by offset. Offset 0 is always the empty string, which stands for "not known".
 * Offsets stay valid as the pool grows; pointers into it do not.
 */
struct strpool {
	struct buf bytes;
	struct map by_hash;
};

void strpool_done(struct strpool *p);
/* The offset of text[0..len) (without NULs), adding it when it is new. 0 when out of memory. */
uint32_t strpool_add(struct strpool *p, const char *text, size_t len);
uint32_t strpool_add_text(struct strpool *p, const char *text);
const char *strpool_get(const struct strpool *p, uint32_t offset);
