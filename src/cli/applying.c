/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * applying: the order is what makes it safe. Everything that can be refused is refused before
 * anything is touched; the way back is ready before the first change; the kernel takes the rules in
 * one transaction (see enforce/rollback for what a kill leaves at each step).
 */
#include "cli/applying.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/save.h"
#include "base/text.h"
#include "cli/apply_check.h"
#include "cli/applying_guard.h"
#include "cli/changes.h"
#include "cli/command.h"
#include "cli/plan_proof.h"
#include "cli/plan_words.h"
#include "enforce/connections.h"
#include "enforce/rollback.h"
#include "enforce/state_store.h"
#include "observe/nft_graft.h"
#include "observe/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Before the time to confirm begins, what was loaded is looked at, which takes up to four times
 * what the plan took; and some seconds, for a machine that is busy. */
enum { LOOKING_S = 30, LOOKING_TIMES = 6 };

struct work {
	const struct options *o;
	const struct applying *a;
	struct planned *p;
	struct states states;
	struct applying_guard guard;
	uint32_t state, window_s, looking_s;
};

/* --- before anything is touched -----------------------------------------------------------------
 */

static int read_window(struct work *w)
{
	w->window_s = ROLLBACK_WINDOW_S;
	if (!w->o->confirm)
		return 0;
	if (w->o->no_confirm)
		return command_fail(_("--confirm and --no-confirm exclude each other: choose one"));
	if (text_parse_duration(w->o->confirm, ROLLBACK_WINDOW_LIMIT_S, &w->window_s) < 0)
		return command_fail(_("'%.64s' is no time to confirm in: 120, 5m, 2h, at most 7d"),
				    w->o->confirm);
	return 0;
}

static bool ask_person(void)
{
	char answer[16];

	printf("%s", _("Apply this? [y/N] "));
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	/* the word for yes begins with its letter in every language that portero speaks */
	return strchr(_("yY"), answer[0]) && answer[0] && answer[0] != '\n';
}

/* What was shown may be long ago, and others may have changed the policy: it must be the same. */
static int plan_again(struct work *w, struct err *e)
{
	struct buf cleanup_call(buf_done) script = {0};
	struct rollback_end ended = {0};

	buf_add(&script, w->p->script.data, w->p->script.len);
	states_close(&w->states);
	if (changes_begin(w->o, &w->states, true, &ended, e) < 0)
		return command_fail("%s", e->msg);
	planned_done(w->p);
	if (planned_take(w->p, w->o, w->a->file, e) < 0)
		return planned_fail(w->p, w->o, e);
	if (strcmp(buf_text(&script), buf_text(&w->p->script)) != 0 || !planned_holds(w->p))
		return command_fail(
			_("the policy, or the machine, has changed while you were asked: "
			  "nothing was changed; try again"));
	return EXIT_DECLARED;
}

/* Nobody is kept waiting by a question: the lock is not ours meanwhile. */
static int agree(struct work *w, struct err *e)
{
	if (w->o->yes)
		return EXIT_DECLARED;
	if (w->o->json || !isatty(STDIN_FILENO))
		return command_fail(_("nobody can be asked here whether to apply this: say --yes"));
	states_unlock(&w->states);
	if (!ask_person()) {
		puts(_("Nothing was changed."));
		return EXIT_DIFFERENT;
	}
	return plan_again(w, e);
}

static int refuse_unsafe(const struct work *w, struct err *e)
{
	struct buf cleanup_call(buf_done) reasons = {0};

	if (apply_check(w->p, &reasons, e) < 0)
		return command_fail("%s", e->msg);
	if (!reasons.len)
		return EXIT_DECLARED;
	fflush(stdout);
	fputs(buf_text(&reasons), stderr);
	if (w->o->force)
		return EXIT_DECLARED;
	return command_fail(_("refused, so as not to lock you out: nothing was changed (--force "
			      "does it all the same)"));
}

/* Shows the plan, and everything that speaks against it. EXIT_DECLARED: go on. */
static int consider(struct work *w, struct err *e)
{
	int code;

	if (!w->o->quiet && !w->o->json) {
		plan_words_print(w->p);
		plan_words_print_remarks(w->p);
		policy_load_print(w->o->policy_dir, &w->p->problems, stdout);
	}
	if (!planned_holds(w->p)) {
		plan_proof_print_refusal(w->p);
		return EXIT_BLIND;
	}
	if (!planned_is_proved(w->p) && !w->o->force)
		return command_fail(
			_("refused: it cannot be proved that all that is undeclared "
			  "will be closed (see above, or portero plan); --force does it "
			  "all the same"));
	code = refuse_unsafe(w, e);
	return code ? code : agree(w, e);
}

/* --- the change ---------------------------------------------------------------------------------
 */

