/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nl: asking the kernel for a netlink dump, and sending it messages that change something (over
 * libmnl). No product knowledge.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
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

/*
 * Sends a request that has one answer (its sequence number and flags are filled in here), and hands
 * it to ops->message; ops->restart is not called. 0 or a negative errno.
 */
int nl_get(struct nl *n, struct nlmsghdr *request, const struct nl_dump_ops *ops, struct err *e);

/* Told of each message that the kernel refused: its index in the buffer, the errno (positive), and
 * what the kernel says about it ("" when it says nothing). */
typedef void nl_refused(size_t index, int error, const char *reason, void *context);

/*
 * Sends all messages of the buffer (made with base/nla) in one write: nf_tables takes its batches
 * only so. Their sequence numbers and NLM_F_REQUEST | NLM_F_ACK are filled in here, but for
 * messages of types below 0x20 (NFNL_MSG_BATCH_BEGIN and _END), which get no NLM_F_ACK. Returns how
 * many were refused (`refused` is called for each, and may be NULL), or a negative errno when the
 * messages could not be sent, or the kernel did not answer each. The socket is given buffers that
 * are large enough (CAP_NET_ADMIN), up to NL_SEND_LIMIT bytes.
 */
enum { NL_SEND_LIMIT = 256 << 20 };
int nl_send(struct nl *n, struct buf *messages, nl_refused *refused, void *context, struct err *e);
/* Sends one message: 0 or a negative errno, the kernel's, with a sentence that names `what`. */
int nl_request(struct nl *n, struct buf *message, const char *what, struct err *e);
