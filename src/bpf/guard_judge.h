/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_judge: who may have which port, by the half of the maps that is in force.
 */
#pragma once

#include "bpf/guard_identity.h"

#include <bpf/bpf_endian.h>
#define IPPROTO_TCP	 6
#define IPPROTO_UDP	 17
#define IPPROTO_DCCP	 33
#define IPPROTO_SCTP	 132
#define IPPROTO_UDPLITE	 136
#define IPPROTO_MPTCP	 262
#define LOOPBACK_IFINDEX 1
#define BINDPORT_LOCK	 8 /* SOCK_BINDPORT_LOCK: the port was asked for */

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

static __always_inline int rule_matches(const struct guard_rule *r, __u64 program, __u64 unit,
					__u64 container, __u32 uid)
{
	if (!r->wanted)
		return 0;
	if ((r->wanted & GUARD_WANTS_PROGRAM) && r->program != program)
		return 0;
	if ((r->wanted & GUARD_WANTS_UNIT) && r->unit != unit)
		return 0;
	if ((r->wanted & GUARD_WANTS_USER) && r->uid != uid)
		return 0;
	return !(r->wanted & GUARD_WANTS_CONTAINER) || r->container == container;
}

/*
 * Does one of the rules match? `rules`: their number << 32 | the first. With numbers alone, the
 * verifier looks at it once, and not wherever somebody is judged.
 */
__noinline int any_matches(__u64 rules, __u64 program, __u64 unit, __u64 container, __u32 uid)
{
	__u32 length = rules >> 32;

	for (__u32 i = 0; i < GUARD_LIST_LIMIT; i++) {
		__u32 key = (__u32)rules + i;
		const struct guard_rule *r;

		if (i >= length)
			break;
		r = bpf_map_lookup_elem(&guard_rules, &key);
		if (r && rule_matches(r, program, unit, container, uid))
			return 1;
	}
	return 0;
}

/* May `who` have a port that `list` names the rules of? */
static __always_inline int is_listed(__u32 half, __u32 list, const struct guard_identity *who)
{
	__u64 length = list >> 24, first = half * GUARD_RULE_LIMIT + (list & 0xffffff);

	if (list == GUARD_ANYBODY)
		return 1;
	/* what the kernel itself opens, and what systemd opens for a socket unit of root's */
	if (who->flags & (GUARD_BY_KERNEL | GUARD_BY_INIT))
		return 1;
	return any_matches(length << 32 | first, who->program, who->unit, who->container, who->uid);
}
