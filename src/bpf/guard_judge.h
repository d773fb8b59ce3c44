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

/* Bits of what rules say. */
enum { RULE_FITS = 1, RULE_IS_OVER = 2, RULE_ENDS = 4 };

static __always_inline int judge_rule(const struct guard_rule *r, __u64 program, __u64 unit,
				      __u64 container, __u32 uid)
{
	int ends;

	if (!r || !r->wanted)
		return RULE_IS_OVER;
	ends = r->wanted & GUARD_ENDS ? RULE_ENDS : 0;
	if (ends && bpf_ktime_get_boot_ns() >= r->until_ns)
		return RULE_IS_OVER;
	if ((r->wanted & GUARD_WANTS_PROGRAM) && r->program != program)
		return ends;
	if ((r->wanted & GUARD_WANTS_UNIT) && r->unit != unit)
		return ends;
	if ((r->wanted & GUARD_WANTS_USER) && r->uid != uid)
		return ends;
	if ((r->wanted & GUARD_WANTS_CONTAINER) && r->container != container)
		return ends;
	return RULE_FITS | ends;
}

/*
 * What rules say together: RULE_FITS when one does, with RULE_ENDS if that one will be over;
 * otherwise RULE_IS_OVER if all are, and RULE_ENDS if one will be. `rules`: their number << 32 |
 * the first. With numbers alone, the verifier looks at it once, and not wherever somebody is
 * judged.
 */
__noinline int judge_rules(__u64 rules, __u64 program, __u64 unit, __u64 container, __u32 uid)
{
	int over = RULE_IS_OVER, ends = 0;
	__u32 length = rules >> 32;

	for (__u32 i = 0; i < GUARD_LIST_LIMIT; i++) {
		__u32 key = (__u32)rules + i;
		int says;

		if (i >= length)
			break;
		says = judge_rule(bpf_map_lookup_elem(&guard_rules, &key), program, unit, container,
				  uid);
		if (says & RULE_FITS)
			return says;
		over &= says;
		ends |= says & RULE_ENDS;
	}
	return over | ends;
}

/* Is a port somebody's, by the rules that `list` names, and may `who` have it? */
enum listed {
	LISTED_NOBODY, /* all of them are over: as if nobody had declared it */
	LISTED_OTHER,
	LISTED_FOR_NOW, /* it may: until the rule is over */
	LISTED,
};

static __always_inline enum listed find_listed(__u32 half, __u32 list,
					       const struct guard_identity *who)
{
	__u64 length = list >> 24, first = half * GUARD_RULE_LIMIT + (list & 0xffffff);
	int says;

	/* what the kernel itself opens may have any */
	if (list == GUARD_ANYBODY || (who->flags & GUARD_BY_KERNEL))
		return LISTED;
	says = judge_rules(length << 32 | first, who->program, who->unit, who->container, who->uid);
	if (says & RULE_FITS)
		return says & RULE_ENDS ? LISTED_FOR_NOW : LISTED;
	if (says & RULE_IS_OVER)
		return LISTED_NOBODY;
	/* what systemd opens for a socket unit of root's */
	if (who->flags & GUARD_BY_INIT)
		return says & RULE_ENDS ? LISTED_FOR_NOW : LISTED;
	return LISTED_OTHER;
}
