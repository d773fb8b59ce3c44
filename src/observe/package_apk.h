/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * package_apk: the database of apk-tools: one text file; of each package "P:name", then "F:folder"
 * (without the first slash) and "R:file in that folder" (wiki.alpinelinux.org, Apk spec).
 */
#pragma once

#include "observe/package_wanted.h"

/* Answers the queries of *w. 0, or a negative errno: -ENOENT when the root has no such database. */
int package_apk_find(int root_fd, struct package_wanted *w);

/* Looks through a database, text[0..len). Lines that make no sense are passed over. 0 or -ENOMEM.
 */
int package_apk_match(struct package_wanted *w, const char *text, size_t len);
