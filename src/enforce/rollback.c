/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rollback: a change from its beginning to its end. What the next portero makes of one that was cut
 * short, and going to any state, is in enforce/rollback_return.c.
 */
#include "enforce/rollback.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/save.h"
#include "enforce/firewall.h"
#include "enforce/guard_state.h"
#include "enforce/pending_files.h"
#include "enforce/rollback_steps.h"
#include "enforce/state_store.h"
#include "enforce/undo_process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* There from before the rules are loaded until after they are. */
static const char loading[] = "loading";

bool rollback_was_interrupted(const struct states *s)
{
	return faccessat(s->dir_fd, loading, F_OK, 0) == 0;
}

bool rollback_is_confirmed(const struct states *s, const struct pending *p)
{
	struct err ignored;
	uint32_t confirmed;

	return p->state != p->previous && states_confirmed(s, &confirmed, &ignored) == 0 &&
	       confirmed == p->state;
}

/* What is not there any more is no error; what cannot be removed is found by the next one. */
static void remove_loading(const struct states *s)
{
	if (unlinkat(s->dir_fd, loading, 0) == 0)
		save_names(s->dir_fd);
}

static int load_firewall(struct states *s, uint32_t state, struct err *e)
{
	struct buf cleanup_call(buf_done) script = {0};
	int r;

	if (state == 0)
		return firewall_remove(e);
	r = state_read_script(s, state, &script, e);
	if (r < 0)
		return r;
	states_share_lock(s, true);
	r = firewall_load(buf_text(&script), script.len, e);
	states_share_lock(s, false);
	return r;
}

/* On the way back, each half comes back although the other cannot. */
int rollback_load_state(struct states *s, uint32_t state, struct err *e)
{
	struct err why = {0};
	int guard = guard_state_load(s, state, &why), r = load_firewall(s, state, e);

	return r < 0 || guard >= 0 ? r : err_set(e, guard, "%s", why.msg);
}

/*
 * Forward, the guard goes first: what may be refused is refused while nothing else was changed; the
 * ruleset was tried before.
 */
static int load_new_state(struct states *s, const struct rollback *c, struct err *e)
{
	uint32_t before = c->has_former ? c->former.state : c->pending.previous;
	struct err ignored;
	int r = guard_state_load(s, c->wish->state, e);

	if (r == 0)
		r = load_firewall(s, c->wish->state, e);
	/* also one that was put up in part, and judges nothing yet */
	if (r < 0)
		guard_state_load(s, before, &ignored);
	return r;
}

/* --- arming -------------------------------------------------------------------------------------
 */

static int copy_pending(const struct pending *from, struct pending *to)
{
	*to = *from;
	to->file_count = 0;
	for (size_t i = 0; i < from->file_count; i++) {
		to->files[i].path = strdup(from->files[i].path);
		if (!to->files[i].path)
			return -ENOMEM;
		to->file_count++;
	}
	return 0;
}

/* Is the way back one that can be gone? */
static int check_previous(const struct states *s, uint32_t previous, struct err *e)
{
	struct buf cleanup_call(buf_done) script = {0};
	struct err why = {0};
	int r = state_read_script(s, previous, &script, &why);

	if (r < 0)
		return err_set(e, r, _("there would be no way back, so nothing is changed: %s"),
			       why.msg);
	return 0;
}

/* The pending change that is to be: a new one, or in the place of the one that there is. */
static int begin(const struct states *s, const struct rollback_wish *wish, struct rollback *c,
		 struct err *e)
{
	int r = pending_read(s, &c->former, e);

	if (r < 0)
		return r;
	c->has_former = r == 1;
	r = pending_begin(&c->pending, e);
	if (r == 0 && c->has_former && copy_pending(&c->former, &c->pending) < 0)
		r = err_set(e, -ENOMEM, _("out of memory"));
	if (r == 0)
		r = states_confirmed(s, &c->pending.previous, e);
	c->pending.state = wish->state;
	pending_set_deadline(&c->pending, wish->window_s, FIREWALL_PATIENCE_MS / 1000);
	return r < 0 ? r : check_previous(s, c->pending.previous, e);
}

