/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READ_CHUNK = 4096, PIECE_SIZE = 65536, LINK_LIMIT = 4096, OPEN_ATTEMPTS = 1000 };

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

enum { READ_FLAGS = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK };

static int read_regular(int fd, size_t limit, struct buf *out)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > 0 && (size_t)st.st_size <= limit)
		buf_reserve(out, (size_t)st.st_size + 1);
	r = read_all(fd, limit, out);
	if (r < 0)
		buf_clear(out);
	return r;
}

int file_read_at(int dir_fd, const char *path, size_t limit, struct buf *out)
{
	int cleanup_close fd = openat(dir_fd, path, READ_FLAGS);

	buf_clear(out);
	return fd < 0 ? -errno : read_regular(fd, limit, out);
}

int file_read_fd(int fd, size_t limit, struct buf *out)
{
	buf_clear(out);
	return read_regular(fd, limit, out);
}

int file_write(int fd, const void *bytes, size_t len)
{
	const char *text = bytes;

	for (size_t at = 0; at < len;) {
		ssize_t put = write(fd, text + at, len - at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		at += (size_t)put;
	}
	return 0;
}

int file_write_new(int dir_fd, const char *name, const char *text, size_t len)
{
	char room[300];
	int cleanup_close fd = -1;
	int r;

	if (snprintf(room, sizeof(room), ".%s.%d", name, (int)getpid()) >= (int)sizeof(room))
		return -ENAMETOOLONG;
	fd = openat(dir_fd, room, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	r = file_write(fd, text, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && linkat(dir_fd, room, dir_fd, name, 0) < 0)
		r = -errno;
	unlinkat(dir_fd, room, 0);
	if (r == 0)
		fsync(dir_fd);
	return r;
}

/* How much of what was read is whole lines; all of it at the end of the file. */
static size_t whole_lines(const struct buf *b, bool at_end)
{
	const char *newline = at_end ? NULL : memrchr(b->data, '\n', b->len);

	return at_end ? b->len : newline ? (size_t)(newline - b->data) + 1 : 0;
}

static void drop_front(struct buf *b, size_t len)
{
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}

/* The next piece, after what is left of the one before. How many bytes, 0 at the end. */
static ssize_t read_piece(int fd, struct buf *b)
{
	char *to = buf_reserve(b, PIECE_SIZE);
	ssize_t got;

	if (!to)
		return -ENOMEM;
	do
		got = read(fd, to, PIECE_SIZE);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	b->len += (size_t)got;
	return got;
}

long file_read_lines(int fd, size_t limit, struct buf *room, file_lines_callback *take,
		     void *context)
{
	bool at_end = false;
	size_t total = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > 0 && (size_t)st.st_size > limit)
		return -EFBIG; /* without a look at its beginning */
	buf_clear(room);
	while (!at_end) {
		ssize_t got = read_piece(fd, room);
		size_t whole;
		int r;

		if (got < 0)
			return got;
		total += (size_t)got;
		if (total > limit)
			return -EFBIG;
		/* a file that gave less than was asked for, and all that it has, need not be asked
		 * again */
		at_end = got == 0 || (got < PIECE_SIZE && total == (size_t)st.st_size);
		whole = whole_lines(room, at_end);
		r = take(room->data, whole, context);
		if (r < 0)
			return r;
		drop_front(room, whole);
	}
	return (long)total;
}

static bool is_own_root(int root_fd)
{
	struct stat own, root;

	return stat("/", &own) == 0 && fstat(root_fd, &root) == 0 && own.st_dev == root.st_dev &&
	       own.st_ino == root.st_ino;
}

int file_open_in_root(int root_fd, const char *path, int flags)
{
	struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC),
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	long fd = -1;

	/* EAGAIN: a rename or a mount raced with a ".." on the way */
	for (int i = 0; i < OPEN_ATTEMPTS && fd < 0; i++) {
		fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
		if (fd < 0 && errno != EAGAIN && errno != EINTR)
			break;
	}
	/* old kernels do not have it, and old sandboxes do not know it */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM) && is_own_root(root_fd))
		fd = openat(root_fd, path + strspn(path, "/"), flags | O_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

/* Opens for reading what an O_PATH descriptor stands for. */
static int reopen(int place, int root_fd, const char *path)
{
	char link[32];
	int fd;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
	fd = open(link, READ_FLAGS);
	if (fd >= 0)
		return fd;
	/* without /proc nobody's root is looked at but the machine's */
	return is_own_root(root_fd) ? file_open_in_root(root_fd, path, READ_FLAGS) : -errno;
}

/*
 * Whoever made the file system may have put a device there, and to open one can have effects: a
 * watchdog begins to count. So it is looked at first through a descriptor that opens nothing. A
 * size of 0 is empty, or a file of /proc, where reading may have effects too (kmsg).
 */
int file_read_in_root(int root_fd, const char *path, size_t limit, struct buf *out)
{
	int cleanup_close place = file_open_in_root(root_fd, path, O_PATH);
	int cleanup_close fd = -1;
	struct stat st;

	buf_clear(out);
	if (place < 0)
		return place;
	if (fstat(place, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size == 0)
		return 0;
	if ((size_t)st.st_size > limit)
		return -EFBIG;
	fd = reopen(place, root_fd, path);
	return fd < 0 ? fd : read_regular(fd, limit, out);
}

int file_read_link_at(int dir_fd, const char *path, struct buf *out)
{
	char *to;
	ssize_t len;

	buf_clear(out);
	to = buf_reserve(out, LINK_LIMIT);
	if (!to)
		return -ENOMEM;
	len = readlinkat(dir_fd, path, to, LINK_LIMIT);
	if (len < 0)
		return -errno;
	if (len == LINK_LIMIT)
		return -ENAMETOOLONG;
	out->len = (size_t)len;
	out->data[len] = '\0';
	return 0;
}

bool file_next_line(const char *text, size_t len, size_t *at, const char **line, size_t *line_len)
{
	const char *start, *end;

	if (*at >= len)
		return false;
	start = text + *at;
	end = memchr(start, '\n', len - *at);
	*line = start;
	*line_len = end ? (size_t)(end - start) : len - *at;
	*at += *line_len + (end ? 1 : 0);
	return true;
}
