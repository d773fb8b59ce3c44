/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_draft: the policy that 'portero policy init' writes: an opening for each port that is open
 * now. What a person should think about first is written, too, but as a comment: services that the
 * internet should hardly ever reach (model/risks), programs that should not be there, and what
 * could not be looked at. Pure.
 */
#pragma once

#include "decide/listeners.h"
#include "decide/reach_join.h"

/* How sure it is that a port is to stay open; the order is that of the file. */
enum draft_group { DRAFT_KEEP, DRAFT_SURE, DRAFT_UNKNOWN };

enum { DRAFT_LISTED_LIMIT = 32 };

/* A port, or several that are sent on alike. */
struct draft_port {
	struct port_range range;
	enum draft_group group;
	uint8_t classes;		     /* bits 1 << enum source_class that get in */
	uint32_t listed[DRAFT_LISTED_LIMIT]; /* networks that the rules let in; strings */
	uint32_t listed_count;
	uint32_t unit_str, program_str, user_str, container_str; /* as in struct opening */
	uint32_t from_str; /* what stands behind `from:`, once all is known */
	/* what was found there, why it is to be thought about: escaped, lines; 0: nothing */
	uint32_t found_str, reason_str;
	bool is_ssh;
};

struct policy_draft {
	struct strpool strings;
	struct draft_port *ports; /* after policy_draft_make(): openings stand together */
	size_t count, cap;
};

struct draft_wish {
	const struct snapshot *snapshot;
	const struct services *services;
	const struct listener_list *list;
	const struct reach *reach;
	const struct reach_join *join;
	uint16_t ssh_port; /* of the connection on which the person works; 0: none is known */
};

/* 0 or -ENOMEM. policy_draft_done() in every case. */
int policy_draft_make(const struct draft_wish *wish, struct policy_draft *ret);
void policy_draft_done(struct policy_draft *d);
/* Appends the text of a policy's file. 0 or -ENOMEM. */
int policy_draft_format(const struct policy_draft *d, const struct draft_wish *wish,
			struct buf *out);
/* How many openings stand in it that count, and how many as comments. */
void policy_draft_count(const struct policy_draft *d, size_t *ret_openings, size_t *ret_comments);
