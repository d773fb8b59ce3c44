/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_guard_review: the part of decide/policy_review that is about the guard: openings that name
 * so little that others may listen there, too, and those that name what the guard never sees. Pure.
 */
#pragma once

#include "decide/policy_review.h"

/* Warnings; nothing when the guard is off. Openings that have ended do not count, nor do ports that
 * are anybody's anyway (decide/policy_guard). Out of memory: `failed` of the problems is set. */
void policy_guard_review(const struct policy *p, const struct policy_facts *facts,
			 struct policy_problems *problems);
