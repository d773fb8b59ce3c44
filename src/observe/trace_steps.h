/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace_steps: what nf_tables tells about a packet's way through its rules (NFT_MSG_TRACE, Linux
 * 4.6), decoded, and which step of it decided. Pure. Legacy tables tell nothing.
 */
#pragma once

#include "base/cur.h"
#include "observe/frame.h"

#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TRACE_STEP_LIMIT = 4096,
	TRACE_TYPE_LEN = 16,
	TRACE_HOOK_UNKNOWN = 0xff,
};

enum trace_kind { TRACE_POLICY = 1, TRACE_RETURN, TRACE_RULE }; /* the kernel's numbers */

enum trace_verdict {
	TRACE_CONTINUE, /* the rule matched, and the next one is looked at */
	TRACE_ACCEPT,	/* by this chain; those of later hooks and priorities come yet */
	TRACE_DROP,	/* also what `reject` says once it has answered */
	TRACE_JUMP,
	TRACE_GOTO,
	TRACE_BACK,  /* `return` */
	TRACE_OTHER, /* queue, stolen */
};

/* One message: a rule that matched, or the end of a chain. */
struct trace_step {
	enum trace_kind kind;
	enum trace_verdict verdict;
	uint8_t family; /* NFPROTO_... of the table */
	char table[NFT_NAME_MAXLEN], chain[NFT_NAME_MAXLEN];
	char to_chain[NFT_NAME_MAXLEN]; /* JUMP and GOTO */
	uint64_t handle;		/* TRACE_RULE: of the rule in the twin; else 0 */
	uint32_t packet;		/* the kernel's number of the packet; may be used again */
	uint32_t in_ifindex, out_ifindex, mark; /* 0: none, or not told: once for each base chain */
	bool has_seen;
	struct frame_seen seen; /* the packet as it was then; once for each base chain */
	/* of the base chain that it is in, as trace_steps_place() found it */
	uint8_t hook; /* enum nf_inet_hooks, nf_dev_hooks; or TRACE_HOOK_UNKNOWN */
	int32_t priority;
	char type[TRACE_TYPE_LEN]; /* "filter", "nat", "route"; "": unknown */
};

/* The payload of one NFT_MSG_TRACE message: 0 or -EBADMSG. */
int trace_step_decode(const void *payload, size_t len, struct trace_step *ret);

/* A chain that a hook of the kernel calls. */
struct base_chain {
	uint8_t family, hook;
	int32_t priority;
	char table[NFT_NAME_MAXLEN], name[NFT_NAME_MAXLEN];
	char type[TRACE_TYPE_LEN];
};
/* The payload of one NFT_MSG_NEWCHAIN message: 0; -ENOENT: no base chain; -EBADMSG. */
int base_chain_decode(const void *payload, size_t len, struct base_chain *ret);

/* Fills hook, priority and type of all steps, which must be in order and of one packet. */
void trace_steps_place(struct trace_step *steps, size_t count, const struct base_chain *chains,
		       size_t chain_count);

/*
 * The step that decided: the last that dropped; when none did, the last rule of a filter chain of
 * input or forward that accepted, or else the last such chain's policy, or else the same of any
 * other hook. A nat chain decides only by dropping. NULL: there is none (no rule saw the packet).
 */
const struct trace_step *trace_decides(const struct trace_step *steps, size_t count);
