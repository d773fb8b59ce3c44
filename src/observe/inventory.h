/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inventory: takes a snapshot of this machine's listeners: which sockets there are (sock_diag), who
 * holds them (sock_iter, else sock_proc), and who those are (owner). Changes nothing. Where
 * something cannot be looked at, the snapshot has a gap that says what, why and how.
 *
 * When the two views differ, the machine is looked at a second time: what differs in both looks is
 * a fact, and what differs in one is a socket that came or went meanwhile.
 */
#pragma once

#include "base/err.h"
#include "model/snapshot.h"
#include "observe/sock_diag.h"
#include "observe/sock_iter.h"

#include <stdbool.h>

struct inventory_options {
	bool all_netns;		 /* every network namespace, not only portero's own */
	bool cmdlines;		 /* read the command lines too */
	bool numeric;		 /* users as numbers */
	bool no_bpf;		 /* as if BPF were refused: for doctor and tests */
	bool sockets_only;	 /* what sockets there are, and not who their owners are */
	uint16_t connections_of; /* also the connections of this local port; 0 = none */
	bool connections;	 /* ... of every port */
	/* What else there is to do while the kernel loads the BPF program; may be NULL. */
	void (*meanwhile)(void *context);
	void *context; /* of meanwhile() */
};

/* How each source answered, for `portero doctor`. */
struct inventory_status {
	struct sock_table_status tables[TABLE_COUNT];
	struct err bpf; /* code 0: the iterator ran */
	enum sock_iter_way bpf_way;
	struct err proc; /* when it was asked: code 0: /proc could be read */
};

/*
 * Fills *s (zeroed by the caller, who ends it with snapshot_done in every case). `status` may be
 * NULL. 0, or a negative errno when not even the socket tables could be read.
 */
int inventory_take(const struct inventory_options *options, struct snapshot *s,
		   struct inventory_status *status, struct err *e);
