/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proc_file: the texts of /proc/PID as the kernel writes them and as a process can make them. */
#include "base/mem.h"
#include "observe/proc_file.h"
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Field 9 is the flags, field 22 the start. */
#define REST                                                                                       \
	" S 1 1234 1234 0 -1 4194560 1000 0 0 0 1 2 0 0 20 0 3 0 5678 1000000 500 "                \
	"18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"

static int parse_stat(const char *text, size_t len, struct proc_stat *ret)
{
	char *copy = unit_copy(text, len);
	struct proc_stat got, before;
	int r;

	memset(&got, 0xa5, sizeof(got));
	before = got;
	r = proc_parse_stat(copy, len, &got);
	free(copy);
	if (r == 0)
		*ret = got;
	else
		assert_memory_equal(&got, &before, sizeof(got));
	assert_true(r == 0 || r == -EBADMSG);
	if (r == 0)
		assert_non_null(memchr(got.comm, '\0', sizeof(got.comm)));
	return r;
}

static void test_stat(void **state)
{
	static const char kthread[] =
		"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 5 0 0 20 0 1 0 0 0 0 "
		"18446744073709551615 0 0 0 0 0 0 0 2147483647 0 0 0 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 "
		"0\n";
	static const char text[] = "1234 (nginx)" REST;
	struct proc_stat s;

	(void)state;
	assert_int_equal(parse_stat(text, sizeof(text) - 1, &s), 0);
	assert_string_equal(s.comm, "nginx");
	assert_int_equal(s.ppid, 1);
	assert_int_equal(s.flags, 4194560);
	assert_false(s.flags & PROC_PF_KTHREAD);
	assert_int_equal(s.start_ticks, 5678);
	assert_int_equal(parse_stat(kthread, sizeof(kthread) - 1, &s), 0);
	assert_string_equal(s.comm, "kthreadd");
	assert_int_equal(s.ppid, 0);
	assert_true(s.flags & PROC_PF_KTHREAD);
	assert_int_equal(s.start_ticks, 0);
}

/* A process may call itself anything of 15 bytes; the numbers must stay the kernel's. */
static void test_stat_hostile_names(void **state)
{
	static const char *const names[] = {"",
					    "a b",
					    "(",
					    ")",
					    "))",
					    ") R 0 0 0",
					    "(x) S 9 9",
					    "a\nb",
					    "\xff\x1b[2J",
					    "sh) S 0 0 0 0 ",
					    " ",
					    "()",
					    "123456789012345"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char text[512];
		int len = snprintf(text, sizeof(text), "1234 (%s)%s", names[i], REST);
		struct proc_stat s;

		assert_int_equal(parse_stat(text, (size_t)len, &s), 0);
		assert_string_equal(s.comm, names[i]);
		assert_int_equal(s.ppid, 1);
		assert_int_equal(s.flags, 4194560);
		assert_int_equal(s.start_ticks, 5678);
	}
}

static void test_stat_long_name(void **state)
{
	static const char text[] = "1 (kworker/u8:2-events_unbound)" REST;
	struct proc_stat s;

	(void)state;
	assert_int_equal(parse_stat(text, sizeof(text) - 1, &s), 0);
	assert_string_equal(s.comm, "kworker/u8:2-ev"); /* cut, and ended */
	assert_int_equal(s.start_ticks, 5678);
}

static void test_stat_truncations(void **state)
{
	static const char text[] = "1234 (a (b) c)" REST;
	const size_t start_field = (size_t)(strstr(text, "5678") - text);
	struct proc_stat s;

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		int r = parse_stat(text, len, &s);

		assert_int_equal(r, len > start_field ? 0 : -EBADMSG);
	}
}

static void test_bad_stat(void **state)
{
	static const char *const bad[] = {
		"",
		"1",
		"1 (x",
		"1 x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		")(",
		"1 )x( S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"1 (x)",
		"1 (x) ",
		"1 (x) S -1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"1 (x) S 1 1 1 1 1 4294967296 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"1 (x) S 1 1 1 1 1 x 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"1 (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 -5",
		"1 (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 99999999999999999999999",
	};
	struct proc_stat s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parse_stat(bad[i], strlen(bad[i]), &s), -EBADMSG);
}

