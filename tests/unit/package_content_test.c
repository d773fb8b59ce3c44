/* SPDX-License-Identifier: GPL-2.0-or-later */
/* package_content: what dpkg's lists of MD5 sums say, and what they do not. */
#include "base/mem.h"
#include "observe/package_content.h"
#include "unit.h"

#define A "0123456789abcdef0123456789abcdef"
#define B "fedcba9876543210fedcba9876543210"

static const char list[] =
	A "  usr/sbin/nginx\n" B "  usr/share/doc/nginx/a b\n"
	  "\n" A " usr/sbin/one-space\n" A "  sbin/old\n" A "  \n" B "  usr/sbin/last";

static const struct {
	const char *path, *md5;
	bool is_listed, is_part; /* ... of a name that is */
} cases[] = {
	{"/usr/sbin/nginx", A, true, false},
	{"/usr/sbin/nginx", B, false, false}, /* another's sum */
	{"/usr/sbin/ngin", A, false, true},
	{"/usr/sbin/nginxx", A, false, false},
	{"/sbin/nginx", A, true, false}, /* /usr was merged: it is the same file */
	{"/usr/sbin/old", A, true, false},
	{"/usr/share/doc/nginx/a b", B, true, false},
	{"/usr/sbin/one-space", A, false, false},
	{"/usr/sbin/last", B, true, false}, /* without a newline */
	{"/usr/local/sbin/nginx", A, false, false},
	{"/usr/sbin/nginx", "0123456789ABCDEF0123456789ABCDEF", false, false},
};

static void test_is_listed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(package_content_is_listed(list, cases[i].path, cases[i].md5),
				 cases[i].is_listed);
	assert_false(package_content_is_listed("", "/usr/sbin/nginx", A));
}

/* Whatever is cut off of it, no line says more than before. */
static void test_truncated(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(list); len++) {
		char *text = unit_copy(list, len + 1);

		text[len] = '\0';
		for (size_t i = 0; i < ARRAY_LEN(cases); i++)
			if (!cases[i].is_listed && !cases[i].is_part)
				assert_false(package_content_is_listed(text, cases[i].path,
								       cases[i].md5));
		free(text);
	}
}

/* This machine's own: a program of a package is vouched for, and no other content. */
static void test_vouches(void **state)
{
	(void)state;
	assert_false(package_content_vouches("/nonexistent", NULL));
	assert_false(package_content_vouches("/etc/passwd", NULL));
	assert_false(package_content_vouches("/proc/self/exe", NULL)); /* this test's */
	assert_false(package_content_vouches("/usr/bin/env", "no sum at all"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_listed),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_vouches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
