/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ns: looking into other network namespaces. No product knowledge.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

/* The inode number that names the network namespace behind `fd` (an nsfs file), or 0. */
uint64_t ns_inum(int fd);

/*
 * Makes a network namespace, in which nothing is but a loopback interface that is down, and which
 * dies with the last descriptor or process in it. A descriptor, or a negative errno (-EPERM without
 * CAP_SYS_ADMIN; -EINVAL, -ENOSYS: the kernel has none). The calling thread stays where it was; the
 * process ends (abort) as with ns_run().
 */
int ns_new(void);

/*
 * Runs work(context) with the calling thread inside the network namespace `fd`, and brings the
 * thread back. Returns what work returned; a negative errno when the namespace could not be entered
 * (-EPERM without CAP_SYS_ADMIN). If the way back fails, the process ends (abort): going on in the
 * wrong namespace would answer for the wrong machine.
 */
int ns_run(int fd, int (*work)(void *context), void *context, struct err *e);
