/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_init: `portero policy init [DIR|-]`: writes a policy from what is open now.
 */
#pragma once

#include "cli/options.h"

/* Returns an exit code. */
int policy_init(const struct options *o);
