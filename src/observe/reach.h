/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach: asks the kernel who can reach which port: copies the machine's interfaces, routes and
 * packet filter into a twin, and sends it packets. Changes nothing of the machine. What could not
 * be copied or asked makes exactly the affected verdicts unknown, with the reason.
 */
#pragma once

#include "base/err.h"
#include "model/reach.h"
#include "model/snapshot.h"

#include <stdbool.h>

struct nft_image;

enum {
	/*
	 * Seconds of asking, after which the rest is unknown. Nearly all rulesets take less than
	 * one; who asks for nothing else waits longer than who wants the table.
	 */
	REACH_PATIENCE = 20,
	REACH_PATIENCE_FULL = 120, /* for every single port */
	REACH_PATIENCE_STATUS = 5,
};

/* One packet that was asked about, and what becomes of it and of all that are like it. */
struct reach_asked {
	const struct flow *flow;
	bool behind; /* its destination is not the machine's own */
	uint16_t port;
	enum verdict verdict;
	const char *why;       /* ... is unknown; NULL: it is not. Lasts for the call */
	bool unanswered;       /* a SYN that is let in, and whose answer does not get out */
	bool taken;	       /* it is let in to the machine itself: not passed on */
	uint16_t arrival_port; /* ... at this port, after NAT */
};

struct mirror;

struct reach_options {
	const struct snapshot
		*snapshot; /* whose listeners' addresses and containers are asked for */
	bool full;	   /* all 65,535 ports one by one */
	bool no_cache;
	struct mirror *ahead; /* of reach_read_ahead(), or NULL; used up by reach_take() */
	const char
		*cache_dir; /* where the answers of an unchanged machine are kept; NULL: nowhere */
	/* the machine as it would be with this (nft_graft_make), or nothing, in place of its table
	 * inet portero; NULL: as it is */
	const struct nft_image *planned;
	/* what to ask; empty: everything */
	struct address from, to;
	const struct address *also; /* with `to`: these, too */
	size_t also_count;
	const char *in;	    /* interface */
	uint32_t protos;    /* bits 1 << PROTO_TCP, 1 << PROTO_UDP; 0: both */
	uint8_t families;   /* bits 1 (IPv4), 2 (IPv6); 0: both */
	uint16_t only_port; /* for explain: this one alone; 0: all */
	/* called for each, in an order that depends on the rules' conditions alone, not on what
	 * they do; 0, or a negative errno that ends it. Answers of the cache are not asked for
	 * then. */
	int (*each)(const struct reach_asked *asked, void *context);
	void *each_context;
	unsigned patience; /* seconds; 0: REACH_PATIENCE, or _FULL */
	/* for a proof: ask about all groups of sources, however many; what it costs is memory */
	bool thorough;
	bool only_each; /* nobody reads the classes: *ret has gaps only */
	/* called now and then, from 0 to `total` packets; may be NULL */
	void (*progress)(size_t asked, size_t total, void *context);
	void *progress_context;
	uint64_t deadline; /* made of it by reach_take */
};

/*
 * Reads the firewall and the network, for reach_take(), while something else is waited for. To be
 * ended with reach_read_free() in every case. NULL: it did not work, and reach_take() will tell.
 */
struct mirror *reach_read_ahead(void);
void reach_read_free(struct mirror *ahead);

/*
 * Fills *ret (zeroed by the caller, who ends it with reach_done in every case). 0: *ret has the
 * answers, or the gaps that say why there are none (ret->available false); a negative errno when
 * out of memory, or when the options name what is not there (-EINVAL, with a sentence).
 */
int reach_take(const struct reach_options *options, struct reach *ret, struct err *e);

/* Marks *ret as not available: `e` says why, `code` what could be done. */
void reach_say_why_not(struct reach *ret, int code, const struct err *e);

/* Does this machine forward packets at all: could it send some on to containers? */
bool reach_forwards(void);
