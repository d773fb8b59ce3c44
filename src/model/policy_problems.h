/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_problems: what is wrong with a policy, or worth a warning: sentences with their places.
 * Plain data, filled by observe/policy_files, decide/policy_parse and decide/policy_review, printed
 * by cli/.
 */
#pragma once

#include "model/policy.h"

enum { POLICY_PROBLEM_LIMIT = 20 }; /* errors that are kept; warnings: as many again */

struct policy_problem {
	bool is_error; /* else a warning: the policy can be used */
	/* file_str is of the problems' own strings; line 0: the whole file (no file_str: the whole
	 * policy). other: the second place that the sentence is about; no file_str: there is none
	 */
	struct policy_place place, other;
	uint32_t text_str; /* a translated sentence, not escaped */
};

struct policy_problems {
	struct strpool strings;
	struct policy_problem *items; /* in the order in which they were found */
	size_t count, cap;
	size_t error_count, warning_count; /* also those that are over the limit, and not kept */
	bool failed;			   /* out of memory: what is here is not all */
};

void policy_problems_done(struct policy_problems *p);
const char *policy_problems_text(const struct policy_problems *p, uint32_t str);
/* A place for policy_problems_add(). */
struct policy_place policy_problems_place(struct policy_problems *p, const char *file,
					  uint32_t line, uint32_t column);
/* The place of something in a policy, for policy_problems_add(). */
struct policy_place policy_problems_place_of(struct policy_problems *p, const struct policy *policy,
					     const struct policy_place *place);
/* `other` may be NULL. Out of memory: `failed` is set. */
void policy_problems_add(struct policy_problems *p, bool is_error, const struct policy_place *place,
			 const struct policy_place *other, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* Are there as many of them as are kept? Then there is no use in looking for more. */
bool policy_problems_are_full(const struct policy_problems *p, bool errors);
/* Sorts by file and place, as a person reads them. */
void policy_problems_sort(struct policy_problems *p);
