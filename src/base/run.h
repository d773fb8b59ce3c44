/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run: runs another program and reads what it prints. No shell, a fixed PATH, the C locale, nothing
 * on its standard input; its standard error is thrown away. No product knowledge.
 */
#pragma once

#include "base/buf.h"

#include <stddef.h>

/*
 * Appends what argv[0] (found in /usr/sbin, /usr/bin, /sbin, /bin) printed, at most `limit` bytes.
 * `extra` (may be NULL) is one more variable of its environment, "NAME=value". Returns its exit
 * code; or -ENOENT (no such program), -ETIMEDOUT (it took longer than `patience_ms` and was ended),
 * -E2BIG (it printed more), or another negative errno.
 */
int run_program(const char *const *argv, const char *extra, size_t limit, int patience_ms,
		struct buf *out);
