/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firewall_script: a script for nft, as text: does it keep to portero's own table, and which line
 * of it does nft complain about? Pure.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>

/*
 * 0 when the text holds nothing but `add table inet portero`, `delete table inet portero`, `table
 * inet portero { ... }`, comments and empty lines, all braces are closed, nothing is included, and
 * the last line is whole; else -EINVAL (-EFBIG: it is too long) with a sentence.
 */
int firewall_script_check(const char *script, size_t len, struct err *e);

/*
 * Makes one sentence of what nft printed about that script, and returns a negative errno: -EPERM,
 * -EOPNOTSUPP (the kernel has no nf_tables) or -EBADMSG.
 */
int firewall_script_explain(const char *script, size_t len, const char *messages, struct err *e);