static int parse_uid(const char *text, size_t len, uint32_t *ret)
{
	char *copy = unit_copy(text, len);
	int r = proc_parse_status_uid(copy, len, ret);

	free(copy);
	return r;
}

static void test_uid(void **state)
{
	static const char text[] = "Name:\tUid:\t7\t7\nUmask:\t0022\nState:\tS (sleeping)\n"
				   "Uid:\t1000\t1001\t1002\t1003\nGid:\t5\t6\t7\t8\n";
	static const char *const bad[] = {
		"",
		"Uid:",
		"Uid:\t",
		"Uid:\t1000",
		"Uid:\t1000\n1001",
		"Uid:\t1000\t",
		"Uid:\t1\t-1\t1\t1",
		"Uid:\t1\tx\t1\t1",
		"Uid:\t1\t4294967296\t",
		"Gid:\t1\t2\t3\t4",
		"uid:\t1\t2\t3\t4",
		" Uid:\t1\t2\t3\t4",
		"Uid: 1 2 3 4",
	};
	uint32_t uid = 9;

	(void)state;
	assert_int_equal(parse_uid(text, sizeof(text) - 1, &uid), 0);
	assert_int_equal(uid, 1001); /* the effective one */
	assert_int_equal(parse_uid("Uid:\t0\t4294967295\t0\t0\n", 22, &uid), 0);
	assert_int_equal(uid, UINT32_MAX);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		uid = 9;
		assert_int_equal(parse_uid(bad[i], strlen(bad[i]), &uid), -EBADMSG);
		assert_int_equal(uid, 9);
	}
	for (size_t len = 0; len < sizeof(text) - 1; len++)
		parse_uid(text, len, &uid);
}

static void expect_cmdline(const char *bytes, size_t len, const char *wanted)
{
	char *copy = unit_copy(bytes, len);

	proc_join_cmdline(copy, &len);
	assert_int_equal(len, strlen(wanted));
	assert_memory_equal(copy, wanted, len);
	free(copy);
}

#define CMDLINE(bytes, wanted) expect_cmdline(bytes, sizeof(bytes) - 1, wanted)

static void test_cmdline(void **state)
{
	(void)state;
	CMDLINE("", "");
	CMDLINE("\0", "");
	CMDLINE("\0\0\0", "");
	CMDLINE("nginx\0-g\0daemon off;\0", "nginx -g daemon off;");
	CMDLINE("nginx: worker process\0\0\0\0\0", "nginx: worker process"); /* setproctitle */
	CMDLINE("a\0\0b\0", "a  b");					     /* an empty argument */
	CMDLINE("\0a", " a");
	CMDLINE("cut", "cut"); /* at the limit, without its NUL */
}

static int parse_link(const char *text, size_t len, uint64_t *ret)
{
	char *copy = unit_copy(text, len);
	int r = proc_parse_inode_link(copy, len, "socket", ret);

	free(copy);
	return r;
}

static void test_links(void **state)
{
	static const char *const bad[] = {
		"",
		"socket",
		"socket:",
		"socket:[",
		"socket:[]",
		"socket:[1",
		"socket:1]",
		"socket:[x]",
		"socket:[-1]",
		"socket:[1]x",
		"socket:[1 ]",
		"socket:[1]]",
		"xsocket:[1]",
		"Socket:[1]",
		"sockets:[1]",
		"socket[1]:",
		"pipe:[1]",
		"/tmp/socket:[1]",
		"socket:[1] (deleted)",
		"socket:[99999999999999999999]",
		"anon_inode:[eventpoll]",
	};
	static const char good[] = "socket:[7842560]";
	uint64_t inode = 3;

	(void)state;
	assert_int_equal(parse_link(good, sizeof(good) - 1, &inode), 0);
	assert_int_equal(inode, 7842560);
	assert_int_equal(proc_parse_inode_link("net:[4026531840]", 16, "net", &inode), 0);
	assert_int_equal(inode, 4026531840);
	assert_int_equal(proc_parse_inode_link("net:[4026531840]", 16, "mnt", &inode), -EBADMSG);
	inode = 3;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parse_link(bad[i], strlen(bad[i]), &inode), -EBADMSG);
	for (size_t len = 0; len < sizeof(good) - 1; len++)
		assert_int_equal(parse_link(good, len, &inode), -EBADMSG);
	assert_int_equal(inode, 3);
}

