/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connections: ends connections that rules for new ones do not touch: TCP sockets of this machine
 * by SOCK_DESTROY (Linux 4.9, CONFIG_INET_DIAG_DESTROY), and what connection tracking knows (so
 * that the next packet counts as new, also of what is passed on to a container). A courtesy, no
 * enforcement: a program may listen on.
 */
#pragma once

#include "base/err.h"
#include "model/snapshot.h"

#include <stdbool.h>
#include <stddef.h>

/* Is it to be ended? `local` is the address that the other side knocked at, before NAT. */
typedef bool connections_choose(const struct connection_info *c, void *context);

/*
 * Of the connections of the snapshot (of portero's own namespace): sends each chosen one a reset.
 * *ret_count: how many the kernel ended. 0; -EOPNOTSUPP: this kernel cannot; or a negative errno.
 */
int connections_end_sockets(const struct snapshot *s, connections_choose *choose, void *context,
			    size_t *ret_count, struct err *e);
/* The same of connection tracking. 0 also when the kernel tracks none. */
int connections_end_tracked(connections_choose *choose, void *context, size_t *ret_count,
			    struct err *e);

/* One message of a dump of connection tracking; false: it is none, or of another protocol. */
bool connections_decode(uint16_t type, const void *payload, size_t len,
			struct connection_info *ret);
