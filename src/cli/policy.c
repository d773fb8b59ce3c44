/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy: `portero policy check`: are the files of the policy right? And the table of the other
 * things that `portero policy` does.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/policy_init.h"
#include "cli/policy_load.h"
#include "cli/policy_log.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int exit_code(const struct policy_problems *problems)
{
	return problems->error_count	 ? EXIT_BLIND
	       : problems->warning_count ? EXIT_DIFFERENT
					 : EXIT_DECLARED;
}

static void print_summary(const char *dir, const struct policy *p,
			  const struct policy_problems *problems)
{
	struct buf cleanup_call(buf_done) safe = {0};

	text_escape_message(&safe, dir);
	if (problems->error_count) {
		printf(ngettext("%s: %zu error: this policy cannot be used\n",
				"%s: %zu errors: this policy cannot be used\n",
				problems->error_count),
		       buf_text(&safe), problems->error_count);
		return;
	}
	printf(ngettext("%s: %zu opening in ", "%s: %zu openings in ", p->opening_count),
	       buf_text(&safe), p->opening_count);
	printf(ngettext("%u file", "%u files", p->file_count), p->file_count);
	if (problems->warning_count)
		printf(ngettext(", %zu warning\n", ", %zu warnings\n", problems->warning_count),
		       problems->warning_count);
	else
		printf(_(": all is right\n"));
}

static json_t *json_place(const struct policy_problems *problems, const struct policy_place *place)
{
	json_t *number = place->line ? json_integer(place->line) : json_null();
	json_t *column = place->line ? json_integer(place->column) : json_null();
	struct buf cleanup_call(buf_done) safe = {0};
	const char *file = policy_problems_text(problems, place->file_str);

	text_escape(&safe, file, strlen(file), false);
	return json_pack("{s:s, s:o, s:o}", "file", buf_text(&safe), "line", number, "column",
			 column);
}

static json_t *json_problem(const struct policy_problems *problems, const struct policy_problem *p)
{
	struct buf cleanup_call(buf_done) safe = {0};

	text_escape_message(&safe, policy_problems_text(problems, p->text_str));
	return json_pack("{s:s, s:o, s:s, s:o}", "severity", p->is_error ? "error" : "warning",
			 "at", json_place(problems, &p->place), "text", buf_text(&safe), "other",
			 p->other.file_str ? json_place(problems, &p->other) : json_null());
}

static int print_json(const char *dir, const struct policy *p,
		      const struct policy_problems *problems)
{
	struct buf cleanup_call(buf_done) safe = {0};
	json_t *list = json_array();

	text_escape(&safe, dir, strlen(dir), false);
	for (size_t i = 0; i < problems->count; i++)
		json_array_append_new(list, json_problem(problems, &problems->items[i]));
	return json_print(json_pack(
		"{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:o}", "schema", "portero.policy-check/1",
		"directory", buf_text(&safe), "usable", problems->error_count == 0, "files",
		(json_int_t)p->file_count, "openings", (json_int_t)p->opening_count, "errors",
		(json_int_t)problems->error_count, "warnings", (json_int_t)problems->warning_count,
		"problems", list));
}

static int policy_check(const struct options *o)
{
	const char *dir = o->word_count ? o->words[0] : o->policy_dir;
	struct policy_problems cleanup_call(policy_problems_done) problems = {0};
	struct policy cleanup_call(policy_done) p = {0};
	struct err e = {0};

	if (o->word_count > 1)
		return command_fail(_("say one folder: portero policy check [DIR]"));
	if (policy_load(dir, &p, &problems, &e) < 0) {
		policy_load_print(dir, &problems, stderr);
		return command_fail("%s", e.msg);
	}
	if (o->json && print_json(dir, &p, &problems) < 0)
		return command_fail(_("out of memory"));
	if (!o->json) {
		policy_load_print(dir, &problems, stdout);
		if (!o->quiet)
			print_summary(dir, &p, &problems);
	}
	return exit_code(&problems);
}

static const struct {
	const char *name;
	int (*run)(const struct options *o);
} actions[] = {
	{"check", policy_check},
	{"log", policy_log},
	{"init", policy_init},
};

int command_policy(const struct options *o)
{
	const char *near = NULL;
	size_t best = SIZE_MAX;

	for (size_t i = 0; o->word_count && i < ARRAY_LEN(actions); i++) {
		struct options rest = *o;

		rest.words++;
		rest.word_count--;
		if (strcmp(o->words[0], actions[i].name) == 0)
			return actions[i].run(&rest);
		if (text_is_nearer(o->words[0], actions[i].name, &best))
			near = actions[i].name;
	}
	if (near)
		return command_fail(_("'portero policy' has no '%.64s': did you mean '%s'?"),
				    o->words[0], near);
	return command_fail(_("say what to do: portero policy init, check or log"));
}
