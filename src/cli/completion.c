/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * completion: completion scripts for bash, zsh and fish, made from the tables of commands and
 * options, so that they are never out of date.
 */
#include "base/i18n.h"
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

/* "a|b|c" as words */
static void print_choices(const char *choices)
{
	for (; *choices; choices++)
		putchar(*choices == '|' ? ' ' : *choices);
}

/* Is its first argument one of some words? */
static bool has_choices(const struct command *command)
{
	return strchr(command->arguments, '|') && command->arguments[0] != '[';
}

static void print_bash(void)
{
	printf("# bash completion for portero\n_portero() {\n"
	       "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "\tcase $before in\n");
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->choices) {
			printf("\t--%s) COMPREPLY=($(compgen -W '", row->name);
			print_choices(row->choices);
			printf("' -- \"$word\")); return ;;\n");
		} else if (row->environment) {
			printf("\t--%s) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n",
			       row->name);
		}
	}
	for (size_t i = 0; i < command_count; i++) {
		if (!has_choices(&commands[i]))
			continue;
		printf("\t%s) COMPREPLY=($(compgen -W '", commands[i].name);
		print_choices(commands[i].arguments);
		printf("' -- \"$word\")); return ;;\n");
	}
	printf("\t--user) COMPREPLY=($(compgen -u -- \"$word\")); return ;;\n"
	       "\tesac\n\tCOMPREPLY=($(compgen -W '");
	for (size_t i = 0; i < command_count; i++)
		printf("%s ", commands[i].name);
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].help)
			printf("--%s ", option_rows[i].name);
	printf("' -- \"$word\"))\n}\ncomplete -F _portero portero\n");
}

/* Both zsh and fish quote with '...'; the help texts hold apostrophes. */
static void print_quoted(const char *text, const char *apostrophe)
{
	for (; *text; text++) {
		if (*text == '\'')
			printf("%s", apostrophe);
		else if (*text == '[' || *text == ']' || *text == ':')
			printf(apostrophe[0] == '\'' ? "\\%c" : "%c", *text);
		else
			putchar(*text);
	}
}

static void print_zsh(void)
{
	printf("#compdef portero\n_arguments -s \\\n");
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (!row->help)
			continue;
		printf("\t'--%s%s[", row->name, row->argument ? "=" : "");
		print_quoted(_(row->help), "'\\''");
		printf("]");
		if (row->choices) {
			printf(":%s:(", row->argument);
			print_choices(row->choices);
			printf(")");
		} else if (row->argument) {
			printf(":%s:_files", row->argument);
		}
		printf("' \\\n");
	}
	printf("\t'1:command:(");
	for (size_t i = 0; i < command_count; i++)
		printf("%s%s", i ? " " : "", commands[i].name);
	printf(")' \\\n\t'*: :_files'\n");
}

static void print_fish(void)
{
	printf("# fish completion for portero\ncomplete -c portero -f\n");
	for (size_t i = 0; i < command_count; i++) {
		printf("complete -c portero -n __fish_use_subcommand -a %s -d '", commands[i].name);
		print_quoted(_(commands[i].help), "\\'");
		printf("'\n");
		if (!has_choices(&commands[i]))
			continue;
		printf("complete -c portero -n '__fish_seen_subcommand_from %s' -a '",
		       commands[i].name);
		print_choices(commands[i].arguments);
		printf("'\n");
	}
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (!row->help)
			continue;
		printf("complete -c portero -l %s", row->name);
		if (row->letter)
			printf(" -s %c", row->letter);
		if (row->choices) {
			printf(" -x -a '");
			print_choices(row->choices);
			printf("'");
		} else if (row->environment) {
			printf(" -r -F");
		} else if (row->argument) {
			printf(" -x");
		}
		printf(" -d '");
		print_quoted(_(row->help), "\\'");
		printf("'\n");
	}
}

int command_completion(const struct options *o)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

	for (size_t i = 0; o->word_count == 1 && i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(o->words[0], shells[i].shell) != 0)
			continue;
		shells[i].print();
		return EXIT_DECLARED;
	}
	return command_fail(_("say for which shell: portero completion bash, zsh or fish"));
}
