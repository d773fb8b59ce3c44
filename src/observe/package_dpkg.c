/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/package_dpkg.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A whole Debian desktop has 4,000 lists of 60 MiB; the longest is under 8 MiB. */
enum {
	LIST_LIMIT = 32 << 20,
	LIST_TOTAL_LIMIT = 256 << 20, /* of each of two threads */
	MANY_LISTS = 100,	      /* worth a second thread */
	ENTRY_LIMIT = 500000,	      /* a package has about six files in info/ */
	DIVERSIONS_LIMIT = 1 << 20,
	DIVERSION_COUNT_LIMIT = 4096,
};

static const char info_path[] = "var/lib/dpkg/info";
static const char diversions_path[] = "var/lib/dpkg/diversions";

struct text {
	const char *at;
	size_t len;
};

struct diversion {
	struct text from, to, package;
};

/* The folder of the lists, and their names: the likely ones first. */
struct lists {
	DIR *dir;
	bool own_root;
	const char **names;
	size_t count, likely_count, cap;
	struct arena kept;
};

struct diversions {
	struct diversion *items;
	size_t count, cap;
};

static void diversions_done(struct diversions *d)
{
	free(d->items);
}

static bool next_line(const char *text, size_t len, size_t *at, struct text *line)
{
	return file_next_line(text, len, at, &line->at, &line->len);
}

static int parse_diversions(struct diversions *d, const char *text, size_t len)
{
	struct diversion one;
	size_t at = 0;

	while (next_line(text, len, &at, &one.from)) {
		if (!next_line(text, len, &at, &one.to) || !next_line(text, len, &at, &one.package))
			return -EBADMSG;
		if (one.from.len == 0 || one.from.at[0] != '/' || one.to.len == 0 ||
		    one.to.at[0] != '/' || one.package.len == 0 ||
		    one.package.len > PACKAGE_NAME_LIMIT)
			return -EBADMSG;
		if (d->count == DIVERSION_COUNT_LIMIT)
			return -E2BIG;
		if (mem_grow(&d->items, &d->cap, d->count + 1, sizeof(*d->items)) < 0)
			return -ENOMEM;
		d->items[d->count++] = one;
	}
	return 0;
}

static bool is_local(const struct diversion *d)
{
	return d->package.len == 1 && d->package.at[0] == ':';
}

/*
 * What stands at a path that was diverted is the file of the package that diverted it, or the
 * administrator's; what stands where it was diverted to is the file of any other package.
 */
static int add_query(struct package_wanted *w, const struct diversions *d, uint32_t query)
{
	struct text path = {w->queries[query].path, strlen(w->queries[query].path)};
	const struct diversion *owner = NULL;
	char name[PACKAGE_NAME_LIMIT + 1];
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->count; i++) {
		const struct diversion *one = &d->items[i];

		memcpy(name, one->package.at, one->package.len);
		name[one->package.len] = '\0';
		if (package_wanted_same(w, path.at, path.len, one->from.at, one->from.len))
			owner = one;
		else if (package_wanted_same(w, path.at, path.len, one->to.at, one->to.len))
			r = package_wanted_add(w, one->from.at, one->from.len, query, NULL, name);
	}
	if (r < 0 || (owner && is_local(owner)))
		return r;
	if (owner) {
		memcpy(name, owner->package.at, owner->package.len);
		name[owner->package.len] = '\0';
	}
	return package_wanted_add(w, path.at, path.len, query, owner ? name : NULL, NULL);
}

int package_dpkg_add_lines(struct package_wanted *w, const char *text, size_t len)
{
	struct diversions cleanup_call(diversions_done) d = {0};
	int r = parse_diversions(&d, text, len);

	for (size_t i = 0; r == 0 && i < w->query_count; i++)
		r = add_query(w, &d, (uint32_t)i);
	return r;
}

int package_dpkg_match_list(struct package_wanted *w, const char *text, size_t len,
			    const char *package, size_t package_len)
{
	struct text line;
	size_t at = 0;
	int r = 0;

	while (r == 0 && next_line(text, len, &at, &line))
		r = package_wanted_match(w, line.at, line.len, package, package_len);
	return r;
}

static int read_diversions(int root_fd, struct buf *out)
{
	int r = file_read_in_root(root_fd, diversions_path, DIVERSIONS_LIMIT, out);

	return r == -ENOENT ? 0 : r; /* there are none */
}

/* The length of PACKAGE in "PACKAGE.list" or "PACKAGE:ARCH.list"; 0 for any other name. */
static size_t list_package_len(const char *name)
{
	static const char end[] = ".list";
	size_t len = strlen(name), end_len = sizeof(end) - 1;

	if (len <= end_len || name[0] == '.' || strcmp(name + len - end_len, end) != 0)
		return 0;
	return strcspn(name, ":") < len ? strcspn(name, ":") : len - end_len;
}

enum { LIKENESS = 4 }; /* equal letters at the beginning */

/*
 * A list that is a symbolic link leads nowhere outside info/. Where the kernel cannot promise that
 * (before Linux 5.6), only the machine's own lists are read.
 */
static int open_list(const struct lists *l, const char *name)
{
	static const int flags = O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
	int fd = file_open_in_root(dirfd(l->dir), name, flags);

	if (fd == -ENOSYS && l->own_root) {
		fd = openat(dirfd(l->dir), name, flags);
		fd = fd < 0 ? -errno : fd;
	}
	return fd;
}

struct matching {
	struct package_wanted *wanted;
	const char *package;
	size_t package_len;
};

static int match_lines(const char *text, size_t len, void *context)
{
	const struct matching *m = context;

	return package_dpkg_match_list(m->wanted, text, len, m->package, m->package_len);
}

