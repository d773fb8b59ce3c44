/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_packet: may a packet come in to the socket that it is addressed to? By the socket's mark;
 * one that nobody marked is older than the guard.
 */
#pragma once

#include "bpf/guard_mark.h"

struct arrival {
	const struct guard_config *c;
	struct bpf_sock *sk;
	struct sock *address;	   /* of the kernel's socket */
	struct guard_identity who; /* as the mark has it, or better */
	__u64 approval;
	__u32 half;
	__u32 proto;
	__u16 port;
	__u8 over_loopback;
	__u8 for_now; /* it may come in now, which the next one may not */
};

/* A UDP socket whose port the kernel chose. */
static __always_inline int is_client(const struct arrival *a)
{
	return a->proto != IPPROTO_TCP &&
	       !(BPF_CORE_READ_BITFIELD_PROBED(a->address, sk_userlocks) & BINDPORT_LOCK);
}

static __always_inline struct guard_socket *find_mark(struct __sk_buff *skb,
						      const struct arrival *a)
{
	struct guard_socket *s = NULL;

	if (a->proto == IPPROTO_TCP)
		s = find_listen(bpf_get_socket_cookie(skb));
	return s ? s : bpf_sk_storage_get(&guard_sockets, a->sk, 0, 0);
}

static __always_inline const struct guard_socket *find_seed(const struct arrival *a)
{
	__u64 key = (__u64)a->address;
	const struct guard_socket *seed = bpf_map_lookup_elem(&guard_seeds, &key);

	return seed && seed->port == a->port && seed->proto == a->proto ? seed : NULL;
}

/*
 * Nobody marked it: a socket that is older than the guard, or one that begins to listen just now,
 * whose mark is then left as it is.
 */
static __always_inline struct guard_socket *adopt(const struct arrival *a)
{
	const struct guard_socket *seed = find_seed(a);
	struct guard_socket *s;

	s = bpf_sk_storage_get(&guard_sockets, a->sk, seed ? (void *)seed : (void *)&blank_mark,
			       BPF_SK_STORAGE_GET_F_CREATE);
	if (!s) {
		count(GUARD_COUNT_MARKS_LOST);
		return NULL;
	}
	if (!seed) {
		s->who.flags = BPF_CORE_READ_BITFIELD_PROBED(a->address, sk_kern_sock)
				       ? GUARD_SEEDED | GUARD_BY_KERNEL
				       : GUARD_SEEDED | GUARD_UNSEEN;
		s->netns = netns_of(a->address);
		s->port = a->port;
		s->proto = a->proto;
	}
	mark_end(s, (s->made + 2) | 1);
	return s;
}

static __always_inline int is_bound_to_loopback(const struct arrival *a)
{
	__u32 v6[4] = {a->sk->src_ip6[0], a->sk->src_ip6[1], a->sk->src_ip6[2], a->sk->src_ip6[3]};

	return a->sk->family == AF_INET6 ? is_loopback6(v6) : is_loopback4(a->sk->src_ip4);
}

/* What was not known yet when the socket was marked, but is now: all sockets are seeded again with
 * every policy. */
static __always_inline void complete_identity(struct arrival *a, struct guard_socket *s)
{
	const struct guard_socket *seed = find_seed(a);
	struct guard_identity *who = &a->who;

	if (seed && (who->flags & GUARD_UNSEEN))
		*who = s->who = seed->who;
	if (!who->program)
		find_program(who);
	if (seed && !who->container && seed->who.start_ns == who->start_ns &&
	    seed->who.pid == who->pid)
		who->container = seed->who.container;
}

/* 0: the packet may come in, or why not. */
static __always_inline __u8 judge_packet(struct arrival *a, struct guard_socket *s)
{
	__u32 list = who_may(a->half, a->proto, a->port);
	enum listed listed;

	if (list == GUARD_ANYBODY || (a->c->loopback && is_bound_to_loopback(a)))
		return GUARD_REASON_NONE;
	if ((a->who.flags & GUARD_UNSEEN) && !a->c->seeded)
		return GUARD_REASON_NONE;
	complete_identity(a, s);
	listed = list ? find_listed(a->half, list, &a->who) : LISTED_NOBODY;
	a->for_now = a->over_loopback || listed == LISTED_FOR_NOW;
	if (listed == LISTED_OTHER)
		return a->who.flags & GUARD_UNSEEN ? GUARD_REASON_UNSEEN : GUARD_REASON_OTHER;
	if (listed != LISTED_NOBODY)
		return GUARD_REASON_NONE;
	/* undeclared: nobody else's port is taken, so what stays on the machine may */
	if (a->over_loopback || (a->who.flags & GUARD_BY_KERNEL) ||
	    (a->c->ephemeral && (a->who.flags & GUARD_EPHEMERAL)))
		return GUARD_REASON_NONE;
	return GUARD_REASON_UNDECLARED;
}
