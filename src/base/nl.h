/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nl: asking the kernel for a netlink dump (over libmnl). No product knowledge.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mnl_socket;
struct nlmsghdr;

struct nl {
	struct mnl_socket *socket;
	uint32_t seq;
};

/* What to do with a dump. Callbacks return 0, or a negative errno which ends the dump. */
struct nl_dump_ops {
	/* called before each attempt: forget what an earlier, interrupted attempt gave */
	void (*restart)(void *context);
	/* one message; `payload` of `len` bytes follows the header, neither is aligned on more than
	 * 4 */
	int (*message)(uint16_t type, const void *payload, size_t len, void *context);
	void *context;
};

/*
 * Opens a netlink socket of `protocol` (NETLINK_...) in the network namespace that the thread is in
 * now; it stays with that namespace. 0 or a negative errno.
 */
int nl_open(struct nl *n, int protocol, struct err *e);
void nl_close(struct nl *n);

/*
 * Sends `request` (a whole netlink message; its sequence number and flags are filled in here)
 * and hands every message of the dump to `ops`. A dump that the kernel marks as interrupted
 * (NLM_F_DUMP_INTR) is asked again, up to 8 times. Returns 0; 1 when every attempt was interrupted
 * and the last one's messages may lack some; or a negative errno (-ENOENT: the kernel has no such
 * dump).
 */
int nl_dump(struct nl *n, struct nlmsghdr *request, const struct nl_dump_ops *ops, struct err *e);
