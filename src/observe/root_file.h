/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * root_file: reading files below a root directory that somebody hostile may control: the machine's
 * own "/", a container's /proc/PID/root, or a folder of a test. All symbolic links, absolute ones
 * and ".." too, stay below that root (openat2(2), RESOLVE_IN_ROOT, Linux 5.6). Nothing here blocks
 * on a FIFO or a device, or reads more than the caller's limit.
 *
 * Where the kernel lacks openat2, the machine's own root is read with plain openat(2), and every
 * other root not at all (-ENOSYS).
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Is the directory root_fd the root directory of this process? */
bool root_file_is_own(int root_fd);

/*
 * Opens `path` (absolute or not, always below root_fd) with the open(2) `flags`; O_CLOEXEC,
 * O_NOCTTY and O_NONBLOCK are added. With `one_mount`, a path that crosses into another mount is
 * refused with -EXDEV: what is mounted inside a container may be a file system that never answers.
 * Returns a descriptor, or a negative errno.
 */
int root_file_open(int root_fd, const char *path, int flags, bool one_mount);

/*
 * Opens the regular file `name` (no slash) of the directory dir_fd for reading; a link or a mount
 * in its place is not followed. Returns a descriptor, or a negative errno (-EINVAL: not a regular
 * file).
 */
int root_file_open_entry(int dir_fd, const char *name);

/*
 * Replaces the content of `out` with all that an open regular file holds. 0, or a negative errno
 * and `out` is empty: -EINVAL not a regular file, -EFBIG more than `limit` bytes.
 */
int root_file_read_fd(int fd, size_t limit, struct buf *out);

/* root_file_open for reading, then root_file_read_fd. */
int root_file_read(int root_fd, const char *path, size_t limit, struct buf *out);
