/* SPDX-License-Identifier: GPL-2.0-or-later */
/* buf, mem: growing, the terminator, and what happens when there is no more memory. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

static void test_empty(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_string_equal(buf_text(&b), "");
	buf_add(&b, "", 0);
	assert_string_equal(buf_text(&b), "");
	assert_int_equal(b.len, 0);
	buf_clear(&b);
	buf_done(&b);
	buf_done(&b);
	assert_null(b.data);
	buf_clear(&b);
}

static void test_appends(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
	buf_add_char(&b, 'c');
	buf_add_text(&b, "de");
	buf_printf(&b, "%d-%s", 42, "x");
	assert_int_equal(b.len, 10);
	assert_memory_equal(b.data, "a\0bcde42-x", 11);
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(buf_text(&b), "");
	assert_true(b.cap > 0);
	buf_done(&b);
}

/* With no directive but %s it is put together without printf(), to the same end. */
static void test_plain_formats(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_printf(&b, "text");
	buf_printf(&b, "%s", "");
	buf_printf(&b, "<%s%s, %s>", "a", "%s", "c");
	assert_string_equal(buf_text(&b), "text<a%s, c>");
	buf_clear(&b);
	buf_printf(&b, "%s%3s|%-2s|", "a", "b", "c");
	assert_string_equal(buf_text(&b), "a  b|c |");
	buf_clear(&b);
	buf_printf(&b, "%s 100%%", "a");
	assert_string_equal(buf_text(&b), "a 100%");
	buf_done(&b);
}

/* Every length around the sizes at which it grows: the content stays, and is terminated. */
static void test_growth(void **state)
{
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < 5000; i++) {
		buf_add_char(&b, (char)('a' + i % 26));
		assert_int_equal(b.len, i + 1);
		assert_true(b.cap > b.len);
		assert_int_equal(b.data[b.len], 0);
	}
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	buf_done(&b);
	for (size_t len = 1; len < 300; len++) {
		char text[300];

		memset(text, 'x', len);
		text[len] = '\0';
		buf_printf(&b, "%s", text);
		assert_int_equal(b.len, len);
		assert_string_equal(buf_text(&b), text);
		buf_printf(&b, "%s|", text); /* some fit into the room that is left */
		assert_int_equal(b.len, 2 * len + 1);
		assert_memory_equal(b.data, text, len);
		assert_memory_equal(b.data + len, text, len);
		assert_string_equal(b.data + 2 * len, "|");
		buf_done(&b);
	}
}

static void test_reserve(void **state)
{
	struct buf b = {0};
	char *to = buf_reserve(&b, 100);

	(void)state;
	assert_non_null(to);
	memset(to, 'r', 100);
	b.len += 100;
	b.data[b.len] = '\0';
	assert_int_equal(strlen(buf_text(&b)), 100);
	assert_true(buf_reserve(&b, 0) == b.data + 100);
	buf_done(&b);
}

/* A length that cannot be: it fails for good, keeps what it has, and later appends do nothing. */
static void test_failure_is_sticky(void **state)
{
	static const size_t impossible[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(impossible); i++) {
		struct buf b = {0};

		buf_add_text(&b, "kept");
		assert_null(buf_reserve(&b, impossible[i]));
		assert_true(b.failed);
		buf_add_text(&b, "not");
		buf_add_char(&b, 'x');
		buf_printf(&b, "%d", 1);
		assert_null(buf_reserve(&b, 1));
		assert_string_equal(buf_text(&b), "kept");
		assert_int_equal(b.len, 4);
		buf_clear(&b);
		assert_false(b.failed);
		buf_add_text(&b, "again");
		assert_string_equal(buf_text(&b), "again");
		buf_done(&b);
	}
}

static void test_mem_grow(void **state)
{
	uint32_t *items = NULL;
	size_t cap = 0;

	(void)state;
	assert_int_equal(mem_grow(&items, &cap, 0, sizeof(*items)), 0);
	assert_null(items);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(mem_grow(&items, &cap, i + 1, sizeof(*items)), 0);
		assert_true(cap >= i + 1);
		items[i] = i + 1;
	}
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(items[i], i + 1);
	assert_int_equal(mem_grow(&items, &cap, 5, sizeof(*items)), 0);
	free(items);
}

/* Sizes whose product does not fit: -ENOMEM, and the array is as it was. */
static void test_mem_grow_overflow(void **state)
{
	static const struct {
		size_t need, item_size;
	} cases[] = {
		{SIZE_MAX, 1},		{SIZE_MAX, 8},	       {SIZE_MAX / 2 + 2, 1},
		{SIZE_MAX / 8 + 1, 8},	{SIZE_MAX / 64, 4096}, {(size_t)1 << 62, 4},
		{(size_t)1 << 61, 128},
	};
	uint64_t *items = NULL;
	size_t cap = 0;

	(void)state;
	assert_int_equal(mem_grow(&items, &cap, 4, sizeof(*items)), 0);
	items[3] = 33;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t *before = items;
		size_t cap_before = cap;

		assert_int_equal(mem_grow(&items, &cap, cases[i].need, cases[i].item_size),
				 -ENOMEM);
		assert_ptr_equal(items, before);
		assert_int_equal(cap, cap_before);
		assert_int_equal(items[3], 33);
	}
	free(items);
}

static void test_cleanup(void **state)
{
	int fds[2], copy;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	{
		int cleanup_close fd = fds[0];
		int cleanup_close none = -1;
		char cleanup_free *text = strdup("freed");

		assert_non_null(text);
		copy = fd;
		(void)none;
	}
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	close(fds[1]);
}

static void test_err(void **state)
{
	struct err e = {0};
	char text[1000];

	(void)state;
	assert_int_equal(err_set(NULL, -EINVAL, "nobody reads %d", 1), -EINVAL);
	assert_int_equal(err_set(&e, -EPERM, "no %s: %d", "way", 7), -EPERM);
	assert_int_equal(e.code, -EPERM);
	assert_string_equal(e.msg, "no way: 7");
	memset(text, 'm', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&e, -EIO, "%s", text);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1); /* cut, never overrun */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	      cmocka_unit_test(test_appends),
		cmocka_unit_test(test_plain_formats), cmocka_unit_test(test_growth),
		cmocka_unit_test(test_reserve),	      cmocka_unit_test(test_failure_is_sticky),
		cmocka_unit_test(test_mem_grow),      cmocka_unit_test(test_mem_grow_overflow),
		cmocka_unit_test(test_cleanup),	      cmocka_unit_test(test_err),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
