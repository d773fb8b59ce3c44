/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_rules: the rules of the guard of a plan: those of its policy, with the cgroups that the
 * containers have now, and with the programs that publish their ports.
 */
#pragma once

#include "cli/planned.h"
#include "model/guard.h"

/* 0 or -ENOMEM; *ret is ended with guard_rules_done(). */
int guard_rules_make(const struct planned *p, struct guard_rules *ret);
