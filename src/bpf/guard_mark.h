/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_mark: the marks of sockets: who opened them, and whether that was let in.
 *
 * A storage of the socket's own costs the kernel two allocations and as many RCU callbacks, most of
 * what all of the guard does to a listen(). So a TCP listener's mark stands in a table, by the
 * socket's cookie, which no other socket ever gets; it is taken out when the socket is closed. A
 * mark in the table counts before one in a storage: it is always the newer one. In a storage stand
 * those of UDP, of the kernel's own sockets (also those below MPTCP's), whose end nobody tells, of
 * what is older than the guard, and of what the table has no more room for.
 *
 * The kernel uses room in the table again at once, so whoever reads a mark may have another's
 * before the eyes, of a socket that is being closed meanwhile, or a listen() that is older. Hence
 * packets change nothing in it but `refused` and `approved`, which says nothing about a mark that
 * was made at another time.
 */
#pragma once

#include "bpf/guard_judge.h"

static const struct guard_socket blank_mark = {.listens = 1};

static __always_inline struct guard_socket *find_listen(__u64 cookie)
{
	return bpf_map_lookup_elem(&guard_listens, &cookie);
}

static __always_inline struct guard_socket *make_storage(struct bpf_sock *sk)
{
	return bpf_sk_storage_get(&guard_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

/* The one that a listen() is to be written to; NULL, and counted, without memory. */
static __always_inline struct guard_socket *listen_mark(struct bpf_sock *sk, __u64 cookie,
							int by_kernel)
{
	struct guard_socket *s = NULL;

	if (!by_kernel) {
		bpf_map_update_elem(&guard_listens, &cookie, &blank_mark, BPF_NOEXIST);
		s = find_listen(cookie); /* it may have been there */
	}
	if (!s)
		s = make_storage(sk);
	if (!s)
		count(GUARD_COUNT_MARKS_LOST);
	return s;
}

/*
 * Between these two a mark is written: packets are judged by it, but no judgement is kept. `made`
 * goes from one to the other. `cookie` 0: in a storage, which is never another socket's.
 */
static __always_inline __u64 mark_begin(struct guard_socket *s, __u64 cookie)
{
	__u64 made = s->made ? s->made + 2 : cookie * 0x9e3779b97f4a7c15ull | 1;

	*(volatile __u64 *)&s->made = 0;
	barrier();
	__builtin_memset(s, 0, sizeof(*s));
	s->listens = 1;
	return made;
}

static __always_inline void mark_end(struct guard_socket *s, __u64 made)
{
	barrier();
	*(volatile __u64 *)&s->made = made;
}

/*
 * What `approved` is when the mark, as it is now, was let in under this configuration; 0: it is
 * just being written.
 */
static __always_inline __u64 approval(const struct guard_socket *s, const struct guard_config *c)
{
	__u64 made = *(const volatile __u64 *)&s->made;

	return made ? made ^ (__u64)c->generation << 32 : 0;
}
