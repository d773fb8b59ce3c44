/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/policy_log.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/changes.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/table.h"
#include "cli/view.h"
#include "enforce/state_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ENTRIES_LIMIT = 1000, COLUMNS = 6 };
enum { COLUMN_TIME, COLUMN_WHAT, COLUMN_STATE, COLUMN_LOADED, COLUMN_WHO, COLUMN_WHY };

/* Everything that is known of the state folder. */
struct look {
	struct change_entry *entries;
	size_t entry_count;
	uint32_t *numbers;
	size_t number_count;
	struct state_info *states; /* number_count; one that cannot be read has time 0 */
	uint32_t confirmed;
	struct pending pending;
	bool is_pending;
};

static void look_done(struct look *l)
{
	free(l->entries);
	free(l->numbers);
	free(l->states);
	pending_done(&l->pending);
}

static int read_states(const struct states *s, struct look *l, struct err *e)
{
	struct err ignored;
	int r = state_list(s, &l->numbers, &l->number_count, e);

	if (r < 0)
		return r;
	l->states = calloc(l->number_count + 1, sizeof(*l->states));
	if (!l->states)
		return err_set(e, -ENOMEM, _("out of memory"));
	for (size_t i = 0; i < l->number_count; i++)
		if (state_read(s, l->numbers[i], &l->states[i], &ignored) < 0)
			l->states[i] = (struct state_info){.number = l->numbers[i]};
	return 0;
}

static int look(const struct options *o, struct look *l, struct err *e)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	int r = states_open(&s, o->state_dir, false, e);

	if (r == -ENOENT)
		return 0; /* nothing was applied yet */
	if (r == 0)
		r = change_log_read(&s, ENTRIES_LIMIT, &l->entries, &l->entry_count, e);
	if (r == 0)
		r = read_states(&s, l, e);
	if (r == 0)
		r = states_confirmed(&s, &l->confirmed, e);
	if (r == 0)
		r = pending_read(&s, &l->pending, e);
	l->is_pending = r == 1;
	return r < 0 ? r : 0;
}

/* --- for people ---------------------------------------------------------------------------------
 */

static const char *change_word(enum change what)
{
	switch (what) {
	case CHANGE_APPLY:
		return _("applied");
	case CHANGE_CONFIRM:
		return _("confirmed");
	case CHANGE_EXTEND:
		return _("more time");
	case CHANGE_ROLLBACK:
		return _("taken back");
	case CHANGE_UNDO:
		return _("undone");
	case CHANGE_RESTORE:
		return _("restored");
	case CHANGE_FAILURE:
	case CHANGE_COUNT:
		break;
	}
	return _("failed");
}

/* Nobody takes back what was not confirmed in time. */
static void describe_who(const struct change_entry *entry, struct buf *out)
{
	char text[4 * WHO_SIZE];

	if (entry->what == CHANGE_UNDO || entry->what == CHANGE_FAILURE)
		return buf_add_text(out, "portero");
	who_format(&entry->who, text, sizeof(text));
	buf_add_text(out, text);
}

static char *cell_text(const struct change_entry *entry, int column)
{
	struct buf out = {0};
	time_t t = (time_t)entry->time_s;
	struct tm tm;
	char when[32] = "?";

	switch (column) {
	case COLUMN_TIME:
		if (localtime_r(&t, &tm))
			strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
		buf_add_text(&out, when);
		break;
	case COLUMN_WHAT:
		buf_add_text(&out, change_word(entry->what));
		break;
	case COLUMN_STATE:
		buf_printf(&out, "%u", (unsigned)entry->state);
		break;
	case COLUMN_LOADED:
		buf_printf(&out, "%u", (unsigned)entry->loaded);
		break;
	case COLUMN_WHO:
		describe_who(entry, &out);
		break;
	default:
		buf_add_text(&out, entry->why[0] ? entry->why : entry->command);
	}
	if (!out.failed && !out.data)
		buf_add_text(&out, "");
	return out.data;
}

