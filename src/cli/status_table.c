/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/status_table.h"
#include "base/arena.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/reach_words.h"
#include "cli/table.h"
#include "decide/listener_notes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column {
	COLUMN_PORT,
	COLUMN_STATE,
	COLUMN_SERVICE,
	COLUMN_REACH,
	COLUMN_POLICY,
	COLUMN_PROGRAM,
	COLUMN_USER,
	COLUMN_UNIT,
	COLUMN_PACKAGE,
	COLUMN_NOTES,
	COLUMN_COUNT,
};

/* What goes first when the line is too long. */
static const struct table_step steps[] = {
	{COLUMN_PROGRAM, STEP_SHORT, 0},  {COLUMN_NOTES, STEP_WIDTH, 40},
	{COLUMN_REACH, STEP_SHORT, 0},	  {COLUMN_PACKAGE, STEP_WIDTH, 16},
	{COLUMN_UNIT, STEP_WIDTH, 20},	  {COLUMN_NOTES, STEP_WIDTH, 28},
	{COLUMN_STATE, STEP_DROP, 0},	  {COLUMN_PACKAGE, STEP_DROP, 0},
	{COLUMN_UNIT, STEP_WIDTH, 14},	  {COLUMN_SERVICE, STEP_WIDTH, 10},
	{COLUMN_USER, STEP_WIDTH, 8},	  {COLUMN_REACH, STEP_WIDTH, 19},
	{COLUMN_PROGRAM, STEP_WIDTH, 14}, {COLUMN_UNIT, STEP_DROP, 0},
	{COLUMN_NOTES, STEP_WIDTH, 14},	  {COLUMN_SERVICE, STEP_DROP, 0},
	{COLUMN_REACH, STEP_WIDTH, 14},	  {COLUMN_USER, STEP_DROP, 0},
	{COLUMN_PROGRAM, STEP_WIDTH, 8},  {COLUMN_NOTES, STEP_WIDTH, 8},
	{COLUMN_REACH, STEP_WIDTH, 8},
};

/* The same, with the columns that tell who can reach a port. */
static const struct table_step reach_steps[] = {
	{COLUMN_PROGRAM, STEP_SHORT, 0},  {COLUMN_NOTES, STEP_WIDTH, 40},
	{COLUMN_PACKAGE, STEP_WIDTH, 16}, {COLUMN_UNIT, STEP_WIDTH, 20},
	{COLUMN_NOTES, STEP_WIDTH, 28},	  {COLUMN_PACKAGE, STEP_DROP, 0},
	{COLUMN_UNIT, STEP_WIDTH, 14},	  {COLUMN_SERVICE, STEP_WIDTH, 10},
	{COLUMN_USER, STEP_WIDTH, 8},	  {COLUMN_REACH, STEP_WIDTH, 19},
	{COLUMN_PROGRAM, STEP_WIDTH, 14}, {COLUMN_UNIT, STEP_DROP, 0},
	{COLUMN_NOTES, STEP_WIDTH, 14},	  {COLUMN_SERVICE, STEP_DROP, 0},
	{COLUMN_USER, STEP_DROP, 0},	  {COLUMN_REACH, STEP_WIDTH, 14},
	{COLUMN_PROGRAM, STEP_WIDTH, 8},  {COLUMN_NOTES, STEP_WIDTH, 8},
	{COLUMN_NOTES, STEP_DROP, 0},	  {COLUMN_REACH, STEP_WIDTH, 8},
	{COLUMN_PROGRAM, STEP_WIDTH, 5},  {COLUMN_STATE, STEP_WIDTH, 8},
};

static void add_field(const struct view *v, const struct port_row *row, enum column column,
		      bool brief, struct buf *out)
{
	switch (column) {
	case COLUMN_PORT:
		view_port(row, out);
		break;
	case COLUMN_STATE:
		view_state(v, row, out);
		break;
	case COLUMN_SERVICE:
		view_service(v, row, out);
		break;
	case COLUMN_REACH:
		if (v->with_reach)
			reach_words_row(v, row, out);
		else
			view_bound(v, row, brief, out);
		break;
	case COLUMN_POLICY:
		view_policy(v, row, out);
		break;
	case COLUMN_PROGRAM:
		view_program(v, row, brief, out);
		break;
	case COLUMN_USER:
		view_user(v, row, out);
		break;
	case COLUMN_UNIT:
		view_unit(v, row, out);
		break;
	case COLUMN_PACKAGE:
		view_package(v, row, out);
		break;
	case COLUMN_NOTES:
		view_notes(v, row, out);
		break;
	case COLUMN_COUNT:
		break;
	}
}

static bool has_short(enum column column)
{
	return column == COLUMN_PROGRAM || column == COLUMN_REACH;
}

static const char *exposure_color(const struct view *v, const struct port_row *row)
{
	if (!v->with_reach)
		return row->bound == BOUND_EVERYWHERE ? "33"
		       : row->bound == BOUND_HOST     ? "32"
						      : NULL;
	if (row->reach.state == PORT_OPEN)
		return row->reach.widest == SOURCE_INTERNET ? "33"
		       : row->reach.widest == SOURCE_HOST   ? "32"
							    : NULL;
	return row->reach.state == PORT_UNKNOWN ? "33" : "32";
}

static const char *color_of(const struct view *v, const struct port_row *row, enum column column)
{
	if (column == COLUMN_NOTES)
		return notes_are_finding(row->notes) ? "31" : "33";
	if (column == COLUMN_REACH || column == COLUMN_STATE)
		return exposure_color(v, row);
	if (column == COLUMN_POLICY)
		return view_is_undeclared(v, row) ? "31" : NULL;
	return NULL;
}

