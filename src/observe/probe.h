/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe: which port of which host is asked next, and when all is known that can be: the state
 * machine of a scan. Pure: no descriptor, no clock, no packet; time is given, and never goes back.
 * It does not know how a port is asked (observe/rawsock, observe/dial).
 *
 * All ports of all hosts are gone through in one random order, in *passes*: each asks what has not
 * answered yet, and ends when the last one had time to answer. A host is finished when so many
 * passes found it silent that, by the loss which was measured (observe/probe_host), silence means
 * something. Each packet has a *slot*, which the answer brings back (by the source port): the
 * number of the pass, or one for a sentinel.
 */
#pragma once

#include "observe/probe_host.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PROBE_PASS_LIMIT = 48,
	/* many, since a port that is asked again from the same port soon after may keep silent: of
	 * a connection that is half open Linux sends no more than two SYN-ACKs a second */
	PROBE_SENTINEL_SLOTS = 2048,
	PROBE_SLOT_COUNT = PROBE_PASS_LIMIT + PROBE_SENTINEL_SLOTS,
	PROBE_HOST_LIMIT = 256, /* at once */
};

/*
 * How far a scan is, beside the hosts' replies, for one that goes on later, in another process.
 * Answers that were still under way are not waited for: those ports are asked again.
 */
struct probe_memory {
	unsigned pass;
	uint64_t place, spent_ns;
	double rate;
	struct probe_host hosts[PROBE_HOST_LIMIT]; /* what is counted of the replies is not used */
};

struct probe_wish {
	/* to go on with, for the same hosts, ports and seed; NULL: from the beginning. Only read by
	 * probe_new() */
	const struct probe_memory *memory;
	struct scan_host *hosts; /* whose replies, trouble, rtt_ms and loss are filled in */
	uint32_t host_count;	 /* at most PROBE_HOST_LIMIT */
	uint32_t port_count;	 /* 1 to 65,535 */
	uint64_t seed;		 /* of the order */
	double rate, max_rate;	 /* packets a second: to begin with, and at most */
	bool fixed_rate;	 /* `rate`, whatever is lost */
	bool gentle;		 /* sentinels knock at closed ports only: each is a connection */
	uint64_t patience_ns; /* so long an answer may take, at least; 0: probe_host_patience() */
	uint64_t host_timeout_ns;
};

struct probe {
	uint32_t host, port; /* indexes */
	uint16_t slot;
};

struct probe_engine;

/*
 * The hosts stay the caller's, and must live as long. Ports whose replies are known already are not
 * asked, but as sentinels. NULL: out of memory.
 */
struct probe_engine *probe_new(const struct probe_wish *wish, uint64_t now_ns);
void probe_free(struct probe_engine *p);

/*
 * Fills in what is to be sent now, at most `room`; returns how many. All answers that came until
 * now_ns must have been told before.
 */
size_t probe_next(struct probe_engine *p, uint64_t now_ns, struct probe *out, size_t room);
/* When probe_next() will have something to do, at the latest; not later than 100 ms from now. */
uint64_t probe_wake_ns(const struct probe_engine *p, uint64_t now_ns);
/* What came back (SCAN_HOST_UNREACH and above) to a probe. Nonsense is ignored. */
void probe_answer(struct probe_engine *p, uint64_t now_ns, const struct probe *to,
		  enum scan_reply reply);
/* It was kept back by this machine (EPERM): the port is SCAN_KEPT_BACK unless it answered, and is
 * not asked again; the host is SCAN_KEPT_HERE. */
void probe_kept_back(struct probe_engine *p, const struct probe *to);
/* Answers were lost in this process's own buffers, or packets went a way that ended: this pass
 * proves nothing. */
void probe_spoil_pass(struct probe_engine *p);
/* Will probe_next() judge at that time what the silence of this pass means? */
bool probe_will_judge(const struct probe_engine *p, uint64_t now_ns);
/* The host is asked no more; what is silent there stays unsure. Nothing when it is finished. */
void probe_end_host(struct probe_engine *p, uint32_t host, enum scan_trouble trouble);
/* Nothing is left to be asked; or `stop` (Ctrl-C) ended it. */
bool probe_finished(const struct probe_engine *p);
/* Fills in what is known by now: what is silent becomes SCAN_NO_REPLY or SCAN_UNSURE. Once. */
void probe_conclude(struct probe_engine *p, bool interrupted);

/* How far it is. Not after probe_conclude(). */
void probe_remember(const struct probe_engine *p, uint64_t now_ns, struct probe_memory *ret);

struct probe_progress {
	uint64_t sent, answered; /* packets; ports */
	uint64_t asked, total;	 /* of this pass: ports gone through */
	unsigned pass;		 /* from 1 */
	/* of UDP (`paced`) the host sets the pace: `asked` are those that are known, and left_s is
	 * how long it will take about; negative: not known */
	bool paced;
	double left_s;
	double rate;
};
struct probe_progress probe_progress(const struct probe_engine *p);
/* How long an answer may take: the longest of all hosts that are not finished. */
uint64_t probe_patience_ns(const struct probe_engine *p);
