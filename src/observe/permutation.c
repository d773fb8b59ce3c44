/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/permutation.h"

/* The finalizer of MurmurHash3 (public domain): every bit of the input moves every bit out. */
static uint64_t scramble(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

struct permutation permutation_init(uint64_t count, uint64_t seed)
{
	struct permutation p = {.count = count, .half_bits = 1};

	while (p.half_bits < 31 && (UINT64_C(1) << 2 * p.half_bits) < count)
		p.half_bits++;
	for (unsigned i = 0; i < PERMUTATION_ROUNDS; i++)
		p.keys[i] = scramble(seed + i);
	return p;
}

static uint64_t round_value(const struct permutation *p, unsigned round, uint64_t half)
{
	return scramble(half ^ p->keys[round]) & ((UINT64_C(1) << p->half_bits) - 1);
}

static uint64_t encrypt(const struct permutation *p, uint64_t value)
{
	uint64_t left = value >> p->half_bits, right = value & ((UINT64_C(1) << p->half_bits) - 1);

	for (unsigned i = 0; i < PERMUTATION_ROUNDS; i++) {
		uint64_t next = left ^ round_value(p, i, right);

		left = right;
		right = next;
	}
	return left << p->half_bits | right;
}

static uint64_t decrypt(const struct permutation *p, uint64_t value)
{
	uint64_t left = value >> p->half_bits, right = value & ((UINT64_C(1) << p->half_bits) - 1);

	for (unsigned i = PERMUTATION_ROUNDS; i-- > 0;) {
		uint64_t before = right ^ round_value(p, i, left);

		right = left;
		left = before;
	}
	return left << p->half_bits | right;
}

uint64_t permutation_at(const struct permutation *p, uint64_t place)
{
	do
		place = encrypt(p, place);
	while (place >= p->count);
	return place;
}

uint64_t permutation_place(const struct permutation *p, uint64_t value)
{
	do
		value = decrypt(p, value);
	while (value >= p->count);
	return value;
}
