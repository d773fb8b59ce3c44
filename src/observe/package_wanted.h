/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * package_wanted: the paths that package_find looks for, in the form that makes a pass over a
 * database fast: most of its lines are dismissed after a look at one bit. Pure: no I/O.
 */
#pragma once

#include "base/map.h"
#include "observe/package.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACKAGE_PATH_LIMIT = 4096, PACKAGE_FILTER_WORDS = 1024, PACKAGE_MERGE_COUNT = 7 };

/* One way in which a database may spell a path. A line and `next` form the chain of one hash. */
struct package_line {
	char *text;
	size_t len;
	uint32_t query;
	uint32_t next; /* or UINT32_MAX */
	char *only;    /* counts for this package alone; NULL = for all */
	char *except;  /* does not count for this package; NULL = no exception */
};

struct package_wanted {
	struct package_query *queries;
	size_t query_count;
	size_t open_count; /* queries without an answer */
	struct package_line *lines;
	size_t line_count, line_cap;
	struct map by_hash;
	uint64_t filter[PACKAGE_FILTER_WORDS];
	bool merged[PACKAGE_MERGE_COUNT]; /* see package_wanted_merge_name */
};

/* The name of the i-th directory that may be merged: "bin" for /bin -> usr/bin, ... */
const char *package_wanted_merge_name(size_t i);

/* `merged` is set by the caller before the first line is added. */
void package_wanted_init(struct package_wanted *w, struct package_query *queries, size_t count);
void package_wanted_done(struct package_wanted *w); /* the queries stay */

/*
 * Adds the spellings of path[0..len) as an answer to queries[query]. A path over the limit is in no
 * database: nothing is added. `only` and `except` are copied. 0 or -ENOMEM.
 */
int package_wanted_add(struct package_wanted *w, const char *path, size_t len, uint32_t query,
		       const char *only, const char *except);

/* Do both paths lead to one file, as far as merged directories go? */
bool package_wanted_same(const struct package_wanted *w, const char *a, size_t a_len, const char *b,
			 size_t b_len);

/*
 * A database says that `package` owns line[0..len): gives the answer to the queries that it fits
 * and that have none yet. 0 or -ENOMEM.
 */
int package_wanted_match(struct package_wanted *w, const char *line, size_t len,
			 const char *package, size_t package_len);