static int add_state(struct work *w, struct err *e)
{
	const struct policy_files *files = &w->p->files;
	struct state_file cleanup_free *copies = calloc(files->count + 1, sizeof(*copies));
	struct state_wish wish = {.script = buf_text(&w->p->script),
				  .script_len = w->p->script.len,
				  .files = copies,
				  .file_count = files->count,
				  .guard = w->guard.text,
				  .why = w->o->why,
				  .command = w->a->command};

	if (!copies)
		return err_set(e, -ENOMEM, _("out of memory"));
	for (size_t i = 0; i < files->count; i++)
		copies[i] = (struct state_file){policy_files_name(files, i),
						policy_files_text(files, i), files->files[i].len};
	return state_add(&w->states, &wish, &w->state, e);
}

static int write_file(const struct work *w, struct err *e)
{
	const struct planned_file *file = w->a->file;
	int cleanup_close dir = open(w->o->policy_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : 0;

	if (r == 0 && file->text)
		r = save_at(dir, file->name, file->text, strlen(file->text), 0644);
	else if (r == 0)
		r = save_remove(dir, file->name);
	return r < 0 ? err_set(e, r, _("cannot change %.200s in %.200s: %s"), file->name,
			       w->o->policy_dir, strerror(-r))
		     : 0;
}

/* The first opening of all makes the folder. Its path, without links or dots, or a negative errno.
 */
static int find_path(const struct work *w, char *path, size_t size, struct err *e)
{
	char cleanup_free *folder = NULL;

	if (mkdir(w->o->policy_dir, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, _("cannot make the folder %.300s: %s"), w->o->policy_dir,
			       strerror(errno));
	folder = realpath(w->o->policy_dir, NULL);
	if (!folder)
		return err_set(e, -errno, _("cannot find the folder %.300s: %s"), w->o->policy_dir,
			       strerror(errno));
	if ((size_t)snprintf(path, size, "%s/%s", folder, w->a->file->name) >= size)
		return err_set(e, -ENAMETOOLONG, _("the path of %.300s is too long"), folder);
	return 0;
}

/* Is the kernel's table what was planned, and do packets get what the policy says? */
static int look_again(struct work *w, struct err *e)
{
	int r = planned_look_again(w->p, e);

	if (r < 0)
		return r;
	if (!planned_holds(w->p))
		return err_set(e, -EIO,
			       _("looked at again, the machine does not do what the policy says"));
	/* what could be proved before, and cannot be now, is no success */
	if (!planned_is_proved(w->p) && !w->o->force)
		return err_set(e, -EIO,
			       _("looked at again, it cannot be proved that the machine does what "
				 "the policy says"));
	return 0;
}

static int change_all(struct work *w, struct rollback *change, const char *path, struct err *e)
{
	int r = path ? write_file(w, e) : 0;

	if (r < 0) {
		rollback_disarm(&w->states, change);
		return r;
	}
	return rollback_load(&w->states, change, e);
}

static int undo(struct work *w, const struct err *why)
{
	struct rollback_end end = {0};
	struct err e = {0};

	if (rollback_undo(&w->states, CHANGE_ROLLBACK, why->msg, w->a->command, &end, &e) < 0)
		return command_fail(_("%s; and it could not be undone: %s"), why->msg, e.msg);
	return command_fail(_("%s: it was undone, the firewall has state %u"), why->msg,
			    end.loaded);
}

static bool is_own(const struct snapshot *s, const struct address *a)
{
	for (size_t i = 0; i < s->address_count; i++)
		if (s->addresses[i].netns == 0 && address_equal(&s->addresses[i].address, a))
			return true;
	return false;
}

/* What nobody listens for here is a connection of the machine's own to somewhere else. */
static bool has_listener(const struct planned *p, const struct connection_info *c)
{
	const struct listener_list *list = &p->now.list;

	for (size_t i = 0; i < list->row_count; i++) {
		const struct port_row *row = &list->rows[i];

		if (row->proto == c->proto && row->port <= c->local_port &&
		    (row->last_port ? row->last_port : row->port) >= c->local_port)
			return true;
	}
	return false;
}

/* Of who came in from outside, and may not any more. */
static bool is_cut_off(const struct connection_info *c, void *context)
{
	const struct planned *p = context;
	struct address local = c->local, peer = c->peer;

	address_unmap(&local);
	address_unmap(&peer);
	return is_own(&p->now.snapshot, &local) && !is_own(&p->now.snapshot, &peer) &&
	       has_listener(p, c) && !plan_words_may_come(p, c);
}

/* A courtesy: that some could not be ended undoes nothing. */
static void end_connections(struct work *w)
{
	size_t sockets = 0, tracked = 0;
	struct err e = {0};

	if (connections_end_sockets(&w->p->now.snapshot, is_cut_off, w->p, &sockets, &e) < 0)
		command_fail(_("not every connection was ended: %s"), e.msg);
	if (connections_end_tracked(is_cut_off, w->p, &tracked, &e) < 0)
		command_fail(_("not every connection was ended: %s"), e.msg);
	if (!w->o->quiet && !w->o->json)
		printf(ngettext("%zu connection was ended.\n", "%zu connections were ended.\n",
				sockets > tracked ? sockets : tracked),
		       sockets > tracked ? sockets : tracked);
}

static int finish(struct work *w, const struct pending *pending)
{
	struct changes_told told = {"apply", w->state, w->state, pending, NULL};
	struct rollback_end end = {0};
	struct err e = {0};
	char when[16], sentence[512];

	if (w->o->no_confirm) {
		if (rollback_confirm(&w->states, w->a->command, &end, &e) < 0)
			return command_fail("%s", e.msg);
		told.pending = NULL;
		snprintf(sentence, sizeof(sentence),
			 _("Applied, to stay: the firewall has state "
			   "%u."),
			 w->state);
	} else {
		changes_time(pending->deadline_s, when);
		snprintf(sentence, sizeof(sentence),
			 _("Applied: the firewall has state %u. This is undone at %s, unless "
			   "portero confirm comes before."),
			 w->state, when);
	}
	told.sentence = sentence;
	changes_warn_of_start(w->o);
	return changes_tell(w->o, &told);
}

/* The time to confirm begins when the person is told, not when the kernel has the rules. */
static int begin_window(const struct work *w, struct pending *p, struct err *e)
{
	pending_set_deadline(p, w->window_s, 0);
	return pending_write(&w->states, p, e);
}

/* The way back first; then the file, the kernel, and a look at both. */
static int make_change(struct work *w, const char *path, struct err *e)
{
	const struct rollback_wish wish = {.state = w->state,
					   .window_s = w->window_s + w->looking_s,
					   .files = &path,
					   .file_count = path ? 1 : 0,
					   .why = w->o->why,
					   .command = w->a->command};
	struct rollback cleanup_call(rollback_done) change = {0};
	int r = rollback_arm(&w->states, &wish, &change, e), code;
	bool is_whole;

	if (r >= 0)
		r = change_all(w, &change, path, e);
	if (r < 0) {
		state_remove(&w->states, w->state);
		return command_fail(_("%s (nothing was changed)"), e->msg);
	}
	if (look_again(w, e) < 0)
		return undo(w, e);
	if (w->o->now)
		end_connections(w);
	is_whole = applying_guard_tell(&w->states, &w->guard);
	if (begin_window(w, &change.pending, e) < 0)
		return undo(w, e);
	code = finish(w, &change.pending);
	return is_whole ? code : EXIT_BLIND; /* a kernel may refuse the guard */
}

static int carry_out(struct work *w, struct err *e)
{
	char path[4096];

	if (w->a->file && find_path(w, path, sizeof(path), e) < 0)
		return command_fail("%s", e->msg);
	if (applying_guard_prepare(w->o, &w->states, w->p, &w->guard, e) < 0 || add_state(w, e) < 0)
		return command_fail(_("%s (nothing was changed)"), e->msg);
	return make_change(w, w->a->file ? path : NULL, e);
}

/* Is what the kernel has also what a start of the machine brings back? */
static bool is_confirmed(const struct work *w)
{
	struct buf cleanup_call(buf_done) script = {0};
	struct err e = {0};
	uint32_t state;

	return states_confirmed(&w->states, &state, &e) == 0 && state &&
	       state_read_script(&w->states, state, &script, &e) == 0 &&
	       strcmp(buf_text(&script), buf_text(&w->p->script)) == 0 &&
	       applying_guard_is_kept(&w->states, state, w->p);
}

/* The rules are there: what may be left is that they wait to be confirmed. -1: they are no state.
 */
static int finish_applied(struct work *w, struct err *e)
{
	struct pending cleanup_call(pending_done) pending = {0};
	int r = pending_read(&w->states, &pending, e);

	if (r < 0)
		return command_fail("%s", e->msg);
	if (r > 0) {
		w->state = pending.state;
		return finish(w, &pending);
	}
	if (!is_confirmed(w))
		return -1;
	if (w->o->json)
		return changes_tell(w->o, &(struct changes_told){"apply", 0, 0, NULL, ""});
	plan_words_print(w->p);
	return EXIT_DECLARED;
}

static int run(struct work *w, struct err *e)
{
	struct rollback_end ended = {0};
	int code = read_window(w);
	time_t began = time(NULL);

	if (code)
		return code;
	/* what others left who were killed is brought in order before anything is planned */
	if (changes_begin(w->o, &w->states, true, &ended, e) < 0)
		return command_fail("%s", e->msg);
	if (planned_take(w->p, w->o, w->a->file, e) < 0)
		return planned_fail(w->p, w->o, e);
	if (!w->a->file && !planned_changes(w->p) && planned_is_proved(w->p) &&
	    applying_guard_is_applied(w->o, w->p)) {
		code = finish_applied(w, e);
		if (code >= 0)
			return code;
	}
	w->looking_s = LOOKING_S + (uint32_t)(time(NULL) - began) * LOOKING_TIMES;
	code = consider(w, e);
	return code ? code : carry_out(w, e);
}

int applying_run(const struct options *o, const struct applying *a)
{
	struct planned cleanup_free *p = calloc(1, sizeof(*p));
	struct work w = {.o = o, .a = a, .p = p, .states = {.dir_fd = -1, .lock_fd = -1}};
	struct err e = {0};
	int code;

	if (!p)
		return command_fail(_("out of memory"));
	code = run(&w, &e);
	planned_done(p);
	applying_guard_done(&w.guard);
	states_close(&w.states);
	return code;
}
