/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_number: addresses as numbers on a line, as wide as an IPv6 address, where the compiler may
 * have no such type. An IPv4 address is a number below 2^32.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source_number {
	uint64_t high, low;
};

static inline struct source_number number_from_bytes(const uint8_t *bytes, size_t width)
{
	struct source_number n = {0, 0};

	for (size_t i = 0; i < width; i++) {
		n.high = n.high << 8 | n.low >> 56;
		n.low = n.low << 8 | bytes[i];
	}
	return n;
}

static inline void number_to_bytes(struct source_number n, uint8_t *bytes, size_t width)
{
	for (size_t i = width; i-- > 0;) {
		bytes[i] = (uint8_t)n.low;
		n.low = n.low >> 8 | n.high << 56;
		n.high >>= 8;
	}
}

static inline int number_compare(struct source_number a, struct source_number b)
{
	if (a.high != b.high)
		return a.high < b.high ? -1 : 1;
	return a.low == b.low ? 0 : a.low < b.low ? -1 : 1;
}

static inline struct source_number number_next(struct source_number n)
{
	n.low++;
	n.high += n.low == 0;
	return n;
}

static inline struct source_number number_previous(struct source_number n)
{
	n.high -= n.low == 0;
	n.low--;
	return n;
}

/* How many numbers lie in first..last, as near as a double tells: exact below 2^53. */
static inline double number_size(struct source_number first, struct source_number last)
{
	uint64_t high = last.high - first.high - (last.low < first.low);
	uint64_t low = last.low - first.low;

	return (double)high * 18446744073709551616.0 + (double)low + 1;
}

/* The last number of the largest aligned block of 2^*bits that begins at `first` and does not go
 * beyond `last`. */
static inline struct source_number number_block_end(struct source_number first,
						    struct source_number last, unsigned width_bits,
						    unsigned *bits)
{
	struct source_number end = first;

	for (*bits = 0; *bits < width_bits; ++*bits) {
		struct source_number next = end;
		uint64_t *half = *bits < 64 ? &next.low : &next.high;
		uint64_t bit = UINT64_C(1) << (*bits % 64);

		if (*half & bit)
			return end; /* not aligned on more */
		*half |= bit;
		if (number_compare(next, last) > 0)
			return end;
		end = next;
	}
	return end;
}
