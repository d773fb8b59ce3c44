/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_table: the rules as the kernel's maps have them: for each port the list of who may have it.
 * Pure.
 */
#pragma once

#include "base/err.h"
#include "bpf/guard_abi.h"
#include "model/guard.h"

#include <stddef.h>
#include <stdint.h>

struct guard_table {
	struct guard_port *ports; /* 65536 */
	struct guard_rule *rules;
	size_t rule_count, rule_cap;
};

/*
 * `keys` has a rule for each of r->owners[] (those that are anybody are not read). 0; -E2BIG when a
 * port has more than GUARD_LIST_LIMIT owners, or all have more lists than there is room for, with a
 * sentence; -ENOMEM. *ret is freed by guard_table_done().
 */
int guard_table_make(const struct guard_rules *r, const struct guard_rule *keys,
		     struct guard_table *ret, struct err *e);
void guard_table_done(struct guard_table *t);

/* Hash of a name (of a unit, a container's cgroup), as guard.bpf.c makes it; 0: it is too long. */
uint64_t guard_table_hash_name(const char *name);
/* Hash of any text, never 0: for what only user space makes, on both sides of a comparison. */
uint64_t guard_table_hash_text(const char *text);
