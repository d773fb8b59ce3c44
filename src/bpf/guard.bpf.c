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
 *	seed		iterator: marks the sockets that are older than the guard
 *	learn		iterator: what the kernel calls the files that portero has open
 *
 * Facts about the hooks: a SYN's skb->sk is the listener; an autobound UDP client never passes
 * bind with a port, nor is it marked, so that its answers are never touched.
 */
#include "bpf/guard_identity.h"

#include <bpf/bpf_endian.h>

#define IPPROTO_TCP	 6
#define IPPROTO_UDP	 17
#define IPPROTO_UDPLITE	 136
#define IPPROTO_MPTCP	 262
#define LOOPBACK_IFINDEX 1
#define BINDPORT_LOCK	 8 /* SOCK_BINDPORT_LOCK: the port was asked for */

char LICENSE[] SEC("license") = "GPL";

enum { PASS = 1, REFUSE = 0 };

static __always_inline void count(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&guard_counts, &what);

	if (n)
		(*n)++;
}

static __always_inline const struct guard_config *read_config(__u32 *half)
{
	__u32 zero = 0, *active = bpf_map_lookup_elem(&guard_active, &zero);

	*half = active ? *active & 1 : 0;
	return bpf_map_lookup_elem(&guard_config, half);
}

/* A pointer that may not be computed with, as a number that may be read from. */
static __always_inline void *as_address(void *pointer)
{
	void *slot = pointer, *address = NULL;

	bpf_probe_read_kernel(&address, sizeof(address), &slot);
	return address;
}

