/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status: one line for each port that something listens on: as a table, CSV or JSON.
 */
#include "base/arena.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/table.h"
#include "cli/view.h"
#include "decide/filter.h"
#include "decide/listener_notes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column {
	COLUMN_PORT,
	COLUMN_STATE,
	COLUMN_SERVICE,
	COLUMN_BOUND,
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
	{COLUMN_BOUND, STEP_SHORT, 0},	  {COLUMN_PACKAGE, STEP_WIDTH, 16},
	{COLUMN_UNIT, STEP_WIDTH, 20},	  {COLUMN_NOTES, STEP_WIDTH, 28},
	{COLUMN_STATE, STEP_DROP, 0},	  {COLUMN_PACKAGE, STEP_DROP, 0},
	{COLUMN_UNIT, STEP_WIDTH, 14},	  {COLUMN_SERVICE, STEP_WIDTH, 10},
	{COLUMN_USER, STEP_WIDTH, 8},	  {COLUMN_BOUND, STEP_WIDTH, 19},
	{COLUMN_PROGRAM, STEP_WIDTH, 14}, {COLUMN_UNIT, STEP_DROP, 0},
	{COLUMN_NOTES, STEP_WIDTH, 14},	  {COLUMN_SERVICE, STEP_DROP, 0},
	{COLUMN_BOUND, STEP_WIDTH, 14},	  {COLUMN_USER, STEP_DROP, 0},
	{COLUMN_PROGRAM, STEP_WIDTH, 8},  {COLUMN_NOTES, STEP_WIDTH, 8},
	{COLUMN_BOUND, STEP_WIDTH, 8},
};

