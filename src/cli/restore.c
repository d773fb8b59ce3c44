/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * restore: the confirmed state, at the start of the machine (portero.service).
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/applying_guard.h"
#include "cli/changes.h"
#include "cli/command.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

enum { PATIENCE_MS = 60000, STEP_MS = 500 };

static const char command[] = "portero restore";

/* At the start of the machine nobody is there to try again. */
static int lock(struct states *s, struct err *e)
{
	int r = states_lock(s, e);

	for (int ms = 0; r == -EBUSY && ms < PATIENCE_MS; ms += STEP_MS) {
		poll(NULL, 0, STEP_MS);
		r = states_lock(s, e);
	}
	return r;
}

/* A state is whole only with its guard, which a kernel may refuse. */
static bool has_guard(const struct states *s, uint32_t state)
{
	struct applying_guard cleanup_call(applying_guard_done) g = {0};
	struct err e = {0};

	if (guard_state_read(s, state, &g.rules, &e) < 0) {
		command_fail("%s", e.msg);
		return false;
	}
	return applying_guard_tell(s, &g);
}

static int restore(const struct options *o, struct states *s)
{
	struct pending cleanup_call(pending_done) p = {0};
	struct rollback_end end = {0};
	struct err e = {0}, ignored;
	char now[64], sentence[256];
	int code;

	if (rollback_restore(s, command, &end, &e) < 0)
		return command_fail("%s", e.msg);
	changes_name_state(end.loaded, now, sizeof(now));
	if (end.state)
		fprintf(stderr,
			_("portero: state %u was not confirmed in time, and is undone: the "
			  "firewall has %s\n"),
			(unsigned)end.state, now);
	snprintf(sentence, sizeof(sentence), _("The firewall has %s."), now);
	code = changes_tell(o, &(struct changes_told){
				       "restore", end.state, end.loaded,
				       pending_read(s, &p, &ignored) == 1 ? &p : NULL, sentence});
	return has_guard(s, end.loaded) ? code : EXIT_BLIND;
}

int command_restore(const struct options *o)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	struct err e = {0};
	int r;

	if (o->word_count)
		return command_fail(_("restore takes no arguments"));
	r = states_open(&s, o->state_dir, false, &e);
	if (r == -ENOENT)
		return changes_tell(
			o, &(struct changes_told){"restore", 0, 0, NULL,
						  _("Nothing was applied yet: there is nothing to "
						    "restore.")});
	if (r == 0)
		r = lock(&s, &e);
	return r < 0 ? command_fail("%s", e.msg) : restore(o, &s);
}
