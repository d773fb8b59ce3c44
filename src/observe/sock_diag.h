/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock_diag: the kernel's own tables of sockets, of the network namespace that the thread is in.
 * Asked by NETLINK_SOCK_DIAG; a table that this kernel cannot dump that way is read from /proc/net.
 * Works without privileges; says nothing of processes (sock_iter, sock_proc do).
 *
 * A kind of socket that the kernel does not have at all (/proc/net/protocols) is not asked for: the
 * question alone would make the kernel load a module for it.
 */
#pragma once

#include "base/err.h"
#include "observe/sock_decode.h"

#include <stdbool.h>
#include <stdint.h>

/* One kind of socket table. */
enum sock_table {
	TABLE_TCP,
	TABLE_MPTCP,
	TABLE_UDP,
	TABLE_UDPLITE,
	TABLE_SCTP,
	TABLE_DCCP,
	TABLE_RAW,
	TABLE_PACKET,
	TABLE_VSOCK,
	TABLE_COUNT,
};

enum sock_table_source {
	SOURCE_NONE,   /* not readable: what is in it is unknown */
	SOURCE_ABSENT, /* this kernel has no such sockets: there is nothing to read */
	SOURCE_DIAG,
	SOURCE_PROC,
};

struct sock_table_status {
	enum sock_table_source source;
	int error;	  /* negative errno when source is SOURCE_NONE */
	bool interrupted; /* it changed all the time while it was read; some may be missing */
};

typedef int sock_table_callback(enum sock_table table, const struct kernel_socket *s,
				void *context);

const char *sock_table_name(enum sock_table table); /* "tcp", "packet", ... */

struct sock_diag_wish {
	bool connections;    /* established TCP and connected UDP instead of listeners */
	uint16_t local_port; /* only these; 0 = all */
};

/*
 * Hands every listener (or what `wish` asks for; NULL = listeners) of every table to `callback`,
 * and tells in status[] what became of each table. A callback may get the same socket again after
 * an interrupted dump, so it must replace, not add twice (inode and cookie tell). Returns 0, or a
 * negative errno when no table could be read at all, or what the callback returned (< 0).
 */
int sock_diag_dump(const struct sock_diag_wish *wish, sock_table_callback *callback, void *context,
		   struct sock_table_status status[TABLE_COUNT], struct err *e);