/* Everything that the way back needs room for. */
static int write_down(const struct states *s, struct rollback *c, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->wish->file_count; i++)
		r = pending_note_file(&c->pending, c->wish->files[i], e);
	if (r == 0) {
		r = save_at(s->dir_fd, loading, "", 0, 0600);
		if (r < 0)
			states_fail(s, r, loading, e);
	}
	if (r == 0)
		r = states_prepare(s, c->wish->state, e);
	if (r < 0) {
		pending_drop_copies(&c->pending, c->former.file_count);
		remove_loading(s);
		return r;
	}
	return pending_write(s, &c->pending, e);
}

static int check_wish(struct states *s, const struct rollback_wish *wish, struct err *e)
{
	struct rollback_end end;
	int r;

	if (s->lock_fd < 0)
		return err_set(e, -ENOLCK, "rollback_arm: the lock is not held");
	if (wish->window_s == 0 || wish->window_s > ROLLBACK_WINDOW_LIMIT_S)
		return err_set(e, -ERANGE, _("the time to confirm must be 1 second to %d days"),
			       ROLLBACK_WINDOW_LIMIT_S / 86400);
	r = rollback_settle(s, &end, e);
	if (r == 1)
		return err_set(
			e, -EAGAIN,
			_("state %u, which nobody confirmed, was undone just now: look again "
			  "at what is to be changed"),
			(unsigned)end.state);
	return r;
}

int rollback_arm(struct states *s, const struct rollback_wish *wish, struct rollback *ret,
		 struct err *e)
{
	struct rollback c = {.wish = wish};
	int r = check_wish(s, wish, e);

	if (r == 0)
		r = begin(s, wish, &c, e);
	if (r == 0) {
		r = write_down(s, &c, e);
		if (r == 0)
			r = undo_process_start(s, e);
		if (r < 0)
			rollback_disarm(s, &c);
	}
	if (r < 0) {
		rollback_done(&c);
		return r;
	}
	*ret = c;
	return 0;
}

void rollback_disarm(struct states *s, struct rollback *c)
{
	struct rollback_end end;
	struct err ignored;
	int r;

	pending_restore_files(&c->pending, c->former.file_count, &ignored);
	r = c->has_former ? pending_write(s, &c->former, &ignored) : pending_remove(s, &ignored);
	if (r == 0 && c->has_former)
		r = states_prepare(s, c->former.state, &ignored);
	/* what was pending cannot be written down again: then it does not stay */
	if (r < 0)
		rollback_undo(s, CHANGE_UNDO, ignored.msg, c->wish->command, &end, &ignored);
	remove_loading(s);
}

void rollback_done(struct rollback *c)
{
	pending_done(&c->pending);
	pending_done(&c->former);
}

int rollback_load(struct states *s, struct rollback *c, struct err *e)
{
	const struct rollback_wish *wish = c->wish;
	const struct state_keep keep = {
		{wish->state, c->pending.previous, c->has_former ? c->former.state : 0}};
	struct err ignored;
	int r = load_new_state(s, c, e);

	if (r < 0) {
		rollback_disarm(s, c);
		return r;
	}
	/* the time to look at it begins now; if that cannot be written, it is a minute more */
	pending_set_deadline(&c->pending, wish->window_s, 0);
	pending_write(s, &c->pending, &ignored);
	remove_loading(s);
	state_prune(s, &keep);
	change_log_add(s, CHANGE_APPLY, wish->state, wish->state, wish->why, wish->command);
	return 0;
}

/* --- the end ------------------------------------------------------------------------------------
 */

