/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port_proxies: which programs of a container runtime have the machine's port for a container that
 * publishes it. None of them is in the container: Docker starts docker-proxy in its own unit for
 * each port (since 28 dockerd itself binds it, and hands it over), podman binds it and leaves it to
 * conmon. Plain data; no I/O. podman of a user who is not root has rootlesskit or rootlessport,
 * which anybody may start: those are not here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* All that are given (not NULL) must match, as of an owner of a port (model/guard). */
struct port_proxy {
	const char *program; /* where packages put it */
	const char *unit, *user;
};

enum { PORT_PROXY_LIMIT = 32 }; /* bits of a number: 1 << index */

const struct port_proxy *port_proxies(size_t *ret_count);
/* Is it one of them? `unit` and `user` may be "" when there is none, or it is not known. */
bool port_proxies_have(const char *program, const char *unit, const char *user);
