/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_draft_row: what a row of the table of ports becomes in a draft: who listens, in the words
 * of a policy, from where, and what is to be thought about. Part of policy_draft; not for others.
 */
#pragma once

#include "decide/policy_draft.h"

struct drafting {
	const struct draft_wish *wish;
	struct policy_draft *d;
	bool failed; /* out of memory */
};

void policy_draft_row(struct drafting *g, const struct port_row *row, struct draft_port *ret);
/* A string of the draft. */
uint32_t policy_draft_keep(struct drafting *g, const char *text);
/* Adds a network, once; `left` gets what there is no room for. */
void policy_draft_add_listed(struct drafting *g, struct draft_port *port, uint32_t str,
			     struct buf *left);
/* Adds a sentence to think about; the port is then in this group at least. */
void policy_draft_add_reason(struct drafting *g, struct draft_port *port, enum draft_group group,
			     const char *text);
