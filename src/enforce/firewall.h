/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firewall: portero's own table, `inet portero`, in the network namespace of the calling thread:
 * puts another in its place in one transaction, takes it away, and tells whether it is there. No
 * other table is ever touched. What the rules mean is not its matter.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define FIREWALL_TABLE "portero"

enum { FIREWALL_SCRIPT_LIMIT = 256 << 20, FIREWALL_PATIENCE_MS = 60000 };

/*
 * Loads a script for `nft -f -`. It may hold comments, `add table inet portero`, `delete table inet
 * portero` and `table inet portero { ... }`, one or more of each; anything else is refused before
 * nft sees it (-EINVAL). Returns 0 when the kernel has the new table, or a negative errno with one
 * sentence, when it has what it had before: -ENOENT no nft program, -EPERM, -EOPNOTSUPP (the kernel
 * has no nf_tables), -EBADMSG (nft or the kernel refuse it; the sentence quotes the line),
 * -ETIMEDOUT (more than FIREWALL_PATIENCE_MS). Which of both it has is read back from the kernel
 * when nft does not tell by its exit code, so the answer holds in that case, too. nft runs in a
 * session of its own, and inherits all descriptors that are not close-on-exec.
 */
int firewall_load(const char *script, size_t len, struct err *e);

/* Takes the table away, without a program; 0 also when there is none. Or a negative errno. */
int firewall_remove(struct err *e);

/*
 * Which table there is: its handle, a number that the kernel gives to each table that is made; 0:
 * there is none. Two equal handles in one namespace: the table was not replaced in between. Returns
 * 0 or a negative errno.
 */
int firewall_handle(uint64_t *ret, struct err *e);