/* --- the running kernel's ----------------------------------------------------------------------
 */

static void test_own_process(void **state)
{
	struct buf cleanup_call(buf_done) out = {0};
	struct proc_stat s;
	uint32_t uid = UINT32_MAX;
	int fd = proc_open((uint32_t)getpid(), 0), again;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(prctl(PR_SET_NAME, "a) R (b"), 0);
	assert_int_equal(proc_read_stat(fd, &s), 0);
	assert_string_equal(s.comm, "a) R (b");
	assert_int_equal(s.ppid, getppid());
	assert_int_equal(proc_read_uid(fd, &uid), 0);
	assert_int_equal(uid, geteuid());
	assert_int_equal(proc_read_cmdline(fd, &out), 0);
	assert_non_null(strstr(buf_text(&out), "proc_file_test"));
	again = proc_open((uint32_t)getpid(), s.start_ticks * 10000000 + 9999999);
	assert_true(again >= 0); /* the same tick */
	close(again);
	assert_int_equal(proc_open((uint32_t)getpid(), (s.start_ticks + 1) * 10000000), -ESRCH);
	close(fd);
}

static void test_ended_process(void **state)
{
	struct buf cleanup_call(buf_done) out = {0};
	struct proc_stat s;
	uint32_t uid;
	pid_t child = fork();
	int fd;

	(void)state;
	if (child == 0) {
		pause();
		_exit(0);
	}
	assert_true(child > 0);
	fd = proc_open((uint32_t)child, 0);
	assert_true(fd >= 0);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	/* the descriptor stays with the process that has gone */
	assert_int_equal(proc_read_stat(fd, &s), -ESRCH);
	assert_int_equal(proc_read_uid(fd, &uid), -ESRCH);
	assert_int_equal(proc_read_cmdline(fd, &out), -ESRCH);
	close(fd);
	assert_int_equal(proc_open((uint32_t)child, 0), -ESRCH);
}

static void test_long_cmdline(void **state)
{
	struct buf cleanup_call(buf_done) out = {0};
	char *argument = malloc(10001);
	int ready[2], input[2], fd;
	pid_t child;
	char byte;

	(void)state;
	assert_non_null(argument);
	memset(argument, 'x', 10000);
	argument[10000] = '\0';
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(input, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		dup2(input[0], 0);
		execlp("sh", "sh", "-c", "read x; :", argument, (char *)NULL);
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 0); /* it runs the program now */
	fd = proc_open((uint32_t)child, 0);
	assert_true(fd >= 0);
	assert_int_equal(proc_read_cmdline(fd, &out), 0);
	assert_int_equal(out.len, 4096); /* cut there */
	assert_memory_equal(buf_text(&out), "sh -c read x; : xxx", 19);
	close(fd);
	close(ready[0]);
	close(input[0]);
	close(input[1]);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	free(argument);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),	       cmocka_unit_test(test_stat_hostile_names),
		cmocka_unit_test(test_stat_long_name), cmocka_unit_test(test_stat_truncations),
		cmocka_unit_test(test_bad_stat),       cmocka_unit_test(test_uid),
		cmocka_unit_test(test_cmdline),	       cmocka_unit_test(test_links),
		cmocka_unit_test(test_own_process),    cmocka_unit_test(test_ended_process),
		cmocka_unit_test(test_long_cmdline),
	};

	return cmocka_run_group_tests_name("proc_file", tests, NULL, NULL);
}
