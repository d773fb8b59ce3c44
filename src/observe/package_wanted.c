/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/package_wanted.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NO_LINE = UINT32_MAX, USR_LEN = 4 /* "/usr" */ };

/* Debian, usr-merge; Fedora, UsrMove. The last three are of other ABIs. */
static const char *const merge_names[PACKAGE_MERGE_COUNT] = {
	"bin", "sbin", "lib", "lib64", "lib32", "libx32", "libo32",
};

const char *package_wanted_merge_name(size_t i)
{
	return merge_names[i];
}

void package_wanted_init(struct package_wanted *w, struct package_query *queries, size_t count)
{
	*w = (struct package_wanted){.queries = queries, .query_count = count, .open_count = count};
	for (size_t i = 0; i < count; i++)
		queries[i].package = NULL;
}

void package_wanted_done(struct package_wanted *w)
{
	for (size_t i = 0; i < w->line_count; i++) {
		free(w->lines[i].text);
		free(w->lines[i].only);
		free(w->lines[i].except);
	}
	free(w->lines);
	map_done(&w->by_hash);
	*w = (struct package_wanted){0};
}

/* One of 65,536 bits, from what is cheap to see: the length and two of the last bytes. */
static unsigned filter_bit(const char *line, size_t len)
{
	unsigned last = (unsigned char)line[len - 1];
	unsigned before = len > 2 ? (unsigned char)line[len - 3] : 0;

	return ((unsigned)len << 8 ^ last << 3 ^ before) & (PACKAGE_FILTER_WORDS * 64 - 1);
}

static char *copy_or_null(const char *text, bool *failed)
{
	char *copy = text ? strdup(text) : NULL;

	*failed = *failed || (text && !copy);
	return copy;
}

/* Adds one spelling: prefix, then path[0..len). */
static int add_line(struct package_wanted *w, const char *prefix, const char *path, size_t len,
		    const struct package_line *rule)
{
	size_t prefix_len = strlen(prefix);
	struct package_line line = *rule;
	bool failed = false;
	unsigned bit;
	uint64_t hash;

	if (mem_grow(&w->lines, &w->line_cap, w->line_count + 1, sizeof(*w->lines)) < 0)
		return -ENOMEM;
	line.len = prefix_len + len;
	line.text = malloc(line.len + 1);
	line.only = copy_or_null(rule->only, &failed);
	line.except = copy_or_null(rule->except, &failed);
	line.next = NO_LINE;
	if (line.text) {
		memcpy(line.text, prefix, prefix_len);
		memcpy(line.text + prefix_len, path, len);
		line.text[line.len] = '\0';
		hash = map_hash_bytes(line.text, line.len);
		map_get(&w->by_hash, hash, &line.next);
		failed = failed || map_set(&w->by_hash, hash, (uint32_t)w->line_count) < 0;
		bit = filter_bit(line.text, line.len);
		w->filter[bit / 64] |= UINT64_C(1) << bit % 64;
	}
	w->lines[w->line_count++] = line; /* even when it failed: _done frees what is there */
	return failed || !line.text ? -ENOMEM : 0;
}

/* Is path[0..len) below a merged directory of the root: "/bin/..." where /bin -> usr/bin? */
static bool is_in_merged(const struct package_wanted *w, const char *path, size_t len)
{
	for (size_t i = 0; i < PACKAGE_MERGE_COUNT; i++) {
		size_t name_len = strlen(merge_names[i]);

		if (w->merged[i] && len > name_len + 2 && path[0] == '/' &&
		    path[name_len + 1] == '/' && memcmp(path + 1, merge_names[i], name_len) == 0)
			return true;
	}
	return false;
}

static bool is_in_usr(const char *path, size_t len)
{
	return len > USR_LEN && memcmp(path, "/usr", USR_LEN) == 0 && path[USR_LEN] == '/';
}

int package_wanted_add(struct package_wanted *w, const char *path, size_t len, uint32_t query,
		       const char *only, const char *except)
{
	struct package_line rule = {.query = query};
	int r;

	if (len == 0 || len >= PACKAGE_PATH_LIMIT)
		return 0;
	/* copied, never written to */
	rule.only = only ? (char *)(uintptr_t)only : NULL;
	rule.except = except ? (char *)(uintptr_t)except : NULL;
	r = add_line(w, "", path, len, &rule);
	if (r == 0 && is_in_merged(w, path, len))
		r = add_line(w, "/usr", path, len, &rule);
	else if (r == 0 && is_in_usr(path, len) && is_in_merged(w, path + USR_LEN, len - USR_LEN))
		r = add_line(w, "", path + USR_LEN, len - USR_LEN, &rule);
	return r;
}

bool package_wanted_same(const struct package_wanted *w, const char *a, size_t a_len, const char *b,
			 size_t b_len)
{
	bool strip_a = is_in_usr(a, a_len) && is_in_merged(w, a + USR_LEN, a_len - USR_LEN);
	bool strip_b = is_in_usr(b, b_len) && is_in_merged(w, b + USR_LEN, b_len - USR_LEN);
	size_t a_skip = strip_a ? USR_LEN : 0, b_skip = strip_b ? USR_LEN : 0;

	return a_len - a_skip == b_len - b_skip &&
	       memcmp(a + a_skip, b + b_skip, a_len - a_skip) == 0;
}

static bool is_name(const char *name, const char *package, size_t package_len)
{
	return name && strlen(name) == package_len && memcmp(name, package, package_len) == 0;
}

static int answer(struct package_wanted *w, const struct package_line *line, const char *package,
		  size_t package_len)
{
	struct package_query *query = &w->queries[line->query];

	if (query->package || (line->only && !is_name(line->only, package, package_len)) ||
	    is_name(line->except, package, package_len))
		return 0;
	query->package = strndup(package, package_len);
	if (!query->package)
		return -ENOMEM;
	w->open_count--;
	return 0;
}

int package_wanted_match(struct package_wanted *w, const char *line, size_t len,
			 const char *package, size_t package_len)
{
	unsigned bit;
	uint32_t i;
	int r = 0;

	if (len == 0 || len >= PACKAGE_PATH_LIMIT + USR_LEN)
		return 0;
	bit = filter_bit(line, len);
	if (!(w->filter[bit / 64] & UINT64_C(1) << bit % 64))
		return 0;
	if (!map_get(&w->by_hash, map_hash_bytes(line, len), &i))
		return 0;
	for (; r == 0 && i != NO_LINE; i = w->lines[i].next)
		if (w->lines[i].len == len && memcmp(w->lines[i].text, line, len) == 0)
			r = answer(w, &w->lines[i], package, package_len);
	return r;
}
