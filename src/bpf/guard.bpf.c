/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard: a port is open only for the program that it was declared for. Attached to a cgroup (in
 * production the root of cgroup v2); all maps are pinned, so it goes on without any process.
 *
 *	bind4, bind6	EPERM for who may not have the port
 *	sockops		marks each TCP listener with who called listen(), however it got its port
 *	ingress		drops what is addressed to a listener that may not have the port: it may be
 *			older than the guard, or have got its port by listen() alone
 *	release, create	events: a listener is closed, a raw socket is made (optional)
 *	lsm_listen, lsm_create	what no hook of cgroups sees (optional)
 *	seed		iterator: marks the sockets that are older than the guard
 *	learn		iterator: what the kernel calls the files that portero has open
 *
 * Facts about the hooks: a SYN's skb->sk is the listener; an autobound UDP client never passes
 * bind with a port, nor is it marked, so that its answers are never touched.
 */
#include "bpf/guard_event.h"
#include "bpf/guard_iter.h"
#include "bpf/guard_lsm.h"
#include "bpf/guard_packet.h"

char LICENSE[] SEC("license") = "GPL";

enum { PASS = 1, REFUSE = 0, IPV6_HEADER = 40 };

/* --- bind ---------------------------------------------------------------------------------------
 */

struct binding {
	const struct guard_config *c;
	struct bpf_sock *sk;
	__u32 half, netns;
	__u32 proto;
	__u16 port;
	__u8 family;
	__u8 loopback;	  /* the address is one */
	__u32 address[4]; /* as in an event */
	struct guard_identity who;
};

static __always_inline void tell_binding(const struct binding *b, __u8 kind, __u8 reason)
{
	struct guard_event *e = event_begin(kind, reason, b->c);

	if (!e)
		return;
	e->who = b->who;
	read_name(&e->who, current_task());
	e->netns = b->netns;
	e->home = b->netns == b->c->netns;
	e->enforced &= e->home;
	e->port = b->port;
	e->proto = b->proto == IPPROTO_MPTCP ? IPPROTO_TCP : b->proto;
	e->family = b->family;
	__builtin_memcpy(e->address, b->address, sizeof(e->address));
	event_end(e, b->c);
}

/* A UDP socket with a port of its own is a listener from here on. One that has its port already
 * does not get another, whoever tries. */
static __always_inline void mark_udp(const struct binding *b)
{
	struct guard_socket *s;
	__u64 made;

	if (b->sk->src_port)
		return;
	s = make_storage(b->sk);
	if (!s) {
		count(GUARD_COUNT_MARKS_LOST);
		return;
	}
	made = mark_begin(s, 0);
	s->who = b->who;
	read_name(&s->who, current_task());
	s->netns = b->netns;
	s->port = b->port;
	s->proto = b->proto;
	mark_end(s, made);
}

/* 0 it may have the port, or why not. */
static __always_inline __u8 judge(struct binding *b, __u32 list)
{
	enum listed listed;

	if (b->c->mode == GUARD_ABI_LEARN || list == GUARD_ANYBODY ||
	    (b->loopback && b->c->loopback) || (b->who.flags & GUARD_BY_KERNEL))
		return GUARD_REASON_NONE;
	listed = list ? find_listed(b->half, list, &b->who) : LISTED_NOBODY;
	if (listed == LISTED_NOBODY)
		return GUARD_REASON_UNDECLARED;
	if (listed != LISTED_OTHER)
		return GUARD_REASON_NONE;
	return find_program(&b->who) < 0 ? GUARD_REASON_CHANGED : GUARD_REASON_OTHER;
}

static __always_inline int is_datagram(__u32 proto)
{
	return proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE;
}

static __always_inline int judge_bind(struct bpf_sock_addr *ctx, struct binding *b)
{
	__u32 list;
	__u8 reason;

	b->port = bpf_ntohs(ctx->user_port);
	b->proto = ctx->protocol;
	b->c = read_config(&b->half);
	if (!b->c || b->c->mode == GUARD_ABI_OFF || !b->port)
		return PASS;
	if (b->proto != IPPROTO_TCP && b->proto != IPPROTO_MPTCP && !is_datagram(b->proto))
		return PASS;
	list = who_may(b->half, b->proto, b->port);
	if (list == GUARD_ANYBODY && !is_datagram(b->proto))
		return PASS; /* listen() marks it */
	b->sk = ctx->sk;
	if (!b->sk)
		return PASS;
	read_identity(&b->who, current_task(), b->c);
	reason = judge(b, list);
	if (!reason && !is_datagram(b->proto))
		return PASS;
	b->netns = netns_of(as_address(b->sk));
	tell_binding(b, reason ? GUARD_EVENT_BIND_REFUSED : GUARD_EVENT_BIND, reason);
	if (reason && b->netns == b->c->netns) {
		count(GUARD_COUNT_BINDS_REFUSED);
		if (b->c->mode == GUARD_ABI_ENFORCE)
			return REFUSE;
	}
	if (is_datagram(b->proto))
		mark_udp(b);
	return PASS;
}

