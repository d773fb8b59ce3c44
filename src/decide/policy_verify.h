/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_verify: does the kernel, with the planned rules, treat every packet as the policy says?
 * Two copies of the machine are asked about the same packets: one in which the policy only observes
 * (what would get in without it), then one in which it decides. A packet that the policy lets in
 * must get what it got before, and any other must not get in. Pure.
 */
#pragma once

#include "base/map.h"
#include "decide/policy_match.h"
#include "model/policy.h"
#include "model/reach.h"
#include "model/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POLICY_DIFFERENCE_LIMIT = 64, POLICY_UNSURE_LIMIT = 8 };

/* A packet that the kernel treats otherwise than the policy says, or that is declared and blocked
 * by other rules. */
struct policy_packet_seen {
	struct flow flow;
	uint16_t port;
	enum verdict verdict; /* where the policy decides */
	enum verdict without; /* where it only observes */
	enum policy_answer wanted;
	uint32_t opening; /* that lets it in, or POLICY_NO_OPENING */
};

/* Packets of which nobody can tell, for one reason. */
struct policy_unsure {
	uint32_t why_str; /* in texts; 0: no reason was given */
	size_t count;
	struct policy_packet_seen first;
};

struct policy_verify {
	/* set by the caller */
	const struct policy *policy;
	const struct policy_links *links;
	const struct snapshot *snapshot;
	int64_t now_s;
	struct policy_index index; /* of policy_verify_begin() */
	/* of the first copy: a hash of each packet, and its verdict */
	struct policy_seen {
		uint64_t key;
		uint32_t why_str;
		uint16_t arrival_port;
		uint8_t verdict; /* enum verdict */
		bool taken;
	} * seen;
	size_t seen_count, seen_cap;
	struct strpool texts;
	/* results */
	size_t asked;	/* in the second copy */
	size_t unknown; /* of which nobody can say whether they get what they should */
	struct policy_unsure unsure[POLICY_UNSURE_LIMIT]; /* why, and how many each */
	size_t unsure_count;
	bool diverged; /* the two copies were not asked the same: nothing is proved */
	struct policy_packet_seen differences[POLICY_DIFFERENCE_LIMIT];
	size_t difference_count;	    /* also those that had no room */
	struct policy_packet_seen *blocked; /* by opening; wanted POLICY_CLOSED: it is not */
	uint32_t *let_in;		    /* by opening: packets that get in */
};

/* 0 or -ENOMEM; ended with policy_verify_done() in every case. */
int policy_verify_begin(struct policy_verify *v);
void policy_verify_done(struct policy_verify *v);

/* One packet to a destination of the machine, or (`behind`) of another one behind it. */
struct policy_question {
	const struct flow *flow;
	bool behind;
	uint16_t port;
	enum verdict verdict;
	const char *why; /* it is unknown; NULL: it is not */
	bool unanswered; /* it is let in, and what keeps it closed is that no answer gets out */
	bool taken;	 /* let in to the machine itself, at this port after NAT */
	uint16_t arrival_port;
};
/* Of the copy in which the policy observes: all of them, then all of the other. 0 or -ENOMEM. */
int policy_verify_without(struct policy_verify *v, const struct policy_question *q);
int policy_verify_with(struct policy_verify *v, const struct policy_question *q);
/* Forgets what both copies said. */
void policy_verify_restart(struct policy_verify *v);
/* Nothing is otherwise than it should be, and everything was asked. */
bool policy_verify_holds(const struct policy_verify *v);
