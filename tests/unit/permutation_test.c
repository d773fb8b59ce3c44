/* SPDX-License-Identifier: GPL-2.0-or-later */
/* permutation: every number once, in an order that looks random, and back again. */
#include "observe/permutation.h"
#include "unit.h"

static void assert_permutation(uint64_t count, uint64_t seed)
{
	struct permutation p = permutation_init(count, seed);
	uint8_t *seen = calloc(count, 1);

	assert_non_null(seen);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t value = permutation_at(&p, i);

		assert_true(value < count);
		assert_false(seen[value]);
		seen[value] = 1;
		assert_int_equal(permutation_place(&p, value), i);
	}
	free(seen);
}

static void has_every_number_once(void **state)
{
	static const uint64_t large[] = {1000, 4095, 4096, 4097, 65535, 1048577};

	(void)state;
	for (uint64_t count = 1; count < 300; count++)
		for (uint64_t seed = 0; seed < 5; seed++)
			assert_permutation(count, seed);
	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
		assert_permutation(large[i], 7);
}

static void the_seed_decides(void **state)
{
	struct permutation a = permutation_init(65535, 1), b = permutation_init(65535, 2);
	unsigned same = 0;

	(void)state;
	for (uint64_t i = 0; i < 65535; i++)
		same += permutation_at(&a, i) == permutation_at(&b, i);
	assert_true(same < 20); /* 1 is to be expected */
}

/* No port right after its neighbour, and no part of the range first. */
static void looks_random(void **state)
{
	struct permutation p = permutation_init(65535, 3);
	unsigned neighbours = 0, low = 0;

	(void)state;
	for (uint64_t i = 0; i < 65534; i++)
		neighbours += permutation_at(&p, i) + 1 == permutation_at(&p, i + 1);
	for (uint64_t i = 0; i < 10000; i++)
		low += permutation_at(&p, i) < 32768;
	assert_true(neighbours < 20);
	assert_true(low > 4700 && low < 5300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_every_number_once),
		cmocka_unit_test(the_seed_decides),
		cmocka_unit_test(looks_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
