/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_watch: the guard's events for programs: portero.event/1, with the field names of the Elastic
 * Common Schema, one object in a line.
 */
#pragma once

#include "cli/watch_words.h"

/* Appends a line, with its newline. 0 or -ENOMEM. */
int json_watch_add(const struct watch_event *w, struct buf *out);
/* Events that nobody will see, and why: "ring-full", "not-understood". */
int json_watch_add_lost(int64_t time_ns, uint64_t count, const char *reason, struct buf *out);
