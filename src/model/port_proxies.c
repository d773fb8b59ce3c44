/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/port_proxies.h"
#include "base/mem.h"

#include <string.h>

static const char docker[] = "docker.service", root[] = "root";

/* Debian's packages, then Docker's own. */
static const struct port_proxy proxies[] = {
	{.program = "/usr/sbin/docker-proxy", .unit = docker},
	{.program = "/usr/sbin/dockerd", .unit = docker},
	{.program = "/usr/bin/docker-proxy", .unit = docker},
	{.program = "/usr/bin/dockerd", .unit = docker},
	{.program = "/usr/bin/podman", .user = root},
	{.program = "/usr/bin/conmon", .user = root},
};

_Static_assert(ARRAY_LEN(proxies) <= PORT_PROXY_LIMIT, "each has a bit");

const struct port_proxy *port_proxies(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(proxies);
	return proxies;
}

bool port_proxies_have(const char *program, const char *unit, const char *user)
{
	for (size_t i = 0; i < ARRAY_LEN(proxies); i++) {
		const struct port_proxy *p = &proxies[i];

		if (strcmp(p->program, program) == 0 && (!p->unit || strcmp(p->unit, unit) == 0) &&
		    (!p->user || strcmp(p->user, user) == 0))
			return true;
	}
	return false;
}
