/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard: `portero guard`: what the guard is doing, and whether it is what was applied; off;
 * programs that changed. Put up it is by portero apply.
 */
#include "base/buf.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/applying_guard.h"
#include "cli/changes.h"
#include "cli/command.h"
#include "cli/guard_look.h"
#include "cli/guard_words.h"
#include "cli/json.h"
#include "enforce/guard_state.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS = 40 }; /* of half a second, which it takes to be told that somebody has the lock */

/* --- status -------------------------------------------------------------------------------------
 */

static const char *mode_word(const struct guard_check *c)
{
	if (!c->there)
		return _("off");
	if (!c->mode_known)
		return _("not known");
	if (c->learning)
		return _("being put up");
	return c->mode == GUARD_ENFORCE	  ? _("enforce")
	       : c->mode == GUARD_OBSERVE ? _("observe: what would be refused is only told")
					  : _("off");
}

static void add_attached(const struct guard_check *c, struct buf *out)
{
	for (enum guard_part part = 0; part < GUARD_PART_ATTACHED; part++)
		if (c->attached & 1u << part)
			buf_printf(out, "%s%s", out->len ? ", " : "", guard_part_name(part));
}

static void print_words(const struct guard_look *l)
{
	const struct guard_check *c = &l->check;

	printf(_("Guard: %s\n"), mode_word(c));
	if (c->there && !c->whole) {
		struct buf cleanup_call(buf_done) parts = {0};

		add_attached(c, &parts);
		printf(_("still attached: %s\n"), parts.len ? buf_text(&parts) : _("nothing"));
	} else if (c->there) {
		printf(_("attached to %s, pinned in %s\n"),
		       l->where.cgroup[0] ? l->where.cgroup : guard_pins_cgroup_root(),
		       l->where.pins[0] ? l->where.pins : GUARD_PINS);
		printf(_("state %u: %zu owners of ports, %zu programs known to the kernel\n"),
		       l->state, l->rules.owner_count, c->programs);
		printf(_("refused so far: %" PRIu64 " binds, %" PRIu64 " packets; %" PRIu64
			 " events were lost\n"),
		       c->counts[GUARD_COUNT_BINDS_REFUSED], c->counts[GUARD_COUNT_PACKETS_REFUSED],
		       c->counts[GUARD_COUNT_EVENTS_LOST]);
		if (c->counts[GUARD_COUNT_MARKS_LOST])
			printf(_("%" PRIu64 " listeners could not be marked for lack of memory\n"),
			       c->counts[GUARD_COUNT_MARKS_LOST]);
	}
	guard_words_print_weaker(c, stdout);
	guard_words_print_faults(c, stdout);
	if (c->there && !c->fault_total)
		puts(_("It is what was applied."));
}

static json_t *pack_faults(const struct guard_check *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->fault_count; i++) {
		char text[1024];

		guard_words_fault(&c->faults[i], text, sizeof(text));
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s}", "id",
						guard_fault_id(c->faults[i].kind), "severity",
						guard_words_severity(c->faults[i].kind), "subject",
						c->faults[i].subject, "sentence", text));
	}
	return list;
}

static json_t *pack_parts(unsigned parts)
{
	json_t *list = json_array();

	for (enum guard_part part = 0; part < GUARD_PART_ATTACHED; part++)
		if (parts & 1u << part)
			json_array_append_new(list, json_string(guard_part_name(part)));
	return list;
}

static int print_json(const struct guard_look *l)
{
	const struct guard_check *c = &l->check;
	json_t *root = json_pack(
		"{s:s, s:b, s:s, s:b, s:b, s:I, s:s, s:s, s:b, s:o, s:I, s:o}", "schema",
		"portero.guard/1", "there", c->there, "mode", c->there && !c->mode_known ? "unknown" : guard_mode_id(c->mode), "learning",
		c->learning, "intact", c->there && !c->fault_total, "state",
		(json_int_t)l->state, "cgroup",
		l->where.cgroup[0] ? l->where.cgroup : guard_pins_cgroup_root() ?: "", "pins",
		l->where.pins[0] ? l->where.pins : GUARD_PINS, "older_sockets_known",
		c->is_seeded, "absent_parts", pack_parts(c->absent), "programs", (json_int_t)c->programs,
		"faults", pack_faults(c));

	json_object_set_new(root, "attached_parts", pack_parts(c->attached));
	json_object_set_new(root, "counts",
			    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "listens",
				      (json_int_t)c->counts[GUARD_COUNT_LISTENS], "binds_refused",
				      (json_int_t)c->counts[GUARD_COUNT_BINDS_REFUSED],
				      "packets_refused",
				      (json_int_t)c->counts[GUARD_COUNT_PACKETS_REFUSED],
				      "events_lost", (json_int_t)c->counts[GUARD_COUNT_EVENTS_LOST],
				      "marks_lost", (json_int_t)c->counts[GUARD_COUNT_MARKS_LOST],
				      "raw_sockets", (json_int_t)c->counts[GUARD_COUNT_RAW]));
	return json_print(root);
}

static int print_status(const struct options *o, const struct guard_look *l)
{
	if (o->json && print_json(l) < 0)
		return command_fail(_("out of memory"));
	if (!o->json)
		print_words(l);
	return l->check.fault_total ? EXIT_DIFFERENT : EXIT_DECLARED;
}