SEC("cgroup/bind4")
int guard_bind4(struct bpf_sock_addr *ctx)
{
	struct binding b = {.family = AF_INET, .address = {ctx->user_ip4}};

	b.loopback = is_loopback4(b.address[0]);
	return judge_bind(ctx, &b);
}

SEC("cgroup/bind6")
int guard_bind6(struct bpf_sock_addr *ctx)
{
	struct binding b = {.family = AF_INET6};

	b.address[0] = ctx->user_ip6[0];
	b.address[1] = ctx->user_ip6[1];
	b.address[2] = ctx->user_ip6[2];
	b.address[3] = ctx->user_ip6[3];
	b.loopback = is_loopback6(b.address);
	return judge_bind(ctx, &b);
}

/* --- listen -------------------------------------------------------------------------------------
 */

static __always_inline void copy_address(struct guard_event *e, struct sock *sk)
{
	if (e->family == AF_INET)
		*(__u32 *)e->address = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
	else
		BPF_CORE_READ_INTO(&e->address, sk, __sk_common.skc_v6_rcv_saddr);
}

static __always_inline void tell_of_socket(__u8 kind, const struct guard_socket *s,
					   struct bpf_sock *at, const struct guard_config *c)
{
	struct guard_event *e = event_begin(kind, GUARD_REASON_NONE, c);
	struct sock *sk;

	if (!e)
		return;
	sk = as_address(at);
	e->who = s->who;
	e->netns = s->netns;
	e->home = s->netns == c->netns;
	e->port = s->port;
	e->proto = s->proto;
	e->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	e->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	copy_address(e, sk);
	event_end(e, c);
}

/* The kernel's socket, for READ(). */
static __always_inline struct sock *tcp_socket(struct bpf_sock *sk)
{
	return knows_tasks() ? (struct sock *)bpf_skc_to_tcp_sock(sk) : as_address(sk);
}

static __always_inline int has_asked_for_port(struct sock *sk)
{
	return (knows_tasks() ? BPF_CORE_READ_BITFIELD(sk, sk_userlocks)
			      : BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks)) &
	       BINDPORT_LOCK;
}

static __always_inline int is_of_kernel(struct sock *sk)
{
	return knows_tasks() ? BPF_CORE_READ_BITFIELD(sk, sk_kern_sock)
			     : BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
}

/* Runs as who calls listen(): also for MPTCP's sockets below, io_uring, and without bind(). */
SEC("sockops")
int guard_sockops(struct bpf_sock_ops *ctx)
{
	const struct guard_config *c;
	struct guard_socket *s;
	struct task_struct *task;
	struct bpf_sock *at;
	struct sock *sk;
	__u64 cookie, made;
	__u32 half;

	if (ctx->op != BPF_SOCK_OPS_TCP_LISTEN_CB)
		return 1;
	c = read_config(&half);
	at = ctx->sk;
	if (!c || c->mode == GUARD_ABI_OFF || !at)
		return 1;
	sk = tcp_socket(at);
	if (!sk)
		return 1;
	cookie = bpf_get_socket_cookie(ctx);
	s = listen_mark(at, cookie, is_of_kernel(sk));
	if (!s)
		return 1;
	task = current_task();
	made = mark_begin(s, cookie);
	read_identity(&s->who, task, c);
	read_name(&s->who, task);
	if (!has_asked_for_port(sk))
		s->who.flags |= GUARD_EPHEMERAL;
	s->netns = READ(sk, __sk_common.skc_net.net, ns.inum);
	s->port = ctx->local_port;
	s->proto = IPPROTO_TCP;
	mark_end(s, made);
	count(GUARD_COUNT_LISTENS);
	tell_of_socket(GUARD_EVENT_LISTEN, s, at, c);
	return 1;
}

/* --- packets ------------------------------------------------------------------------------------
 */

/* Where TCP and UDP have it; behind further headers of IPv6 it is not looked for: 0. */
static __always_inline __u16 read_peer_port(struct __sk_buff *skb, const struct arrival *a)
{
	__u32 at = IPV6_HEADER;
	__be16 port = 0;
	__u8 byte = 0;

	if (skb->protocol == bpf_htons(0x0800)) {
		bpf_skb_load_bytes(skb, 0, &byte, 1);
		at = (byte & 15) * 4;
	} else {
		bpf_skb_load_bytes(skb, 6, &byte, 1);
		if (byte != a->proto)
			return 0;
	}
	bpf_skb_load_bytes(skb, at, &port, sizeof(port));
	return bpf_ntohs(port);
}

static __always_inline void tell_packet(struct __sk_buff *skb, const struct arrival *a,
					struct guard_socket *s, __u8 reason)
{
	struct guard_event *e;
	__u64 refused;

