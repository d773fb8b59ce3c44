/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apk_fuzz: any bytes as the database of apk-tools, and as dpkg's diversions with a list after
 * them. Besides memory errors, it looks for an owner whose name or path the bytes do not have.
 */
#include "observe/package_apk.h"
#include "observe/package_dpkg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const paths[] = {"/bin/sh", "/usr/bin/sh", "/usr/sbin/nginx", "/x", "/bin/a"};

enum { PATH_COUNT = sizeof(paths) / sizeof(paths[0]) };

static void begin(struct package_wanted *w, struct package_query *q)
{
	for (size_t i = 0; i < PATH_COUNT; i++)
		q[i] = (struct package_query){.path = paths[i]};
	package_wanted_init(w, q, PATH_COUNT);
	w->merged[0] = true;
}

static void end(struct package_wanted *w, struct package_query *q, const uint8_t *data, size_t size)
{
	size_t open = 0;

	for (size_t i = 0; i < PATH_COUNT; i++) {
		const char *package = q[i].package;

		open += !package;
		if (package && (strlen(package) > PACKAGE_NAME_LIMIT ||
				!memmem(data, size, package, strlen(package)) ||
				!memmem(data, size, strrchr(paths[i], '/') + 1,
					strlen(strrchr(paths[i], '/') + 1))))
			abort();
		free(q[i].package);
	}
	if (open != w->open_count)
		abort();
	package_wanted_done(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct package_query q[PATH_COUNT];
	struct package_wanted w;
	const char *text = (const char *)data;

	begin(&w, q);
	for (uint32_t i = 0; i < PATH_COUNT; i++)
		if (package_wanted_add(&w, paths[i], strlen(paths[i]), i, NULL, NULL) < 0)
			abort();
	package_apk_match(&w, text, size);
	if ((q[0].package && !q[1].package) || (!q[0].package && q[1].package))
		abort(); /* /bin is a link to usr/bin: both paths are one file */
	end(&w, q, data, size);

	begin(&w, q);
	if (size > 2 && package_dpkg_add_lines(&w, text, size - 2) == 0)
		package_dpkg_match_list(&w, text, size, text, 2);
	end(&w, q, data, size);
	return 0;
}
