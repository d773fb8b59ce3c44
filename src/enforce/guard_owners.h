/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_owners: the owners of the rules as the kernel compares them: a program by its token, a user
 * by number, names by their hashes.
 */
#pragma once

#include "enforce/guard_programs.h"
#include "enforce/guard_table.h"

/* guard_table_make() with these. Users are looked up as the machine has them now. */
int guard_owners_make_table(const struct guard_rules *r, const struct guard_programs *programs,
			    struct guard_table *ret, struct err *e);
/* 0, or -ENOENT when there is no user of that name or number. */
int guard_owners_find_user(const char *name, uint32_t *ret);
