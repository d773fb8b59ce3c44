/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan: what applying the policy would change, port by port. Changes nothing.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/changes.h"
#include "cli/command.h"
#include "cli/json_plan.h"
#include "cli/plan_proof.h"
#include "cli/plan_words.h"
#include "cli/planned.h"

#include <stdio.h>
#include <stdlib.h>

static void print_heading(const struct planned *p)
{
	struct buf cleanup_call(buf_done) openings = {0};

	if (p->now.options->quiet)
		return;
	view_number(p->policy.opening_count, &openings);
	view_print_line(&p->now,
			_("Nothing is changed by a plan. Files of the policy: %u; openings: %s."),
			p->policy.file_count, buf_text(&openings));
	putchar('\n');
}

static int print_human(const struct planned *p)
{
	print_heading(p);
	plan_words_print(p);
	plan_words_print_remarks(p);
	if (!p->now.options->quiet)
		policy_load_print(p->now.options->policy_dir, &p->problems, stdout);
	view_print_gaps(&p->now);
	changes_print_pending(&p->now);
	if (!planned_holds(p))
		plan_proof_print_refusal(p);
	else if (planned_changes(p) && !p->now.options->quiet)
		view_print_line(
			&p->now, "%s",
			planned_is_proved(p)
				? _("To do it: portero apply (it is undone by itself unless "
				    "you confirm it).")
				: _("It is not proved that all that is undeclared will be "
				    "closed (see above). To do it all the same: portero "
				    "apply --force (it is undone by itself unless you "
				    "confirm it)."));
	return planned_exit_code(p);
}

/* The rules as nft is given them. */
static int print_ruleset(const struct planned *p)
{
	fwrite(buf_text(&p->script), 1, p->script.len, stdout);
	if (planned_is_proved(p))
		return EXIT_DECLARED;
	return command_fail(_("these rules are not proved to do what the policy says: see portero "
			      "plan"));
}

int command_plan(const struct options *o)
{
	struct planned cleanup_free *p = calloc(1, sizeof(*p));
	struct err e = {0};
	int code;

	if (!p)
		return command_fail(_("out of memory"));
	if (o->word_count)
		return command_fail(_("'portero plan' takes no arguments: '%.64s'"), o->words[0]);
	if (planned_take(p, o, NULL, &e) < 0)
		code = planned_fail(p, o, &e);
	else if (o->ruleset)
		code = print_ruleset(p);
	else if (o->json)
		code = json_print_plan(p) < 0 ? command_fail(_("out of memory"))
					      : planned_exit_code(p);
	else
		code = print_human(p);
	planned_done(p);
	return code;
}
