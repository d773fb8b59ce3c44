/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fields: labelled lines and the forms of times, spans and sizes, for output that is no table.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { FIELDS_INDENT = 17 }; /* the column in which values begin */

/* Prints the label, padded so that what follows stands in one column; a longer one is not cut. */
void fields_label(const char *indent, const char *label);
/* A label, a value and a newline. The value must be escaped already. */
void fields_print(const char *indent, const char *label, const char *value);

/* Local time, "2026-11-23 10:00:00". */
void fields_format_time(int64_t seconds, char *text, size_t size);
/* "12 s", "3 min", "2 h", "5 d" */
void fields_format_span(uint64_t ms, char *text, size_t size);
/* "12 B", "3.4 kB" */
void fields_format_bytes(uint64_t bytes, char *text, size_t size);
