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

struct scan_wish {
	bool connect;			   /* by connect(), which needs no privileges */
	double rate;			   /* packets a second, whatever is lost; 0: adapted */
	double max_rate;		   /* at most; 0: as the link is */
	uint32_t host_timeout_s;	   /* 0: none */
	unsigned tries;			   /* of a silent UDP port; 0: 3 */
	const volatile sig_atomic_t *stop; /* becomes true: what is known by then is all */
	/* told now and then; may be NULL. `hosts_done` of the scan's, and how far the others are */
	void (*progress)(size_t hosts_done, const struct probe_progress *p, void *context);
	/* the same, of the services (scan_services) */
	void (*service_progress)(size_t told, size_t count, void *context);
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
