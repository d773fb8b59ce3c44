/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/package.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/package_apk.h"
#include "observe/package_dpkg.h"
#include "observe/package_rpm.h"
#include "observe/package_wanted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char rpm_tool[] = "/usr/bin/rpm";

static bool is_merged(int root_fd, const char *name)
{
	struct buf cleanup_call(buf_done) target = {0};
	const char *text;

	if (file_read_link_at(root_fd, name, &target) < 0)
		return false;
	text = buf_text(&target);
	text += *text == '/';
	return strncmp(text, "usr/", 4) == 0 && strcmp(text + 4, name) == 0;
}

/* rpm(8) answers for the root directory of this process, whatever the caller says of root_fd. */
static bool is_this_root(int root_fd)
{
	struct stat own, given;

	return stat("/", &own) == 0 && fstat(root_fd, &given) == 0 && own.st_dev == given.st_dev &&
	       own.st_ino == given.st_ino;
}

static int find_by_rpm(int root_fd, bool own_root, struct package_query *queries, size_t count)
{
	int r;

	if (!package_rpm_exists(root_fd) || !own_root || !is_this_root(root_fd))
		return -ENOTSUP;
	r = package_rpm_find(rpm_tool, PACKAGE_RPM_TIME_MS, queries, count);
	return r == -ENOENT ? -ENOTSUP : r;
}

static int find(int root_fd, bool own_root, struct package_query *queries, size_t count)
{
	struct package_wanted cleanup_call(package_wanted_done) w;
	int r;

	package_wanted_init(&w, queries, count);
	for (size_t i = 0; i < PACKAGE_MERGE_COUNT; i++)
		w.merged[i] = is_merged(root_fd, package_wanted_merge_name(i));
	r = package_dpkg_find(root_fd, own_root, &w);
	if (r != -ENOENT)
		return r;
	package_wanted_done(&w); /* without the diversions of dpkg */
	package_wanted_init(&w, queries, count);
	for (size_t i = 0; i < PACKAGE_MERGE_COUNT; i++)
		w.merged[i] = is_merged(root_fd, package_wanted_merge_name(i));
	r = package_apk_find(root_fd, &w);
	return r == -ENOENT ? find_by_rpm(root_fd, own_root, queries, count) : r;
}

static int check_queries(struct package_query *queries, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		queries[i].package = NULL;
	if (count > PACKAGE_QUERY_LIMIT)
		return err_set(e, -E2BIG, _("more than %d programs to look up"),
			       PACKAGE_QUERY_LIMIT);
	for (size_t i = 0; i < count; i++)
		if (!queries[i].path || queries[i].path[0] != '/')
			return err_set(e, -EINVAL,
				       _("the path of a program is not an absolute one"));
	return 0;
}

int package_find(int root_fd, bool own_root, struct package_query *queries, size_t count,
		 struct err *e)
{
	int r = check_queries(queries, count, e);

	if (r < 0)
		return r;
	if (count == 0)
		return 0;
	r = find(root_fd, own_root, queries, count);
	if (r == 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		free(queries[i].package);
		queries[i].package = NULL;
	}
	if (r == -ENOTSUP)
		return err_set(e, r,
			       _("no package database that can be read here was found "
				 "(dpkg, apk, or rpm on the machine itself)"));
	return err_set(e, r, _("cannot read the package database: %s"), strerror(-r));
}
