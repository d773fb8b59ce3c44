/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * commands: the table of commands. Adding one = a file with its run function, and a row here.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"

#include <stdarg.h>
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
	{"confirm", "", N_("what was applied stays"),
	 N_("Confirms what was applied last; without that it is undone when its time is over. "
	    "With\n"
	    "--extend it is not confirmed yet, but has more time. Needs root.\n"
	    "\n"
	    "Exit code: 0; 1 when nothing waits to be confirmed, or it is too late; 2 when it "
	    "could\n"
	    "not be done."),
	 SCOPE_CONFIRM, command_confirm},
	{"rollback", N_("[STATE]"), N_("back to what the firewall was before"),
	 N_("Takes back what was applied and is not confirmed yet. With a number: goes to that\n"
	    "state (portero policy log lists them; 0 is: no rules of portero at all), which is to\n"
	    "be confirmed like any change. The files of the policy stay as they are, but for "
	    "those\n"
	    "that portero open and close wrote and that were not confirmed. Needs root.\n"
	    "\n"
	    "Exit code: 0; 1 when nothing waits to be confirmed; 2 when it could not be done, "
	    "and\n"
	    "the firewall is as it was."),
	 SCOPE_ROLLBACK, command_rollback},
	{"restore", "", N_("load the confirmed state: at the start of the machine"),
	 N_("Loads the rules of the state that was confirmed last; portero.service runs this at "
	    "the\n"
	    "start of the machine. What was applied but not confirmed before the start is undone.\n"
	    "Run it, too, when another program has removed portero's rules. Needs root.\n"
	    "\n"
	    "Exit code: 0, or 2 when it could not be done."),
	 0, command_restore},
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
