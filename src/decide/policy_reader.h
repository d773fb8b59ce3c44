/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_reader: what policy_parse, policy_opening and policy_settings share: groups of keys, lists
 * and errors while a file is read. For these files only.
 *
 * Functions that take a node begin at its first event and end at its last. None returns an error:
 * what is wrong is a problem, and when nothing can be read any more, policy_reader_has_failed().
 */
#pragma once

#include "decide/policy_parse.h"
#include "decide/policy_yaml.h"

enum { POLICY_KEY_LIMIT = 32 }; /* rows of policy_keys[] */

struct policy_reader {
	struct policy_yaml yaml;
	struct policy *p;
	uint32_t file_str; /* of the policy */
	size_t opening;	   /* the one that is being read: index in openings[] */
	/* where each key stands, of the groups that are being read */
	struct policy_place seen[POLICY_KEY_LIMIT];
};

bool policy_reader_has_failed(const struct policy_reader *r);
struct opening *policy_reader_opening(struct policy_reader *r);
/* Where the current event stands, as a place of the policy. */
struct policy_place policy_reader_place(const struct policy_reader *r);
/* The text of the current event, once policy_yaml_text() has agreed to it. */
const char *policy_reader_text(const struct policy_reader *r);
void policy_reader_say(struct policy_reader *r, const struct err *e);
/* Are there so many already? That is an error, and the rest of the file is not read. */
bool policy_reader_is_over(struct policy_reader *r, size_t count, size_t limit);

/* One text, or a list of at least one; `take` gets each. */
typedef void policy_take_item(struct policy_reader *r);
void policy_reader_list(struct policy_reader *r, const char *expected, policy_take_item *take);
/* An item: appends it to the ports of the policy. */
void policy_reader_port(struct policy_reader *r);
/* A group of keys; it may be empty where none is needed. `expected`: the sentence if it is none. */
void policy_reader_keys(struct policy_reader *r, enum policy_level level, const char *expected);

/* Keys of an opening. */
void policy_take_ports(struct policy_reader *r, const struct policy_key *key);
void policy_take_from(struct policy_reader *r, const struct policy_key *key);
void policy_take_interfaces(struct policy_reader *r, const struct policy_key *key);
void policy_take_rate(struct policy_reader *r, const struct policy_key *key);
void policy_take_until(struct policy_reader *r, const struct policy_key *key);
void policy_take_text(struct policy_reader *r, const struct policy_key *key);
/* Keys of settings. */
void policy_take_undeclared(struct policy_reader *r, const struct policy_key *key);
void policy_take_guard(struct policy_reader *r, const struct policy_key *key);
void policy_take_loopback(struct policy_reader *r, const struct policy_key *key);
void policy_take_ephemeral(struct policy_reader *r, const struct policy_key *key);
void policy_take_echo(struct policy_reader *r, const struct policy_key *key);
void policy_take_protect(struct policy_reader *r, const struct policy_key *key);
