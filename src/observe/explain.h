/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain: what becomes of one packet, and which rule decides it: asked of a mirror like reach,
 * with the packet's way through the rules of nf_tables (a trace) and of iptables-legacy (its
 * counters). Changes nothing of the machine; the words of the rules come from nft and iptables,
 * which only list.
 */
#pragma once

#include "base/err.h"
#include "model/front_ends.h"
#include "model/reach.h"
#include "observe/reach.h"
#include "observe/trace_steps.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXPLAIN_NONE = UINT32_MAX }; /* "no step" */

/* A rule that the packet matched, or the end of a chain. Strings are of explanation.reach. */
struct explain_step {
	uint8_t family; /* NFPROTO_... */
	uint8_t hook;	/* NF_INET_..., TRACE_HOOK_UNKNOWN */
	int32_t priority;
	bool legacy;		    /* a rule of iptables-legacy */
	bool nat;		    /* in a chain that only changes addresses */
	bool policy;		    /* no rule: what the chain does in the end */
	bool translates;	    /* it gives the packet another destination */
	bool reply;		    /* of the machine's answer */
	enum trace_verdict verdict; /* DROP: also a refusal */
	uint32_t table_str, chain_str;
	uint32_t target_str; /* the chain it jumps to, or what a legacy rule does */
	uint32_t number;     /* of the rule in its chain on the machine, from 1; 0: not known */
	uint64_t handle;     /* of nf_tables on the machine; 0: none */
	uint32_t rule_str;   /* the rule in its tool's words; 0: not known */
	const struct front_end *front_end; /* NULL: none that is known */
	/* of the packet as it came there, NAT before it done; no family: not known */
	struct address destination;
	uint16_t port;
};

struct explanation {
	struct reach reach; /* its strings and gaps; no classes */
	enum verdict verdict;
	uint32_t why_str; /* UNKNOWN, RATE_LIMITED: on what it depends */
	enum reply reply; /* what keeps the answer to a SYN that is let in from getting out */
	struct flow flow;
	uint16_t port;
	bool chose_from, chose_in, chose_to; /* chosen among several, as nobody said */
	bool wordless;		  /* a tool that lists rules did not answer as it should */
	bool stopped;		  /* UNKNOWN: it went where nobody can follow, as a queue */
	uint32_t in_str, out_str; /* interfaces; 0: none */
	bool nat, forwarded;
	bool passed_forward;   /* it came to the rules of forward, and perhaps no further */
	bool several;	       /* forwarded: others of its kind may get elsewhere (see reach) */
	struct address target; /* where the packet arrives */
	uint16_t target_port;
	struct explain_step *steps; /* in the order of its way */
	size_t step_count, step_cap;
	uint32_t decides;    /* index of the step that decides, or EXPLAIN_NONE: no rule does */
	uint32_t translates; /* of the one that gives it another destination, or EXPLAIN_NONE */
};

/*
 * Explains what becomes of a packet to that port. Of `options`: snapshot, from, to, in, families;
 * what is not given is chosen (the internet; the interface to which packets from there come; its
 * first address). *ret zeroed by the caller, who ends it with explanation_done() in every case. 0;
 * -EINVAL with a sentence when the options name what is not there; -ENOMEM. Where nothing can be
 * asked, ret->reach.available is false and its gap says why.
 */
int explain_take(const struct reach_options *options, uint16_t port, enum proto proto,
		 struct explanation *ret, struct err *e);
void explanation_done(struct explanation *x);
