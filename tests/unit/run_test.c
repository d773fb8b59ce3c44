/* SPDX-License-Identifier: GPL-2.0-or-later */
/* run: other programs end, in time, with what they printed; and nothing of them is left. */
#include "base/mem.h"
#include "base/run.h"
#include "unit.h"

#include <errno.h>
#include <sys/wait.h>
#include <time.h>

static int run(const char *script, const char *extra, size_t limit, int patience_ms,
	       struct buf *out)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	int r = run_program(argv, extra, limit, patience_ms, out);

	/* no child is left, neither running nor unwaited for */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return r;
}

static void expect(const char *script, int code, const char *printed)
{
	struct buf out = {0};

	assert_int_equal(run(script, "EXTRA=a b", 1000, 20000, &out), code);
	assert_string_equal(buf_text(&out), printed);
	buf_done(&out);
}

static void test_output(void **state)
{
	(void)state;
	expect("echo one; echo two", 0, "one\ntwo\n");
	expect("exit 3", 3, "");
	expect("echo x >&2", 0, "");
	expect("cat", 0, "");
	expect("echo \"$EXTRA $LC_ALL\"", 0, "a b C\n");
	expect("echo \"$PATH\"", 0, "/usr/sbin:/usr/bin:/sbin:/bin\n");
	expect("echo \"$HOME\"", 0, "\n");
	expect("kill -9 $$", -EINTR, "");
}

static void test_appends(void **state)
{
	struct buf out = {0};

	(void)state;
	buf_add_text(&out, "before ");
	assert_int_equal(run("echo after", NULL, 6, 20000, &out), 0);
	assert_string_equal(buf_text(&out), "before after\n");
	buf_done(&out);
}

static void test_missing(void **state)
{
	const char *argv[] = {"no-such-program-of-portero", NULL};
	struct buf out = {0};

	(void)state;
	assert_int_equal(run_program(argv, NULL, 10, 1000, &out), -ENOENT);
	buf_done(&out);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_hangs(void **state)
{
	struct buf out = {0};
	double began = seconds();

	(void)state;
	assert_int_equal(run("exec sleep 60", NULL, 10, 200, &out), -ETIMEDOUT);
	assert_true(seconds() - began < 10);
	/* it closes what it prints to, and stays */
	assert_int_equal(run("exec >&-; exec sleep 60", NULL, 10, 200, &out), -ETIMEDOUT);
	assert_true(seconds() - began < 20);
	buf_done(&out);
}

static void test_too_much(void **state)
{
	struct buf out = {0};

	(void)state;
	assert_int_equal(run("exec cat /dev/zero", NULL, 100000, 20000, &out), -E2BIG);
	assert_true(out.len <= 100000);
	buf_done(&out);
}

enum { BIG = 3 << 20, PATIENCE_MS = 20000 };

static int run_shell(const char *script, const char *input, size_t input_len, struct buf *out,
		     struct buf *errors)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	const struct run wish = {.argv = argv,
				 .input = input,
				 .input_len = input_len,
				 .limit = BIG,
				 .patience_ms = PATIENCE_MS,
				 .out = out,
				 .errors = errors};

	return run_with(&wish);
}

/* More than any pipe holds, both ways at once. */
static void test_input_comes_back(void **state)
{
	struct buf cleanup_call(buf_done) out = {0};
	char cleanup_free *input = malloc(BIG);

	(void)state;
	assert_non_null(input);
	for (size_t i = 0; i < BIG; i++)
		input[i] = (char)('a' + i % 23);
	assert_int_equal(run_shell("cat", input, BIG, &out, NULL), 0);
	assert_int_equal(out.len, BIG);
	assert_memory_equal(out.data, input, BIG);
}

static void test_input_that_nobody_reads(void **state)
{
	struct buf cleanup_call(buf_done) out = {0};
	char cleanup_free *input = calloc(1, BIG);

	(void)state;
	assert_int_equal(run_shell("exec <&-; exit 3", input, BIG, &out, NULL), 3);
}

static void test_errors_are_apart(void **state)
{
	struct buf cleanup_call(buf_done) out = {0};
	struct buf cleanup_call(buf_done) errors = {0};

	(void)state;
	assert_int_equal(run_shell("echo good; echo bad >&2; exit 1", "", 0, &out, &errors), 1);
	assert_string_equal(buf_text(&out), "good\n");
	assert_string_equal(buf_text(&errors), "bad\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_input_comes_back),
		cmocka_unit_test(test_input_that_nobody_reads),
		cmocka_unit_test(test_errors_are_apart),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_appends),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_hangs),
		cmocka_unit_test(test_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
