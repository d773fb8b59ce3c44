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
#include "cli/reach_words.h"
#include "cli/rest.h"
#include "cli/table.h"
#include "cli/view.h"
#include "decide/filter.h"
#include "decide/listener_notes.h"

#include <errno.h>
#include <pwd.h>
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

/* A name that nobody has would match nothing, and look like a user who listens nowhere. */
static int set_user(const char *user, struct filter *f, struct err *e)
{
	const struct passwd *account;
	uint64_t number;

	f->only_user = true;
	if (text_parse_number(user, strlen(user), UINT32_MAX, &number) == 0) {
		f->uid = (uint32_t)number;
		return 0;
	}
	account = getpwnam(user);
	if (!account)
		return err_set(e, -EINVAL,
			       _("no user of this machine is called '%.64s': --user takes a name "
				 "or a number"),
			       user);
	f->uid = account->pw_uid;
	return 0;
}

static int build_filter(const struct options *o, struct filter *f, struct err *e)
{
	*f = (struct filter){.unit = o->unit};
	if (o->user && set_user(o->user, f, e) < 0)
		return -EINVAL;
	if (o->tcp)
		f->protos |= 1u << PROTO_TCP;
	if (o->udp)
		f->protos |= 1u << PROTO_UDP | 1u << PROTO_UDPLITE;
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

static int print_table(const struct view *v)
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

/* RFC 4180 */
static int print_csv(const struct view *v)
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

/* Of portero's own namespace, unless all are shown. */
static unsigned count_kind(const struct view *v, enum socket_kind kind)
{
	unsigned count = 0;

	for (size_t i = 0; i < v->snapshot.socket_count; i++)
		count += v->snapshot.sockets[i].kind == kind &&
			 view_shows(v, v->snapshot.sockets[i].netns);
	return count;
}

/* Sockets that are no port, and yet receive: one line, so that they are not forgotten. */
static void print_portless(const struct view *v)
{
	unsigned raw = count_kind(v, SOCKET_RAW);
	unsigned packet = count_kind(v, SOCKET_PACKET);
	unsigned vsock = count_kind(v, SOCKET_VSOCK);

	if (raw + packet + vsock == 0)
		return;
	view_print_line(v,
			_("Without a port, but receiving: %u packet, %u raw, %u vsock sockets (see "
			  "--json)."),
			packet, raw, vsock);
}

static void print_footer(const struct view *v, bool filtered)
{
	unsigned clients = count_kind(v, SOCKET_CLIENT);

	if (v->options->quiet)
		return;
	if (v->list.row_count)
		putchar('\n');
	if (!filtered)
		rest_print(v);
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
	if (!v->with_reach)
		view_print_line(
			v, "%s",
			_("The firewall was not looked at: a port that listens may still be "
			  "out of reach."));
}

/* A word that is no port, no command and matches nothing may be a mistyped command. */
static const struct command *mistyped(const struct options *o, const struct view *v)
{
	if (o->word_count == 0 || v->list.row_count || port_range_looks_like(o->words[0]))
		return NULL;
	return command_guess(o->words[0]);
}

static void print_no_match(const struct view *v, const struct filter *f)
{
	struct buf cleanup_call(buf_done) word = {0};
	const char *first = v->options->word_count ? v->options->words[0] : "";
	bool by_owner = f->word_count || f->only_user || f->unit;

	text_escape(&word, first, strnlen(first, 64), v->ascii);
	if (!snapshot_has_all_listeners(&v->snapshot))
		view_print_line(v, "%s",
				_("No listener that was seen matches, but not every one could be "
				  "(see below)."));
	else if (by_owner && !snapshot_has_all_owners(&v->snapshot))
		view_print_line(v, "%s",
				_("No listener is known to match, but not every owner could be "
				  "looked at (see below)."));
	else if (!first[0] || port_range_looks_like(first))
		view_print_line(v, "%s", _("No listener matches."));
	else
		view_print_line(
			v, _("No listener matches (nor is '%s' a command: see portero --help)."),
			buf_text(&word));
}

static int print_human(const struct view *v, const struct filter *f, bool filtered)
{
	int r = print_table(v);

	if (r < 0)
		return r;
	if (v->list.row_count == 0 && filtered && !v->options->quiet)
		print_no_match(v, f);
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
	bool filtered = f->range_count || f->word_count || f->only_user || f->unit ||
			f->only_bound || f->protos || o->ipv4 || o->ipv6;
	const struct command *near;

	filter_apply(f, &v->snapshot, &v->services, &v->list);
	sort_rows(v);
	near = mistyped(o, v);
	if (near)
		return command_fail(
			_("'%.64s' is no command, and no listener has that name: did you "
			  "mean '%s'?"),
			o->words[0], near->name);
	if ((o->json  ? json_print_status(v)
	     : o->csv ? print_csv(v)
		      : print_human(v, f, filtered)) < 0)
		return command_fail(_("out of memory"));
	return view_exit_code(v);
}

int command_status(const struct options *o)
{
	struct view_wish wish = {
		.cmdlines = o->json, .clients = o->clients, .reach = true, .policy = true};
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
