/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * package_rpm: the owners of files from one run of rpm(8), which alone knows its database. Only for
 * the machine's own root: a tool is never run on a container's database, nor out of one.
 */
#pragma once

#include "observe/package.h"

#include <stdbool.h>
#include <stddef.h>

enum { PACKAGE_RPM_PATH_LIMIT = 1024, PACKAGE_RPM_TIME_MS = 5000 };

/* Is there an rpm database below root_fd? */
bool package_rpm_exists(int root_fd);

/*
 * Runs `tool` (the absolute path of rpm) with an empty environment, no shell, no input and all
 * other descriptors closed. The `package` of all queries must be NULL. 0, or a negative errno after
 * which some may be set: -E2BIG too many paths, -ETIMEDOUT it took more than time_ms and was
 * killed, -EFBIG it wrote too much, -EBADMSG its answer is not understood or the database could not
 * be read, -ENOENT no such tool.
 */
int package_rpm_find(const char *tool, int time_ms, struct package_query *queries, size_t count);

/*
 * Reads the answer of that run, text[0..len): the names of the packages that own queries[0].path,
 * one a line (none when there is no owner), a line that ends the group, and so on; at last the
 * group of the tool itself, which must have an owner. 0, -EBADMSG, -ENOMEM.
 */
int package_rpm_parse(const char *text, size_t len, struct package_query *queries, size_t count);
