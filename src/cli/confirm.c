/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confirm: what was applied stays, or gets more time.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/changes.h"
#include "cli/command.h"
#include "enforce/state_store.h"

#include <errno.h>
#include <stdio.h>

static const char command[] = "portero confirm";

/* Nothing was there to be confirmed: that is no success for a script that relies on it. */
static int nothing(const struct err *e)
{
	command_fail("%s", e->msg);
	return EXIT_DIFFERENT;
}

static int confirm(const struct options *o, struct states *s)
{
	struct rollback_end end = {0};
	struct err e = {0};
	char now[64], sentence[256];
	int r = rollback_confirm(s, command, &end, &e);

	if (r == -ENODATA || r == -ETIME)
		return nothing(&e);
	if (r < 0)
		return command_fail("%s", e.msg);
	changes_name_state(end.state, now, sizeof(now));
	snprintf(sentence, sizeof(sentence), _("Confirmed: the firewall keeps %s."), now);
	return changes_tell(
		o, &(struct changes_told){"confirm", end.state, end.loaded, NULL, sentence});
}

static int extend(const struct options *o, struct states *s)
{
	struct pending cleanup_call(pending_done) p = {0};
	struct err e = {0};
	char when[16], sentence[256];
	uint32_t window;
	int r;

	if (text_parse_duration(o->extend, ROLLBACK_WINDOW_LIMIT_S, &window) < 0)
		return command_fail(_("'%.64s' is no time to confirm in: say 120s, 5m or 2h, at "
				      "most 7d"),
				    o->extend);
	r = rollback_extend(s, window, command, &p, &e);
	if (r == -ENODATA || r == -ETIME)
		return nothing(&e);
	if (r < 0)
		return command_fail("%s", e.msg);
	changes_time(p.deadline_s, when);
	snprintf(sentence, sizeof(sentence),
		 _("State %u is undone at %s, unless portero confirm comes before."),
		 (unsigned)p.state, when);
	return changes_tell(o, &(struct changes_told){"extend", p.state, p.state, &p, sentence});
}

int command_confirm(const struct options *o)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	struct rollback_end ended = {0};
	struct err e = {0};
	int r;

	if (o->word_count)
		return command_fail(_("confirm takes no arguments"));
	r = changes_begin(o, &s, false, &ended, &e);
	if (r == 1)
		return EXIT_DIFFERENT; /* it came too late, and that was said */
	if (r == -ENOENT) {
		err_set(&e, r, _("nothing waits to be confirmed: nothing was applied yet"));
		return nothing(&e);
	}
	if (r < 0)
		return command_fail("%s", e.msg);
	return o->extend ? extend(o, &s) : confirm(o, &s);
}
