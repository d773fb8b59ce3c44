/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * applying: carries a plan out, for `apply`, `open` and `close`: tried in a twin, loaded in one
 * transaction, looked at once more, and undone by itself unless it is confirmed.
 */
#pragma once

#include "cli/options.h"
#include "cli/planned.h"

#include <stdint.h>

struct applying {
	const char *command;		 /* "portero apply", for the log */
	const struct planned_file *file; /* of the policy, that is to be written first; or NULL */
};

/* An exit code: EXIT_DECLARED when it is done, or nothing was to be done. */
int applying_run(const struct options *o, const struct applying *a);
