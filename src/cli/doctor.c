/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor: tries every source that portero reads, and says what is missing, what that hides, and how
 * to get it.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/guard_look.h"
#include "cli/guard_words.h"
#include "cli/json.h"
#include "cli/view.h"
#include "enforce/guard_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_COLUMN = 28 }; /* where the texts of a check begin */

enum health { HEALTH_GOOD, HEALTH_NOTE, HEALTH_BAD };

struct check {
	enum health health;
	char id[32]; /* in the JSON output */
	char what[64], state[320], hides[256], remedy[256];
};

enum { CHECK_LIMIT = 32 };

struct report {
	const struct view *v;
	struct check checks[CHECK_LIMIT];
	size_t count;
};

static struct check *add(struct report *r, const char *id, enum health health, const char *what,
			 const char *state)
{
	struct check *c = &r->checks[r->count < CHECK_LIMIT - 1 ? r->count++ : r->count];

	*c = (struct check){.health = health};
	snprintf(c->id, sizeof(c->id), "%s", id);
	snprintf(c->what, sizeof(c->what), "%s", what);
	snprintf(c->state, sizeof(c->state), "%s", state);
	return c;
}

static void say(struct check *c, const char *hides, const char *remedy)
{
	snprintf(c->hides, sizeof(c->hides), "%s", hides);
	snprintf(c->remedy, sizeof(c->remedy), "%s", remedy);
}

static void check_kernel(struct report *r)
{
	struct utsname name;
	char text[300] = "?";

	if (uname(&name) == 0)
		snprintf(text, sizeof(text), "%s %s %s", name.sysname, name.release, name.machine);
	add(r, "kernel", HEALTH_GOOD, _("Kernel"), text);
}

static void check_privileges(struct report *r)
{
	struct check *c;

	if (geteuid() == 0) {
		add(r, "privileges", HEALTH_GOOD, _("Privileges"), _("root"));
		return;
	}
	c = add(r, "privileges", HEALTH_BAD, _("Privileges"), _("not root"));
	say(c, _("who owns the listeners of other users; other network namespaces"),
	    _("sudo portero"));
}

static void check_bpf(struct report *r)
{
	const struct err *e = &r->v->status.bpf;
	char text[160];
	struct check *c;

	if (e->code == 0) {
		snprintf(text, sizeof(text),
			 _("works (%s): all processes and namespaces in one pass"),
			 sock_iter_way_name(r->v->status.bpf_way));
		add(r, "bpf-iterator", HEALTH_GOOD, _("BPF iterator"), text);
		return;
	}
	c = add(r, "bpf-iterator", HEALTH_BAD, _("BPF iterator"),
		r->v->options->no_bpf ? _("switched off by --no-bpf") : e->msg);
	say(c,
	    _("how UDP ports were bound; sockets of processes that /proc does not show; it is "
	      "slower"),
	    _("run as root on Linux 5.12 or later with BTF (CONFIG_DEBUG_INFO_BTF)"));
}

static void check_proc(struct report *r)
{
	const struct snapshot *s = &r->v->snapshot;
	char text[160];
	struct check *c;

	if (!s->files_view) {
		c = add(r, "processes", HEALTH_BAD, _("Processes"), r->v->status.proc.msg);
		say(c, _("who listens, on every port"), _("mount /proc, and run as root"));
		return;
	}
	if (s->unreadable_processes == 0) {
		add(r, "processes", HEALTH_GOOD, _("Processes"), _("all can be looked at"));
		return;
	}
	if (s->unreadable_processes == 1)
		snprintf(text, sizeof(text), _("process %u cannot be looked at"),
			 s->unreadable_pid);
	else
		snprintf(text, sizeof(text),
			 ngettext("%u process cannot be looked at",
				  "%u processes cannot be looked at", s->unreadable_processes),
			 s->unreadable_processes);
	c = add(r, "processes", HEALTH_BAD, _("Processes"), text);
	say(c, _("what those processes listen on has no owner in the table"),
	    geteuid() == 0 ? _("a security module, a namespace or the host of this virtual machine "
			       "forbids it, even to root: look there")
			   : _("sudo portero"));
}

