/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service: asks open ports what speaks there, many at once. Only a child without privileges, under
 * seccomp, sees what they answer; the parent gets plain structs of it (model/service.h).
 */
#pragma once

#include "base/err.h"
#include "model/service.h"
#include "observe/service_probes.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct service_target {
	/* the port is set, in network byte order; IPv6: with the interface, where it needs one */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	bool udp;
	uint32_t rtt_ms;  /* how long a round trip takes; 0: not known */
	uint32_t host;	  /* of the same number: ports of one host */
	uint32_t host_ms; /* what is left of its host's time, from when its first port is asked; 0:
			   * any */
};

enum { SERVICE_PORT_MS = 30000 };

struct service_options {
	unsigned parallel;	    /* ports at once; 0: 32 */
	unsigned parallel_per_host; /* 0: 8 */
	uint32_t port_ms;	    /* for one port; 0: SERVICE_PORT_MS */
	const volatile int *stop;   /* not 0: stop as soon as possible; or NULL */
};

/*
 * False: it was not asked, or its host's time was over before its own (port_ms, as in the options),
 * so that asking may help.
 */
bool service_is_known(const struct service *s, uint32_t port_ms);

/* Called in the parent as each port is known; not 0 stops. */
typedef int (*service_told)(void *data, size_t number, const struct service *s);

/*
 * Asks all targets and tells each once, in the order in which they are known. The probes are
 * portero's own (probe_texts). At no time is there more than one connection to a port. When the
 * child dies, others ask the rest, the hosts' times running on. 0, -EINTR
 * (stopped: the rest is not told), or a negative errno: *e says why.
 */
int service_detect(const struct service_target *targets, size_t count,
		   const struct service_options *options, service_told told, void *data,
		   struct err *e);
