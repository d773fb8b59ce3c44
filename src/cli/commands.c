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
	    "thread or has no program file any more, or when a port is reached that the policy\n"
	    "does not declare; 2 when something could not be looked at."),
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
	{"policy", N_("init|check|log"),
	 N_("write a policy from what is open now; check its files"),
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
	    "log: what was applied, when, by whom and why, and which states there are.\n"
	    "None changes the firewall.\n"
	    "\n"
	    "Exit code: 0; 1 when check has warnings; 2 when there are errors, no policy, or when\n"
	    "something could not be looked at."),
	 SCOPE_POLICY, command_policy},
	{"plan", "", N_("what applying the policy would change, port by port"),
	 N_("Tries the policy's rules in a copy of this machine, and shows who gets in now, who "
	    "would\n"
	    "get in then, and who would lose access. Changes nothing. Needs root.\n"
	    "\n"
	    "Exit code: 0 when there is nothing to do, 1 when something would change, 2 on errors, "
	    "or\n"
	    "when something is not known."),
	 SCOPE_PLAN, command_plan},
	{"apply", "", N_("close all that is not declared; undone unless you confirm it"),
	 N_("Shows the plan, asks, and puts the policy's rules into the kernel in one step: its "
	    "own\n"
	    "table, inet portero; no other rules are touched. Unless 'portero confirm' follows in "
	    "time,\n"
	    "what was before comes back by itself. Refuses what would lock you out.\n"
	    "\n"
	    "Exit code: 0 when it is done, or was already; 1 when you said no; 2 when it was not."),
	 SCOPE_CHANGE, command_apply},
	{"open", N_("PORT"), N_("declare one opening, and apply it (also: allow)"),
	 N_("Writes an opening into a file of its own in the policy's folder, shows what that "
	    "changes,\n"
	    "and applies the policy. --from says who may come. As with apply, it is undone by "
	    "itself,\n"
	    "with its file, unless you confirm it."),
	 SCOPE_CHANGE | SCOPE_OPEN, command_open},
	{"close", N_("PORT"), N_("take back what open declared, and apply it (also: deny)"),
	 N_("Removes the file that 'portero open' wrote for the port, shows what that changes, "
	    "and\n"
	    "applies the policy. As with apply, it is undone by itself unless you confirm it."),
	 SCOPE_CHANGE, command_close},
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
	{"guard", N_("[status|off|refresh|accept PROGRAM]"),
	 N_("which programs may have which ports: is that still so?"),
	 N_("The guard lets only the programs that the policy names bind and listen on their "
	    "ports\n"
	    "(guard: enforce in the policy's settings); portero apply puts it up.\n"
	    "status: whether it is there, and is what was applied.\n"
	    "refresh: learns programs again that were upgraded, when dpkg vouches for their new\n"
	    "content, and those whose file was only touched.\n"
	    "accept PROGRAM: takes a program as it is now for the one that was declared.\n"
	    "off: takes the guard away, at once. Needs root.\n"
	    "\n"
	    "Exit code: 0; 1 when it is not what was applied, or programs have changed; 2 when "
	    "that\n"
	    "could not be looked at or done."),
	 0, command_guard},
	{"watch", "", N_("what the guard sees and refuses, as it happens"),
	 N_("Prints a line for each event of the guard until Ctrl-C: who listens on a port and "
	    "who\n"
	    "closes it, who was refused one and why, whose packets were dropped, and raw "
	    "sockets.\n"
	    "What happened before and was not read yet comes first. A process's program, unit "
	    "and\n"
	    "container are looked up at once; of one that has ended, its program's name is "
	    "known.\n"
	    "Only one portero watch at a time. Changes nothing. Needs root.\n"
	    "\n"
	    "Exit code: 0 when it was ended by Ctrl-C, --count or --for; 2 when there is no "
	    "guard, or\n"
	    "it was taken away meanwhile, or the output could not be written."),
	 SCOPE_WATCH, command_watch},
	{"scan", N_("TARGET..."), N_("a host's ports, as they look from outside"),
	 N_("Asks the TCP ports of each target (an address, a network, a name) by packets, and "
	    "says\n"
	    "which are open, closed (the host itself refuses), rejected (refused by ICMP) or\n"
	    "filtered (silence, while the host's other answers arrive; beside rejected ports it "
	    "may\n"
	    "be rejected, too, as hosts send few ICMP errors). What is lost on the way is "
	    "measured\n"
	    "and asked again; the speed follows it.\n"
	    "With -sU it asks UDP ports (with -sS or -sT both protocols'), without -p some 90 "
	    "usual\n"
	    "ones, by what their protocols ask. Who answers is open; closed is told by ICMP, by "
	    "most\n"
	    "hosts of one port a second only, which is waited for (--host-timeout ends that);\n"
	    "open|filtered is the silence of a port that would have been told of, were it closed.\n"
	    "Only addresses of this machine, and networks in /etc/portero/scope: one on each "
	    "line,\n"
	    "and behind it who authorised that.\n"
	    "Options are written as nmap's, also joined: -sUV. With -sV it asks each open port "
	    "what\n"
	    "speaks there. With --save FILE (not with -sU), a scan that was ended can go on "
	    "later:\n"
	    "--resume FILE.\n"
	    "\n"
	    "Exit code: 0; 2 when a target is out of scope, not all could be found out, or a file "
	    "could\n"
	    "not be written."),
	 SCOPE_SCAN, command_scan},
	{"verify", N_("[ADDRESS]..."), N_("this machine from outside, compared with the inside"),
	 N_("Makes a visitor, a network namespace whose packets come in like any from a network,\n"
	    "looks from there at all TCP ports of this machine's addresses (or those given), and\n"
	    "compares what answers with who listens and what the rules say. With --from HOST the "
	    "look\n"
	    "is from another machine, where portero scan runs by ssh. The visitor is gone "
	    "afterwards.\n"
	    "Disagreements are looked at twice:\n"
	    "ghost: answers outside, and nobody is known to listen;\n"
	    "believed closed: answers, although the rules keep it out;\n"
	    "shadowed: listens and is let in, and yet is not open outside;\n"
	    "impostor: speaks another protocol than its program or its number stands for;\n"
	    "middlebox: nearly all ports answer, whoever listens.\n"
	    "\n"
	    "Exit code: 0 when both agree; 1 on a disagreement; 2 when not all could be looked "
	    "at."),
	 SCOPE_VERIFY, command_verify},
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

/* Words that most people know from ufw. */
static const struct {
	const char *alias, *name;
} aliases[] = {{"allow", "open"}, {"deny", "close"}};

static const char *unalias(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (strcmp(aliases[i].alias, name) == 0)
			return aliases[i].name;
	return name;
}

const char *command_alias(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (strcmp(aliases[i].name, name) == 0)
			return aliases[i].alias;
	return NULL;
}

const struct command *command_find(const char *name)
{
	name = unalias(name);
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
