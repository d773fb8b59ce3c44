/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * package: which package of the distribution owns a program's file, from the databases of dpkg, apk
 * and rpm. All programs of one root directory are answered in one pass. It does not say whether
 * the file still has the content that the package gave it.
 *
 * The database of a container's root is written by whoever controls the container: it is read
 * bounded and below that root (file_open_in_root), no program of the root is ever run, and the
 * names that come out are that container's claims, not escaped.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct package_query {
	const char *path; /* in: absolute, as the root sees it */
	char *package;	  /* out: its name (heap, the caller frees), or NULL: no package owns it */
};

enum { PACKAGE_QUERY_LIMIT = 65536, PACKAGE_NAME_LIMIT = 255 };

/*
 * Answers all queries from the package database below root_fd (an O_PATH directory). With own_root,
 * which says that root_fd is the machine's own root, the rpm database is asked too: by one run of
 * /usr/bin/rpm, for at most 1,024 paths and 5 seconds. What was in `package` before is overwritten,
 * not freed. Returns 0: every answer is a fact. Otherwise a negative errno, a sentence in *e, and
 * all `package` are NULL without meaning: -ENOTSUP when there is no database that can be read here,
 * -EINVAL for a path that is not absolute, -EFBIG and -E2BIG over a limit, -ETIMEDOUT, -EBADMSG, or
 * what the system said.
 *
 * /bin/x and /usr/bin/x are one file where /bin is a link to usr/bin, and so on for the other
 * directories that distributions merged. A file that was diverted (dpkg-divert(1)) belongs to the
 * package whose file really stands at the path.
 */
int package_find(int root_fd, bool own_root, struct package_query *queries, size_t count,
		 struct err *e);
