/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/root_file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	ALWAYS_FLAGS = O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
	RACE_RETRIES = 8, /* openat2: EAGAIN when a rename or mount raced with a ".." */
	READ_CHUNK = 4096,
};

static int open_resolved(int dir_fd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {.flags = (uint64_t)(unsigned)flags, .resolve = resolve};
	long fd = -1;

	for (int i = 0; i < RACE_RETRIES; i++) {
		fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

/* Old seccomp filters answer EPERM to calls that they do not know. */
static bool lacks_openat2(int r)
{
	return r == -ENOSYS || r == -EPERM;
}

bool root_file_is_own(int root_fd)
{
	struct stat own, given;

	return stat("/", &own) == 0 && fstat(root_fd, &given) == 0 && own.st_dev == given.st_dev &&
	       own.st_ino == given.st_ino;
}

int root_file_open(int root_fd, const char *path, int flags, bool one_mount)
{
	uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
	int fd;

	while (*path == '/')
		path++;
	if (!*path)
		path = ".";
	if (flags & O_PATH)
		flags |= O_CLOEXEC; /* openat2 refuses flags that O_PATH ignores */
	else
		flags |= ALWAYS_FLAGS;
	fd = open_resolved(root_fd, path, flags, resolve | (one_mount ? RESOLVE_NO_XDEV : 0));
	if (fd >= 0 || !lacks_openat2(fd) || !root_file_is_own(root_fd))
		return fd;
	fd = openat(root_fd, path, flags);
	return fd < 0 ? -errno : fd;
}

static int check_regular(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

int root_file_open_entry(int dir_fd, const char *name)
{
	int flags = O_RDONLY | O_NOFOLLOW | ALWAYS_FLAGS;
	int fd, r;

	if (strchr(name, '/'))
		return -EINVAL;
	fd = open_resolved(dir_fd, name, flags,
			   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
	if (lacks_openat2(fd)) {
		fd = openat(dir_fd, name, flags);
		if (fd < 0)
			return -errno;
	}
	if (fd < 0)
		return fd;
	r = check_regular(fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* Reads to the end of the file; -EFBIG as soon as more than `limit` bytes are there. */
static int read_all(int fd, size_t limit, struct buf *out)
{
	for (;;) {
		size_t room = out->cap > out->len + 1 ? out->cap - out->len - 1 : 0;
		char *to = buf_reserve(out, room < READ_CHUNK ? READ_CHUNK : room);
		ssize_t got;

		if (!to)
			return -ENOMEM;
		got = read(fd, to, out->cap - out->len - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		out->len += (size_t)got;
		out->data[out->len] = '\0';
		if (out->len > limit)
			return -EFBIG;
	}
}

int root_file_read_fd(int fd, size_t limit, struct buf *out)
{
	int r = check_regular(fd);

	buf_clear(out);
	if (r == 0)
		r = read_all(fd, limit, out);
	if (r < 0)
		buf_clear(out);
	return r;
}

int root_file_read(int root_fd, const char *path, size_t limit, struct buf *out)
{
	int cleanup_close fd = root_file_open(root_fd, path, O_RDONLY, false);

	buf_clear(out);
	return fd < 0 ? fd : root_file_read_fd(fd, limit, out);
}