static __always_inline __u32 netns_of(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

static __always_inline int is_loopback4(__u32 address_be)
{
	return (address_be & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

static __always_inline int is_loopback6(const __u32 *a)
{
	if (a[0] || a[1])
		return 0;
	return a[2] ? a[2] == bpf_htonl(0xffff) && is_loopback4(a[3]) : a[3] == bpf_htonl(1);
}

/* --- judging ------------------------------------------------------------------------------------
 */

static __always_inline __u32 who_may(__u32 half, __u32 proto, __u16 port)
{
	__u32 key = half * 65536 + port;
	const struct guard_port *p;

	if (proto == IPPROTO_UDPLITE)
		return 0; /* no policy speaks of it */
	p = bpf_map_lookup_elem(&guard_ports, &key);
	if (!p)
		return 0;
	return proto == IPPROTO_UDP ? p->who[GUARD_UDP] : p->who[GUARD_TCP];
}

/* With numbers alone, the verifier looks at it once, not for each rule of a list. */
__noinline int rule_matches(__u32 rule, __u64 program, __u64 unit, __u64 container, __u32 uid)
{
	const struct guard_rule *r = bpf_map_lookup_elem(&guard_rules, &rule);

	if (!r || !r->wanted)
		return 0;
	if ((r->wanted & GUARD_WANTS_PROGRAM) && r->program != program)
		return 0;
	if ((r->wanted & GUARD_WANTS_UNIT) && r->unit != unit)
		return 0;
	if ((r->wanted & GUARD_WANTS_USER) && r->uid != uid)
		return 0;
	return !(r->wanted & GUARD_WANTS_CONTAINER) || r->container == container;
}

/* May `who` have a port that `list` names the rules of? */
static __always_inline int is_listed(__u32 half, __u32 list, const struct guard_identity *who)
{
	__u32 length = list >> 24, first = half * GUARD_RULE_LIMIT + (list & 0xffffff);

	if (list == GUARD_ANYBODY)
		return 1;
	/* what the kernel itself opens, and what systemd opens for a socket unit of root's */
	if (who->flags & (GUARD_BY_KERNEL | GUARD_BY_INIT))
		return 1;
	for (__u32 i = 0; i < GUARD_LIST_LIMIT; i++) {
		if (i >= length)
			break;
		if (rule_matches(first + i, who->program, who->unit, who->container, who->uid))
			return 1;
	}
	return 0;
}

/* --- events -------------------------------------------------------------------------------------
 */

static __u64 last_event_ns;

/*
 * To wake the reader costs more than the event. It is woken for one that comes alone, and when much
 * has come together; in between it looks by itself, every millisecond.
 */
static __always_inline __u64 wake_flags(__u64 now)
{
	__u64 last = last_event_ns;

	last_event_ns = now;
	if (now - last > 200000 ||
	    bpf_ringbuf_query(&guard_ring, BPF_RB_AVAIL_DATA) > GUARD_RING_BYTES / 8)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/* Reserves one, zeroed but for what all have; NULL, and counted, when the ring is full. */
static __always_inline struct guard_event *event_begin(__u8 kind, __u8 reason,
						       const struct guard_config *c)
{
	struct guard_event *e;

	if (c->mode == GUARD_ABI_LEARN)
		return NULL;
	e = bpf_ringbuf_reserve(&guard_ring, sizeof(*e), 0);
	if (!e) {
		count(GUARD_COUNT_EVENTS_LOST);
		return NULL;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = bpf_ktime_get_boot_ns();
	e->kind = kind;
	e->reason = reason;
	e->count = 1;
	e->enforced = c->mode == GUARD_ABI_ENFORCE;
	return e;
}

/* What portero itself does elsewhere is no news. */
static __always_inline int is_own(const struct guard_config *c, const struct guard_identity *who,
				  __u32 netns)
{
	return netns != c->netns && who->exe_inode == c->self_inode &&
	       who->exe_device == c->self_device;
}

static __always_inline void event_end(struct guard_event *e, const struct guard_config *c)
{
	if (is_own(c, &e->who, e->netns))
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
	else
		bpf_ringbuf_submit(e, wake_flags(e->time_ns));
}

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
	read_exe_name(&e->who, (struct task_struct *)bpf_get_current_task());
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

	if (b->sk->src_port)
		return;
	s = bpf_sk_storage_get(&guard_sockets, b->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s) {
		count(GUARD_COUNT_MARKS_LOST);
		return;
	}
	__builtin_memset(s, 0, sizeof(*s));
	s->who = b->who;
	read_exe_name(&s->who, (struct task_struct *)bpf_get_current_task());
	s->since_ns = bpf_ktime_get_boot_ns();
	s->netns = b->netns;
	s->port = b->port;
	s->proto = b->proto;
	s->listens = 1;
}

/* 0 it may have the port, or why not. */
static __always_inline __u8 judge(struct binding *b, __u32 list)
{
	if (b->c->mode == GUARD_ABI_LEARN || list == GUARD_ANYBODY ||
	    (b->loopback && b->c->loopback) || (b->who.flags & GUARD_BY_KERNEL))
		return GUARD_REASON_NONE;
	if (!list)
		return GUARD_REASON_UNDECLARED;
	if (is_listed(b->half, list, &b->who))
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
	b->netns = netns_of(as_address(b->sk));
	read_identity(&b->who, (struct task_struct *)bpf_get_current_task(), b->c);
	reason = judge(b, list);
	if (reason) {
		tell_binding(b, GUARD_EVENT_BIND_REFUSED, reason);
		if (b->netns == b->c->netns) {
			count(GUARD_COUNT_BINDS_REFUSED);
			if (b->c->mode == GUARD_ABI_ENFORCE)
				return REFUSE;
		}
	}
	if (!is_datagram(b->proto))
		return PASS;
	mark_udp(b);
	if (!reason)
		tell_binding(b, GUARD_EVENT_BIND, GUARD_REASON_NONE);
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

static __always_inline void tell_of_socket(__u8 kind, const struct guard_socket *s, struct sock *sk,
					   const struct guard_config *c)
{
	struct guard_event *e = event_begin(kind, GUARD_REASON_NONE, c);

	if (!e)
		return;
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

/* Runs as who calls listen(): also for MPTCP's sockets below, io_uring, and without bind(). */
SEC("sockops")
int guard_sockops(struct bpf_sock_ops *ctx)
{
	const struct guard_config *c;
	struct guard_socket *s;
	struct task_struct *task;
	struct sock *sk;
	__u32 half;

	if (ctx->op != BPF_SOCK_OPS_TCP_LISTEN_CB)
		return 1;
	c = read_config(&half);
	if (!c || c->mode == GUARD_ABI_OFF || !ctx->sk)
		return 1;
	s = bpf_sk_storage_get(&guard_sockets, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s) {
		count(GUARD_COUNT_MARKS_LOST);
		return 1;
	}
	sk = as_address(ctx->sk);
	task = (struct task_struct *)bpf_get_current_task();
	__builtin_memset(s, 0, sizeof(*s));
	read_identity(&s->who, task, c);
	read_exe_name(&s->who, task);
	if (!(BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & BINDPORT_LOCK))
		s->who.flags |= GUARD_EPHEMERAL;
	s->since_ns = bpf_ktime_get_boot_ns();
	s->netns = netns_of(sk);
	s->port = ctx->local_port;
	s->proto = IPPROTO_TCP;
	s->listens = 1;
	count(GUARD_COUNT_LISTENS);
	tell_of_socket(GUARD_EVENT_LISTEN, s, sk, c);
	return 1;
}

/* --- packets ------------------------------------------------------------------------------------
 */

struct arrival {
	const struct guard_config *c;
	struct bpf_sock *sk;
	struct sock *address; /* of the kernel's socket */
	__u32 half;
	__u32 proto;
	__u16 port;
	__u8 over_loopback;
};

/* A UDP socket whose port the kernel chose. */
static __always_inline int is_client(const struct arrival *a)
{
	return a->proto != IPPROTO_TCP &&
	       !(BPF_CORE_READ_BITFIELD_PROBED(a->address, sk_userlocks) & BINDPORT_LOCK);
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
	struct guard_socket *s, unseen = {
					.who.flags = GUARD_SEEDED | GUARD_UNSEEN,
					.netns = netns_of(a->address),
					.port = a->port,
					.proto = a->proto,
					.listens = 1,
				};

	if (BPF_CORE_READ_BITFIELD_PROBED(a->address, sk_kern_sock))
		unseen.who.flags = GUARD_SEEDED | GUARD_BY_KERNEL;
	if (seed)
		unseen = *seed;
	s = bpf_sk_storage_get(&guard_sockets, a->sk, &unseen, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s)
		count(GUARD_COUNT_MARKS_LOST);
	return s;
}

static __always_inline int is_bound_to_loopback(const struct arrival *a)
{
	__u32 v6[4] = {a->sk->src_ip6[0], a->sk->src_ip6[1], a->sk->src_ip6[2], a->sk->src_ip6[3]};

	return a->sk->family == AF_INET6 ? is_loopback6(v6) : is_loopback4(a->sk->src_ip4);
}

/* What was not known yet when the socket was marked, but is now: all sockets are seeded again with
 * every policy. */
static __always_inline void complete_identity(const struct arrival *a, struct guard_identity *who)
{
	const struct guard_socket *seed = find_seed(a);

	if (seed && (who->flags & GUARD_UNSEEN))
		*who = seed->who;
	if (!who->program)
		find_program(who);
	if (seed && !who->container && seed->who.start_ns == who->start_ns &&
	    seed->who.pid == who->pid)
		who->container = seed->who.container;
}

/* 0: the packet may come in, or why not. */
static __always_inline __u8 judge_packet(const struct arrival *a, struct guard_socket *s)
{
	__u32 list = who_may(a->half, a->proto, a->port);

	if (list == GUARD_ANYBODY || (a->c->loopback && is_bound_to_loopback(a)))
		return GUARD_REASON_NONE;
	if ((s->who.flags & GUARD_UNSEEN) && !a->c->seeded)
		return GUARD_REASON_NONE;
	complete_identity(a, &s->who);
	if (list)
		return is_listed(a->half, list, &s->who) ? GUARD_REASON_NONE
		       : s->who.flags & GUARD_UNSEEN	 ? GUARD_REASON_UNSEEN
							 : GUARD_REASON_OTHER;
	/* undeclared: nobody else's port is taken, so what stays on the machine may */
	if (a->over_loopback || (s->who.flags & GUARD_BY_KERNEL) ||
	    (a->c->ephemeral && (s->who.flags & GUARD_EPHEMERAL)))
		return GUARD_REASON_NONE;
	return GUARD_REASON_UNDECLARED;
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
	e->who = s->who;
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
	s = bpf_sk_storage_get(&guard_sockets, a.sk, 0, 0);
	if (s && s->approved == a.c->generation && s->port == a.port)
		return PASS;
	a.address = as_address(a.sk);
	/* also one that is marked: that bind failed */
	if (is_client(&a))
		return PASS;
	if (!s)
		s = adopt(&a);
	if (!s || s->netns != a.c->netns)
		return PASS;
	s->port = a.port;
	a.over_loopback = skb->ifindex == LOOPBACK_IFINDEX;
	reason = judge_packet(&a, s);
	if (!reason) {
		if (!a.over_loopback)
			s->approved = a.c->generation;
		return PASS;
	}
	count(GUARD_COUNT_PACKETS_REFUSED);
	tell_packet(skb, &a, s, reason);
	return a.c->mode == GUARD_ABI_ENFORCE ? REFUSE : PASS;
}

/* --- events that are optional -------------------------------------------------------------------
 */

SEC("cgroup/sock_release")
int guard_release(struct bpf_sock *ctx)
{
	struct guard_socket *s = bpf_sk_storage_get(&guard_sockets, ctx, 0, 0);
	const struct guard_config *c;
	struct sock *sk;
	__u32 half;
	__u64 key;

	if (!s || !s->listens)
		return PASS;
	s->listens = 0;
	c = read_config(&half);
	if (!c || c->mode == GUARD_ABI_OFF)
		return PASS;
	sk = as_address(ctx);
	if (s->who.flags & GUARD_SEEDED) {
		key = (__u64)sk;
		bpf_map_delete_elem(&guard_seeds, &key);
	}
	tell_of_socket(GUARD_EVENT_CLOSE, s, sk, c);
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
	task = (struct task_struct *)bpf_get_current_task();
	read_identity(&e->who, task, c);
	read_exe_name(&e->who, task);
	e->netns = netns_of(as_address(ctx));
	e->home = e->netns == c->netns;
	e->family = ctx->family;
	e->proto = ctx->protocol;
	e->enforced = 0;
	event_end(e, c);
	return PASS;
}

/* --- iterators ----------------------------------------------------------------------------------
 */

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
	    known->who.start_ns < BPF_CORE_READ(task, group_leader, start_boottime)) {
		known->pass = seed_pass;
		return;
	}
	read_identity(&s.who, task, c);
	read_exe_name(&s.who, task);
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
		seed_socket(as_address(task), below_mptcp(sk), c);
	return 0;
}

/* The files that the reading process has open. */
SEC("iter/task_file")
int guard_learn(struct bpf_iter__task_file *ctx)
{
	struct task_struct *self = (struct task_struct *)bpf_get_current_task(), *task = ctx->task;
	struct guard_identity who = {};
	struct guard_learned learned = {};
	struct file *file = ctx->file;
	__u32 fd = ctx->fd;

	if (!task || !file)
		return 0;
	task = as_address(task);
	file = as_address(file);
	if (BPF_CORE_READ(task, tgid) != BPF_CORE_READ(self, tgid))
		return 0;
	read_inode(&who, BPF_CORE_READ(file, f_inode));
	learned.file.inode = who.exe_inode;
	learned.file.device = who.exe_device;
	learned.program.size = who.exe_size;
	learned.program.ctime_ns = who.exe_ctime_ns;
	learned.program.generation = who.exe_generation;
	learned.writable = BPF_CORE_READ(file, f_inode, i_writecount.counter) > 0;
	bpf_map_update_elem(&guard_learned, &fd, &learned, BPF_ANY);
	return 0;
}