/* Reads the pending change, if it is one that can still be confirmed. */
static int read_confirmable(struct states *s, struct pending *p, struct err *e)
{
	uint64_t handle;
	int r = pending_read(s, p, e);

	if (r == 0)
		return err_set(e, -ENODATA, _("nothing waits to be confirmed"));
	if (r < 0)
		return r;
	if (rollback_was_interrupted(s) || pending_left_ms(p) <= 0 || pending_is_of_old_boot(p))
		return err_set(e, -ETIME, _("state %u can no longer be confirmed"),
			       (unsigned)p->state);
	if (!pending_is_here(p))
		return err_set(e, -EXDEV,
			       _("state %u, which waits to be confirmed, is of another network "
				 "namespace"),
			       (unsigned)p->state);
	r = firewall_handle(&handle, e);
	if (r < 0)
		return r;
	if (p->state && !handle)
		return err_set(
			e, -ESTALE,
			_("the firewall has lost the rules of state %u (somebody removed the "
			  "table inet portero): 'portero restore' loads them again"),
			(unsigned)p->state);
	return 0;
}

int rollback_finish_confirmed(const struct states *s, const struct pending *p, struct err *e)
{
	pending_drop_copies(p, 0);
	state_set_confirmed(s, p->state);
	return pending_remove(s, e);
}

int rollback_confirm(struct states *s, const char *command, struct rollback_end *ret, struct err *e)
{
	struct pending cleanup_call(pending_done) p = {0};
	struct err ignored;
	int r = read_confirmable(s, &p, e);

	if (r == 0)
		r = states_make_confirmed(s, p.state, e);
	if (r < 0)
		return r;
	/* it is confirmed: what is left over, the next one finds */
	rollback_finish_confirmed(s, &p, &ignored);
	change_log_add(s, CHANGE_CONFIRM, p.state, p.state, NULL, command);
	*ret = (struct rollback_end){p.state, p.state};
	return 0;
}

int rollback_extend(struct states *s, uint32_t window_s, const char *command, struct pending *ret,
		    struct err *e)
{
	struct pending p = {0};
	int r;

	if (window_s == 0 || window_s > ROLLBACK_WINDOW_LIMIT_S)
		return err_set(e, -ERANGE, _("the time to confirm must be 1 second to %d days"),
			       ROLLBACK_WINDOW_LIMIT_S / 86400);
	r = read_confirmable(s, &p, e);
	if (r == 0)
		r = undo_process_start(s, e);
	if (r == 0) {
		pending_set_deadline(&p, window_s, 0);
		r = pending_write(s, &p, e);
	}
	if (r < 0) {
		pending_done(&p);
		return r;
	}
	change_log_add(s, CHANGE_EXTEND, p.state, p.state, NULL, command);
	*ret = p;
	return 0;
}

int rollback_undo(struct states *s, enum change what, const char *why, const char *command,
		  struct rollback_end *ret, struct err *e)
{
	struct pending cleanup_call(pending_done) p = {0};
	uint32_t previous;
	int r = pending_read(s, &p, e), files;

	if (r == 0)
		return err_set(e, -ENODATA, _("nothing waits to be confirmed"));
	/* one that is damaged tells nothing but that there was a change */
	if (r < 0 && r != -EBADMSG)
		return r;
	if (r == 1 && rollback_is_confirmed(s, &p)) {
		r = rollback_finish_confirmed(s, &p, e);
		return r < 0 ? r
			     : err_set(e, -ENODATA, _("state %u is confirmed already"),
				       (unsigned)p.state);
	}
	r = states_confirmed(s, &previous, e);
	if (r == 0)
		r = rollback_load_state(s, previous, e);
	if (r < 0)
		return r;
	files = pending_restore_files(&p, 0, e);
	r = files == 0 ? pending_remove(s, e) : pending_remove(s, NULL);
	if (r < 0)
		return r;
	remove_loading(s);
	change_log_add(s, what, p.state, previous, why, command);
	*ret = (struct rollback_end){p.state, previous};
	return files;
}
