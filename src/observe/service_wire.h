/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_wire: one connection to a port, without waiting: TCP, TLS over it, or UDP.
 */
#pragma once

#include "base/buf.h"
#include "observe/service.h"
#include "observe/service_probes.h"

#include <openssl/ssl.h>
#include <sys/types.h>

struct service_wire {
	const struct service_target *target;
	int fd;	  /* -1: none */
	SSL *ssl; /* when TLS was begun */
};

/* Closes what is open and begins anew. 0, or a negative errno, at once or from the connection. */
int service_wire_open(struct service_wire *w);
void service_wire_close(struct service_wire *w);
/* Sends nothing more. 0 or a negative errno. */
int service_wire_half_close(struct service_wire *w);

/* Replaces *out with the request's bytes, the target's address in the place of "$host". */
void service_wire_fill_in(const struct service_wire *w, struct probe_bytes request,
			  struct buf *out);

/* Bytes that went, 0: not now, -1: never. */
ssize_t service_wire_put(struct service_wire *w, const void *bytes, size_t len);
/* Bytes that came, 0: none now, -1: no more will. */
ssize_t service_wire_get(struct service_wire *w, void *bytes, size_t len);

/* Is the address the target's? The ports do not matter. */
bool service_target_has(const struct service_target *t, const struct sockaddr *address);
