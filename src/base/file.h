/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file: reading whole small files, and iterating over their lines. No product knowledge.
 */
#pragma once

#include "base/buf.h"

#include <stddef.h>

/*
 * Replaces the content of `out` with that of the file `path` (relative to the directory `dir_fd`,
 * or AT_FDCWD), which may be a /proc file of unknown size. Returns 0 or a negative errno: -EFBIG
 * when it holds more than `limit` bytes (out is then empty, never a part), -ENOENT, -EACCES, ...
 * Never blocks on a FIFO: only regular files are read (-EINVAL otherwise).
 */
int file_read_at(int dir_fd, const char *path, size_t limit, struct buf *out);

/* The same of a file that is open. */
int file_read_fd(int fd, size_t limit, struct buf *out);

/* Writes all of it, however many write() that takes. 0 or a negative errno. */
int file_write(int fd, const void *bytes, size_t len);

/*
 * Makes the file `name` in the directory, with mode 0644 (less umask), whole or not at all: also a
 * full disk and a power cut leave no part of it. Never replaces: -EEXIST. 0 or a negative errno.
 */
int file_write_new(int dir_fd, const char *name, const char *text, size_t len);

/*
 * Opens `path` with symbolic links resolved as if the directory `root_fd` were "/", so that nothing
 * in a file system that somebody else controls leads out of it (openat2(2), Linux 5.6; before that
 * only the machine's own root can be read, and -ENOSYS is returned for others). A descriptor, or a
 * negative errno.
 */
int file_open_in_root(int root_fd, const char *path, int flags);
/* file_read_at() by way of file_open_in_root(); what is no regular file is not even opened. */
int file_read_in_root(int root_fd, const char *path, size_t limit, struct buf *out);

/*
 * Hands over a regular file in pieces of whole lines (only the very last may lack its newline): a
 * long file needs no more memory than its longest line, and is looked at while it is still in the
 * processor's cache. `room` is what to read into. Returns how long the file is, or a negative
 * errno: what file_read_at() would say, or what `take` returned.
 */
typedef int file_lines_callback(const char *text, size_t len, void *context);
long file_read_lines(int fd, size_t limit, struct buf *room, file_lines_callback *take,
		     void *context);

/* The target of a symbolic link as text in `out` (limit 4096 bytes), or a negative errno. */
int file_read_link_at(int dir_fd, const char *path, struct buf *out);

/*
 * Steps through the lines of text[0..len): sets *line and *line_len to the next one, without its
 * newline, and advances *at (start it at 0). Returns false at the end.
 */
bool file_next_line(const char *text, size_t len, size_t *at, const char **line, size_t *line_len);
