/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unit_file: the syntax of systemd's unit files, and bytes that are none. */
#include "observe/unit_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct expected {
	const char *section, *key, *value;
};

/* Parses a heap copy without a NUL, so that an overrun is seen; the assignments must be these. */
static void expect(const char *text, size_t len, const struct expected *list, size_t count)
{
	struct unit_line line = {.cut = false};
	char *copy = malloc(len ? len : 1);
	size_t at = 0, found = 0;

	assert_non_null(copy);
	memcpy(copy, text, len);
	for (; unit_file_next(copy, len, &at, &line); found++) {
		assert_true(found < count);
		assert_string_equal(line.section, list[found].section);
		assert_string_equal(line.key, list[found].key);
		assert_string_equal(line.value, list[found].value);
		assert_false(line.cut);
	}
	free(copy);
	assert_int_equal(found, count);
}

#define COUNT(list)	   (sizeof(list) / sizeof((list)[0]))
#define EXPECT(text, list) expect(text, sizeof(text) - 1, list, COUNT(list))

static void test_assignments(void **state)
{
	static const struct expected list[] = {
		{"", "Before", "1"},
		{"Unit", "Description", "A = b"},
		{"Socket", "ListenStream", "22"},
		{"Socket", "ListenStream", ""},
		{"Socket", "ListenStream", "[::]:8"},
	};

	(void)state;
	EXPECT("Before=1\n[Unit]\nDescription = A = b \n\n# comment\n; Other=1\n  [Socket]\n"
	       "\tListenStream=22\r\nnothing\nListenStream=\n  # x=1\nListenStream=[::]:8",
	       list);
}

static void test_continued_lines(void **state)
{
	static const struct expected list[] = {
		{"Service", "ExecStart", "/bin/a one two"},
		{"Service", "User", "x\\\\"},
		{"Service", "Group", "y last"},
	};

	(void)state;
	/* a comment in between does not end the line; an escaped backslash does not continue it */
	EXPECT("[Service]\nExecStart=/bin/a \\\n  # not this \\\n   one\\\n;nor this\n\ttwo\n"
	       "User=x\\\\\nGroup=y\\\nlast\\",
	       list);
}

static void test_sections(void **state)
{
	static const struct expected list[] = {
		{"A", "k", "1"},
		{"A", "[B", "2"},
		{"", "k", "3"},
		{"", "k", "4"},
	};
	char text[256] = "[A]\nk=1\n[B=2\n[]\nk=3\n[";
	size_t len = strlen(text);

	(void)state;
	memset(text + len, 's', 64); /* a name over the limit is no section at all */
	strcpy(text + len + 64, "]\nk=4\n");
	expect(text, strlen(text), list, COUNT(list));
}

static void test_bytes_that_are_no_text(void **state)
{
	static const struct expected list[] = {{"A", "k", "2"}, {"A", "k", "\xff\x1b[1m"}};

	(void)state;
	EXPECT("[A]\nk=1\0x\nk=2\n\0\n\0=\nk=\xff\x1b[1m\n=\0", list);
}

static void test_long_values(void **state)
{
	static char text[UNIT_VALUE_SIZE * 2];
	struct unit_line line = {.cut = false};
	size_t at = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "k=", 2);
	text[2 + UNIT_VALUE_SIZE - 1] = '\n';
	memcpy(text + sizeof(text) - 5, "\nl=1\n", 5);
	text[2 + UNIT_VALUE_SIZE] = '=';
	assert_true(unit_file_next(text, sizeof(text), &at, &line));
	assert_int_equal(strlen(line.value), UNIT_VALUE_SIZE - 1);
	assert_false(line.cut);
	at = 0;
	text[2 + UNIT_VALUE_SIZE - 1] = 'x';
	assert_true(unit_file_next(text, sizeof(text), &at, &line));
	assert_true(line.cut);
	assert_string_equal(line.key, "k");
	assert_true(unit_file_next(text, sizeof(text), &at, &line));
	assert_false(line.cut);
	assert_string_equal(line.key, "l");
	assert_string_equal(line.value, "1");
}

static void test_truncated(void **state)
{
	static const char text[] = "[Socket]\nListenStream=0.0.0.0:80\nAccept=\\\n# c\\\nyes\n";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		struct unit_line line = {.cut = false};
		char *copy = malloc(len ? len : 1);
		size_t at = 0;

		assert_non_null(copy);
		memcpy(copy, text, len);
		while (unit_file_next(copy, len, &at, &line))
			assert_true(strncmp("ListenStream", line.key, strlen(line.key)) == 0 ||
				    strncmp("Accept", line.key, strlen(line.key)) == 0);
		assert_true(at <= len);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_assignments), cmocka_unit_test(test_continued_lines),
		cmocka_unit_test(test_sections),    cmocka_unit_test(test_bytes_that_are_no_text),
		cmocka_unit_test(test_long_values), cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
