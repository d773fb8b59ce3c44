/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arena: that texts of all sizes stay as and where they are. */
#include "base/arena.h"
#include "base/mem.h"
#include "unit.h"

static void test_texts_stay(void **state)
{
	enum { COUNT = 2000 };
	static const size_t sizes[] = {0, 1, 7, 100, 65534, 65535, 65536, 65537, 200000};
	struct arena a = {0};
	const char *kept[COUNT];
	char *text = malloc(200000);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < COUNT; i++) {
		size_t len = i % 50 == 49 ? sizes[i / 50 % ARRAY_LEN(sizes)] : i % 90;

		memset(text, 'a' + (int)(i % 26), len);
		kept[i] = arena_add(&a, text, len);
		assert_non_null(kept[i]);
	}
	for (size_t i = 0; i < COUNT; i++) {
		size_t len = i % 50 == 49 ? sizes[i / 50 % ARRAY_LEN(sizes)] : i % 90;

		assert_int_equal(strlen(kept[i]), len);
		for (size_t k = 0; k < len; k++)
			assert_int_equal(kept[i][k], 'a' + (int)(i % 26));
	}
	arena_done(&a);
	arena_done(&a); /* there is nothing left to free */
	free(text);
}

static void test_too_long(void **state)
{
	struct arena a = {0};

	(void)state;
	assert_null(arena_add(&a, "", (size_t)-1));
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_stay),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
