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
 * Runs work(context) with the calling thread inside the network namespace `fd`, and brings the
 * thread back. Returns what work returned; a negative errno when the namespace could not be entered
 * (-EPERM without CAP_SYS_ADMIN). If the way back fails, the process ends (abort): going on in the
 * wrong namespace would answer for the wrong machine.
 */
int ns_run(int fd, int (*work)(void *context), void *context, struct err *e);
