/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text: making text from processes, files and the network safe to show, and measuring it.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Appends bytes[0..len) to `out` in a form that cannot act on a terminal, a log or a page: control
 * characters (C0, DEL, C1) and bytes that are not valid UTF-8 become \xNN; bidirectional
 * controls, zero-width and other invisible code points become \u{NNNN}; a backslash is doubled, so
 * that the form can be read back. With `ascii`, everything outside ASCII becomes \u{NNNN} too.
 */
void text_escape(struct buf *out, const char *bytes, size_t len, bool ascii);

/*
 * The same for a message of portero's own that may quote what a person or a file said: a backslash
 * stays single, since what was quoted may have been escaped before.
 */
void text_escape_message(struct buf *out, const char *message);

/* What stands behind the last '/' of a path; the whole text when there is none. */
const char *text_base_name(const char *path);

/* Columns that an escaped text takes on a terminal (East Asian wide = 2, combining = 0). */
size_t text_width(const char *text);

/* The longest prefix of `text`, in bytes, that takes at most `columns` columns. */
size_t text_prefix(const char *text, size_t columns);

/*
 * Decodes one UTF-8 code point at bytes[0..len) into *code. Returns the bytes used (1-4), or 0 for
 * an invalid, overlong, surrogate or truncated sequence (RFC 3629).
 */
size_t text_decode_utf8(const char *bytes, size_t len, uint32_t *code);

/*
 * Number of single-character edits (insert, delete, replace, swap of neighbours) that lead from a
 * to b, for "did you mean"; texts over 63 bytes count as far apart (returns 64).
 */
size_t text_distance(const char *a, const char *b);

/*
 * Is `name` spelled so much like `word` that it was probably meant, and more like it than the names
 * before? *best: the edits to the nearest of those; begin with SIZE_MAX.
 */
bool text_is_nearer(const char *word, const char *name, size_t *best);

/*
 * Parses a whole decimal number, digits only, no sign, at most `max`. Returns 0, or -EINVAL (not a
 * number) or -ERANGE (over max); *ret is written only on success.
 */
int text_parse_number(const char *text, size_t len, uint64_t max, uint64_t *ret);

/* The same in hexadecimal, upper or lower case, without a prefix. */
int text_parse_hex(const char *text, size_t len, uint64_t max, uint64_t *ret);

/* A length of time, "120", "120s", "5m", "2h" or "1d", in seconds: 1 to `max`. -EINVAL or -ERANGE.
 */
int text_parse_duration(const char *text, uint32_t max, uint32_t *ret);
/* The last `digits` digits of a number, with zeroes before it; no NUL. printf() takes 20 times as
 * long. */
void text_put_digits(char *to, size_t digits, uint64_t value);
/* A number, at most 20 digits; no NUL. How many they are. */
size_t text_put_number(char *to, uint64_t value);
