/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rollback: back to a state of before. Also the program of the undo process (--when-due).
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/changes.h"
#include "cli/command.h"
#include "enforce/state_store.h"
#include "enforce/undo_process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char command[] = "portero rollback";

static int take_back(const struct options *o, struct states *s)
{
	struct rollback_end end = {0};
	struct err e = {0};
	char now[64], sentence[256];

	if (rollback_undo(s, CHANGE_ROLLBACK, o->why, command, &end, &e) < 0)
		return command_fail("%s", e.msg);
	changes_name_state(end.loaded, now, sizeof(now));
	snprintf(sentence, sizeof(sentence), _("State %u is undone: the firewall has %s again."),
		 (unsigned)end.state, now);
	return changes_tell(
		o, &(struct changes_told){"rollback", end.state, end.loaded, NULL, sentence});
}

static int tell_loaded(const struct options *o, const struct states *s, uint32_t state,
		       const struct pending *p)
{
	bool waits = p->state != p->previous && !o->no_confirm;
	char now[64], when[16], name[8], sentence[8192];
	int len;

	changes_name_state(state, now, sizeof(now));
	changes_time(p->deadline_s, when);
	states_name(state, name);
	len = waits ? snprintf(sentence, sizeof(sentence),
			       _("The firewall has %s. This is undone at %s, unless portero "
				 "confirm comes before."),
			       now, when)
		    : snprintf(sentence, sizeof(sentence), _("The firewall has %s."), now);
	if (state && len > 0 && (size_t)len < sizeof(sentence))
		snprintf(sentence + len, sizeof(sentence) - (size_t)len,
			 _("\nThe files of the policy are as they were; those of that state are "
			   "in %s/states/%s/policy."),
			 s->dir, name);
	return changes_tell(
		o, &(struct changes_told){"rollback", state, state, waits ? p : NULL, sentence});
}

static int go_to(const struct options *o, struct states *s, uint32_t state)
{
	struct rollback_wish wish = {
		.window_s = ROLLBACK_WINDOW_S, .why = o->why, .command = command};
	struct pending cleanup_call(pending_done) p = {0};
	struct err e = {0};

	if (o->confirm && o->no_confirm)
		return command_fail(_("--confirm and --no-confirm exclude each other: choose one"));
	if (o->confirm &&
	    text_parse_duration(o->confirm, ROLLBACK_WINDOW_LIMIT_S, &wish.window_s) < 0)
		return command_fail(_("'%.64s' is no time to confirm in: say 120s, 5m or 2h, at "
				      "most 7d"),
				    o->confirm);
	if (o->no_confirm)
		wish.window_s = 0;
	if (rollback_to(s, state, &wish, &p, &e) < 0)
		return command_fail("%s", e.msg);
	return tell_loaded(o, s, state, &p);
}

/*
 * Without a number, only what is pending is taken back. To go further would be wrong just when it
 * matters: for who wants that, and is a second later than the undo process.
 */
static int go_back(const struct options *o, struct states *s)
{
	struct pending cleanup_call(pending_done) p = {0};
	uint32_t confirmed = 0, before = 0;
	struct err e = {0};
	char now[64];
	int r = pending_read(s, &p, &e);

	if (r == 1)
		return take_back(o, s);
	if (r == 0)
		r = states_confirmed(s, &confirmed, &e);
	if (r == 0)
		r = state_before(s, confirmed, &before, &e);
	if (r < 0)
		return command_fail("%s", e.msg);
	changes_name_state(confirmed, now, sizeof(now));
	if (confirmed == 0)
		command_fail(_("nothing waits to be confirmed: the firewall has %s"), now);
	else
		command_fail(_("nothing waits to be confirmed: the firewall has %s; 'portero "
			       "rollback %u' goes back to the one before it"),
			     now, (unsigned)before);
	return EXIT_DIFFERENT;
}

static int roll_back(const struct options *o, struct states *s)
{
	struct pending cleanup_call(pending_done) p = {0};
	struct err e = {0};
	uint64_t state;

	if (o->word_count == 0)
		return go_back(o, s);
	if (text_parse_number(o->words[0], strlen(o->words[0]), STATES_NUMBER_LIMIT, &state) < 0)
		return command_fail(_("'%.64s' is no number of a state: portero policy log lists "
				      "them"),
				    o->words[0]);
	if (pending_read(s, &p, &e) == 1) {
		if (p.state == state)
			return command_fail(_("the firewall has state %u, which waits to be "
					      "confirmed: portero confirm does that"),
					    (unsigned)state);
		if (p.previous == state)
			return take_back(o, s);
	}
	return go_to(o, s, (uint32_t)state);
}

static int run_when_due(const struct options *o)
{
	struct err e = {0};

	return undo_process_run(o->state_dir, &e) < 0 ? command_fail("%s", e.msg) : EXIT_DECLARED;
}

int command_rollback(const struct options *o)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	struct rollback_end ended = {0};
	struct err e = {0};
	int r;

	if (o->word_count > 1)
		return command_fail(_("rollback takes one number of a state, or none"));
	if (o->when_due)
		return run_when_due(o);
	r = changes_begin(o, &s, false, &ended, &e);
	if (r == -ENOENT) {
		command_fail(_("nothing waits to be confirmed: nothing was applied yet"));
		return EXIT_DIFFERENT;
	}
	if (r < 0)
		return command_fail("%s", e.msg);
	/* what was to be taken back just was */
	if (r == 1 && (o->word_count == 0))
		return changes_tell(o, &(struct changes_told){"rollback", ended.state, ended.loaded,
							      NULL, _("Done.")});
	return roll_back(o, &s);
}
