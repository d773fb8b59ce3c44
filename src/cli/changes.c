/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/changes.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STANDARD_STATE_DIR "/var/lib/portero"

void changes_time(int64_t time_s, char text[16])
{
	time_t t = (time_t)time_s;
	struct tm tm;

	if (!localtime_r(&t, &tm) || strftime(text, 16, "%H:%M:%S", &tm) == 0)
		snprintf(text, 16, "?");
}

json_t *changes_json_time(int64_t time_s)
{
	time_t t = (time_t)time_s;
	struct tm tm;
	char text[40];

	if (time_s == 0 || !gmtime_r(&t, &tm) ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return json_null();
	return json_string(text);
}

void changes_name_state(uint32_t state, char *text, size_t size)
{
	if (state)
		snprintf(text, size, _("state %u"), (unsigned)state);
	else
		snprintf(text, size, "%s", _("no rules of portero (state 0)"));
}

/* The machine's own states are about its own network namespace, and no other. */
static int check_namespace(const struct options *o, struct err *e)
{
	struct stat own, first;

	if (strcmp(o->state_dir, STANDARD_STATE_DIR) != 0 ||
	    stat("/proc/thread-self/ns/net", &own) < 0 || stat("/proc/1/ns/net", &first) < 0 ||
	    (own.st_dev == first.st_dev && own.st_ino == first.st_ino))
		return 0;
	return err_set(e, -EINVAL,
		       _("this is not the machine's own network namespace, whose states are in "
			 "%.200s: give this one a folder of its own (--state-dir)"),
		       o->state_dir);
}

int changes_begin(const struct options *o, struct states *s, bool make, struct rollback_end *ended,
		  struct err *e)
{
	char now[64];
	int r = check_namespace(o, e);

	if (r == 0)
		r = states_open(s, o->state_dir, make, e);

	if (r == 0)
		r = states_lock(s, e);
	if (r == 0)
		r = rollback_settle(s, ended, e);
	if (r != 1)
		return r;
	changes_name_state(ended->loaded, now, sizeof(now));
	fprintf(stderr,
		_("portero: state %u was not confirmed in time, and is undone: the firewall has "
		  "%s\n"),
		(unsigned)ended->state, now);
	return 1;
}

int changes_pending(const struct options *o, struct pending *ret, struct err *e)
{
	struct states cleanup_call(states_close) states = {.dir_fd = -1, .lock_fd = -1};
	int r = states_open(&states, o->state_dir, false, e);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : pending_read(&states, ret, e);
}

void changes_print_pending(const struct view *v)
{
	struct pending cleanup_call(pending_done) pending = {0};
	struct err e = {0};
	char when[16];
	int r = changes_pending(v->options, &pending, &e);

	if (r < 0)
		view_print_line(v, _("Whether a change waits to be confirmed is unknown: %s."),
				e.msg);
	if (r <= 0)
		return;
	changes_time(pending.deadline_s, when);
	view_print_line(v,
			_("State %u waits to be confirmed, and is undone at %s, unless portero "
			  "confirm comes before."),
			pending.state, when);
}

void changes_warn_of_start(const struct options *o)
{
	static const char *const enabled[] = {
		"/etc/systemd/system/multi-user.target.wants/portero.service",
		"/etc/systemd/system/sysinit.target.wants/portero.service",
		"/etc/systemd/system/network-pre.target.wants/portero.service"};

	if (o->quiet || o->json || access("/run/systemd/system", F_OK) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(enabled); i++)
		if (access(enabled[i], F_OK) == 0)
			return;
	fprintf(stderr, "%s\n",
		_("portero: nothing loads this at the start of the machine: systemctl enable "
		  "portero.service"));
}

static int tell_json(const struct changes_told *told)
{
	const struct pending *p = told->pending;

	return json_print(
		json_pack("{s:s, s:o, s:s, s:I, s:I, s:o, s:o}", "schema", "portero.change/1",
			  "time", changes_json_time((int64_t)time(NULL)), "what", told->what,
			  "state", (json_int_t)told->state, "loaded", (json_int_t)told->loaded,
			  "pending", p ? json_integer(p->state) : json_null(), "deadline",
			  p ? changes_json_time(p->deadline_s) : json_null()));
}

int changes_tell(const struct options *o, const struct changes_told *told)
{
	if (o->json && tell_json(told) < 0)
		return command_fail(_("out of memory"));
	/* what is undone by itself, whoever asked for quiet must know too */
	if (!o->json && (!o->quiet || told->pending))
		printf("%s\n", told->sentence);
	return EXIT_DECLARED;
}
