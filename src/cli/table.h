/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table: lays out text in columns that fit a width, by shortening and dropping columns in an order
 * that the caller gives. The texts must be escaped already (base/text).
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum { TABLE_COLUMN_LIMIT = 16 };

/* What to do to one column when the table is too wide; tried in order until it fits. */
struct table_step {
	size_t column;
	enum {
		STEP_SHORT, /* use the short texts */
		STEP_WIDTH, /* no wider than `width`: longer texts end in an ellipsis */
		STEP_DROP,  /* leave the column out */
	} kind;
	size_t width;
};

struct table {
	const char *const *titles;
	size_t column_count;
	const struct table_step *steps;
	size_t step_count;
	bool ascii; /* "~" for an ellipsis, not "…" */
	bool no_heading;
	unsigned hidden; /* bits 1 << column: left out in any case */
	/* cells[row * column_count + column]; a cell's short text may be NULL */
	struct table_cell {
		const char *text, *short_text;
		const char *color; /* SGR parameters such as "31", or NULL */
	} * cells;
	size_t row_count;
	/* rows before which a line of its own stands: NULL, or row_count texts of which most are
	 * NULL */
	const char *const *headings;
	/* takes the lines in `out` away before they are many; NULL: they stay there */
	void (*take_lines)(struct buf *out);
};

/* Appends the table to `out`. width 0: as wide as it gets. colored: emit colour. */
void table_format(const struct table *t, size_t width, bool colored, struct buf *out);
