/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * package_dpkg: the database of dpkg: /var/lib/dpkg/info/PACKAGE[:ARCH].list, one path a line, and
 * /var/lib/dpkg/diversions, three lines a diversion: the path, where it was diverted to, and the
 * package that diverted it, ":" for the administrator (dpkg-divert(1), deb-src of dpkg 1.21).
 */
#pragma once

#include "observe/package_wanted.h"

/*
 * Answers the queries of *w, to which no line was added yet. 0, or a negative errno: -ENOENT when
 * the root has no such database (no list at all), anything else when it could not be read to the
 * end and a query is still open.
 */
int package_dpkg_find(int root_fd, bool own_root, struct package_wanted *w);

/*
 * Adds the lines that answer the queries of *w, under the diversions in text[0..len). 0, -EBADMSG
 * when the text is no list of diversions, -E2BIG for more than 4,096 of them, -ENOMEM.
 */
int package_dpkg_add_lines(struct package_wanted *w, const char *text, size_t len);

/* Looks through one .list file, text[0..len), of `package`. 0 or -ENOMEM. */
int package_dpkg_match_list(struct package_wanted *w, const char *text, size_t len,
			    const char *package, size_t package_len);
