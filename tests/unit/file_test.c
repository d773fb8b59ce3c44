/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file: what is read whole, what is refused, and that nothing leads out of a root directory. */
#include "base/file.h"
#include "base/mem.h"
#include "unit.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/portero-file-XXXXXX";
static int dir_fd = -1;

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -1 : 0;
}

static int remove_directory(void **state)
{
	(void)state;
	close(dir_fd);
	return rmdir(directory);
}

static void write_file(const char *name, const void *bytes, size_t len)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static void test_content(void **state)
{
	static const size_t sizes[] = {0, 1, 63, 64, 65, 4095, 4096, 4097, 8192, 100000};
	char *bytes = malloc(100000);
	struct buf out = {0};

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < 100000; i++)
		bytes[i] = (char)(i * 7);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		write_file("f", bytes, sizes[i]);
		buf_add_text(&out, "what was there before");
		assert_int_equal(file_read_at(dir_fd, "f", 100000, &out), 0);
		assert_int_equal(out.len, sizes[i]);
		assert_memory_equal(buf_text(&out), bytes, sizes[i]);
		assert_int_equal(buf_text(&out)[out.len], 0);
	}
	unlinkat(dir_fd, "f", 0);
	buf_done(&out);
	free(bytes);
}

/* One byte over the limit: -EFBIG and nothing, never a part. */
static void test_limit(void **state)
{
	static const size_t limits[] = {0, 1, 10, 4096, 5000};
	char bytes[5001] = {1};
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		write_file("f", bytes, limits[i]);
		assert_int_equal(file_read_at(dir_fd, "f", limits[i], &out), 0);
		assert_int_equal(out.len, limits[i]);
		write_file("f", bytes, limits[i] + 1);
		assert_int_equal(file_read_at(dir_fd, "f", limits[i], &out), -EFBIG);
		assert_int_equal(out.len, 0);
		assert_string_equal(buf_text(&out), "");
	}
	unlinkat(dir_fd, "f", 0);
	buf_done(&out);
}

static void test_refused(void **state)
{
	struct buf out = {0};

	(void)state;
	buf_add_text(&out, "old");
	assert_int_equal(file_read_at(dir_fd, "none", 100, &out), -ENOENT);
	assert_int_equal(out.len, 0);
	assert_int_equal(file_read_at(dir_fd, ".", 100, &out), -EINVAL);
	assert_int_equal(mkfifoat(dir_fd, "fifo", 0600), 0);
	alarm(5); /* it would wait for a writer for ever */
	assert_int_equal(file_read_at(dir_fd, "fifo", 100, &out), -EINVAL);
	alarm(0);
	unlinkat(dir_fd, "fifo", 0);
	assert_int_equal(file_read_at(AT_FDCWD, "/dev/zero", 100, &out), -EINVAL);
	assert_int_equal(file_read_at(-1, "relative", 100, &out), -EBADF);
	buf_done(&out);
}

