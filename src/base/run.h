/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run: runs another program and reads what it prints. No shell, a fixed PATH, the C locale. It runs
 * in the network namespace of the calling thread. No product knowledge.
 */
#pragma once

#include "base/buf.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct run {
	const char *const *argv; /* argv[0] is found in /usr/sbin, /usr/bin, /sbin, /bin */
	const char *extra;	 /* one more variable of its environment, "NAME=value"; or NULL */
	const char *input;	 /* its standard input; NULL: nothing */
	size_t input_len;
	size_t limit; /* bytes that out, and errors, may hold in the end */
	int patience_ms;
	const volatile sig_atomic_t *stop; /* becomes true: it is ended; NULL: never */
	bool apart;	    /* in a session of its own: no key or end of the terminal reaches it */
	struct buf *out;    /* what it printed is appended */
	struct buf *errors; /* what it printed on its standard error; NULL: that is thrown away */
};

/*
 * Returns the exit code of the program; or -ENOENT (no such program), -ETIMEDOUT (it took longer
 * than its patience and was ended), -E2BIG (it printed more), -EINTR (`stop`, or a signal
 * ended it), or another negative errno.
 */
int run_with(const struct run *wish);
/* The same, without input and errors. */
int run_program(const char *const *argv, const char *extra, size_t limit, int patience_ms,
		struct buf *out);
