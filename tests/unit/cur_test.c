/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cur: every read of every length at every place, inside and past the end. */
#include "base/cur.h"
#include "unit.h"

enum { SIZE = 12 };

static void fill(uint8_t bytes[SIZE])
{
	for (uint8_t i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i + 1);
}

/* After the first read past the end everything fails, also what would have fitted. */
static void expect_broken(struct cur *c)
{
	uint8_t to[4] = {9, 9, 9, 9};
	struct cur slice;

	assert_false(c->ok);
	assert_null(cur_take(c, 0));
	assert_null(cur_take(c, 1));
	cur_read(c, to, sizeof(to));
	for (size_t i = 0; i < sizeof(to); i++)
		assert_int_equal(to[i], 0);
	slice = cur_slice(c, 0);
	assert_false(slice.ok);
	assert_int_equal(slice.left, 0);
	assert_null(cur_take(&slice, 0));
	assert_false(c->ok);
}

static void test_take(void **state)
{
	uint8_t source[SIZE];

	(void)state;
	fill(source);
	for (size_t size = 0; size <= SIZE; size++) {
		uint8_t *bytes = unit_copy(source, size);

		for (size_t first = 0; first <= size; first++) {
			for (size_t second = 0; second <= SIZE + 2; second++) {
				struct cur c = cur_init(bytes, size);
				bool fits = second <= size - first;

				assert_ptr_equal(cur_take(&c, first), bytes);
				assert_int_equal(c.left, size - first);
				assert_ptr_equal(cur_take(&c, second), fits ? bytes + first : NULL);
				assert_int_equal(c.ok, fits);
				if (!fits)
					expect_broken(&c);
				else
					assert_int_equal(c.left, size - first - second);
			}
		}
		free(bytes);
	}
}

static void test_read(void **state)
{
	uint8_t source[SIZE];

	(void)state;
	fill(source);
	for (size_t size = 0; size <= SIZE; size++) {
		uint8_t *bytes = unit_copy(source, size);

		for (size_t len = 0; len <= SIZE + 2; len++) {
			struct cur c = cur_init(bytes, size);
			uint8_t *to = malloc(len ? len : 1);

			assert_non_null(to);
			memset(to, 0xee, len ? len : 1);
			cur_read(&c, to, len);
			assert_int_equal(c.ok, len <= size);
			for (size_t i = 0; i < len; i++)
				assert_int_equal(to[i], len <= size ? i + 1 : 0);
			if (len == 0)
				assert_int_equal(to[0], 0xee);
			if (len > size)
				expect_broken(&c);
			free(to);
		}
		free(bytes);
	}
}

static void test_slice(void **state)
{
	uint8_t source[SIZE];

	(void)state;
	fill(source);
	for (size_t len = 0; len <= SIZE + 2; len++) {
		struct cur c = cur_init(source, SIZE), slice = cur_slice(&c, len);

		assert_int_equal(slice.ok, len <= SIZE);
		assert_int_equal(slice.left, len <= SIZE ? len : 0);
		if (len > SIZE) {
			expect_broken(&c);
			expect_broken(&slice);
			continue;
		}
		assert_int_equal(c.left, SIZE - len);
		/* reading past the slice does not reach what is behind it, nor harm the whole */
		assert_null(cur_take(&slice, len + 1));
		expect_broken(&slice);
		assert_true(c.ok);
		assert_ptr_equal(cur_take(&c, SIZE - len), source + len);
	}
}

static void test_huge_lengths(void **state)
{
	static const size_t huge[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, SIZE + 1};
	uint8_t source[SIZE];

	(void)state;
	fill(source);
	for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
		struct cur c = cur_init(source, SIZE);

		assert_non_null(cur_take(&c, 4));
		assert_null(cur_take(&c, huge[i]));
		expect_broken(&c);
	}
}

static void test_empty(void **state)
{
	struct cur c = cur_init("", 0);

	(void)state;
	assert_true(c.ok);
	assert_non_null(cur_take(&c, 0));
	assert_true(c.ok);
	assert_null(cur_take(&c, 1));
	expect_broken(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),  cmocka_unit_test(test_read),
		cmocka_unit_test(test_slice), cmocka_unit_test(test_huge_lengths),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests_name("cur", tests, NULL, NULL);
}
