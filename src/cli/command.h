/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command: the table of portero's commands. Adding one = a file with its run function, and a row.
 */
#pragma once

#include "cli/options.h"

/* Exit codes of every command. */
enum exit_code {
	EXIT_DECLARED = 0,  /* as it should be, nothing found */
	EXIT_DIFFERENT = 1, /* a finding or a difference */
	EXIT_BLIND = 2,	    /* a usage error, or something could not be looked at */
};

struct command {
	const char *name;
	const char *arguments;	 /* for the help; N_() */
	const char *help;	 /* one line; N_() */
	const char *description; /* paragraphs of `portero NAME --help`; N_() */
	unsigned scope;		 /* the options that it takes, beside SCOPE_ALL */
	/* o->words without the command's own name */
	int (*run)(const struct options *o);
};

extern const struct command commands[];
extern const size_t command_count;

int command_status(const struct options *o);
int command_show(const struct options *o);
int command_reach(const struct options *o);
int command_explain(const struct options *o);
int command_plan(const struct options *o);
int command_apply(const struct options *o);
int command_open(const struct options *o);
int command_close(const struct options *o);
int command_policy(const struct options *o);
int command_confirm(const struct options *o);
int command_rollback(const struct options *o);
int command_restore(const struct options *o);
int command_guard(const struct options *o);
int command_watch(const struct options *o);
int command_scan(const struct options *o);
int command_verify(const struct options *o);
int command_doctor(const struct options *o);
int command_completion(const struct options *o);
int command_help(const struct options *o);
int command_version(const struct options *o);

const struct command *command_find(const char *name);
/* Another word for the command with that name, or NULL. */
const char *command_alias(const char *name);
/* The command with the name most like `word`, or NULL. */
const struct command *command_guess(const char *word);
void command_print_help(const struct command *command); /* NULL: of portero itself */
/* Prints "portero: ..." on stderr and returns EXIT_BLIND. */
int command_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