	/* an addition that returns something is of Linux 5.12 */
	__sync_fetch_and_add(&s->refused, 1);
	refused = s->refused;
	if (refused & (refused - 1))
		return;
	e = event_begin(GUARD_EVENT_PACKET_REFUSED, reason, a->c);
	if (!e)
		return;
	e->who = a->who;
	e->count = refused;
	e->netns = s->netns;
	e->home = 1;
	e->port = s->port;
	e->proto = s->proto;
	e->ifindex = skb->ifindex;
	e->cookie = bpf_get_socket_cookie(skb);
	if (skb->protocol == bpf_htons(0x0800)) {
		e->family = AF_INET;
		bpf_skb_load_bytes(skb, 12, e->peer, 4);
		bpf_skb_load_bytes(skb, 16, e->address, 4);
	} else {
		e->family = AF_INET6;
		bpf_skb_load_bytes(skb, 8, e->peer, 16);
		bpf_skb_load_bytes(skb, 24, e->address, 16);
	}
	e->peer_port = read_peer_port(skb, a);
	event_end(e, a->c);
}

SEC("cgroup_skb/ingress")
int guard_ingress(struct __sk_buff *skb)
{
	struct arrival a = {};
	struct guard_socket *s;
	__u8 reason;

	if (!skb->sk)
		return PASS;
	a.sk = bpf_sk_fullsock(skb->sk);
	if (!a.sk)
		return PASS;
	a.proto = a.sk->protocol;
	if (a.proto == IPPROTO_TCP ? a.sk->state != BPF_TCP_LISTEN
				   : a.proto != IPPROTO_UDP && a.proto != IPPROTO_UDPLITE)
		return PASS;
	a.c = read_config(&a.half);
	if (!a.c || a.c->mode < GUARD_ABI_OBSERVE)
		return PASS;
	a.port = a.sk->src_port;
	s = find_mark(skb, &a);
	if (s)
		a.approval = approval(s, a.c);
	if (s && s->approved == a.approval && a.approval && s->port == a.port)
		return PASS;
	a.address = as_address(a.sk);
	/* also one that is marked: that bind failed */
	if (is_client(&a))
		return PASS;
	if (!s)
		s = adopt(&a);
	if (!s || s->netns != a.c->netns)
		return PASS;
	if (a.proto != IPPROTO_TCP)
		s->port = a.port;
	a.who = s->who;
	a.over_loopback = skb->ifindex == LOOPBACK_IFINDEX;
	reason = judge_packet(&a, s);
	if (!reason) {
		if (!a.for_now)
			s->approved = a.approval;
		return PASS;
	}
	count(GUARD_COUNT_PACKETS_REFUSED);
	tell_packet(skb, &a, s, reason);
	return a.c->mode == GUARD_ABI_ENFORCE ? REFUSE : PASS;
}

/* --- events that are optional -------------------------------------------------------------------
 */

static __always_inline void tell_close(struct guard_socket *s, struct bpf_sock *sk)
{
	const struct guard_config *c;
	__u32 half;
	__u64 key;

	s->listens = 0;
	c = read_config(&half);
	if (!c || c->mode == GUARD_ABI_OFF)
		return;
	if (s->who.flags & GUARD_SEEDED) {
		key = (__u64)as_address(sk);
		bpf_map_delete_elem(&guard_seeds, &key);
	}
	tell_of_socket(GUARD_EVENT_CLOSE, s, sk, c);
}

SEC("cgroup/sock_release")
int guard_release(struct bpf_sock *ctx)
{
	__u64 cookie = ctx->protocol == IPPROTO_TCP ? bpf_get_socket_cookie(ctx) : 0;
	struct guard_socket *listens = cookie ? find_listen(cookie) : NULL;
	struct guard_socket *s = listens;

	if (!s)
		s = bpf_sk_storage_get(&guard_sockets, ctx, 0, 0);
	if (!s || !s->listens)
		return PASS;
	tell_close(s, ctx);
	if (listens)
		bpf_map_delete_elem(&guard_listens, &cookie);
	return PASS;
}

SEC("cgroup/sock_create")
int guard_create(struct bpf_sock *ctx)
{
	const struct guard_config *c;
	struct task_struct *task;
	struct guard_event *e;
	__u32 half;

	if (ctx->type != SOCK_RAW)
		return PASS;
	c = read_config(&half);
	if (!c || c->mode < GUARD_ABI_OBSERVE)
		return PASS;
	count(GUARD_COUNT_RAW);
	e = event_begin(GUARD_EVENT_RAW, GUARD_REASON_NONE, c);
	if (!e)
		return PASS;
	task = current_task();
	read_identity(&e->who, task, c);
	read_name(&e->who, task);
	e->netns = netns_of(as_address(ctx));
	e->home = e->netns == c->netns;
	e->family = ctx->family;
	e->proto = ctx->protocol;
	e->enforced = 0;
	event_end(e, c);
	return PASS;
}
