/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/run.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_STEP_MS = 1 };

static const char *const places[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};

static bool find_program(const char *name, char *path, size_t size)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		snprintf(path, size, "%s/%s", places[i], name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* posix_spawn takes them as not const, and does not change them */
static char *const *mutable(const char *const *strings)
{
	char *const *same;

	memcpy(&same, &strings, sizeof(same));
	return same;
}

/* Its pid, or a negative errno. */
static pid_t spawn(const char *path, const char *const *argv, const char *extra, int output)
{
	const char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", extra, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid = 0;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY,
						     0);
	if (r == 0)
		r = posix_spawn(&pid, path, &actions, NULL, mutable(argv), mutable(environment));
	posix_spawn_file_actions_destroy(&actions);
	return r ? -r : pid;
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int read_all(int fd, size_t limit, long end_ms, struct buf *out)
{
	size_t start = out->len;

	for (;;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		long left = end_ms - now_ms();
		char room[4096];
		ssize_t got;

		if (left <= 0 || poll(&wait, 1, (int)left) == 0)
			return -ETIMEDOUT;
		got = read(fd, room, sizeof(room));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : 0;
		if (out->len - start + (size_t)got > limit)
			return -E2BIG;
		buf_add(out, room, (size_t)got);
	}
}

/* Ends it when it stays longer, even if it has nothing more to say. */
static int wait_for(pid_t pid, long end_ms)
{
	bool late = false;
	pid_t got;
	int status;

	while ((got = waitpid(pid, &status, late ? 0 : WNOHANG)) <= 0) {
		if (got < 0 && errno != EINTR)
			return -errno;
		if (!late && now_ms() >= end_ms) {
			late = true;
			kill(pid, SIGKILL);
		} else if (!late) {
			poll(NULL, 0, WAIT_STEP_MS);
		}
	}
	if (late)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

int run_program(const char *const *argv, const char *extra, size_t limit, int patience_ms,
		struct buf *out)
{
	int cleanup_close reader = -1;
	char path[256];
	long end_ms;
	pid_t pid;
	int fds[2], r, code;

	if (!find_program(argv[0], path, sizeof(path)))
		return -ENOENT;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	reader = fds[0];
	pid = spawn(path, argv, extra, fds[1]);
	close(fds[1]);
	if (pid < 0)
		return pid;
	end_ms = now_ms() + patience_ms;
	r = read_all(reader, limit, end_ms, out);
	code = wait_for(pid, r < 0 ? 0 : end_ms);
	if (out->failed)
		return -ENOMEM;
	return r < 0 ? r : code;
}
