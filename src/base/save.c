/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/save.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_LIMIT = 8, NAME_SIZE = 256 };

static int write_new(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode,
		     bool later)
{
	int cleanup_close fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return -errno;
	r = file_write(fd, bytes, len);
	/* whatever the umask is */
	if (r == 0 && (fchmod(fd, mode) < 0 || (!later && fsync(fd) < 0)))
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, name, 0);
	return r;
}

int save_new_at(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode)
{
	return write_new(dir_fd, name, bytes, len, mode, false);
}

int save_later_at(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode)
{
	return write_new(dir_fd, name, bytes, len, mode, true);
}

int save_all(int dir_fd)
{
	return syncfs(dir_fd) < 0 ? -errno : 0;
}

int save_names(int dir_fd)
{
	return fsync(dir_fd) < 0 ? -errno : 0;
}

int save_rename(int dir_fd, const char *from, const char *to)
{
	if (renameat(dir_fd, from, dir_fd, to) < 0)
		return -errno;
	return save_names(dir_fd);
}

int save_at(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode)
{
	char fresh[NAME_SIZE];
	int r = snprintf(fresh, sizeof(fresh), ".%s.new", name);

	if (r < 0 || (size_t)r >= sizeof(fresh))
		return -ENAMETOOLONG;
	/* of one who was killed */
	if (unlinkat(dir_fd, fresh, 0) < 0 && errno != ENOENT)
		return -errno;
	r = save_new_at(dir_fd, fresh, bytes, len, mode);
	if (r < 0)
		return r;
	r = save_rename(dir_fd, fresh, name);
	if (r < 0)
		unlinkat(dir_fd, fresh, 0); /* it is not there when only the last step failed */
	return r;
}

/* The folder of a path; *name: what stands behind it. A descriptor or a negative errno. */
static int open_folder(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int r = folder ? fd < 0 ? -errno : fd : -ENOMEM;

	*name = slash ? slash + 1 : path;
	free(folder);
	return r;
}

int save_path(const char *path, const void *bytes, size_t len, mode_t mode)
{
	const char *name;
	int cleanup_close fd = open_folder(path, &name);

	return fd < 0 ? fd : *name ? save_at(fd, name, bytes, len, mode) : -EISDIR;
}

int save_path_try(const char *path, size_t len)
{
	const char *name;
	int cleanup_close dir_fd = open_folder(path, &name);
	char fresh[NAME_SIZE];
	int fd, r, text_len;

	if (dir_fd < 0)
		return dir_fd;
	text_len = snprintf(fresh, sizeof(fresh), ".%s.new", name);
	if (!*name || text_len < 0 || (size_t)text_len >= sizeof(fresh))
		return *name ? -ENAMETOOLONG : -EISDIR;
	if (unlinkat(dir_fd, fresh, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir_fd, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = posix_fallocate(fd, 0, (off_t)len);
	close(fd);
	unlinkat(dir_fd, fresh, 0);
	return r == EINVAL || r == EOPNOTSUPP ? 0 : -r; /* not every file system can tell */
}

/* Empties the directory, as far as there are no directories in it: those are told in `inner`. */
static int remove_files(int fd, char inner[NAME_SIZE])
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	int r = d ? 0 : -errno;

	inner[0] = '\0';
	if (!d && copy >= 0)
		close(copy);
	if (d)
		rewinddir(d);
	while (r == 0 && d && (entry = readdir(d))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno == EISDIR || errno == EPERM)
			snprintf(inner, NAME_SIZE, "%s", entry->d_name);
		else
			r = -errno;
	}
	if (d)
		closedir(d);
	return r;
}

/*
 * Walks down into one directory after the other, and up again; no recursion, so that no tree can
 * use up the stack.
 */
static int remove_tree(int dir_fd, const char *name)
{
	int fds[DEPTH_LIMIT], depth = 0, r = 0;
	char names[DEPTH_LIMIT + 1][NAME_SIZE];

	snprintf(names[0], NAME_SIZE, "%s", name);
	while (r == 0) {
		int parent = depth ? fds[depth - 1] : dir_fd;
		int fd = openat(parent, names[depth],
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0) {
			r = -errno;
			break;
		}
		fds[depth++] = fd;
		r = remove_files(fd, names[depth]);
		if (r == 0 && names[depth][0]) {
			r = depth < DEPTH_LIMIT ? 0 : -ELOOP;
			continue;
		}
		close(fds[--depth]);
		if (r == 0 &&
		    unlinkat(depth ? fds[depth - 1] : dir_fd, names[depth], AT_REMOVEDIR) < 0)
			r = -errno;
		if (depth == 0)
			return r;
		close(fds[--depth]); /* and look at its directory again */
	}
	while (depth)
		close(fds[--depth]);
	return r;
}

int save_remove(int dir_fd, const char *name)
{
	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	return remove_tree(dir_fd, name);
}
