/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rollback_return: coming back: to what others left who were killed, to a state of before, and
 * after a start of the machine.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "enforce/pending_files.h"
#include "enforce/rollback.h"
#include "enforce/rollback_steps.h"
#include "enforce/state_store.h"
#include "enforce/undo_process.h"

#include <errno.h>
#include <string.h>

/* Is it another namespace's, and may be loaded there? */
static bool is_elsewhere(const struct states *s, const struct pending *p)
{
	return !pending_is_of_old_boot(p) && !pending_is_here(p) && undo_process_is_alive(s);
}

static int refuse_elsewhere(const struct states *s, const struct pending *p, struct err *e)
{
	return err_set(e, -EXDEV,
		       _("state %u in %s waits to be confirmed in another network namespace: use "
			 "another --state-dir here"),
		       (unsigned)p->state, s->dir);
}

/* Why a pending change must not stay; NULL: it may. */
static const char *why_over(const struct states *s, const struct pending *p)
{
	if (pending_is_of_old_boot(p))
		return "the machine was started again before it was confirmed";
	if (!pending_is_here(p))
		return "its network namespace is gone";
	if (rollback_was_interrupted(s))
		return "portero was interrupted while it was applied";
	if (pending_left_ms(p) <= 0)
		return "not confirmed in time";
	return NULL;
}

int rollback_settle(struct states *s, struct rollback_end *ret, struct err *e)
{
	struct pending cleanup_call(pending_done) p = {0};
	const char *why = "pending.json is damaged";
	int r = pending_read(s, &p, e);

	if (r == 0 || (r < 0 && r != -EBADMSG))
		return r;
	if (r == 1) {
		if (is_elsewhere(s, &p))
			return refuse_elsewhere(s, &p, e);
		if (rollback_is_confirmed(s, &p))
			return rollback_finish_confirmed(s, &p, e);
		why = why_over(s, &p);
	}
	if (!why)
		return undo_process_start(s, e);
	r = rollback_undo(s, CHANGE_UNDO, why, NULL, ret, e);
	return r < 0 ? r : 1;
}

/* --- to any state -------------------------------------------------------------------------------
 */

static int arm_and_load(struct states *s, const struct rollback_wish *wish, bool confirm,
			struct pending *ret, struct err *e)
{
	struct rollback change = {0};
	struct rollback_end end;
	int r = rollback_arm(s, wish, &change, e);

	if (r < 0)
		return r;
	r = rollback_load(s, &change, e);
	if (r == 0 && confirm)
		r = rollback_confirm(s, wish->command, &end, e);
	if (r == 0) {
		*ret = change.pending;
		change.pending = (struct pending){0};
	}
	rollback_done(&change);
	return r;
}

int rollback_to(struct states *s, uint32_t state, const struct rollback_wish *wish,
		struct pending *ret, struct err *e)
{
	struct rollback_wish whole = *wish;
	struct rollback_end end;
	struct state_info info;
	uint32_t confirmed;
	int r = state_read(s, state, &info, e);

	if (r < 0)
		return r;
	r = rollback_undo(s, CHANGE_ROLLBACK, wish->why, wish->command, &end, e);
	if (r < 0 && r != -ENODATA)
		return r;
	r = states_confirmed(s, &confirmed, e);
	if (r < 0)
		return r;
	/* there is nothing to confirm, nor to come back to */
	if (confirmed == state) {
		*ret = (struct pending){.state = state, .previous = state};
		r = rollback_load_state(s, state, e);
		if (r == 0)
			change_log_add(s, CHANGE_ROLLBACK, state, state, wish->why, wish->command);
		return r;
	}
	whole.state = state;
	if (!whole.window_s)
		whole.window_s = ROLLBACK_WINDOW_S;
	return arm_and_load(s, &whole, wish->window_s == 0, ret, e);
}

/* --- at the start of the machine ----------------------------------------------------------------
 */

static int load_confirmed(struct states *s, const char *command, struct rollback_end *ret,
			  struct err *e)
{
	uint32_t confirmed;
	int r = states_confirmed(s, &confirmed, e);

	if (r == 0)
		r = rollback_load_state(s, confirmed, e);
	if (r < 0)
		return r;
	change_log_add(s, CHANGE_RESTORE, confirmed, confirmed, NULL, command);
	ret->loaded = confirmed;
	return 0;
}

int rollback_restore(struct states *s, const char *command, struct rollback_end *ret, struct err *e)
{
	struct rollback_end end = {0};
	struct pending cleanup_call(pending_done) p = {0};
	struct err why = {0};
	int settled = rollback_settle(s, &end, &why), r;

	if (settled == -EXDEV)
		return err_set(e, settled, "%s", why.msg);
	/* a change whose time is not over is the one that the firewall is to have */
	if (settled == 0 && pending_read(s, &p, &why) == 1) {
		r = rollback_load_state(s, p.state, e);
		if (r < 0)
			return r;
		end.loaded = p.state;
		change_log_add(s, CHANGE_RESTORE, p.state, p.state, NULL, command);
	} else if (settled != 1) {
		/* whatever cannot be brought in order, the rules are to be there */
		r = load_confirmed(s, command, &end, e);
		if (r < 0)
			return r;
	}
	*ret = end;
	return settled < 0 ? err_set(e, settled, "%s", why.msg) : 0;
}
