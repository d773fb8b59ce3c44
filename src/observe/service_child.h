/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_child: the side of service_detect() that sees a stranger's bytes: without privileges,
 * files or programs, under seccomp.
 */
#pragma once

#include "observe/service.h"

#include <limits.h>
#include <sys/types.h>

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

/* What one child does. */
struct service_work {
	const struct service_target *targets;
	const size_t *numbers; /* of those of the targets that are asked */
	size_t count;
	/* of each host, when its time is over (clock_mono_ms); 0: it has not begun */
	const int64_t *host_ends;
	int pipe_fd; /* where the answers go */
	pid_t parent;
};

/*
 * Never returns: asks, and writes what it finds. Gives up all privileges first. Ends with the
 * process `parent`, however that ends.
 */
_Noreturn void service_child(const struct service_work *work,
			     const struct service_options *options);
