/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * commands: the table of commands. Adding one = a file with its run function, and a row here.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

const struct command commands[] = {
	{"status", N_("[PORT|NAME]..."),
	 N_("every port with a listener, who can reach it, who listens"),
	 N_("Shows one line for each port that something listens on, the most exposed first:\n"
	    "who can reach it through the firewall, who listens, and what is worth a remark.\n"
	    "With ports (443/tcp, 53, 1-1024/tcp) or names (of a program, service, unit,\n"
	    "container or package), only those. This is what portero does without a command.\n"
	    "\n"
	    "Exit code: 0; 1 when a listener is hidden, runs from memory, poses as a kernel\n"
	    "thread or has no program file any more; 2 when something could not be looked at."),
	 SCOPE_STATUS, command_status},
	{"show", N_("PORT..."), N_("one port, everything that is known of it"),
	 N_("Shows what a number is reserved for, who can reach it and who cannot, every\n"
	    "listener with its processes, and the current connections by peer. The exit codes\n"
	    "are those of portero status."),
	 SCOPE_SHOW, command_show},
	{"reach", "", N_("which ports the firewall lets in, from where"),
	 N_("Asks the kernel itself, with a copy of this machine's interfaces, routes and "
	    "firewall\n"
	    "rules in a scratch network namespace: what would become of a packet from the "
	    "internet,\n"
	    "from private and attached networks, from this machine, and from every address that "
	    "the\n"
	    "rules mention, to each of the 65,535 tcp and udp ports? Changes nothing. Needs root.\n"
	    "\n"
	    "Exit code: 0, or 2 when something could not be asked."),
	 SCOPE_REACH, command_reach},
	{"explain", N_("PORT"), N_("what becomes of one packet, and the rule that decides"),
	 N_("Says what the kernel would do with a new packet to the port (443/tcp, 53/udp), which "
	    "rule\n"
	    "decides it, who wrote that rule, and what to do to change it; and shows the packet's\n"
	    "whole way. Without --from, the packet comes from the internet. Changes nothing.\n"
	    "\n"
	    "Exit code: 0, or 2 when it could not be asked."),
	 SCOPE_EXPLAIN, command_explain},
	{"policy", N_("init|check"), N_("write a policy from what is open now; check its files"),
	 N_("init [DIR|-]: writes a policy, 10-init.yaml in the policy's folder (or to the output: "
	    "-),\n"
	    "from what is open now: an opening for each port with who listens and who reaches it. "
	    "What\n"
	    "the internet should hardly ever reach is written as a comment. A policy that is there "
	    "is\n"
	    "left alone.\n"
	    "check [DIR]: checks the files of the policy: what is wrong is shown with file, line "
	    "and\n"
	    "column, what is probably not meant is a warning. portero.policy(5) describes them.\n"
	    "Neither changes the firewall.\n"
	    "\n"
	    "Exit code: 0; 1 when check has warnings; 2 when there are errors, no policy, or when\n"
	    "something could not be looked at."),
	 SCOPE_POLICY, command_policy},
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
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < command_count; i++)
		if (text_is_nearer(word, commands[i].name, &best))
			near = &commands[i];
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