/* How long the list is, or a negative errno. */
static long match_file(struct package_wanted *w, const struct lists *l, const char *name,
		       struct buf *room)
{
	struct matching m = {w, name, list_package_len(name)};
	int cleanup_close fd = open_list(l, name);

	if (fd == -ENOENT)
		return 0; /* removed while it was looked at */
	return fd < 0 ? fd : file_read_lines(fd, LIST_LIMIT, room, match_lines, &m);
}

/*
 * Is the package called somewhat like a wanted program, as python3.11-minimal is like python3.11?
 * Such lists are read first: most searches end there, without the other hundreds.
 */
static bool is_likely(const struct package_wanted *w, const char *list)
{
	for (size_t i = 0; i < w->query_count; i++) {
		const char *slash = strrchr(w->queries[i].path, '/');
		const char *program = slash ? slash + 1 : w->queries[i].path;
		size_t len = strlen(program);

		if (len > 0 && strncmp(program, list, len < LIKENESS ? len : LIKENESS) == 0)
			return true;
	}
	return false;
}

/* Names that are likely change places with the first that are not. */
static int add_name(struct lists *l, const char *name, bool likely)
{
	const char *kept = arena_add(&l->kept, name, strlen(name));

	if (!kept || mem_grow(&l->names, &l->cap, l->count + 1, sizeof(*l->names)) < 0)
		return -ENOMEM;
	l->names[l->count++] = kept;
	if (likely) {
		l->names[l->count - 1] = l->names[l->likely_count];
		l->names[l->likely_count++] = kept;
	}
	return 0;
}

static int read_names(struct lists *l, const struct package_wanted *w)
{
	const struct dirent *entry;
	int r = 0;

	for (size_t entries = 0; r == 0; entries++) {
		errno = 0;
		entry = readdir(l->dir);
		if (!entry)
			return -errno;
		if (entries >= ENTRY_LIMIT)
			return -E2BIG;
		if (list_package_len(entry->d_name) > 0)
			r = add_name(l, entry->d_name, is_likely(w, entry->d_name));
	}
	return r;
}

/* Reads names[first], names[first + step], ... before names[end] until all is answered. */
static int match_some(struct package_wanted *w, const struct lists *l, size_t first, size_t end,
		      size_t step)
{
	struct buf cleanup_call(buf_done) room = {0};
	size_t total = 0;

	for (size_t i = first; i < end && w->open_count > 0; i += step) {
		long len = match_file(w, l, l->names[i], &room);

		if (len < 0)
			return (int)len;
		total += (size_t)len;
		if (total > LIST_TOTAL_LIMIT)
			return -EFBIG;
	}
	return 0;
}

/* Every second list, in a thread of its own: with its own answers, the rest is only read. */
struct half {
	const struct lists *lists;
	struct package_wanted wanted;
	size_t first;
	int error;
};

static void *match_half(void *context)
{
	struct half *h = context;

	h->error = match_some(&h->wanted, h->lists, h->first, h->lists->count, 2);
	return NULL;
}

/* Takes the answers of a half where there are none yet. */
static void take_answers(struct package_wanted *w, struct package_query *queries)
{
	for (size_t i = 0; i < w->query_count; i++) {
		if (!w->queries[i].package && queries[i].package) {
			w->queries[i].package = queries[i].package;
			w->open_count--;
		} else if (w->queries[i].package != queries[i].package) {
			free(queries[i].package);
		}
	}
}

static int match_in_halves(struct package_wanted *w, const struct lists *l)
{
	struct package_query cleanup_free *queries = calloc(w->query_count, sizeof(*queries));
	struct half h = {.lists = l, .wanted = *w, .first = l->likely_count + 1};
	pthread_t thread;
	int r;

	if (!queries)
		return -ENOMEM;
	memcpy(queries, w->queries, w->query_count * sizeof(*queries));
	h.wanted.queries = queries;
	if (pthread_create(&thread, NULL, match_half, &h) != 0)
		return match_some(w, l, l->likely_count, l->count, 1);
	r = match_some(w, l, l->likely_count, l->count, 2);
	pthread_join(thread, NULL);
	take_answers(w, queries);
	return r < 0 ? r : h.error;
}

static int match_lists(struct package_wanted *w, const struct lists *l)
{
	int r = match_some(w, l, 0, l->likely_count, 1);

	if (r < 0 || w->open_count == 0)
		return r;
	return l->count - l->likely_count < MANY_LISTS
		       ? match_some(w, l, l->likely_count, l->count, 1)
		       : match_in_halves(w, l);
}

static void lists_done(struct lists *l)
{
	if (l->dir)
		closedir(l->dir);
	free(l->names);
	arena_done(&l->kept);
}

static int open_lists(struct lists *l, int root_fd)
{
	int fd = file_open_in_root(root_fd, info_path, O_RDONLY | O_DIRECTORY);
	int r = 0;

	if (fd < 0)
		return fd;
	l->dir = fdopendir(fd);
	if (!l->dir) {
		r = -errno;
		close(fd);
	}
	return r;
}

int package_dpkg_find(int root_fd, bool own_root, struct package_wanted *w)
{
	struct lists cleanup_call(lists_done) l = {.own_root = own_root};
	struct buf cleanup_call(buf_done) text = {0};
	int r = open_lists(&l, root_fd);

	if (r < 0)
		return r == -ENOTDIR ? -ENOENT : r;
	r = read_diversions(root_fd, &text);
	if (r == 0)
		r = package_dpkg_add_lines(w, buf_text(&text), text.len);
	if (r == 0)
		r = read_names(&l, w);
	if (r == 0)
		r = match_lists(w, &l);
	if (r < 0)
		return w->open_count > 0 ? r : 0;
	return l.count > 0 || w->open_count == 0 ? 0 : -ENOENT;
}
