/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arena: many texts that stay where they are, and are freed all at once. No product knowledge.
 */
#pragma once

#include <stddef.h>

struct arena {
	struct arena_block *last;
	size_t left; /* bytes of the last block that are free */
};

/* A copy of text[0..len), with a NUL after it. NULL when out of memory. */
const char *arena_add(struct arena *a, const char *text, size_t len);
void arena_done(struct arena *a);
