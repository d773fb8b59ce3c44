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
	uint64_t number; /* of the target; SERVICE_FAILED: `words` is why nothing was done */
	union {
		struct service service;
		char words[256];
	};
};

#define SERVICE_FAILED UINT64_MAX

_Static_assert(sizeof(struct service_message) <= PIPE_BUF, "a message is written at once");

/*
 * Never returns: asks the targets whose number is in `numbers`, and writes what it finds. Gives up
 * all privileges first. Ends with the process `parent`, however that ends.
 */
_Noreturn void service_child(const struct service_target *targets, const size_t *numbers,
			     size_t count, const struct service_options *options, int pipe_fd,
			     pid_t parent);
