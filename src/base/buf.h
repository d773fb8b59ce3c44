/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * buf: a growing byte buffer with a sticky failure flag.
 *
 * Append as much as you like and look at `failed` once, at the end: after the first allocation
 * that failed, or past the limit, appends do nothing. The data is always terminated by a NUL that
 * `len` does not count.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL until the first append; owned */
	size_t len;
	size_t cap;
	bool failed; /* out of memory: the content is not complete */
};

void buf_done(struct buf *b);  /* frees; the buffer is empty and usable afterwards */
void buf_clear(struct buf *b); /* keeps the memory */
/* Makes room for `more` bytes after len; returns where they go, or NULL (failed is set). */
char *buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_add_text(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The content as a string: "" when nothing was appended. */
const char *buf_text(const struct buf *b);
