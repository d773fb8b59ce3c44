/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_load: the policy of a folder, for every command that needs it: its files are read, parsed
 * and reviewed with what this machine has.
 */
#pragma once

#include "model/policy_problems.h"

#include <stdio.h>

/*
 * Loads the policy. 0, also when there are errors in it: then problems->error_count is not 0, and
 * the policy is not whole. A negative errno with a sentence when there is none (-ENOENT) or it
 * could not be read. policy_done() and policy_problems_done() in every case.
 */
int policy_load(const char *dir, struct policy *ret, struct policy_problems *problems,
		struct err *e);
/* Prints them, "DIR/FILE:LINE:COLUMN: error: ...", escaped. */
void policy_load_print(const char *dir, const struct policy_problems *problems, FILE *out);
