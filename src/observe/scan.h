/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: asks every port of every host what it is, from outside: the way to each (scan_way), what is
 * asked when (probe), and how: by packets (rawsock), or by connect() (dial). Who may be asked is
 * not its business: the caller has looked (decide/probe_scope).
 */
#pragma once

#include "base/err.h"
#include "model/scan.h"
#include "observe/probe.h"

#include <signal.h>
#include <stdbool.h>

/* How far a scan is, beside what stands with its hosts: those that are done, and their replies. */
struct scan_memory {
	uint64_t seed;
	uint64_t sent, answers, took_ns; /* as in struct scan, by now */
	uint32_t count;			 /* of the hosts that are being asked; 0: none */
	uint32_t indexes[PROBE_HOST_LIMIT];
	struct probe_memory engine; /* of those, in that order */
};

struct scan_wish {
	bool connect;		 /* by connect(), which needs no privileges */
	double rate;		 /* packets a second, whatever is lost; 0: adapted */
	double max_rate;	 /* at most; 0: as the link is */
	uint32_t host_timeout_s; /* 0: none */
	uint32_t patience_ms;	 /* so long an answer of TCP may take, at least; 0: 20 ms */
	unsigned tries;		 /* of a silent UDP port; 0: 3 */
	uint32_t service_ms;	 /* for one port's service; 0: SERVICE_PORT_MS */
	/* of one family, this machine's: UDP ports of such hosts are asked from them in turn */
	const struct address *sources;
	uint32_t source_count;
	const volatile sig_atomic_t *stop; /* becomes true: what is known by then is all */
	/* told now and then; may be NULL. `hosts_done` of the scan's, and how far the others are */
	void (*progress)(size_t hosts_done, const struct probe_progress *p, void *context);
	/* the same, of the services (scan_services) */
	void (*service_progress)(size_t told, size_t count, void *context);
	/* an open port, and what speaks there, as soon as it is known; a host that is done (without
	 * its services). May be NULL */
	void (*found)(size_t host, size_t port, void *context);
	void (*service_found)(size_t host, size_t port, void *context);
	void (*host_done)(size_t host, void *context);
	/* the UDP ports of a host are about to be asked; may be NULL */
	void (*udp_begun)(size_t host, void *context);
	/* what can be kept to go on later; returns in how many ms it is to be called again. May be
	 * NULL */
	uint32_t (*save)(const struct scan_memory *m, void *context);
	const struct scan_memory *resume; /* what was kept, with the hosts as they were; or NULL */
	void *context;
};

enum { SCAN_HOST_LIMIT = 65536 };

/*
 * Are there privileges for packets (CAP_NET_RAW, CAP_NET_ADMIN)? 0, or a negative errno with a
 * sentence.
 */
int scan_can_send(struct err *e);

/* Is the address one of this machine's own, as the kernel says? False also when it cannot say. */
bool scan_is_own(const struct address *a);

/*
 * Fills in replies, trouble and numbers of *s (scan_init). What could not be found out stands with
 * each host. 0, or a negative errno: nothing at all could be asked.
 */
int scan_run(struct scan *s, const struct scan_wish *wish, struct err *e);
