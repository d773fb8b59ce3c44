/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify: this machine as it looks from outside, compared with what is known inside.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/json_verify.h"
#include "cli/outside.h"
#include "cli/stop.h"
#include "cli/verify_look.h"
#include "cli/verify_ports.h"
#include "cli/verify_words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_host(const struct options *o, struct verify_look *l, struct err *e)
{
	if (!o->from)
		return 0;
	if (!o->from[0] || o->from[0] == '-' || strlen(o->from) >= sizeof(l->from))
		return err_set(
			e, -EINVAL,
			_("--from cannot be '%.64s': write a host as for ssh (HOST, USER@HOST)"),
			o->from);
	snprintf(l->from, sizeof(l->from), "%s", o->from);
	return 0;
}

static int read_question(const struct options *o, struct verify_look *l, struct err *e)
{
	struct address a;
	int r = read_host(o, l, e);

	for (size_t i = 0; i < o->word_count && r == 0; i++) {
		if (address_parse(o->words[i], &a) < 0)
			return err_set(e, -EINVAL,
				       _("'%.64s' is no IP address of this machine, such as "
					 "198.51.100.7 or 2001:db8::7"),
				       o->words[i]);
		r = scan_targets_add(&l->targets, &a, e);
	}
	if (r < 0)
		return r;
	l->ports = calloc(UINT16_MAX, sizeof(*l->ports));
	if (!l->ports)
		return err_set(e, -ENOMEM, _("out of memory"));
	return verify_ports_read(l, e);
}

/* For portero show. What was seen is told all the same. */
static void keep(const struct options *o, const struct verify_look *l)
{
	struct outside_look look = {.time_s = l->view.snapshot.time_s};
	struct err e = {0};

	snprintf(look.from, sizeof(look.from), "%s", l->from);
	if (outside_save(o->state_dir, &look, &l->scan, &l->found, &e) < 0 && geteuid() == 0 &&
	    !o->quiet)
		command_fail(_("what was seen could not be kept for portero show: %s"), e.msg);
}

/* What was seen was not compared, or not looked at twice: nothing is concluded of it. */
static int tell_interrupted(struct verify_look *l)
{
	size_t asked = verify_look_asked(l);

	visitor_close(&l->visitor);
	if (!l->options->quiet && !l->options->json && verify_words_print_seen(l) < 0)
		return command_fail(_("out of memory"));
	if (l->from[0])
		return command_fail(_("interrupted: nothing is concluded (%zu ports were asked)"),
				    asked);
	return command_fail(_("interrupted: nothing is concluded, and the visitor is gone (%zu "
			      "ports were asked)"),
			    asked);
}

int command_verify(const struct options *o)
{
	struct verify_look l = {.options = o, .stop = stop_catch(), .visitor.ns = -1};
	struct err e = {0};
	int r = read_question(o, &l, &e), code;

	if (r == 0)
		r = verify_look_take(&l, &e);
	if (r == 0 && l.proto == PROTO_TCP && !*l.stop)
		keep(o, &l);
	if (*l.stop)
		code = tell_interrupted(&l);
	else if (r < 0)
		code = command_fail("%s", e.msg);
	else if ((o->json ? json_verify_print(&l) : verify_words_print(&l)) < 0)
		code = command_fail(_("out of memory"));
	else if (l.found.count)
		code = EXIT_DIFFERENT;
	else
		code = verify_look_is_complete(&l) ? EXIT_DECLARED : EXIT_BLIND;
	verify_look_done(&l);
	return code;
}
