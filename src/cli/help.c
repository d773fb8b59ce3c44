/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * help: the help texts, made from the tables of commands and options.
 */
#include "base/i18n.h"
#include "base/text.h"
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

enum { NAME_COLUMN = 26 };

static void print_pair(const char *name, const char *help)
{
	size_t width = text_width(name);

	printf("  %s", name);
	if (width > NAME_COLUMN - 2) {
		putchar('\n');
		width = 0;
		printf("  ");
	}
	for (; width < NAME_COLUMN; width++)
		putchar(' ');
	printf("%s\n", help);
}

static void print_option(const struct option_row *row)
{
	char name[96], help[512];

	if (row->nmap) /* nobody types the long name, which is in the manual */
		snprintf(name, sizeof(name), "-%s%s%s", row->nmap, row->argument ? " " : "",
			 row->argument ? _(row->argument) : "");
	else
		snprintf(name, sizeof(name), "%c%c%s--%s%s%s", row->letter ? '-' : ' ',
			 row->letter ? row->letter : ' ', row->letter ? ", " : "  ", row->name,
			 row->argument ? "=" : "", row->argument ? _(row->argument) : "");
	if (row->environment)
		snprintf(help, sizeof(help), "%s (%s%s%s)", _(row->help),
			 row->standard ? row->standard : "", row->standard ? ", " : "",
			 row->environment);
	else
		snprintf(help, sizeof(help), "%s", _(row->help));
	print_pair(name, help);
}

static void print_options(unsigned scope)
{
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].help && option_rows[i].scope & scope)
			print_option(&option_rows[i]);
}

static void print_overview(void)
{
	printf(_("Usage: portero [COMMAND] [OPTION]... [PORT|NAME]...\n"
		 "The truth about every port of this machine: who listens, and why.\n"));
	printf("\n%s\n", _("Commands:"));
	for (size_t i = 0; i < command_count; i++) {
		char name[96];

		snprintf(name, sizeof(name), "%s %s", commands[i].name,
			 commands[i].arguments[0] ? _(commands[i].arguments) : "");
		print_pair(name, _(commands[i].help));
	}
	printf("\n%s\n", _("Options of status, which is what runs without a command:"));
	print_options(SCOPE_STATUS & ~(unsigned)SCOPE_ALL);
	printf("\n%s\n", _("Options of every command:"));
	print_options(SCOPE_ALL);
	printf("\n%s\n", _("Examples:"));
	print_pair("portero", _("every port of this machine"));
	print_pair("portero 443/tcp nginx", _("port 443/tcp where nginx listens on it"));
	print_pair("portero show 22", _("everything about port 22"));
	print_pair("portero --json | jq .ports", _("for programs (see also --csv)"));
	printf("\n%s\n",
	       _("Exit codes: 0 nothing found, 1 a finding or a difference, 2 a usage error, or\n"
		 "something could not be looked at. Run as root to see everything."));
}

void command_print_help(const struct command *command)
{
	if (!command) {
		print_overview();
		return;
	}
	printf(_("Usage: portero %s [OPTION]...%s%s\n"), command->name,
	       command->arguments[0] ? " " : "",
	       command->arguments[0] ? _(command->arguments) : "");
	printf("%s\n", _(command->help));
	if (command->description[0])
		printf("\n%s\n", _(command->description));
	printf("\n%s\n", _("Options:"));
	print_options(command->scope | SCOPE_ALL);
}

int command_help(const struct options *o)
{
	const struct command *command = o->word_count ? command_find(o->words[0]) : NULL;

	if (o->word_count && !command) {
		const struct command *near = command_guess(o->words[0]);

		return near ? command_fail(_("no command '%.64s': did you mean '%s'?"), o->words[0],
					   near->name)
			    : command_fail(_("no command '%.64s': portero --help lists them"),
					   o->words[0]);
	}
	command_print_help(command);
	return EXIT_DECLARED;
}
