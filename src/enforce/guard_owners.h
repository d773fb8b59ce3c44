/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_owners: the owners of the rules as the kernel compares them: a program by its token, a user
 * by number, names by their hashes, ends by the boot clock.
 */
#pragma once

#include "enforce/guard_programs.h"
#include "enforce/guard_table.h"

/*
 * What the wall clock is ahead of the boot clock, in nanoseconds. Ends are of the wall clock, and
 * the kernel's programs have the boot clock alone: this changes only when somebody sets the clock.
 */
int64_t guard_owners_clock_ns(void);
/* guard_table_make() with these. Users are looked up as the machine has them now. */
int guard_owners_make_table(const struct guard_rules *r, const struct guard_programs *programs,
			    int64_t clock_ns, struct guard_table *ret, struct err *e);
/* 0, or -ENOENT when there is no user of that name or number. */
int guard_owners_find_user(const char *name, uint32_t *ret);