static int status(const struct options *o)
{
	struct guard_look cleanup_call(guard_look_free) *l = guard_look_new();
	struct err e = {0};

	if (!l)
		return command_fail(_("out of memory"));
	return guard_look_take(l, o->state_dir, &e) < 0 ? command_fail("%s", e.msg)
							: print_status(o, l);
}

/* --- off ----------------------------------------------------------------------------------------
 */

static int off(const struct options *o)
{
	struct guard_look cleanup_call(guard_look_free) *l = guard_look_new();
	struct rollback_end ended;
	struct err e = {0};
	int r;

	if (!l)
		return command_fail(_("out of memory"));
	r = changes_begin(o, &l->states, false, &ended, &e);
	if (r == -ENOENT)
		return command_fail(_("no guard was ever put up: nothing was applied yet"));
	if (r >= 0)
		r = guard_state_where(&l->states, &l->where, &e);
	if (r >= 0)
		r = r == 0 ? 0 : guard_off(&l->where.place, &e);
	if (r < 0)
		return command_fail("%s", e.msg);
	if (!o->quiet)
		puts(_("The guard is off: every program may have every port. The next portero "
		       "apply "
		       "or restore puts it up again, unless the policy says guard: off."));
	return EXIT_DECLARED;
}

/* --- programs that changed ----------------------------------------------------------------------
 */

static void print_programs(const struct options *o, const struct guard_programs *p)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct guard_program_file *f = &p->items[i];
		struct guard_check_fault fault = {.subject = f->path};
		char text[1024];

		if (f->accepted_now && !o->quiet && !o->json)
			printf(_("%s: accepted, sha256 %s\n"), f->path, f->sha256);
		if (f->trust == GUARD_TRUST_SAME || f->accepted_now)
			continue;
		fault.kind = f->trust == GUARD_TRUST_NONE ? GUARD_FAULT_PROGRAM_MISSING
							  : GUARD_FAULT_PROGRAM_CHANGED;
		guard_words_fault(&fault, text, sizeof(text));
		fflush(stdout);
		fprintf(stderr, "portero: %s\n", text);
	}
}

static size_t count_refused(const struct guard_programs *p)
{
	size_t count = 0;

	for (size_t i = 0; i < p->count; i++)
		count += p->items[i].trust != GUARD_TRUST_SAME && !p->items[i].accepted_now;
	return count;
}

/* Services whose start learns (see the man page) do so one after the other. */
static int begin_in_turn(const struct options *o, struct guard_look *l, struct err *e)
{
	struct rollback_end ended;
	int r = changes_begin(o, &l->states, false, &ended, e);

	for (int turn = 1; r == -EBUSY && turn < TURNS; turn++) {
		states_close(&l->states);
		r = changes_begin(o, &l->states, false, &ended, e);
	}
	return r;
}

/* `only`: the program that a person accepts; NULL: only packages do. */
static int learn(const struct options *o, const char *only)
{
	struct guard_look cleanup_call(guard_look_free) *l = guard_look_new();
	const struct guard_acceptance a = {.accept_new = only != NULL,
					   .accept_changed = only != NULL,
					   .only = only,
					   .vouch = applying_guard_vouch};
	struct guard_programs cleanup_call(guard_programs_done) programs = {0};
	struct guard_report cleanup_call(guard_report_done) report = {0};
	struct guard_wish wish;
	struct err e = {0};
	int r;

	if (!l)
		return command_fail(_("out of memory"));
	r = begin_in_turn(o, l, &e);
	if (r >= 0)
		r = guard_look_read(l, &e);
	if (r < 0)
		return command_fail("%s", e.msg);
	if (l->rules.mode == GUARD_OFF)
		return command_fail(_("no guard was applied: there are no programs to learn"));
	wish = (struct guard_wish){.place = &l->where.place, .states = &l->states};
	r = guard_accept(&l->states, &l->rules, &a, &programs, &e);
	if (r == 0 && only && !guard_programs_find(&programs, only))
		return command_fail(_("no opening of the applied policy names the program %.300s"),
				    only);
	if (r == 0)
		r = guard_refresh(&wish, &l->rules, &report, &e);
	if (r < 0)
		return command_fail("%s", e.msg);
	print_programs(o, &programs);
	return count_refused(&programs) ? EXIT_DIFFERENT : EXIT_DECLARED;
}

int command_guard(const struct options *o)
{
	const char *word = o->word_count ? o->words[0] : "status";

	if (strcmp(word, "accept") == 0 && o->word_count == 2 && o->words[1][0] == '/')
		return learn(o, o->words[1]);
	if (strcmp(word, "accept") == 0)
		return command_fail(_("portero guard accept takes the path of a program"));
	if (o->word_count > 1)
		return command_fail(_("portero guard %.32s takes nothing more"), word);
	if (strcmp(word, "status") == 0)
		return status(o);
	if (strcmp(word, "off") == 0)
		return off(o);
	if (strcmp(word, "refresh") == 0)
		return learn(o, NULL);
	return command_fail(_("'%.64s' is nothing that portero guard does: status, off, refresh or "
			      "accept PROGRAM"),
			    word);
}
