/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main: the table of commands, and the choice of one. Holds no logic of its own.
 */
#include "base/err.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"

#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct command commands[] = {
	{"status", N_("[PORT|NAME]..."), N_("every port with a listener, who listens, and remarks"),
	 N_("Shows one line for each port that something listens on, the most exposed first.\n"
	    "With ports (443/tcp, 53, 1-1024/tcp) or names (of a program, service, unit,\n"
	    "container or package), only those. This is what portero does without a command.\n"
	    "\n"
	    "Exit code: 0, or 2 when something could not be looked at."),
	 SCOPE_STATUS, command_status},
	{"show", N_("PORT..."), N_("one port, everything that is known of it"),
	 N_("Shows what a number is reserved for, every listener with its processes, and the\n"
	    "current connections by peer."),
	 SCOPE_SHOW, command_show},
	{"doctor", "", N_("what this kernel and these privileges let portero see"),
	 N_("Tries every source that portero reads and says what is missing, what that hides,\n"
	    "and how to get it. Exit code: 0, or 2 when something is hidden."),
	 SCOPE_DOCTOR, command_doctor},
	{"completion", N_("bash|zsh|fish"), N_("print the completions for a shell"),
	 N_("Prints a script for the shell. For bash: source <(portero completion bash)"), 0,
	 command_completion},
	{"help", N_("[COMMAND]"), N_("this help, or that of a command"), "", 0, command_help},
	{"version", "", N_("the version"), "", 0, command_version},
};
const size_t command_count = ARRAY_LEN(commands);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

const struct command *command_guess(const char *word)
{
	const struct command *near = NULL;
	size_t best = strlen(word) > 4 ? 3 : 2; /* less than this many edits away */

	for (size_t i = 0; i < command_count; i++) {
		size_t distance = text_distance(word, commands[i].name);

		if (distance < best) {
			best = distance;
			near = &commands[i];
		}
	}
	return near;
}

int command_fail(const char *format, ...)
{
	struct buf cleanup_call(buf_done) message = {0};
	char text[1024];
	va_list args;

	fflush(stdout);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text_escape_message(&message, text);
	fprintf(stderr, "portero: %s\n", buf_text(&message));
	return EXIT_BLIND;
}

int command_version(const struct options *o)
{
	(void)o;
	printf("portero %s\n", PORTERO_VERSION);
	return EXIT_DECLARED;
}

/* Beside the program in a build tree, else where `make install` puts the messages. */
static const char *locale_dir(char *room, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", room, size - 8);
	struct stat st;
	char *slash;

	if (len > 0) {
		room[len] = '\0';
		slash = strrchr(room, '/');
		memcpy(slash, "/locale", 8);
		if (stat(room, &st) == 0 && S_ISDIR(st.st_mode))
			return room;
	}
	return PORTERO_PREFIX "/share/locale";
}

/* Machine output is never translated: then every message of this run stays English. */
static bool is_for_machines(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "--csv") == 0)
			return true;
	return false;
}

static void set_language(int argc, char **argv)
{
	char room[4096];

	setlocale(LC_CTYPE, "");
	if (is_for_machines(argc, argv))
		return;
	setlocale(LC_MESSAGES, "");
	bindtextdomain("portero", locale_dir(room, sizeof(room)));
	textdomain("portero");
}

/* Output that could not be written (a full disk, a closed pipe) must not look like success. */
static int close_output(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (errno == EPIPE)
		return EXIT_BLIND;
	return command_fail(_("cannot write the output: %s"), strerror(errno));
}

/* An option that another command has, but this one does not, would be ignored: say so. */
static int check_scope(const struct command *command, const struct options *o, struct err *e)
{
	static const struct options none;

	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		size_t size = row->kind == OPTION_FLAG ? sizeof(bool) : sizeof(char *);
		bool given = memcmp((const char *)o + row->offset,
				    (const char *)&none + row->offset, size) != 0;

		if (given && !(row->scope & (command->scope | SCOPE_ALL)))
			return err_set(e, -EINVAL, _("'portero %s' has no option --%s"),
				       command->name, row->name);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct command *command = NULL;
	struct options o;
	struct err e;
	int code;

	set_language(argc, argv);
	if (options_parse(argc, argv, &o, &e) < 0) {
		free(o.words);
		return command_fail("%s", e.msg);
	}
	if (o.word_count)
		command = command_find(o.words[0]);
	if (o.version)
		code = command_version(&o);
	else if (o.help)
		code = (command_print_help(command), EXIT_DECLARED);
	else if (check_scope(command ? command : &commands[0], &o, &e) < 0)
		code = command_fail("%s", e.msg);
	else {
		struct options rest = o;

		rest.words += command ? 1 : 0;
		rest.word_count -= command ? 1 : 0;
		code = command ? command->run(&rest) : command_status(&rest);
	}
	free(o.words);
	return close_output(code);
}
