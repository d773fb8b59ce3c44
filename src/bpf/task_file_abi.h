/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task_file_abi: the record that the iterator in task_file.bpf.c writes for each descriptor of each
 * process that is a socket worth knowing. Host byte order but for `address`, which is in network
 * order (IPv4 in the first four bytes). The *_key fields are kernel addresses: they tell only that
 * two records of one pass speak of the same thing, and never leave the program.
 */
#pragma once

#include <linux/types.h>

struct task_file_record {
	__u64 cookie;	  /* bpf_get_socket_cookie */
	__u64 inode;	  /* of the socket, in sockfs */
	__u64 start_ns;	  /* of the process, boot clock */
	__u64 exe_key;	  /* dentry of the executable */
	__u64 cgroup_key; /* css_set: equal for tasks that are in the same cgroups everywhere */
	__u64 root_key;	  /* dentry of the root directory */
	__u32 pid;
	__u32 fd;
	__u32 uid;	  /* effective, in the initial user namespace */
	__u32 netns;	  /* of the socket: inode number of the namespace */
	__u32 task_netns; /* of the process */
	__u32 reserved;	  /* 0 */
	__u32 ifindex;	  /* SO_BINDTODEVICE */
	__u16 family;
	__u16 type;
	__u16 protocol;
	__u16 port;
	__u8 state;
	__u8 userlocks; /* SOCK_BINDPORT_LOCK (8): the port was asked for */
	__u8 v6only;
	__u8 kernel_thread;
	__u8 address[16];
	char comm[16]; /* the name that the process gives itself, may lack a NUL */
};

/* What task_walk puts into `type` of a record that is no socket but speaks of the process's
 * records. */
enum {
	TASK_WALK_VOID =
		0xfffe, /* those just before it do not count: it changed while it was read */
	TASK_WALK_MANY = 0xffff, /* it has more than TASK_WALK_LIMIT: only task_file tells them */
	TASK_WALK_LIMIT = 200, /* what fits into the 32 KiB that an iterator may write at a time */
};

_Static_assert(sizeof(struct task_file_record) == 120, "padding-free, the same on both sides");
