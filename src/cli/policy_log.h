/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_log: `portero policy log`: what was done to the firewall, when, by whom and why, and the
 * states that one can go back to.
 */
#pragma once

#include "cli/options.h"

/* Prints it, as a table or portero.policy-log/1; an exit code. o->words: none. */
int policy_log(const struct options *o);
