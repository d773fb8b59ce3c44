/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_parse: from the text of a policy's file to openings and settings. Every problem has its
 * line and column, and says what was expected. A node that is wrong is skipped, and the rest is
 * read on; an opening that is wrong is left out of the policy. What is right in each file, and
 * wrong together, is found by decide/policy_review. Pure: text in, no I/O, no clock.
 *
 * data/policy.schema.json describes the same keys, for editors; a test keeps them equal.
 */
#pragma once

#include "model/policy_problems.h"

/* Where a key may stand. */
enum policy_level {
	POLICY_LEVEL_FILE,     /* at the top */
	POLICY_LEVEL_SETTINGS, /* below settings */
	POLICY_LEVEL_ICMP,     /* below settings: icmp */
	POLICY_LEVEL_OPENING,  /* in an item of openings */
};

struct policy_reader;

struct policy_key {
	enum policy_level level;
	const char *name;
	const char *missing; /* an error when it is not there: this sentence; NULL: it may be left
				out */
	/* From the first event of its value to the last. */
	void (*take)(struct policy_reader *r, const struct policy_key *key);
	size_t offset; /* keys with a text: of its string in struct opening */
	/* keys with a text: is it right? *ret_suffix is to be added. NULL: any text is */
	int (*check)(const char *text, const char **ret_suffix, struct err *e);
};

extern const struct policy_key policy_keys[];
extern const size_t policy_key_count;

/*
 * Adds what the text text[0..len) declares to the policy; `file` is its name, for places. What is
 * wrong goes to the problems, as errors. 0 or -ENOMEM. Files are read one after the other into one
 * policy: a setting that an earlier file has is an error here, too.
 */
int policy_parse(struct policy *p, const char *file, const char *text, size_t len,
		 struct policy_problems *problems);
