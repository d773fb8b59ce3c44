/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel: just the kernel fields that portero's BPF programs read, for CO-RE.
 *
 * This is not a copy of vmlinux.h: every struct lists only what is used, in any order, with
 * preserve_access_index, so that the offsets are those of the running kernel (relocated at load
 * from /sys/kernel/btf/vmlinux) and a build does not depend on the kernel it runs on. Fields are
 * named as in Linux 5.11 to 6.18.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

#define KERNEL_STRUCT __attribute__((preserve_access_index))

enum {
	AF_INET = 2,
	AF_INET6 = 10,
	AF_PACKET = 17,
	AF_VSOCK = 40,
	AF_XDP = 44,
	SOCK_STREAM = 1,
	SOCK_DGRAM = 2,
	SOCK_RAW = 3,
	TCP_LISTEN = 10,
};

struct seq_file;

struct ns_common {
	unsigned int inum;
} KERNEL_STRUCT;

struct net {
	struct ns_common ns;
} KERNEL_STRUCT;

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__u32 u6_addr32[4];
	} in6_u;
} KERNEL_STRUCT;

struct sock_common {
	union {
		struct {
			__u32 skc_daddr;
			__u32 skc_rcv_saddr;
		};
	};
	union {
		struct {
			__u16 skc_dport;
			__u16 skc_num;
		};
	};
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_ipv6only : 1;
	int skc_bound_dev_if;
	possible_net_t skc_net;
	struct {
		long long counter;
	} skc_cookie; /* atomic64_t */
	struct in6_addr skc_v6_rcv_saddr;
} KERNEL_STRUCT;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
	__u16 sk_protocol;
	__u8 sk_userlocks : 4;
	__u8 sk_kern_sock : 1;
} KERNEL_STRUCT;

struct socket {
	struct sock *sk;
} KERNEL_STRUCT;

struct mptcp_sock {
	struct sock *first; /* the TCP socket that listens */
} KERNEL_STRUCT;

struct super_block {
	__u32 s_dev;
} KERNEL_STRUCT;

struct timespec64 {
	long long tv_sec;
	long tv_nsec;
} KERNEL_STRUCT;

typedef struct {
	int counter;
} atomic_t;

struct inode {
	unsigned short i_mode;
	atomic_t i_writecount; /* below 0: it is executed */
	unsigned long i_ino;
	__u32 i_generation;
	long long i_size;
	struct super_block *i_sb;
	long long i_ctime_sec; /* since 6.11 */
	__u32 i_ctime_nsec;
} KERNEL_STRUCT;

/* 6.6 to 6.10 */
struct inode___hidden {
	struct timespec64 __i_ctime;
} KERNEL_STRUCT;

/* until 6.5 */
struct inode___open {
	struct timespec64 i_ctime;
} KERNEL_STRUCT;

/*
 * A socket and the inode that the kernel makes with it. Inodes are read as a part of this: by their
 * own name, they and net would push each other out of the kernel's slot (see hlist_node).
 */
struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
} KERNEL_STRUCT;

struct qstr {
	const unsigned char *name;
} KERNEL_STRUCT;

struct dentry {
	struct qstr d_name;
} KERNEL_STRUCT;

struct vfsmount;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} KERNEL_STRUCT;

struct file {
	struct path f_path;
	struct inode *f_inode;
	unsigned int f_flags;
	void *private_data;
} KERNEL_STRUCT;

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} KERNEL_STRUCT;

struct files_struct {
	struct fdtable *fdt;
} KERNEL_STRUCT;

/*
 * Two pointers side by side. Not list_head: the kernel keeps what its search found in 31 slots, by
 * a hash of the name, and there list_head meets net: each would push out the other, to be searched
 * again at every turn.
 */
struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct mm_struct {
	struct file *exe_file;
} KERNEL_STRUCT;

struct fs_struct {
	struct path root;
} KERNEL_STRUCT;

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t euid;
} KERNEL_STRUCT;

struct nsproxy {
	struct net *net_ns;
} KERNEL_STRUCT;

struct kernfs_node {
	const char *name;
	__u64 id;
	struct kernfs_node *__parent; /* since 6.15 */
} KERNEL_STRUCT;

/* until 6.14 */
struct kernfs_node___open {
	struct kernfs_node *parent;
} KERNEL_STRUCT;

struct cgroup {
	struct kernfs_node *kn;
} KERNEL_STRUCT;

struct css_set {
	struct cgroup *dfl_cgrp; /* of the cgroup v2 hierarchy */
} KERNEL_STRUCT;

struct task_struct {
	int tgid;
	unsigned int flags;
	__u64 start_boottime;
	struct task_struct *group_leader;
	char comm[16];
	struct mm_struct *mm;
	struct fs_struct *fs;
	struct files_struct *files;
	const struct cred *cred;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
} KERNEL_STRUCT;

/*
 * What an iterator is called with is the same on every kernel, so it is not relocated: each struct
 * that is takes the kernel a search through all its types.
 */
struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};