static int build_filter(const struct options *o, struct filter *f, struct err *e)
{
	*f = (struct filter){.user = o->user, .unit = o->unit};
	if (o->tcp)
		f->protos |= 1u << PROTO_TCP;
	if (o->udp)
		f->protos |= 1u << PROTO_UDP | 1u << PROTO_UDPLITE;
	if (o->ipv4)
		f->families |= FAMILY_IPV4;
	if (o->ipv6)
		f->families |= FAMILY_IPV6;
	if (o->listening_on)
		filter_set_bound(f, o->listening_on);
	for (size_t i = 0; i < o->word_count; i++) {
		int r = filter_add_word(f, o->words[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static void sort_rows(struct view *v)
{
	for (int i = 0; v->options->sort && i < ORDER_COUNT; i++)
		if (strcmp(row_order_name((enum row_order)i), v->options->sort) == 0)
			listeners_sort(&v->snapshot, &v->list, (enum row_order)i);
}

static void add_field(const struct view *v, const struct port_row *row, enum column column,
		      bool brief, struct buf *out)
{
	switch (column) {
	case COLUMN_PORT:
		view_port(row, out);
		break;
	case COLUMN_STATE:
		buf_add_text(out, v->words.listening);
		break;
	case COLUMN_SERVICE:
		view_service(v, row, out);
		break;
	case COLUMN_BOUND:
		view_bound(v, row, brief, out);
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
	return column == COLUMN_PROGRAM || column == COLUMN_BOUND;
}

static const char *color_of(const struct port_row *row, enum column column)
{
	if (column == COLUMN_NOTES)
		return notes_are_finding(row->notes) ? "31" : "33";
	if (column == COLUMN_BOUND)
		return row->bound == BOUND_EVERYWHERE ? "33"
		       : row->bound == BOUND_HOST     ? "32"
						      : NULL;
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
		cell->color = color_of(row, column);
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

static int print_table(const struct view *v)
{
	const char *titles[COLUMN_COUNT] = {_("PORT"),	   _("STATE"),	 _("SERVICE"),
					    _("BOUND TO"), _("PROGRAM"), _("USER"),
					    _("UNIT"),	   _("PACKAGE"), _("NOTES")};
	size_t count = v->list.row_count * COLUMN_COUNT + 1;
	struct texts cleanup_call(texts_done) texts = {0};
	struct buf cleanup_call(buf_done) out = {0};
	struct table_cell cleanup_free *cells = calloc(count, sizeof(*cells));
	const char cleanup_free **headings = calloc(v->list.row_count + 1, sizeof(*headings));
	struct table t = {
		.titles = titles,
		.column_count = COLUMN_COUNT,
		.steps = steps,
		.step_count = ARRAY_LEN(steps),
		.ascii = v->ascii,
		.no_heading = v->options->quiet,
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

/* RFC 4180 */
static int print_csv(const struct view *v)
{
	static const char *const names[COLUMN_COUNT] = {
		"port", "state", "service", "bound", "program", "user", "unit", "package", "notes"};

	for (int column = 0; column < COLUMN_COUNT && !v->options->quiet; column++)
		print_csv_field(names[column], false);
	if (!v->options->quiet)
		print_csv_field("namespace", true);
	for (size_t i = 0; i < v->list.row_count; i++)
		if (print_csv_row(v, &v->list.rows[i]) < 0)
			return -ENOMEM;
	return 0;
}

/* How many of the ports of a protocol nobody listens on, of this machine's own namespace. */
static unsigned long count_silent(const struct snapshot *s, enum proto proto)
{
	unsigned char seen[65536 / 8] = {0};
	unsigned long count = 65535;

	for (size_t i = 0; i < s->socket_count; i++) {
		const struct socket_info *socket = &s->sockets[i];
		unsigned char bit = (unsigned char)(1u << (socket->port % 8));

		if (socket->netns != 0 || socket->proto != proto || !socket->port ||
		    (socket->kind != SOCKET_PORT && socket->kind != SOCKET_CLIENT) ||
		    seen[socket->port / 8] & bit)
			continue;
		seen[socket->port / 8] |= bit;
		count--;
	}
	return count;
}

static unsigned count_kind(const struct snapshot *s, enum socket_kind kind)
{
	unsigned count = 0;

	for (size_t i = 0; i < s->socket_count; i++)
		count += s->sockets[i].kind == kind;
	return count;
}

static void print_rest(const struct view *v)
{
	struct buf cleanup_call(buf_done) tcp = {0};
	struct buf cleanup_call(buf_done) udp = {0};

	if (!snapshot_has_all_listeners(&v->snapshot)) {
		view_print_line(v, "%s",
				_("Whether the other ports have a listener is not known (see "
				  "below)."));
		return;
	}
	view_number(count_silent(&v->snapshot, PROTO_TCP), &tcp);
	view_number(count_silent(&v->snapshot, PROTO_UDP), &udp);
	view_print_line(v, _("The other %s tcp and %s udp ports have no listener."), buf_text(&tcp),
			buf_text(&udp));
}

/* Sockets that are no port, and yet receive: one line, so that they are not forgotten. */
static void print_portless(const struct view *v)
{
	unsigned raw = count_kind(&v->snapshot, SOCKET_RAW);
	unsigned packet = count_kind(&v->snapshot, SOCKET_PACKET);
	unsigned vsock = count_kind(&v->snapshot, SOCKET_VSOCK);

	if (raw + packet + vsock == 0)
		return;
	view_print_line(v,
			_("Without a port, but receiving: %u packet, %u raw, %u vsock sockets (see "
			  "--json)."),
			packet, raw, vsock);
}

static void print_footer(const struct view *v, bool filtered)
{
	unsigned clients = count_kind(&v->snapshot, SOCKET_CLIENT);

	if (v->options->quiet)
		return;
	if (v->list.row_count)
		putchar('\n');
	if (!filtered)
		print_rest(v);
	if (!filtered && clients && !v->options->clients)
		view_print_line(v,
				ngettext("%u UDP client is not shown (--clients shows it).",
					 "%u UDP clients are not shown (--clients shows them).",
					 clients),
				clients);
	if (!filtered)
		print_portless(v);
	if (v->snapshot.other_listeners && !v->options->all)
		view_print_line(
			v,
			ngettext(
				"%u listener in other network namespaces is not shown (--all shows "
				"it).",
				"%u listeners in other network namespaces are not shown (--all "
				"shows them).",
				v->snapshot.other_listeners),
			v->snapshot.other_listeners);
	view_print_line(v, "%s",
			_("The firewall was not looked at: a port that listens may still be out of "
			  "reach."));
}

/* A word that is no port, no command and matches nothing may be a mistyped command. */
static const struct command *mistyped(const struct options *o, const struct view *v)
{
	if (o->word_count == 0 || v->list.row_count || port_range_looks_like(o->words[0]))
		return NULL;
	return command_guess(o->words[0]);
}

static void print_no_match(const struct view *v)
{
	struct buf cleanup_call(buf_done) word = {0};
	const char *first = v->options->word_count ? v->options->words[0] : "";

	text_escape(&word, first, strnlen(first, 64), v->ascii);
	if (!first[0] || port_range_looks_like(first))
		view_print_line(v, "%s",
				snapshot_has_all_listeners(&v->snapshot)
					? _("No listener matches.")
					: _("No listener that was seen matches, but not every one "
					    "could be (see below)."));
	else
		view_print_line(
			v, _("No listener matches (nor is '%s' a command: see portero --help)."),
			buf_text(&word));
}

static int print_human(const struct view *v, bool filtered)
{
	int r = print_table(v);

	if (r < 0)
		return r;
	if (v->list.row_count == 0 && filtered && !v->options->quiet)
		print_no_match(v);
	else if (v->list.row_count == 0 && !v->options->quiet)
		printf("%s\n", snapshot_has_all_listeners(&v->snapshot)
				       ? _("No port has a listener.")
				       : _("No listener was seen, but not every one could be "
					   "(see below)."));
	print_footer(v, filtered);
	view_print_gaps(v);
	return 0;
}

static int print_view(const struct options *o, struct view *v, const struct filter *f)
{
	bool filtered = f->range_count || f->word_count || f->user || f->unit || f->only_bound ||
			f->protos || f->families;
	const struct command *near;

	filter_apply(f, &v->snapshot, &v->services, &v->list);
	sort_rows(v);
	near = mistyped(o, v);
	if (near)
		return command_fail(
			_("'%.64s' is no command, and no listener has that name: did you "
			  "mean '%s'?"),
			o->words[0], near->name);
	if ((o->json ? json_print_status(v) : o->csv ? print_csv(v) : print_human(v, filtered)) < 0)
		return command_fail(_("out of memory"));
	return view_exit_code(v);
}

int command_status(const struct options *o)
{
	struct view_wish wish = {.cmdlines = o->json, .clients = o->clients};
	struct filter cleanup_free *f = calloc(1, sizeof(*f));
	struct view v = {0};
	struct err e = {0};
	int code;

	if (!f)
		return command_fail(_("out of memory"));
	if (o->json && o->csv)
		return command_fail(_("--json and --csv exclude each other: choose one"));
	if (build_filter(o, f, &e) < 0)
		return command_fail("%s", e.msg);
	code = view_take(&v, o, &wish, &e) < 0 ? command_fail("%s", e.msg) : print_view(o, &v, f);
	view_done(&v);
	return code;
}