static void check_table(struct report *r, enum sock_table table)
{
	const struct sock_table_status *status = &r->v->status.tables[table];
	char what[64], id[32], state[320];
	struct check *c;

	snprintf(id, sizeof(id), "sockets-%s", sock_table_name(table));
	snprintf(what, sizeof(what), _("Sockets: %s"), sock_table_name(table));
	switch (status->source) {
	case SOURCE_DIAG:
		add(r, id, HEALTH_GOOD, what, _("read from the kernel (sock_diag)"));
		return;
	case SOURCE_PROC:
		c = add(r, id, HEALTH_NOTE, what,
			_("read from /proc/net: the kernel has no sock_diag for it"));
		say(c, _("no listener, only details of it (bound interface, cgroup)"),
		    _("a kernel with the *_diag module for it"));
		return;
	case SOURCE_ABSENT:
		add(r, id, HEALTH_GOOD, what,
		    _("this kernel has none, so there is nothing to see"));
		return;
	case SOURCE_NONE:
		break;
	}
	snprintf(state, sizeof(state), _("cannot be read: %s"), strerror(-status->error));
	c = add(r, id, table >= TABLE_RAW || table == TABLE_MPTCP ? HEALTH_NOTE : HEALTH_BAD, what,
		state);
	say(c,
	    table == TABLE_MPTCP ? _("which TCP listeners also accept Multipath TCP")
	    : table >= TABLE_RAW ? _("such sockets that no process holds")
				 : _("listeners of this protocol that no process holds"),
	    _("a kernel with the *_diag module for it"));
}

static void check_reach(struct report *r)
{
	const struct reach *reach = &r->v->reach;
	char text[320];
	struct check *c;

	if (!r->v->with_reach)
		return;
	if (reach->available && reach->complete) {
		add(r, "reach", HEALTH_GOOD, _("Reach"),
		    _("the kernel answers in a copy of the network and the firewall"));
		return;
	}
	if (!reach->available) {
		snprintf(text, sizeof(text), "%s",
			 reach->gap_count ? reach_text(reach, reach->gaps[0].why_str) : "?");
		c = add(r, "reach", HEALTH_BAD, _("Reach"), text);
		say(c, _("who can reach the ports: state and reach of every port are unknown"),
		    reach->gap_count && reach->gaps[0].remedy_str
			    ? reach_text(reach, reach->gaps[0].remedy_str)
			    : _("run portero as root, on a kernel with network namespaces and "
				"/dev/net/tun"));
		return;
	}
	snprintf(text, sizeof(text), _("some answers are unknown: %s: %s"),
		 reach_text(reach, reach->gaps[0].what_str),
		 reach_text(reach, reach->gaps[0].why_str));
	c = add(r, "reach", HEALTH_BAD, _("Reach"), text);
	say(c, _("who can reach the ports that this touches (portero reach tells which)"), "");
}

/* Tried, not guessed: the programs are loaded, and let go again. */
static void check_guard(struct report *r)
{
	const struct options *o = r->v->options;
	const struct guard_place place = {.cgroup = o->cgroup, .pins = o->pin_dir};
	char text[400] = "";
	unsigned absent = 0;
	struct check *c;
	struct err e = {0};

	if (guard_kernel_try(&place, &absent, &e) < 0) {
		c = add(r, "guard", HEALTH_NOTE, _("Guard"), e.msg);
		say(c,
		    _("nothing: but no port can be bound to its program here (guard: enforce); the "
		      "firewall's half of a policy works"),
		    _("run portero as root, on Linux 5.10 or newer with BTF and cgroup v2"));
		return;
	}
	if (!absent) {
		add(r, "guard", HEALTH_GOOD, _("Guard"), _("ports can be bound to their programs"));
		return;
	}
	for (unsigned part = 0; part < GUARD_PART_COUNT; part++)
		if (absent & 1u << part)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 text[0] ? "; " : "", guard_words_without((enum guard_part)part));
	c = add(r, "guard", HEALTH_NOTE, _("Guard"),
		_("ports can be bound to their programs, with parts missing"));
	say(c, text,
	    absent & ~GUARD_PARTS_LSM
		    ? _("a newer kernel")
		    : _("a kernel that lets BPF programs be security modules (lsm=...,bpf at its "
			"start; Debian's do since 12)"));
}

