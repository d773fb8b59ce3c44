/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_iter: two iterators over open files, which portero runs: `seed` marks the sockets that are
 * older than the guard, `learn` tells what the kernel calls the files that portero has open.
 */
#pragma once

#include "bpf/guard_judge.h"

#define S_IFMT	 0170000
#define S_IFSOCK 0140000

/*
 * bpf_sock_from_file() is of 5.11. The node of a unix socket that was opened by O_PATH has the mode
 * of a socket, and no private data: zeroes.
 */
static __always_inline struct sock *socket_of(struct file *file)
{
	struct socket *socket;

	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

/* An MPTCP socket's packets arrive at the TCP socket below it. */
static __always_inline struct sock *below_mptcp(struct sock *sk)
{
	struct mptcp_sock *mptcp = (void *)sk;

	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_MPTCP || !bpf_core_field_exists(mptcp->first))
		return sk;
	return BPF_CORE_READ(mptcp, first);
}

static __always_inline int is_listener(struct sock *sk, __u32 proto)
{
	if (proto == IPPROTO_TCP)
		return BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN;
	return (proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE) &&
	       BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & BINDPORT_LOCK;
}

/* Of this run over all sockets: another each time, set by who starts it. */
__u32 seed_pass;

/*
 * Of several processes that have a socket, the oldest is taken to have opened it. What is known is
 * never taken back meanwhile: packets are judged by it. What no process has any more is dropped
 * after the run.
 */
static __always_inline void seed_socket(struct task_struct *task, struct sock *sk,
					const struct guard_config *c)
{
	struct guard_socket s = {.listens = 1}, *known;
	__u64 key = (__u64)sk;

	s.proto = BPF_CORE_READ(sk, sk_protocol);
	if (!is_listener(sk, s.proto))
		return;
	s.port = BPF_CORE_READ(sk, __sk_common.skc_num);
	s.netns = netns_of(sk);
	if (s.netns != c->netns)
		return; /* never judged: it must not take the room of those that are */
	s.pass = seed_pass;
	known = bpf_map_lookup_elem(&guard_seeds, &key);
	if (known && known->port == s.port && known->proto == s.proto &&
	    known->who.start_ns < READ(task, group_leader, start_boottime)) {
		known->pass = seed_pass;
		return;
	}
	read_identity(&s.who, task, c);
	read_name(&s.who, task);
	s.who.flags |= GUARD_SEEDED;
	if (s.proto == IPPROTO_TCP &&
	    !(BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & BINDPORT_LOCK))
		s.who.flags |= GUARD_EPHEMERAL;
	if (bpf_map_update_elem(&guard_seeds, &key, &s, BPF_ANY) < 0)
		count(GUARD_COUNT_MARKS_LOST);
}

SEC("iter/task_file")
int guard_seed(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	const struct guard_config *c;
	struct sock *sk;
	__u16 family;
	__u32 half;

	if (!task || !file)
		return 0;
	sk = socket_of(as_address(file));
	if (!sk)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	c = read_config(&half);
	if (c && (family == AF_INET || family == AF_INET6))
		seed_socket(task, below_mptcp(sk), c);
	return 0;
}

/* The files that the reading process has open. */
SEC("iter/task_file")
int guard_learn(struct bpf_iter__task_file *ctx)
{
	struct task_struct *self = current_task(), *task = ctx->task;
	struct guard_identity who = {};
	struct guard_learned learned = {};
	struct file *file = ctx->file;
	__u32 fd = ctx->fd;

	if (!task || !file)
		return 0;
	if (READ(task, tgid) != READ(self, tgid))
		return 0;
	read_inode(&who, READ(file, f_inode));
	learned.file.inode = who.exe_inode;
	learned.file.device = who.exe_device;
	learned.program.size = who.exe_size;
	learned.program.ctime_ns = who.exe_ctime_ns;
	learned.program.generation = who.exe_generation;
	learned.writable = READ(file, f_inode, i_writecount.counter) > 0;
	bpf_map_update_elem(&guard_learned, &fd, &learned, BPF_ANY);
	return 0;
}
