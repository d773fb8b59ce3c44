/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * package_db: what the readers of the package databases share: the set of wanted paths. Only
 * package*.c include this.
 */
#pragma once

#include "base/map.h"
#include "observe/package.h"

enum { PACKAGE_PATH_LIMIT = 4096, PACKAGE_NAME_LIMIT = 256 };

struct package_wanted {
	struct package_query *queries;
	size_t count;
	struct map by_path; /* hash of a path -> query + 1, see package_wanted_take */
	bool lengths[PACKAGE_PATH_LIMIT + 16]; /* which lengths the paths have: a quick no */
	bool usr_merged;
};

/*
 * Begins a search. With usr_merged, /bin/x and /usr/bin/x (sbin, lib*) are the same file. 0 or
 * -ENOMEM.
 */
int package_wanted_init(struct package_wanted *w, struct package_query *queries, size_t count,
			bool usr_merged);
void package_wanted_done(struct package_wanted *w);
/* The database says that `package` has `path`: noted if somebody asked, and nobody had it before.
 */
void package_wanted_take(struct package_wanted *w, const char *path, size_t path_len,
			 const char *package, size_t package_len);

/* Each: 0; -ENOENT when the root has no such database; another negative errno. */
int package_find_dpkg(int root_fd, struct package_wanted *w);
int package_find_apk(int root_fd, struct package_wanted *w);
int package_find_rpm(int root_fd, bool own_root, struct package_wanted *w);

/* The text of /lib/apk/db/installed. For tests and the fuzzer. */
void package_parse_apk(const char *text, size_t len, struct package_wanted *w);