/* The one that was applied, if one was. */
static void check_guard_in_force(struct report *r)
{
	struct guard_look cleanup_call(guard_look_free) *l = guard_look_new();
	const char *what = _("Guard in force");
	struct err e = {0};
	int taken = l ? guard_look_take(l, r->v->options->state_dir, &e) : -ENOMEM;
	char text[1024];
	struct check *c;

	if (taken == 0 || (taken > 0 && !l->check.there && !l->check.fault_total))
		return;
	if (taken < 0) {
		c = add(r, "guard-in-force", HEALTH_NOTE, what, e.msg);
		say(c, _("whether the guard is what was applied"), _("run portero as root"));
	} else if (!l->check.fault_total) {
		add(r, "guard-in-force", HEALTH_GOOD, what, _("it is what was applied"));
	} else {
		guard_words_fault(&l->check.faults[0], text, sizeof(text));
		c = add(r, "guard-in-force", HEALTH_NOTE, what, text);
		say(c, "", _("portero guard tells all that is wrong with it"));
	}
}

static void build_report(struct report *r, const struct view *v)
{
	*r = (struct report){.v = v};
	check_kernel(r);
	check_privileges(r);
	check_bpf(r);
	check_proc(r);
	for (int i = 0; i < TABLE_COUNT; i++)
		check_table(r, (enum sock_table)i);
	check_reach(r);
	check_guard(r);
	check_guard_in_force(r);
}

static void print_remark(const struct view *v, const char *label, const char *remark)
{
	struct buf cleanup_call(buf_done) text = {0};

	buf_printf(&text, "%s: %s", label, remark);
	printf("%*s", TEXT_COLUMN, "");
	view_print_indented(v, TEXT_COLUMN, buf_text(&text));
}

static void print_check(const struct view *v, const struct check *c)
{
	static const char *const colors[] = {"32", "33", "31"};
	const char *const marks[] = {_("ok"), _("note"), _("MISSING")};
	struct buf cleanup_call(buf_done) text = {0};

	if (v->colored)
		printf("\033[%sm%-8s\033[0m ", colors[c->health], marks[c->health]);
	else
		printf("%-8s ", marks[c->health]);
	printf("%-18s ", c->what);
	view_print_indented(v, TEXT_COLUMN, view_escape(v, c->state, &text));
	if (c->hides[0])
		print_remark(v, _("hides"), c->hides);
	if (c->remedy[0])
		print_remark(v, _("to do"), c->remedy);
}

static void print_places(const struct options *o)
{
	printf("\n%s\n", _("Places:"));
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		const char *value;

		if (!row->environment)
			continue;
		memcpy(&value, (const char *)o + row->offset, sizeof(value));
		if (!value)
			value = guard_pins_cgroup_root() ?: "/sys/fs/cgroup";
		printf("  --%-14s %s%s\n", row->name, value,
		       access(value, F_OK) == 0 ? "" : _(" (not there yet)"));
	}
}

static bool is_healthy(const struct report *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->checks[i].health == HEALTH_BAD)
			return false;
	return true;
}

static void print_human(const struct report *r)
{
	const struct options *o = r->v->options;

	for (size_t i = 0; i < r->count; i++)
		print_check(r->v, &r->checks[i]);
	if (o->quiet)
		return;
	print_places(o);
	putchar('\n');
	view_print_gaps(r->v);
	printf("%s\n", is_healthy(r) ? _("portero sees every listener of this machine.")
				     : _("portero does not see everything: see MISSING above."));
}

static int print_json(const struct report *r)
{
	static const char *const names[] = {"ok", "note", "missing"};
	json_t *root = json_heading(r->v, "portero.doctor/1"), *list = json_array();

	for (size_t i = 0; i < r->count; i++) {
		const struct check *c = &r->checks[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", c->id,
						      "what", c->what, "health", names[c->health],
						      "state", c->state, "hides", c->hides,
						      "remedy", c->remedy));
	}
	json_object_set_new(root, "checks", list);
	return json_print(root);
}

int command_doctor(const struct options *o)
{
	struct view_wish wish = {.reach = true};
	struct report report;
	struct view v = {0};
	struct err e = {0};
	int code;

	if (o->word_count)
		return command_fail(_("doctor takes no arguments"));
	if (view_take(&v, o, &wish, &e) < 0) {
		code = command_fail("%s", e.msg);
	} else {
		build_report(&report, &v);
		code = is_healthy(&report) && snapshot_is_complete(&v.snapshot) ? EXIT_DECLARED
										: EXIT_BLIND;
		if (!o->json)
			print_human(&report);
		else if (print_json(&report) < 0)
			code = command_fail(_("out of memory"));
	}
	view_done(&v);
	return code;
}