/* The texts of the table: each is made in `room`, and kept where it is not that of the row above.
 */
struct texts {
	struct buf room;
	struct arena kept;
};

static void texts_done(struct texts *t)
{
	buf_done(&t->room);
	arena_done(&t->kept);
}

static const char *keep_text(struct texts *t, const char *above)
{
	const char *text = buf_text(&t->room), *kept = above;

	if (!above || strcmp(above, text) != 0)
		kept = arena_add(&t->kept, text, t->room.len);
	t->room.failed |= !kept;
	return kept;
}

static const char *field_text(const struct view *v, const struct port_row *row, enum column column,
			      bool brief, struct texts *t, const char *above)
{
	buf_clear(&t->room);
	add_field(v, row, column, brief, &t->room);
	return t->room.failed ? NULL : keep_text(t, above);
}

static int fill_cells(const struct view *v, struct texts *t, struct table_cell *cells)
{
	static const struct table_cell none;

	for (size_t i = 0; i < v->list.row_count * COLUMN_COUNT; i++) {
		const struct port_row *row = &v->list.rows[i / COLUMN_COUNT];
		enum column column = (enum column)(i % COLUMN_COUNT);
		const struct table_cell *above =
			i < COLUMN_COUNT ? &none : &cells[i - COLUMN_COUNT];
		struct table_cell *cell = &cells[i];

		cell->text = field_text(v, row, column, false, t, above->text);
		if (cell->text && v->width && has_short(column))
			cell->short_text = field_text(v, row, column, true, t, above->short_text);
		if (t->room.failed)
			return -ENOMEM;
		cell->color = color_of(v, row, column);
	}
	return 0;
}

/* With --all: a line of its own before the first row of each namespace. */
static int fill_headings(const struct view *v, struct texts *t, const char **headings)
{
	for (size_t i = 0; i < v->list.row_count; i++) {
		uint32_t netns = v->list.rows[i].netns;

		if (i && v->list.rows[i - 1].netns == netns)
			continue;
		buf_clear(&t->room);
		buf_add_text(&t->room, "== ");
		view_netns(v, netns, &t->room);
		buf_add_text(&t->room, " ==");
		headings[i] = keep_text(t, NULL);
		if (t->room.failed)
			return -ENOMEM;
	}
	return 0;
}

static void print_lines(struct buf *out)
{
	if (out->failed)
		return;
	fwrite(buf_text(out), 1, out->len, stdout);
	buf_clear(out);
}

int status_table_print(const struct view *v)
{
	const char *titles[COLUMN_COUNT] = {
		_("PORT"),    _("STATE"),
		_("SERVICE"), v->with_reach ? _("REACH") : _("BOUND TO"),
		_("POLICY"),  _("PROGRAM"),
		_("USER"),    _("UNIT"),
		_("PACKAGE"), _("NOTES")};
	size_t count = v->list.row_count * COLUMN_COUNT + 1;
	struct texts cleanup_call(texts_done) texts = {0};
	struct buf cleanup_call(buf_done) out = {0};
	struct table_cell cleanup_free *cells = calloc(count, sizeof(*cells));
	const char cleanup_free **headings = calloc(v->list.row_count + 1, sizeof(*headings));
	struct table t = {
		.titles = titles,
		.column_count = COLUMN_COUNT,
		.steps = v->with_reach ? reach_steps : steps,
		.step_count = v->with_reach ? ARRAY_LEN(reach_steps) : ARRAY_LEN(steps),
		.ascii = v->ascii,
		.no_heading = v->options->quiet,
		.hidden = v->has_policy ? 0 : 1u << COLUMN_POLICY,
		.cells = cells,
		.row_count = v->list.row_count,
		.take_lines = print_lines,
	};

	if (!cells || !headings || fill_cells(v, &texts, cells) < 0)
		return -ENOMEM;
	if (v->options->all) {
		if (fill_headings(v, &texts, headings) < 0)
			return -ENOMEM;
		t.headings = headings;
	}
	table_format(&t, v->width, v->colored, &out);
	print_lines(&out);
	return out.failed ? -ENOMEM : 0;
}

static void print_csv_field(const char *text, bool last)
{
	putchar('"');
	/* what a spreadsheet would take for a formula becomes text */
	if (strchr("=+-@", text[0]) && text[0] && text[1])
		putchar('\'');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	putchar('"');
	fputs(last ? "\r\n" : ",", stdout);
}

/* The columns of the table in full, and the network namespace. */
static int print_csv_row(const struct view *v, const struct port_row *row)
{
	struct buf cleanup_call(buf_done) field = {0};

	for (int column = 0; column < COLUMN_COUNT; column++) {
		buf_clear(&field);
		add_field(v, row, (enum column)column, false, &field);
		print_csv_field(buf_text(&field), false);
	}
	buf_clear(&field);
	view_netns(v, row->netns, &field);
	print_csv_field(buf_text(&field), true);
	return field.failed ? -ENOMEM : 0;
}

int status_table_print_csv(const struct view *v)
{
	static const char *const names[COLUMN_COUNT] = {"port",	   "state",   "service", NULL,
							"policy",  "program", "user",	 "unit",
							"package", "notes"};

	for (int column = 0; column < COLUMN_COUNT && !v->options->quiet; column++)
		print_csv_field(names[column]	? names[column]
				: v->with_reach ? "reach"
						: "bound",
				false);
	if (!v->options->quiet)
		print_csv_field("namespace", true);
	for (size_t i = 0; i < v->list.row_count; i++)
		if (print_csv_row(v, &v->list.rows[i]) < 0)
			return -ENOMEM;
	return 0;
}