static void print_table(const struct view *v, const struct look *l)
{
	static const struct table_step steps[] = {{COLUMN_WHY, STEP_WIDTH, 40},
						  {COLUMN_WHO, STEP_WIDTH, 20},
						  {COLUMN_WHY, STEP_WIDTH, 20},
						  {COLUMN_WHY, STEP_DROP, 0},
						  {COLUMN_WHO, STEP_WIDTH, 10}};
	const char *const titles[COLUMNS] = {_("TIME"),	  _("WHAT"), _("STATE"),
					     _("LOADED"), _("WHO"),  _("WHY")};
	struct buf cleanup_call(buf_done) out = {0};
	struct table_cell *cells = calloc(l->entry_count * COLUMNS + 1, sizeof(*cells));
	struct table t = {.titles = titles,
			  .column_count = COLUMNS,
			  .steps = steps,
			  .step_count = ARRAY_LEN(steps),
			  .ascii = v->ascii,
			  .no_heading = v->options->quiet,
			  .cells = cells,
			  .row_count = l->entry_count};

	for (size_t i = 0; cells && i < l->entry_count * COLUMNS; i++)
		cells[i].text = cell_text(&l->entries[i / COLUMNS], (int)(i % COLUMNS));
	if (cells)
		table_format(&t, v->width, v->colored, &out);
	fputs(buf_text(&out), stdout);
	for (size_t i = 0; cells && i < l->entry_count * COLUMNS; i++) {
		char *text;

		memcpy(&text, &cells[i].text, sizeof(text));
		free(text);
	}
	free(cells);
}

static void print_kept(const struct view *v, unsigned first, unsigned last)
{
	char text[64];

	if (first == last)
		snprintf(text, sizeof(text), "%u", first);
	else
		snprintf(text, sizeof(text), _("%u to %u"), first, last);
	view_print_line(v, _("Kept, for portero rollback STATE: 0 (no rules of portero), and %s."),
			text);
}

static void print_rest(const struct view *v, const struct look *l)
{
	char when[16], now[64];

	putchar('\n');
	changes_name_state(l->confirmed, now, sizeof(now));
	if (l->confirmed)
		view_print_line(v, _("Confirmed, and loaded at the start of the machine: %s."),
				now);
	else
		view_print_line(v, "%s", _("No state is confirmed."));
	if (l->is_pending) {
		changes_time(l->pending.deadline_s, when);
		view_print_line(v,
				_("State %u waits to be confirmed, and is undone at %s (portero "
				  "confirm, portero rollback)."),
				(unsigned)l->pending.state, when);
	}
	if (l->number_count)
		print_kept(v, (unsigned)l->numbers[0], (unsigned)l->numbers[l->number_count - 1]);
}

static void print_human(const struct options *o, const struct look *l)
{
	struct view v;

	view_start(&v, o);
	if (!l->entry_count && !l->number_count) {
		view_print_line(&v, "%s", _("Nothing was applied yet."));
		return;
	}
	print_table(&v, l);
	if (!o->quiet)
		print_rest(&v, l);
}

/* --- for programs -------------------------------------------------------------------------------
 */

static json_t *pack_entries(const struct look *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->entry_count; i++) {
		const struct change_entry *entry = &l->entries[i];

		json_array_append_new(list, json_pack("{s:o, s:s, s:I, s:I, s:o, s:s, s:s}", "time",
						      changes_json_time(entry->time_s), "what",
						      change_id(entry->what), "state",
						      (json_int_t)entry->state, "loaded",
						      (json_int_t)entry->loaded, "by",
						      who_pack(&entry->who), "why", entry->why,
						      "command", entry->command));
	}
	return list;
}

static json_t *pack_states(const struct look *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->number_count; i++) {
		const struct state_info *info = &l->states[i];
		char fingerprint[24];

		snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64, info->fingerprint);
		json_array_append_new(list,
				      json_pack("{s:I, s:o, s:b, s:o, s:s, s:s, s:s}", "number",
						(json_int_t)info->number, "time",
						changes_json_time(info->time_s), "confirmed",
						!info->unconfirmed, "by", who_pack(&info->who),
						"why", info->why, "command", info->command,
						"fingerprint", fingerprint));
	}
	return list;
}

static int print_json(const struct look *l)
{
	json_t *pending =
		l->is_pending ? json_pack("{s:I, s:I, s:o}", "state", (json_int_t)l->pending.state,
					  "previous", (json_int_t)l->pending.previous, "deadline",
					  changes_json_time(l->pending.deadline_s))
			      : json_null();

	return json_print(json_pack(
		"{s:s, s:o, s:I, s:o, s:o, s:o}", "schema", "portero.policy-log/1", "time",
		changes_json_time((int64_t)time(NULL)), "confirmed", (json_int_t)l->confirmed,
		"pending", pending, "states", pack_states(l), "entries", pack_entries(l)));
}

int policy_log(const struct options *o)
{
	struct look cleanup_call(look_done) l = {0};
	struct err e = {0};

	if (look(o, &l, &e) < 0)
		return command_fail("%s", e.msg);
	if (!o->json)
		print_human(o, &l);
	else if (print_json(&l) < 0)
		return command_fail(_("out of memory"));
	return EXIT_DECLARED;
}
