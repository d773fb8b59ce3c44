/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nflog: reads what rules log to an NFLOG group: a netlink socket that is bound to portero's two
 * groups in a twin (observe/doubts.h), and the decoder of its messages. A lost message is an error:
 * it would turn an "accept" into a "drop".
 */
#pragma once

#include "base/cur.h"
#include "base/err.h"
#include "base/nl.h"

#include <stdint.h>

enum {
	NFLOG_COPY_LEN = 128, /* of each packet: enough for what portero sends, also in a quote */
};

/* One logged packet. Byte order: host. */
struct nflog_message {
	uint16_t group;
	uint8_t family; /* NFPROTO_... of the hook */
	uint8_t hook;
	char prefix[16];		  /* longer ones are cut: none of ours is */
	uint32_t in_ifindex, out_ifindex; /* 0: none */
	uint32_t mark;
	/* begins with the IP header, but for netdev's egress: with the link's */
	struct cur packet;
};

/* The payload of one netlink message: 0 or -EBADMSG; ret->packet points into it. */
int nflog_decode(const void *payload, size_t len, struct nflog_message *ret);

struct nflog {
	struct nl nl;
	struct nflog_room *room;
};

/* Opens and binds it in the network namespace that the thread is in. 0 or a negative errno. */
int nflog_open(struct nflog *log, struct err *e);
void nflog_close(struct nflog *log);

/* Told of each message, in order. Returns 0, or a negative errno, which ends the reading. */
typedef int nflog_take(const struct nflog_message *message, void *context);
/*
 * Reads all messages that are there already, and does not wait for more. 0 or a negative errno:
 * -ENOBUFS when the kernel had to throw some away.
 */
int nflog_read(struct nflog *log, nflog_take *take, void *context, struct err *e);
