/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_child: the side of service_detect() that sees a stranger's bytes: without privileges,
 * files or programs, under seccomp.
 */
#pragma once

#include "observe/service.h"

#include <limits.h>

/* What the child writes to the pipe, whole at once. */
struct service_message {
	uint64_t number; /* of the target, or one of these */
	union {
		struct service service;
		char words[256]; /* SERVICE_FAILED: why nothing was done */
		uint64_t target; /* SERVICE_BEGUN: its host's time runs from now on */
	};
};

#define SERVICE_FAILED UINT64_MAX
#define SERVICE_BEGUN  (UINT64_MAX - 1)

_Static_assert(sizeof(struct service_message) <= PIPE_BUF, "a message is written at once");

/*
 * Never returns: asks the targets whose number is in `numbers`, and writes what it finds. Gives up
 * all privileges first. host_ends[]: of each host, when its time is over (clock_mono_ms); 0: it
 * has not begun.
 */
_Noreturn void service_child(const struct service_target *targets, const size_t *numbers,
			     size_t count, const struct service_options *options,
			     const int64_t *host_ends, int pipe_fd);
