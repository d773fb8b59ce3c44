/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/table.h"
#include "base/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 2, MANY_BYTES = 32768 };

struct layout {
	uint32_t *widths; /* of each cell's text in use; measuring them twice would take longest of
			     all */
	size_t limit[TABLE_COLUMN_LIMIT]; /* widest allowed; SIZE_MAX: any */
	size_t width[TABLE_COLUMN_LIMIT]; /* as wide as the texts need within the limit */
	bool is_short[TABLE_COLUMN_LIMIT], dropped[TABLE_COLUMN_LIMIT];
};

static const char *cell_text(const struct table *t, const struct layout *l, size_t row,
			     size_t column)
{
	const struct table_cell *cell = &t->cells[row * t->column_count + column];
	const char *text = l->is_short[column] && cell->short_text ? cell->short_text : cell->text;

	return text ? text : "";
}

static void measure_column(const struct table *t, struct layout *l, size_t column)
{
	size_t widest = t->no_heading ? 0 : text_width(t->titles[column]), width = 0;
	const char *above = NULL;

	for (size_t row = 0; row < t->row_count; row++) {
		const char *text = cell_text(t, l, row, column);

		if (text != above) /* most columns say the same in many rows */
			width = text_width(text);
		above = text;
		l->widths[row * t->column_count + column] = (uint32_t)width;
		if (width > widest)
			widest = width;
	}
	l->width[column] = widest < l->limit[column] ? widest : l->limit[column];
}

static size_t total_width(const struct table *t, const struct layout *l)
{
	size_t total = 0;

	for (size_t i = 0; i < t->column_count; i++)
		if (!l->dropped[i])
			total += l->width[i] + GAP;
	return total ? total - GAP : 0;
}

static void fit(const struct table *t, size_t width, struct layout *l)
{
	for (size_t i = 0; i < t->column_count; i++) {
		l->limit[i] = (size_t)-1;
		l->dropped[i] = t->hidden >> i & 1;
		measure_column(t, l, i);
	}
	for (size_t i = 0; width && i < t->step_count && total_width(t, l) > width; i++) {
		const struct table_step *step = &t->steps[i];
		size_t column = step->column;
		size_t excess = total_width(t, l) - width;

		if (step->kind == STEP_DROP)
			l->dropped[column] = true;
		else if (step->kind == STEP_SHORT)
			l->is_short[column] = true;
		else if (l->width[column] > step->width) /* only as much as is needed */
			l->limit[column] =
				l->width[column] - excess > step->width && l->width[column] > excess
					? l->width[column] - excess
					: step->width;
		measure_column(t, l, column);
	}
}

/*
 * A dropped column may leave more room than was needed: what was narrowed gets it back, the last
 * first.
 */
static void give_back(const struct table *t, size_t width, struct layout *l)
{
	for (size_t i = t->step_count; width && i-- > 0;) {
		size_t column = t->steps[i].column, total = total_width(t, l);

		if (total >= width)
			return;
		if (l->dropped[column] || l->limit[column] == (size_t)-1)
			continue;
		l->limit[column] += width - total;
		measure_column(t, l, column);
	}
}

static void put_spaces(size_t count, struct buf *out)
{
	char *to = buf_reserve(out, count);

	if (!to)
		return;
	memset(to, ' ', count);
	out->len += count;
	out->data[out->len] = '\0';
}

/* Puts `used` columns of text in at most `width`; returns how many were put. */
static size_t put_cell(const struct table *t, const char *text, size_t used, size_t width,
		       const char *color, struct buf *out)
{
	if (!text[0])
		color = NULL;
	if (color)
		buf_printf(out, "\033[%sm", color);
	if (used > width && width > 0) {
		size_t bytes = text_prefix(text, width - 1), start = out->len;

		buf_add(out, text, bytes);
		/* a wide character that did not fit leaves a column free */
		used = out->failed ? width : text_width(out->data + start) + 1;
		buf_add_text(out, t->ascii ? "~" : "…");
	} else if (used <= width) {
		buf_add_text(out, text);
	}
	if (color)
		buf_add_text(out, "\033[0m");
	return used < width ? used : width;
}

static size_t last_column(const struct table *t, const struct layout *l)
{
	size_t last = t->column_count - 1;

	while (last > 0 && l->dropped[last])
		last--;
	return last;
}

static void put_line(const struct table *t, const struct layout *l, bool colored, size_t row,
		     bool is_title, struct buf *out)
{
	size_t last = last_column(t, l);

	for (size_t i = 0; i <= last; i++) {
		size_t cell = row * t->column_count + i;
		const char *text = is_title ? t->titles[i] : cell_text(t, l, row, i);
		size_t used = is_title ? text_width(text) : l->widths[cell];
		const char *color = is_title ? "1" : t->cells[cell].color;

		if (l->dropped[i])
			continue;
		used = put_cell(t, text, used, l->width[i], colored ? color : NULL, out);
		if (i < last)
			put_spaces(l->width[i] + GAP - used, out);
	}
	while (out->len && out->data[out->len - 1] == ' ')
		out->len--;
	buf_add_char(out, '\n');
}

void table_format(const struct table *t, size_t width, bool colored, struct buf *out)
{
	struct layout l = {.widths = calloc(t->row_count * t->column_count + 1, sizeof(*l.widths))};

	if (!l.widths) {
		out->failed = true;
		return;
	}
	fit(t, width, &l);
	give_back(t, width, &l);
	if (!t->no_heading && t->row_count)
		put_line(t, &l, colored, 0, true, out);
	for (size_t row = 0; row < t->row_count; row++) {
		if (t->headings && t->headings[row])
			buf_printf(out, "%s%s\n", row ? "\n" : "", t->headings[row]);
		put_line(t, &l, colored, row, false, out);
		if (t->take_lines && out->len > MANY_BYTES)
			t->take_lines(out);
	}
	free(l.widths);
}
