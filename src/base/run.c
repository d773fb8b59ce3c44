/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/run.h"
#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_STEP_MS = 1, STOP_STEP_MS = 500 };

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

/* Ours of three pipes, and the program's; -1: there is none. */
struct ends {
	int input, output, errors;
};

static void close_ends(const struct ends *ends)
{
	const int fds[] = {ends->input, ends->output, ends->errors};

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int open_pipe(int *ret_read, int *ret_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

static int add_stream(posix_spawn_file_actions_t *actions, int fd, int as)
{
	if (fd >= 0)
		return posix_spawn_file_actions_adddup2(actions, fd, as);
	return posix_spawn_file_actions_addopen(actions, as, "/dev/null",
						as == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0);
}

/* Its pid, or a negative errno. What the caller ignores (SIGPIPE) the program does not. */
static pid_t spawn(const char *path, const struct run *run, const struct ends *ends)
{
	const char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", run->extra,
				     NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid = 0;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r) {
		posix_spawn_file_actions_destroy(&actions);
		return -r;
	}
	if (run->apart)
		r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	if (r == 0)
		r = add_stream(&actions, ends->input, STDIN_FILENO);
	if (r == 0)
		r = add_stream(&actions, ends->output, STDOUT_FILENO);
	if (r == 0)
		r = add_stream(&actions, ends->errors, STDERR_FILENO);
	if (r == 0)
		r = posix_spawn(&pid, path, &actions, &attributes, mutable(run->argv),
				mutable(environment));
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r ? -r : pid;
}

/* One read of what there is; the descriptor is closed, and -1, at its end. */
static int take_output(int *fd, size_t limit, struct buf *out)
{
	char room[4096];
	ssize_t got = read(*fd, room, sizeof(room));

	if (got < 0)
		return errno == EINTR ? 0 : -errno;
	if (got == 0) {
		close(*fd);
		*fd = -1;
		return 0;
	}
	if (out->len + (size_t)got > limit)
		return -E2BIG;
	buf_add(out, room, (size_t)got);
	return 0;
}

static int talk(const struct run *run, struct ends *ours, long end_ms)
{
	int r = 0;

	while (r >= 0 && (ours->output >= 0 || ours->errors >= 0)) {
		struct pollfd wait[] = {{ours->output, POLLIN, 0}, {ours->errors, POLLIN, 0}};
		long left = end_ms - clock_mono_ms();

		if (run->stop && *run->stop)
			return -EINTR;
		if (left <= 0)
			return -ETIMEDOUT;
		/* a signal may come just before this: it is not waited through */
		if (poll(wait, ARRAY_LEN(wait), (int)(left < STOP_STEP_MS ? left : STOP_STEP_MS)) <=
		    0)
			continue;
		if (wait[0].revents)
			r = take_output(&ours->output, run->limit, run->out);
		if (r >= 0 && run->errors && wait[1].revents)
			r = take_output(&ours->errors, run->limit, run->errors);
	}
	return r;
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
		if (!late && clock_mono_ms() >= end_ms) {
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

/*
 * A file in memory, and no pipe: the program has all of its input from its first moment on, so that
 * the end of portero, whenever it comes, never passes for the end of the input.
 */
static int open_input(const char *input, size_t len)
{
	int fd = memfd_create("portero-input", MFD_CLOEXEC);

	for (size_t at = 0; fd >= 0 && at < len;) {
		ssize_t put = write(fd, input + at, len - at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			int code = put < 0 ? -errno : -EIO;

			close(fd);
			return code;
		}
		at += (size_t)put;
	}
	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return fd;
}

static int open_ends(const struct run *run, struct ends *ours, struct ends *its)
{
	int r = open_pipe(&ours->output, &its->output);

	if (r >= 0 && run->errors)
		r = open_pipe(&ours->errors, &its->errors);
	if (r >= 0 && run->input)
		r = its->input = open_input(run->input, run->input_len);
	return r < 0 ? r : 0;
}

int run_with(const struct run *run)
{
	struct ends ours = {-1, -1, -1}, its = {-1, -1, -1};
	char path[256];
	long end_ms = clock_mono_ms() + run->patience_ms;
	pid_t pid;
	int r;

	if (!find_program(run->argv[0], path, sizeof(path)))
		return -ENOENT;
	r = open_ends(run, &ours, &its);
	pid = r < 0 ? r : spawn(path, run, &its);
	close_ends(&its);
	if (pid >= 0) {
		int code;

		r = talk(run, &ours, end_ms);
		code = wait_for(pid, r < 0 ? 0 : end_ms);
		r = r < 0 ? r : code;
	} else {
		r = pid;
	}
	close_ends(&ours);
	if (run->out->failed || (run->errors && run->errors->failed))
		return -ENOMEM;
	return r;
}

int run_program(const char *const *argv, const char *extra, size_t limit, int patience_ms,
		struct buf *out)
{
	const struct run wish = {.argv = argv,
				 .extra = extra,
				 .limit = out->len + limit,
				 .patience_ms = patience_ms,
				 .out = out};

	return run_with(&wish);
}
