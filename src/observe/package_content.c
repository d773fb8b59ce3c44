/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/package_content.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "observe/package.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <md5.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIST_LIMIT = 64 << 20, MD5_LEN = 32, MD5_SIZE = MD5_LEN + 1, SHA256_SIZE = 65 };

static void format_digest(const uint8_t *bytes, size_t count, char *text)
{
	for (size_t i = 0; i < count; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* Both of one reading, so that they are of one content. */
static int hash(const char *path, char md5[MD5_SIZE], char sha256[SHA256_SIZE])
{
	int cleanup_close fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	uint8_t bytes[65536], md5_digest[MD5_DIGEST_LENGTH], sha_digest[SHA256_DIGEST_LENGTH];
	struct stat st;
	MD5_CTX m;
	SHA2_CTX s;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	MD5Init(&m);
	SHA256Init(&s);
	while ((got = read(fd, bytes, sizeof(bytes))) > 0) {
		MD5Update(&m, bytes, (size_t)got);
		SHA256Update(&s, bytes, (size_t)got);
	}
	MD5Final(md5_digest, &m);
	SHA256Final(sha_digest, &s);
	format_digest(md5_digest, sizeof(md5_digest), md5);
	format_digest(sha_digest, sizeof(sha_digest), sha256);
	return got < 0 ? -errno : 0;
}

/* Without the slash before it, and without "usr/": /usr/sbin/x and /sbin/x are one where merged. */
static const char *core(const char *path)
{
	path += *path == '/';
	return strncmp(path, "usr/", 4) == 0 ? path + 4 : path;
}

bool package_content_is_listed(const char *list, const char *path, const char *md5)
{
	const char *wanted = core(path), *line;
	size_t at = 0, len;

	while (file_next_line(list, strlen(list), &at, &line, &len)) {
		char name[4096];

		if (len <= MD5_LEN + 2 || len - MD5_LEN - 2 >= sizeof(name) ||
		    memcmp(line, md5, MD5_LEN) != 0 || line[MD5_LEN] != ' ' ||
		    line[MD5_LEN + 1] != ' ')
			continue;
		memcpy(name, line + MD5_LEN + 2, len - MD5_LEN - 2);
		name[len - MD5_LEN - 2] = '\0';
		if (strcmp(core(name), wanted) == 0)
			return true;
	}
	return false;
}

/* "NAME.md5sums", or "NAME:ARCHITECTURE.md5sums" of a package that may be there for several. */
static bool is_list_of(const char *file, const char *package)
{
	size_t len = strlen(package), all = strlen(file);
	static const char suffix[] = ".md5sums";

	return all > len + sizeof(suffix) - 1 - 1 && strncmp(file, package, len) == 0 &&
	       strcmp(file + all - (sizeof(suffix) - 1), suffix) == 0 &&
	       (file[len] == ':' || all == len + sizeof(suffix) - 1);
}

static bool is_in_lists(const char *package, const char *path, const char *md5)
{
	int dir = open("/var/lib/dpkg/info", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = dir < 0 ? NULL : fdopendir(dir);
	const struct dirent *entry;
	bool found = false;

	if (!d) {
		if (dir >= 0)
			close(dir);
		return false;
	}
	while (!found && (entry = readdir(d))) {
		struct buf cleanup_call(buf_done) list = {0};

		if (is_list_of(entry->d_name, package) &&
		    file_read_at(dirfd(d), entry->d_name, LIST_LIMIT, &list) == 0)
			found = package_content_is_listed(buf_text(&list), path, md5);
	}
	closedir(d);
	return found;
}

bool package_content_vouches(const char *path, const char *sha256)
{
	int cleanup_close root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char cleanup_free *real = realpath(path, NULL);
	struct package_query query = {.path = real};
	char md5[MD5_SIZE], is[SHA256_SIZE];
	struct err ignored;
	bool found;

	if (root < 0 || !real || package_find(root, true, &query, 1, &ignored) < 0 ||
	    !query.package)
		return false;
	found = hash(real, md5, is) == 0 && (!sha256 || strcmp(is, sha256) == 0) &&
		is_in_lists(query.package, real, md5);
	free(query.package);
	return found;
}
