/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup_fuzz: any bytes as /proc/PID/cgroup. Besides memory errors, it looks for a container
 * without a runtime, and for a unit that is none.
 */
#include "observe/cgroup.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cgroup_owner o;

	if (cgroup_parse((const char *)data, size, &o) < 0)
		return 0;
	if (o.container_id[0] && !o.runtime[0])
		abort();
	if (o.path[0] && o.path[0] != '/')
		abort();
	if (strchr(o.unit, '/'))
		abort();
	if (o.unit[0] && !memchr(data, 0, size) && !ends_with(o.unit, ".service") &&
	    !ends_with(o.unit, ".scope"))
		abort();
	return 0;
}
