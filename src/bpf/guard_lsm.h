/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_lsm: what no hook of cgroups sees, where BPF programs may be security modules ("bpf" in
 * /sys/kernel/security/lsm).
 *
 *	listen	EPERM for SCTP and DCCP, whose ports no policy can declare; tells of vsock
 *	create	tells of AF_PACKET and AF_XDP
 *
 * The kernel calls it for the whole machine, so it looks for itself who is below the cgroup that is
 * guarded. Sockets of the kernel itself do not come here to listen.
 */
#pragma once

#include "bpf/guard_event.h"

#define EPERM 1

/* NULL: nobody is to be told or judged now. */
static __always_inline const struct guard_config *config_in_force(void)
{
	__u32 half;
	const struct guard_config *c = read_config(&half);

	return c && c->mode >= GUARD_ABI_OBSERVE ? c : NULL;
}

/* Begun with who does it; NULL when that is outside, or the ring is full. */
static __always_inline struct guard_event *
begin(__u8 kind, __u8 reason, const struct guard_config *c, const struct guard_identity *who)
{
	struct guard_event *e = event_begin(kind, reason, c);

	if (!e)
		return NULL;
	e->who = *who;
	read_name(&e->who, current_task());
	return e;
}

static __always_inline void tell(__u8 family, __u8 proto, __u32 netns, const struct guard_config *c,
				 const struct guard_identity *who)
{
	struct guard_event *e;

	count(GUARD_COUNT_RAW);
	e = begin(GUARD_EVENT_RAW, GUARD_REASON_NONE, c, who);
	if (!e)
		return;
	e->netns = netns;
	e->home = netns == c->netns;
	e->family = family;
	e->proto = proto;
	e->enforced = 0;
	event_end(e, c);
}

/* Is it to be refused? By process 1: for a socket unit, which root wrote. */
static __always_inline int judge_listen(struct sock *sk, __u32 netns, const struct guard_config *c,
					const struct guard_identity *who)
{
	struct guard_event *e;

	if (who->flags & (GUARD_BY_KERNEL | GUARD_BY_INIT))
		return 0;
	if (netns == c->netns)
		count(GUARD_COUNT_BINDS_REFUSED);
	e = begin(GUARD_EVENT_BIND_REFUSED, GUARD_REASON_UNDECLARED, c, who);
	if (e) {
		e->netns = netns;
		e->home = netns == c->netns;
		e->enforced &= e->home;
		e->port = BPF_CORE_READ(sk, __sk_common.skc_num);
		e->proto = BPF_CORE_READ(sk, sk_protocol);
		e->family = BPF_CORE_READ(sk, __sk_common.skc_family);
		event_end(e, c);
	}
	return netns == c->netns && c->mode == GUARD_ABI_ENFORCE;
}

/* Of socket and backlog. What came before: a refusal stays one, and the verifier sees an error. */
SEC("lsm/socket_listen")
int guard_lsm_listen(__u64 *ctx)
{
	struct sock *sk = BPF_CORE_READ((struct socket *)ctx[0], sk);
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	__u16 proto = BPF_CORE_READ(sk, sk_protocol);
	struct guard_identity who = {};
	const struct guard_config *c;
	__u32 netns;

	if (ctx[2])
		return -EPERM;
	if (family != AF_VSOCK && proto != IPPROTO_SCTP && proto != IPPROTO_DCCP)
		return 0;
	c = config_in_force();
	if (!c)
		return 0;
	read_identity(&who, current_task(), c);
	if (who.flags & GUARD_OUTSIDE)
		return 0;
	netns = netns_of(sk);
	if (family != AF_VSOCK)
		return judge_listen(sk, netns, c, &who) ? -EPERM : 0;
	tell(family, 0, netns, c, &who);
	return 0;
}

/* Of family, type, protocol, and whether it is for the kernel. */
SEC("lsm/socket_create")
int guard_lsm_create(__u64 *ctx)
{
	int family = (int)ctx[0];
	struct guard_identity who = {};
	const struct guard_config *c;
	struct task_struct *task;

	if (ctx[4])
		return -EPERM;
	if ((int)ctx[3] || (family != AF_PACKET && family != AF_XDP))
		return 0;
	c = config_in_force();
	if (!c)
		return 0;
	task = current_task();
	read_identity(&who, task, c);
	if (!(who.flags & GUARD_OUTSIDE))
		tell(family, 0, READ(task, nsproxy, net_ns, ns.inum), c, &who);
	return 0;
}
