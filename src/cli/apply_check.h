/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apply_check: would the person who applies a plan be locked out? The connections by which they
 * work, and every port that the policy protects, must stay reachable.
 */
#pragma once

#include "cli/planned.h"

/* Appends one sentence for each that would not, each on a line of its own. 0 or a negative errno.
 */
int apply_check(const struct planned *p, struct buf *out, struct err *e);
