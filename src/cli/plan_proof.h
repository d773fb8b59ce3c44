/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_proof: for people, what speaks against a plan that was tried in a twin: packets of which
 * nobody can tell what they get, and those that get something else than the policy says.
 */
#pragma once

#include "cli/planned.h"

/* Of how many nobody can tell, and for each reason a packet that it is so for; or nothing. */
void plan_proof_print_unsure(const struct planned *p);
/* On stderr: why the plan is refused (!planned_holds()). */
void plan_proof_print_refusal(const struct planned *p);
