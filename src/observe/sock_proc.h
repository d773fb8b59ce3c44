/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock_proc: who holds which socket, by reading /proc/PID/fd of every process: the fallback where
 * the BPF iterator (sock_iter) is refused or absent. Slower, sees only the processes that this user
 * may read, cannot tell how a UDP port was bound, and knows only inodes; says how much it could not
 * read.
 */
#pragma once

#include "base/err.h"
#include "base/map.h"

#include <stdint.h>

/* One descriptor that is a socket. */
struct sock_proc_record {
	uint64_t inode;
	uint32_t pid;
	uint32_t tid; /* of the thread whose descriptors these are; pid, as a rule */
	int32_t fd;
};

struct sock_proc_report {
	uint32_t processes;	 /* looked at */
	uint32_t unreadable;	 /* not permitted */
	uint32_t unreadable_pid; /* one of those */
};

/*
 * Calls `callback` for every descriptor whose socket's inode is a key of `wanted`. The callback may
 * return a negative errno to stop. 0 or a negative errno (/proc unreadable).
 */
int sock_proc_scan(const struct map *wanted,
		   int (*callback)(const struct sock_proc_record *record, void *context),
		   void *context, struct sock_proc_report *report, struct err *e);

/*
 * Counts the processes whose files portero may not look at, without looking at any: for saying who
 * might be behind a socket that nobody seems to hold.
 */
void sock_proc_count_unreadable(struct sock_proc_report *report);
