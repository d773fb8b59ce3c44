/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_conflicts: the errors of policy_review: openings that are duplicates of one another, or
 * contradict one another. Part of policy_review; not for others.
 */
#pragma once

#include "model/policy_problems.h"

/* 0 or -ENOMEM. */
int policy_conflicts_find(const struct policy *p, int64_t now_s, struct policy_problems *problems);
