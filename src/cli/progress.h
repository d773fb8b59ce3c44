/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * progress: a line that tells a person who waits how far it is: on the standard error, if that is a
 * terminal, and only when it takes longer than a moment.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
	bool wanted, shown;
	uint64_t next_ms; /* when the line is written again */
};

struct progress progress_begin(void);
/* Shows the text, when it is time for that again. */
void progress_write(struct progress *p, const char *text);
/* `context`: the struct progress. For reach_options. */
void progress_show(size_t asked, size_t total, void *context);
/* The line is gone: before anything else is written. */
void progress_clear(struct progress *p);
