/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach.h"
#include "base/i18n.h"

#include <glob.h>
#include <stdio.h>

int reach_take(const struct reach_options *options, struct reach *ret, struct err *e)
{
	(void)options;
	(void)e;
	reach_add_gap(ret, _("who can reach the ports"), "not there yet", "");
	return 0;
}

static bool is_on(const char *path)
{
	FILE *f = fopen(path, "re");
	int c = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	return c != EOF && c != '0';
}

bool reach_forwards(void)
{
	static const char *const patterns[] = {"/proc/sys/net/ipv4/conf/*/forwarding",
					       "/proc/sys/net/ipv6/conf/*/forwarding"};
	bool any = false;

	for (size_t i = 0; i < 2; i++) {
		glob_t found;

		if (glob(patterns[i], GLOB_NOSORT, NULL, &found) != 0)
			continue;
		for (size_t k = 0; k < found.gl_pathc; k++)
			any |= is_on(found.gl_pathv[k]);
		globfree(&found);
	}
	return any;
}
