/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main: chooses the language and the command. Apart from cli/commands so that tests can link all
 * the rest.
 */
#include "base/err.h"
#include "base/i18n.h"
#include "cli/command.h"

#include <errno.h>
#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
		if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "--json-lines") == 0 ||
		    strcmp(argv[i], "--csv") == 0)
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

/*
 * What is freed is wanted again at once, for the next thing that is built: given back to the kernel
 * in between, each page of it would cost a page fault.
 */
static void keep_freed_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
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

		if (given &&
		    !options_find(row->name, strlen(row->name), command->scope | SCOPE_ALL))
			return err_set(e, -EINVAL,
				       _("'portero %s' has no option --%s: portero help %s lists "
					 "them"),
				       command->name, row->name, command->name);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct command *command = NULL;
	struct options o;
	struct err e;
	int code;

	keep_freed_memory();
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
