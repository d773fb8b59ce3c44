/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc_file: the files of one process in /proc, read so that a reused pid can never be taken for
 * the process that was meant: all reads go through one descriptor of /proc/PID, which stays with
 * the process (ESRCH once it has ended), after its start time was compared. The parsers are pure.
 * Everything in these files can be chosen by the process, names and arguments above all.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What /proc/PID/stat and status tell. */
struct proc_stat {
	char comm[16];
	char state; /* PROC_ZOMBIE, ... */
	uint32_t flags;
	uint32_t ppid;
	uint64_t start_ticks; /* since boot, in 1/100 s (USER_HZ) */
};

enum { PROC_TICKS_PER_SECOND = 100, PROC_PF_KTHREAD = 0x00200000, PROC_ZOMBIE = 'Z' };

/* proc(5): the name is between the first '(' and the last ')'. 0 or -EBADMSG. */
int proc_parse_stat(const char *text, size_t len, struct proc_stat *ret);
/* The effective user id of /proc/PID/status ("Uid:" line, second number). 0 or -EBADMSG. */
int proc_parse_status_uid(const char *text, size_t len, uint32_t *ret);
/* Arguments separated by NULs become one text separated by spaces; trailing NULs are dropped. */
void proc_join_cmdline(char *text, size_t *len);
/* The inode of "TYPE:[123]", the target of a link to a socket or namespace. 0 or -EBADMSG. */
int proc_parse_inode_link(const char *text, size_t len, const char *type, uint64_t *ret);

/*
 * A descriptor (O_PATH) of /proc/PID. With start_ns != 0 the process must have started then (boot
 * clock; compared at the resolution of ticks), else -ESRCH; and where its first thread has ended
 * (pthread_exit), which leaves nothing to read at /proc/PID, it is the folder of a thread that
 * still runs. Negative errno on failure.
 */
int proc_open(uint32_t pid, uint64_t start_ns);

int proc_read_stat(int proc_fd, struct proc_stat *ret);
int proc_read_uid(int proc_fd, uint32_t *ret);
/* At most 4096 bytes of the arguments, each ended by a NUL: what is longer is cut there. */
int proc_read_arguments(int proc_fd, struct buf *out);
/* The same as one text, see proc_join_cmdline. */
int proc_read_cmdline(int proc_fd, struct buf *out);
