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

/* Is its argument a command? */
static bool takes_command(const struct command *command)
{
	return command->run == command_help;
}

/* The first row with that name: those of other commands have the same values. */
static bool is_first(const struct option_row *row)
{
	return options_find(row->name, strlen(row->name), ~0U) == row;
}

/* "status show ...": without a command it is status. */
static void print_commands(const char *before)
{
	for (size_t i = 0; i < command_count; i++)
		printf("%s%s", i ? before : "", commands[i].name);
}

static void print_bash_values(void)
{
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (!is_first(row))
			continue;
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
	printf("\t--user) COMPREPLY=($(compgen -u -- \"$word\")); return ;;\n");
}

/* nmap's letters too, where they count */
static void print_names(unsigned scope)
{
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (!row->help || !(row->scope & scope))
			continue;
		printf(" --%s", row->name);
		if (row->nmap)
			printf(" -%s", row->nmap);
	}
}

static void print_bash(void)
{
	printf("# bash completion for portero\n_portero() {\n"
	       "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "\tlocal command= options i\n"
	       "\tcase $before in\n");
	print_bash_values();
	printf("\tesac\n\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tcase ${COMP_WORDS[i]} in ");
	print_commands("|");
	printf("|allow|deny) command=${COMP_WORDS[i]}; break ;; esac\n\tdone\n"
	       "\tcase $command in\n\t'') options='");
	print_commands(" ");
	print_names(commands[0].scope | SCOPE_ALL);
	printf("' ;;\n");
	for (size_t i = 0; i < command_count; i++) {
		const char *alias = command_alias(commands[i].name);

		printf("\t%s%s%s) options='", commands[i].name, alias ? "|" : "",
		       alias ? alias : "");
		if (takes_command(&commands[i]))
			print_commands(" ");
		print_names(commands[i].scope | SCOPE_ALL);
		printf("' ;;\n");
	}
	printf("\tesac\n\tCOMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n}\n"
	       "complete -F _portero portero\n");
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

static void print_zsh_option(const struct option_row *row)
{
	printf(" \\\n\t\t'--%s%s[", row->name, row->argument ? "=" : "");
	print_quoted(_(row->help), "'\\''");
	printf("]");
	if (row->choices) {
		printf(":%s:(", row->argument);
		print_choices(row->choices);
		printf(")");
	} else if (row->argument) {
		printf(":%s:_files", row->argument);
	}
	printf("'");
}

static void print_zsh_options(const char *pattern, unsigned scope, bool takes_commands)
{
	printf("%s)\n\t_arguments -s", pattern);
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].help && option_rows[i].scope & scope)
			print_zsh_option(&option_rows[i]);
	printf(" \\\n\t\t'%s:command:(", takes_commands ? "*" : "1");
	print_commands(" ");
	printf(")'");
	printf(takes_commands ? " ;;\n" : " \\\n\t\t'*: :_files' ;;\n");
}

static void print_zsh(void)
{
	printf("#compdef portero\nlocal command word\n"
	       "for word in ${words[2,CURRENT-1]}; do\n\tcase $word in (");
	print_commands("|");
	printf("|allow|deny) command=$word; break ;; esac\ndone\ncase $command in\n");
	for (size_t i = 0; i < command_count; i++) {
		const char *alias = command_alias(commands[i].name);
		char pattern[64];

		snprintf(pattern, sizeof(pattern), "%s%s%s", commands[i].name, alias ? "|" : "",
			 alias ? alias : "");
		print_zsh_options(pattern, commands[i].scope | SCOPE_ALL,
				  takes_command(&commands[i]));
	}
	print_zsh_options("*", commands[0].scope | SCOPE_ALL, false);
	printf("esac\n");
}

/* In which commands the option is offered. */
static void print_fish_condition(const struct option_row *row)
{
	if (row->scope & SCOPE_ALL)
		return;
	printf(" -n '");
	if (row->scope & commands[0].scope) /* what runs without a command */
		printf("__fish_use_subcommand; or ");
	printf("__fish_seen_subcommand_from");
	for (size_t i = 0; i < command_count; i++) {
		const char *alias = command_alias(commands[i].name);

		if (row->scope & commands[i].scope)
			printf(" %s%s%s", commands[i].name, alias ? " " : "", alias ? alias : "");
	}
	printf("'");
}

static void print_fish_option(const struct option_row *row)
{
	printf("complete -c portero");
	print_fish_condition(row);
	printf(" -l %s", row->name);
	if (row->letter)
		printf(" -s %c", row->letter);
	if (row->nmap)
		printf(" -%c %s", strlen(row->nmap) == 1 ? 's' : 'o', row->nmap);
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

static void print_fish(void)
{
	printf("# fish completion for portero\ncomplete -c portero -f\n");
	for (size_t i = 0; i < command_count; i++) {
		printf("complete -c portero -n __fish_use_subcommand -a %s -d '", commands[i].name);
		print_quoted(_(commands[i].help), "\\'");
		printf("'\n");
		if (!has_choices(&commands[i]) && !takes_command(&commands[i]))
			continue;
		printf("complete -c portero -n '__fish_seen_subcommand_from %s' -a '",
		       commands[i].name);
		if (takes_command(&commands[i]))
			print_commands(" ");
		else
			print_choices(commands[i].arguments);
		printf("'\n");
	}
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].help)
			print_fish_option(&option_rows[i]);
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
