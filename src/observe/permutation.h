/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * permutation: the numbers 0..count-1 in an order that looks random, without a table: a Feistel
 * network over the next power of four, walked until it is below `count` (Black and Rogaway,
 * "Ciphers with Arbitrary Finite Domains", 2002). Not cryptographic. Pure.
 */
#pragma once

#include <stdint.h>

enum { PERMUTATION_ROUNDS = 4 };

struct permutation {
	uint64_t count, keys[PERMUTATION_ROUNDS];
	unsigned half_bits;
};

/* `count`: 1 to 2^62. */
struct permutation permutation_init(uint64_t count, uint64_t seed);
/* What stands at `place`; and at which place a value stands. Both below `count`. */
uint64_t permutation_at(const struct permutation *p, uint64_t place);
uint64_t permutation_place(const struct permutation *p, uint64_t value);
