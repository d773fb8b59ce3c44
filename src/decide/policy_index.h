/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_index: which openings name a port: for whoever asks about many packets, and would look at
 * 10,000 openings for each. Pure.
 */
#pragma once

#include "model/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POLICY_INDEX_LIMIT = 1 << 22 }; /* openings of all intervals of ports: memory */

/* Openings, by their place in the policy, ascending. */
struct policy_candidates {
	const uint32_t *items;
	uint32_t count;
	bool all; /* it is not known which: all of the policy's */
};

struct policy_index {
	const struct policy *policy;
	struct policy_port_lists {
		uint32_t *interval_of; /* by port; NULL: nothing is known */
		uint32_t *first;       /* by interval: where its openings begin, and the end */
		uint32_t *items;
	} protos[PROTO_UDP + 1];
};

/* The policy must outlive it, unchanged. 0 or -ENOMEM; policy_index_done() in every case. */
int policy_index_build(const struct policy *p, struct policy_index *ret);
void policy_index_done(struct policy_index *index);
struct policy_candidates policy_index_find(const struct policy_index *index, uint16_t port,
					   enum proto proto);
