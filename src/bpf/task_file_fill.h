/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task_file_fill: from kernel structs to a record; shared by the two iterators that write it.
 */
#pragma once

#include "bpf/kernel.h"
#include "bpf/task_file_abi.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define PF_KTHREAD 0x00200000

static __always_inline int is_wanted(const struct sock *sk, __u16 family)
{
	if (family == AF_PACKET)
		return 1;
	if (family != AF_INET && family != AF_INET6 && family != AF_VSOCK)
		return 0;
	if (family != AF_VSOCK && (sk->sk_type == SOCK_DGRAM || sk->sk_type == SOCK_RAW))
		return 1;
	return sk->__sk_common.skc_state == TCP_LISTEN;
}

static __always_inline void fill_task(struct task_file_record *r, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	struct fs_struct *fs = task->fs;
	struct nsproxy *nsproxy = task->nsproxy;

	/* the leader's start is what /proc/PID/stat tells */
	r->start_ns = task->group_leader->start_boottime;
	r->pid = task->tgid;
	r->uid = task->cred->euid.val;
	r->cgroup_key = (__u64)task->cgroups;
	r->kernel_thread = !!(task->flags & PF_KTHREAD);
	__builtin_memcpy(r->comm, task->comm, sizeof(r->comm));
	if (fs)
		r->root_key = (__u64)fs->root.dentry;
	if (nsproxy)
		r->task_netns = nsproxy->net_ns->ns.inum;
	if (mm && mm->exe_file)
		r->exe_key = (__u64)mm->exe_file->f_path.dentry;
}

static __always_inline void fill_socket(struct task_file_record *r, struct sock *sk, __u16 family)
{
	r->cookie = sk->__sk_common.skc_cookie.counter;
	r->netns = sk->__sk_common.skc_net.net->ns.inum;
	r->ifindex = sk->__sk_common.skc_bound_dev_if;
	r->family = family;
	r->type = sk->sk_type;
	r->protocol = sk->sk_protocol;
	r->state = sk->__sk_common.skc_state;
	r->userlocks = BPF_CORE_READ_BITFIELD(sk, sk_userlocks);
	if (family == AF_INET) {
		r->port = sk->__sk_common.skc_num;
		*(__u32 *)r->address = sk->__sk_common.skc_rcv_saddr;
	} else if (family == AF_INET6) {
		r->port = sk->__sk_common.skc_num;
		r->v6only = BPF_CORE_READ_BITFIELD(sk, __sk_common.skc_ipv6only);
		for (int i = 0; i < 4; i++)
			((__u32 *)r->address)[i] =
				sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[i];
	}
}
