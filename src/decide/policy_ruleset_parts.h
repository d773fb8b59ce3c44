/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_ruleset_parts: what the files of policy_ruleset share. For them only.
 */
#pragma once

#include "base/buf.h"
#include "decide/policy_prefixes.h"
#include "decide/policy_ruleset.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What ports lead to: an opening as it is, an opening until it ends, or the chain of protected
 * ports that no opening names. The numbers of targets are in the order in which they are tried.
 */
enum target_kind { TARGET_PLAIN, TARGET_TIMED, TARGET_KINDS };

struct ruleset {
	const struct policy_ruleset_wish *wish;
	const struct policy *p;
	bool observe;
	/* the parts of the script, in its order */
	struct buf sets, openings, lists, maps, check;
	bool *used; /* by target */
	struct prefix_store store;
	bool private_set, link_sets; /* are needed */
	bool has_link4, has_link6;
};

static inline uint32_t ruleset_target(uint32_t opening, enum target_kind kind)
{
	return opening * TARGET_KINDS + kind;
}

static inline uint32_t ruleset_protected(const struct ruleset *r)
{
	return (uint32_t)r->p->opening_count * TARGET_KINDS;
}

/* The opening of a target; NULL: protected ports without one. */
const struct opening *ruleset_opening(const struct ruleset *r, uint32_t target);
/* Appends the name of its chain. */
void ruleset_add_target(const struct ruleset *r, struct buf *out, uint32_t target);

/* policy_ruleset_openings: the chains of the targets that are used, and their sets. */
int ruleset_write_openings(struct ruleset *r);
/* Does it let anybody in who is not the machine itself? */
bool ruleset_lets_in(const struct policy *p, const struct opening *o);

/* policy_ruleset_ports: from ports to targets: maps, lists, and the rules of `check` that ask the
 * maps; marks the targets that are used. */
int ruleset_write_ports(struct ruleset *r);

/* Appends "10.0.0.0/8" or "10.0.0.1"; and "10.0.0.1-10.0.0.9" */
void ruleset_add_network(struct buf *out, const struct address *network, uint8_t prefix_len);
void ruleset_add_addresses(struct buf *out, const struct address *first,
			   const struct address *last);
/* Begins the next element of a list of them: a comma, and now and then a new line. */
void ruleset_next_element(struct buf *out, size_t index);
