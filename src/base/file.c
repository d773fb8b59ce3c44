/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_CHUNK = 4096, LINK_LIMIT = 4096 };

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

int file_read_at(int dir_fd, const char *path, size_t limit, struct buf *out)
{
	int cleanup_close fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int r;

	buf_clear(out);
	if (fd < 0)
		return -errno;
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
