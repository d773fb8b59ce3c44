/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_ruleset: the nft script that makes a policy true: the table `inet portero`, replaced as a
 * whole in one transaction. Pure: it is loaded by enforce/firewall. What it means to a packet is
 * what decide/policy_match says.
 *
 * A new packet to an address of the machine goes to the chain `check` before any NAT: so the port
 * that it arrives at decides, also of connections that are passed on to containers. There, maps
 * lead from its port to the openings of that port only, and where those are many, from its source
 * to those that mention it: what a packet costs does not grow with the policy. Each opening has one
 * chain, oN, and counters with the comment "FILE:LINE why".
 *
 * Not governed: what is only routed through, also when NAT rules take it in although it was sent
 * to another address. Answers to untracked datagrams (notrack) count as new ones. Packets of a VRF
 * are checked by the name of its port where the kernel's fib expression knows its addresses (6.12
 * does, 6.1 does not); elsewhere only what the machine itself takes is, by the name of the VRF, and
 * what a VRF sends to itself is not told from the rest.
 */
#pragma once

#include "base/buf.h"
#include "decide/policy_match.h"
#include "model/policy.h"

#include <stdbool.h>
#include <stdint.h>

struct policy_ruleset_wish {
	const struct policy *policy;
	const struct policy_links *links;
	int64_t now_s;	/* openings that have ended are left out */
	bool observe;	/* as if undeclared: observe */
	bool no_socket; /* the kernel has no socket expression (before 5.10, or not built in): TCP
			 * connections that are older than connection tracking are cut off */
	bool vrf;	/* the machine has VRFs: what they send to themselves gets in */
};

/* Appends the script. 0 or -ENOMEM. */
int policy_ruleset_format(const struct policy_ruleset_wish *wish, struct buf *out);
