/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/package_rpm.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_LIMIT = 4 << 20, FIXED_ARGS = 5, PATH_LIMIT = 4096 };

/*
 * rpm answers path by path, but does not say which answer is to which path, and a file can have
 * several owners. So a path that no package can own stands after each: what rpm says of it on its
 * standard output, untranslated because there is no environment, ends the group (rpm 4.6 and later,
 * lib/query.c: rpmQueryVerify).
 */
#define SEPARATOR "/proc/self/status"

static const char *const databases[] = {
	"var/lib/rpm/rpmdb.sqlite",
	"var/lib/rpm/Packages",
	"var/lib/rpm/Packages.db",
	"usr/lib/sysimage/rpm",
};

bool package_rpm_exists(int root_fd)
{
	for (size_t i = 0; i < ARRAY_LEN(databases); i++) {
		int cleanup_close fd = file_open_in_root(root_fd, databases[i], O_PATH);

		if (fd >= 0)
			return true;
	}
	return false;
}

static bool begins(const char *line, size_t len, const char *with)
{
	size_t with_len = strlen(with);

	return len >= with_len && memcmp(line, with, with_len) == 0;
}

/* "file PATH is not owned by any package", and of some versions "file PATH: REASON". */
static bool is_unowned(const char *line, size_t len)
{
	return begins(line, len, "file ");
}

static bool is_separator(const char *line, size_t len)
{
	static const char text[] = "file " SEPARATOR " is not owned by any package";

	return len == sizeof(text) - 1 && memcmp(line, text, len) == 0;
}

/* A package's name has no blanks; rpm allows letters, digits and -._+ (and %{}~^ in macros). */
static bool is_package_name(const char *line, size_t len)
{
	if (len == 0 || len > PACKAGE_NAME_LIMIT)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] <= ' ' || (unsigned char)line[i] >= 0x7f)
			return false;
	return true;
}

int package_rpm_parse(const char *text, size_t len, struct package_query *queries, size_t count)
{
	size_t at = 0, line_len, group = 0;
	bool tool_owned = false;
	const char *line;

	while (group <= count && file_next_line(text, len, &at, &line, &line_len)) {
		if (is_separator(line, line_len)) {
			group++;
			continue;
		}
		if (is_unowned(line, line_len))
			continue;
		if (!is_package_name(line, line_len))
			return -EBADMSG;
		if (group == count) {
			tool_owned = true;
		} else if (!queries[group].package) {
			queries[group].package = strndup(line, line_len);
			if (!queries[group].package)
				return -ENOMEM;
		}
	}
	return group == count + 1 && at == len && tool_owned ? 0 : -EBADMSG;
}

/* A name that a line of output could be mistaken for, or that no package has: not asked. */
static bool can_ask(const char *path)
{
	size_t len = strlen(path);

	if (len >= PATH_LIMIT || strcmp(path, SEPARATOR) == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)path[i] < ' ' || path[i] == 0x7f)
			return false;
	return true;
}

static char **make_args(const char *tool, const struct package_query *queries, size_t count)
{
	static const char *const first[] = {"-q", "-f", "--queryformat", "%{NAME}\\n"};
	const char **args = calloc(FIXED_ARGS + 2 * count + 3, sizeof(*args));
	size_t at = 0;

	if (!args)
		return NULL;
	args[at++] = tool;
	for (size_t i = 0; i < ARRAY_LEN(first); i++)
		args[at++] = first[i];
	for (size_t i = 0; i <= count; i++) {
		if (i == count || can_ask(queries[i].path))
			args[at++] = i == count ? tool : queries[i].path;
		args[at++] = SEPARATOR;
	}
	return (char **)(uintptr_t)args; /* the strings are not written to (posix_spawn(3)) */
}

static int prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int output)
{
	sigset_t none, all;
	int r = 0;

	sigemptyset(&none);
	sigfillset(&all);
	r |= posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	r |= posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
	r |= posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r |= posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
	r |= posix_spawn_file_actions_addchdir_np(actions, "/");
	r |= posix_spawnattr_setsigmask(attributes, &none);
	r |= posix_spawnattr_setsigdefault(attributes, &all);
	r |= posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return r ? -ENOMEM : 0;
}

static int spawn(char *const *args, int output, pid_t *ret_pid)
{
	static char *const no_environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	r = prepare(&actions, &attributes, output);
	if (r == 0)
		r = -posix_spawn(ret_pid, args[0], &actions, &attributes, args, no_environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* Reads until the other end is closed, for at most time_ms. */
static int read_output(int fd, int time_ms, struct buf *out)
{
	int64_t end = clock_mono_ms() + time_ms;

	for (;;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		int64_t left = end - clock_mono_ms();
		char bytes[16384];
		ssize_t got;

		if (left <= 0 || poll(&wait, 1, (int)left) == 0)
			return -ETIMEDOUT;
		got = read(fd, bytes, sizeof(bytes));
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return got < 0 ? -errno : 0;
		buf_add(out, bytes, (size_t)got);
		if (out->failed)
			return -ENOMEM;
		if (out->len > OUTPUT_LIMIT)
			return -EFBIG;
	}
}

static int run(char *const *args, int time_ms, struct buf *out)
{
	int cleanup_close from = -1;
	int ends[2], status, r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	from = ends[0];
	fcntl(from, F_SETFL, O_NONBLOCK);
	r = spawn(args, ends[1], &pid);
	close(ends[1]);
	if (r < 0)
		return r;
	r = read_output(from, time_ms, out);
	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return r;
}

int package_rpm_find(const char *tool, int time_ms, struct package_query *queries, size_t count)
{
	struct buf cleanup_call(buf_done) out = {0};
	char **args;
	int r;

	if (count > PACKAGE_RPM_PATH_LIMIT)
		return -E2BIG;
	args = make_args(tool, queries, count);
	if (!args)
		return -ENOMEM;
	r = run(args, time_ms, &out);
	free((void *)args);
	return r < 0 ? r : package_rpm_parse(buf_text(&out), out.len, queries, count);
}