/* Files of /proc say that they hold 0 bytes. */
static void test_proc(void **state)
{
	struct buf out = {0};
	struct stat st;

	(void)state;
	assert_int_equal(stat("/proc/self/status", &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(file_read_at(AT_FDCWD, "/proc/self/status", 1 << 20, &out), 0);
	assert_non_null(strstr(buf_text(&out), "Uid:\t"));
	assert_int_equal(file_read_at(AT_FDCWD, "/proc/self/status", 10, &out), -EFBIG);
	assert_int_equal(out.len, 0);
	buf_done(&out);
}

static void test_read_link(void **state)
{
	struct buf out = {0};

	(void)state;
	assert_int_equal(symlinkat("target/x", dir_fd, "link"), 0);
	assert_int_equal(file_read_link_at(dir_fd, "link", &out), 0);
	assert_string_equal(buf_text(&out), "target/x");
	assert_int_equal(out.len, 8);
	unlinkat(dir_fd, "link", 0);
	assert_int_equal(file_read_link_at(dir_fd, "link", &out), -ENOENT);
	assert_int_equal(out.len, 0);
	write_file("plain", "x", 1);
	assert_int_equal(file_read_link_at(dir_fd, "plain", &out), -EINVAL);
	unlinkat(dir_fd, "plain", 0);
	buf_done(&out);
}

/* A link to somewhere else, from below a root directory: what it means is inside. */
/* To open a device may have effects; a FIFO stands for it here, because anybody may make one. */
static void test_opens_only_regular_files(void **state)
{
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int probe = file_open_in_root(dir_fd, ".", O_RDONLY);
	char path[64], events[4096];
	struct buf out = {0};

	(void)state;
	if (probe == -ENOSYS)
		skip();
	close(probe);
	snprintf(path, sizeof(path), "%s/fifo", directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(inotify_add_watch(watch, path, IN_OPEN) >= 0);
	assert_int_equal(file_read_in_root(dir_fd, "fifo", 100, &out), -EINVAL);
	assert_int_equal(read(watch, events, sizeof(events)), -1);
	close(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	assert_true(read(watch, events, sizeof(events)) > 0); /* it would have been seen */
	unlinkat(dir_fd, "fifo", 0);
	close(watch);
	buf_done(&out);
}

/* Those of /proc are of size 0, and some lose what is read from them. */
static void test_files_of_proc_are_not_read(void **state)
{
	int cleanup_close proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct buf out = {0};

	(void)state;
	if (proc < 0)
		skip();
	assert_int_equal(file_read_in_root(proc, "status", 1 << 20, &out), 0);
	assert_int_equal(out.len, 0);
	buf_done(&out);
}

static void test_stays_in_root(void **state)
{
	struct buf out = {0};
	int probe = file_open_in_root(dir_fd, ".", O_RDONLY);

	(void)state;
	if (probe == -ENOSYS)
		skip(); /* Linux before 5.6 */
	assert_true(probe >= 0);
	close(probe);
	assert_int_equal(mkdirat(dir_fd, "root", 0755), 0);
	write_file("outside", "outside", 7);
	write_file("root/inside", "inside", 6);
	assert_int_equal(symlinkat("/inside", dir_fd, "root/absolute"), 0);
	assert_int_equal(symlinkat("../../../outside", dir_fd, "root/up"), 0);
	assert_int_equal(symlinkat("/etc/passwd", dir_fd, "root/passwd"), 0);
	{
		int cleanup_close root = openat(dir_fd, "root", O_PATH | O_CLOEXEC);

		assert_int_equal(file_read_in_root(root, "inside", 100, &out), 0);
		assert_string_equal(buf_text(&out), "inside");
		assert_int_equal(file_read_in_root(root, "/inside", 100, &out), 0);
		assert_int_equal(file_read_in_root(root, "absolute", 100, &out), 0);
		assert_string_equal(buf_text(&out), "inside");
		assert_int_equal(file_read_in_root(root, "inside", 5, &out), -EFBIG);
		assert_int_equal(file_read_in_root(root, "up", 100, &out), -ENOENT);
		assert_int_equal(file_read_in_root(root, "../outside", 100, &out), -ENOENT);
		assert_int_equal(file_read_in_root(root, "passwd", 1 << 20, &out), -ENOENT);
		assert_int_equal(out.len, 0);
	}
	unlinkat(dir_fd, "root/passwd", 0);
	unlinkat(dir_fd, "root/up", 0);
	unlinkat(dir_fd, "root/absolute", 0);
	unlinkat(dir_fd, "root/inside", 0);
	unlinkat(dir_fd, "root", AT_REMOVEDIR);
	unlinkat(dir_fd, "outside", 0);
	buf_done(&out);
}

static void expect_lines(const char *text, size_t len, const char *const *lines)
{
	char *copy = unit_copy(text, len);
	const char *line;
	size_t at = 0, line_len, count = 0;

	while (file_next_line(copy, len, &at, &line, &line_len)) {
		assert_non_null(lines[count]);
		assert_int_equal(line_len, strlen(lines[count]));
		assert_memory_equal(line, lines[count], line_len);
		count++;
	}
	assert_null(lines[count]);
	assert_false(file_next_line(copy, len, &at, &line, &line_len));
	free(copy);
}

static void test_lines(void **state)
{
	(void)state;
	expect_lines("", 0, (const char *[]){NULL});
	expect_lines("\n", 1, (const char *[]){"", NULL});
	expect_lines("a", 1, (const char *[]){"a", NULL});
	expect_lines("a\n", 2, (const char *[]){"a", NULL});
	expect_lines("a\nb", 3, (const char *[]){"a", "b", NULL});
	expect_lines("\n\nab\r\n", 6, (const char *[]){"", "", "ab\r", NULL});
}

struct taken {
	struct buf all;
	size_t pieces, stop_after; /* 0: never */
};

static int take_lines(const char *text, size_t len, void *context)
{
	struct taken *t = context;

	t->pieces++;
	/* whole lines, but for the very last */
	assert_true(t->all.len == 0 || t->all.data[t->all.len - 1] == '\n' || len == 0);
	buf_add(&t->all, text, len);
	return t->stop_after && t->pieces == t->stop_after ? -ECANCELED : 0;
}

static long read_lines(const char *name, size_t limit, struct taken *t)
{
	struct buf cleanup_call(buf_done) room = {0};
	int cleanup_close fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

	buf_done(&t->all);
	t->pieces = 0;
	return file_read_lines(fd, limit, &room, take_lines, t);
}

static void expect_pieces(const char *text, size_t len)
{
	struct taken t = {0};

	write_file("lines", text, len);
	assert_int_equal(read_lines("lines", len, &t), (long)len);
	assert_int_equal(t.all.len, len);
	assert_memory_equal(buf_text(&t.all), text, len);
	if (len)
		assert_int_equal(read_lines("lines", len - 1, &t), -EFBIG);
	unlinkat(dir_fd, "lines", 0);
	buf_done(&t.all);
}

/* Lines that end before, at and after the end of a piece, and one that is longer than a piece. */
static void test_pieces(void **state)
{
	enum { SIZE = 300000 };
	char *text = malloc(SIZE);

	(void)state;
	for (size_t every = 1; every < 200000; every = every * 3 + 1) {
		for (size_t i = 0; i < SIZE; i++)
			text[i] = i % every == every - 1 ? '\n' : 'x';
		expect_pieces(text, 0);
		expect_pieces(text, 1);
		for (size_t len = 65535; len <= 65537; len++)
			expect_pieces(text, len);
		expect_pieces(text, 131072);
		expect_pieces(text, SIZE);
	}
	free(text);
}

static void test_pieces_refused(void **state)
{
	struct taken t = {.stop_after = 1};

	(void)state;
	write_file("lines", "a\nb\n", 4);
	assert_int_equal(read_lines("lines", 100, &t), -ECANCELED);
	assert_int_equal(read_lines(".", 100, &t), -EINVAL);
	assert_int_equal(t.pieces, 0);
	t.stop_after = 0;
	{
		struct buf cleanup_call(buf_done) room = {0};
		int cleanup_close fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

		/* says that it holds 0 bytes */
		assert_true(file_read_lines(fd, 1 << 20, &room, take_lines, &t) > 0);
		assert_non_null(strstr(buf_text(&t.all), "Uid:\t"));
	}
	unlinkat(dir_fd, "lines", 0);
	buf_done(&t.all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_proc),
		cmocka_unit_test(test_read_link),
		cmocka_unit_test(test_stays_in_root),
		cmocka_unit_test(test_opens_only_regular_files),
		cmocka_unit_test(test_files_of_proc_are_not_read),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_pieces_refused),
	};

	return cmocka_run_group_tests_name("file", tests, make_directory, remove_directory);
}
