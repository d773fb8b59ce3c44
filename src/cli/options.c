/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/options.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/options_nmap.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAG(letter, name, field, scope, help)                                                     \
	{                                                                                          \
		letter, name, NULL, NULL, NULL, NULL, OPTION_FLAG,                                 \
			offsetof(struct options, field), scope, help, NULL                         \
	}
#define TEXT(name, argument, choices, field, scope, help)                                          \
	{                                                                                          \
		0, name, argument, choices, NULL, NULL, OPTION_TEXT,                               \
			offsetof(struct options, field), scope, help, NULL                         \
	}
#define NMAP_FLAG(nmap, name, field, scope, help)                                                  \
	{                                                                                          \
		0, name, NULL, NULL, NULL, NULL, OPTION_FLAG, offsetof(struct options, field),     \
			scope, help, nmap                                                          \
	}
#define NMAP_TEXT(nmap, name, argument, field, scope, help)                                        \
	{                                                                                          \
		0, name, argument, NULL, NULL, NULL, OPTION_TEXT, offsetof(struct options, field), \
			scope, help, nmap                                                          \
	}
#define PLACE(name, argument, variable, standard, field, help)                                     \
	{                                                                                          \
		0, name, argument, NULL, variable, standard, OPTION_TEXT,                          \
			offsetof(struct options, field), SCOPE_ALL, help, NULL                     \
	}

const struct option_row option_rows[] = {
	FLAG('t', "tcp", tcp, SCOPE_STATUS | SCOPE_REACH, N_("TCP ports only (with -u: both)")),
	FLAG('u', "udp", udp, SCOPE_STATUS | SCOPE_REACH, N_("UDP ports only (with -t: both)")),
	FLAG('4', "ipv4", ipv4,
	     SCOPE_STATUS | SCOPE_REACH | SCOPE_EXPLAIN | SCOPE_SCAN | SCOPE_VERIFY,
	     N_("IPv4 only")),
	FLAG('6', "ipv6", ipv6,
	     SCOPE_STATUS | SCOPE_REACH | SCOPE_EXPLAIN | SCOPE_SCAN | SCOPE_VERIFY,
	     N_("IPv6 only")),
	TEXT("from", N_("ADDRESS"), NULL, from, SCOPE_REACH | SCOPE_EXPLAIN,
	     N_("packets from this address only")),
	TEXT("from", N_("SOURCES"), NULL, from, SCOPE_OPEN,
	     N_("who may come: addresses, networks, internet, private, link, host")),
	TEXT("from", N_("HOST"), NULL, from, SCOPE_VERIFY,
	     N_("look from this machine, by ssh, instead of from a namespace")),
	TEXT("to", N_("ADDRESS"), NULL, to, SCOPE_REACH | SCOPE_EXPLAIN,
	     N_("packets to this address of the machine (or behind it)")),
	TEXT("in", N_("INTERFACE"), NULL, in, SCOPE_REACH | SCOPE_EXPLAIN,
	     N_("packets that come in by this interface only")),
	TEXT("in", N_("INTERFACES"), NULL, in, SCOPE_OPEN,
	     N_("who comes in by these interfaces only, separated by commas")),
	TEXT("proto", N_("PROTOCOL"), "tcp|udp", proto, SCOPE_REACH, N_("tcp or udp only")),
	FLAG(0, "full", full, SCOPE_REACH,
	     N_("ask about every single port, not once for those that no rule tells apart")),
	FLAG(0, "no-reach", no_reach, SCOPE_STATUS | SCOPE_SHOW | SCOPE_DOCTOR,
	     N_("do not look at the firewall: who listens, and where it is bound")),
	FLAG(0, "no-cache", no_cache, SCOPE_STATUS | SCOPE_SHOW | SCOPE_REACH,
	     N_("ask about the firewall anew, though nothing has changed")),
	TEXT("listening-on", N_("WHERE"), "everywhere|network|this-machine", listening_on,
	     SCOPE_STATUS, N_("bound to: everywhere, network or this-machine")),
	TEXT("user", N_("USER"), NULL, user, SCOPE_STATUS,
	     N_("listeners of this user (name or number)")),
	TEXT("user", N_("USER"), NULL, user, SCOPE_OPEN, N_("only this user may listen there")),
	TEXT("unit", N_("UNIT"), NULL, unit, SCOPE_STATUS,
	     N_("listeners of this systemd unit ('nginx' means nginx.service)")),
	TEXT("unit", N_("UNIT"), NULL, unit, SCOPE_OPEN,
	     N_("only this systemd unit may listen there")),
	TEXT("sort", N_("ORDER"), "exposure|port|program|user", sort, SCOPE_STATUS,
	     N_("order: exposure (as it is without), port, program or user")),
	FLAG('a', "all", all, SCOPE_STATUS | SCOPE_SHOW,
	     N_("every network namespace (containers), not only this machine's own")),
	FLAG('l', "listeners", listeners, SCOPE_STATUS,
	     N_("for who is used to ss: portero shows them anyway")),
	FLAG('p', "programs", programs, SCOPE_STATUS,
	     N_("for who is used to ss: portero shows them anyway")),
	FLAG(0, "clients", clients, SCOPE_STATUS,
	     N_("also UDP sockets whose port the kernel chose: clients, as a rule")),
	FLAG(0, "ruleset", ruleset, SCOPE_PLAN, N_("print the rules, as nft is given them")),
	TEXT("program", N_("PATH"), NULL, program, SCOPE_OPEN,
	     N_("only this program may listen there")),
	TEXT("container", N_("NAME"), NULL, container, SCOPE_OPEN,
	     N_("only this container may listen there")),
	TEXT("rate", N_("RATE"), NULL, rate, SCOPE_OPEN,
	     N_("so many new connections of one source, as in 10/minute")),
	TEXT("for", N_("TIME"), NULL, duration, SCOPE_OPEN,
	     N_("closes again by itself after that: 30m, 2h, 7d")),
	TEXT("for", N_("TIME"), NULL, duration, SCOPE_WATCH, N_("ends after that: 30m, 2h, 7d")),
	TEXT("until", N_("TIME"), NULL, until, SCOPE_OPEN,
	     N_("closes again by itself then: 2026-12-01T00:00:00Z")),
	TEXT("why", N_("TEXT"), NULL, why, SCOPE_CHANGE | SCOPE_ROLLBACK,
	     N_("the reason, for who asks later")),
	TEXT("owner", N_("TEXT"), NULL, owner, SCOPE_OPEN, N_("whom to ask about it")),
	TEXT("confirm", N_("TIME"), NULL, confirm, SCOPE_CHANGE | SCOPE_ROLLBACK,
	     N_("how long to wait for portero confirm (120s, 5m, 2h) before it is undone")),
	FLAG(0, "no-confirm", no_confirm, SCOPE_CHANGE | SCOPE_ROLLBACK,
	     N_("do not wait for portero confirm: it stays")),
	FLAG(0, "now", now, SCOPE_CHANGE,
	     N_("also end the connections of who may not connect any more")),
	FLAG('y', "yes", yes, SCOPE_CHANGE, N_("do not ask")),
	FLAG(0, "force", force, SCOPE_CHANGE,
	     N_("even if it may lock you out, or cannot be proved to close everything")),
	TEXT("extend", N_("TIME"), NULL, extend, SCOPE_CONFIRM,
	     N_("do not confirm yet, but wait that long from now (120s, 5m, 2h)")),
	FLAG(0, "when-due", when_due, SCOPE_ROLLBACK, NULL),
	TEXT("count", N_("NUMBER"), NULL, count, SCOPE_WATCH, N_("ends after so many events")),
	NMAP_TEXT("p", "ports", N_("PORTS"), ports, SCOPE_SCAN,
		  N_("these only: 22,ssh,8000-8100, or T:22,U:53; without it: all of TCP")),
	NMAP_TEXT("p", "ports", N_("PORTS"), ports, SCOPE_VERIFY,
		  N_("these only: 22,ssh,8000-8100; without it: all of TCP")),
	NMAP_TEXT(NULL, "top-ports", "N", top_ports, SCOPE_SCAN,
		  N_("the N ports that a service is likeliest at, by portero's own ranking")),
	NMAP_FLAG("F", "fast", fast, SCOPE_SCAN,
		  N_("the 100 likeliest TCP ports, and with -sU the usual ones of UDP")),
	NMAP_TEXT("iL", "targets", N_("FILE"), targets, SCOPE_SCAN,
		  N_("targets from a file too (- for the input), separated by blanks")),
	NMAP_TEXT(NULL, "exclude", N_("TARGETS"), exclude, SCOPE_SCAN,
		  N_("not these addresses, networks, ranges and names, separated by commas")),
	NMAP_TEXT(NULL, "excludefile", N_("FILE"), exclude_file, SCOPE_SCAN,
		  N_("the same from a file (- for the input), separated by blanks")),
	NMAP_FLAG("sS", "by-packets", by_packets, SCOPE_SCAN,
		  N_("TCP by packets of portero's own: what root gets without it")),
	NMAP_FLAG("sT", "by-connect", by_connect, SCOPE_SCAN,
		  N_("TCP by connections, which are ended at once; needs no privileges")),
	NMAP_FLAG("sU", "by-datagrams", by_datagrams, SCOPE_SCAN,
		  N_("UDP, by what the ports' protocols ask; with -sS or -sT TCP as well")),
	NMAP_FLAG("sU", "by-datagrams", by_datagrams, SCOPE_VERIFY,
		  N_("UDP instead of TCP: the usual ports, and those that are bound")),
	NMAP_FLAG("sV", "services", services, SCOPE_SCAN,
		  N_("also ask every open port what speaks there: protocol, product, version")),
	FLAG(0, "no-services", no_services, SCOPE_VERIFY,
	     N_("do not ask the open ports what speaks there: no impostor is found")),
	NMAP_FLAG("Pn", "no-discovery", no_discovery, SCOPE_SCAN,
		  N_("for who is used to nmap: portero asks every host's ports anyway")),
	FLAG('v', "verbose", verbose, SCOPE_SCAN,
	     N_("for who is used to nmap: portero tells all that it has to tell anyway")),
	NMAP_TEXT("T", "timing", "2-5", timing, SCOPE_SCAN,
		  N_("2: at most 100 packets a second; 3 to 5 change nothing: the rate adapts")),
	NMAP_TEXT(NULL, "rate", N_("NUMBER"), rate, SCOPE_SCAN,
		  N_("packets a second, whatever is lost on the way")),
	NMAP_TEXT(NULL, "max-rate", N_("NUMBER"), max_rate, SCOPE_SCAN,
		  N_("packets a second, at most; without it: 10000 on a shared link")),
	NMAP_TEXT(NULL, "max-retries", N_("NUMBER"), max_retries, SCOPE_SCAN,
		  N_("how often a silent UDP port is asked again: 0 to 10; without it: 2")),
	NMAP_TEXT(NULL, "sources", N_("ADDRESSES"), sources, SCOPE_SCAN,
		  N_("ask UDP ports from these own addresses in turn: hosts limit each")),
	NMAP_TEXT(NULL, "host-timeout", N_("TIME"), host_timeout, SCOPE_SCAN,
		  N_("no host takes longer (30s, 5m): then what is not known is unknown")),
	NMAP_FLAG(NULL, "open", only_open, SCOPE_SCAN,
		  N_("list only what is open, or may be, and hosts that have such ports")),
	NMAP_TEXT("oX", "xml", N_("FILE"), xml, SCOPE_SCAN,
		  N_("also as nmap's XML; - for the output, instead of the table")),
	NMAP_TEXT("oG", "greppable", N_("FILE"), greppable, SCOPE_SCAN,
		  N_("also as nmap's greppable lines; the same")),
	NMAP_TEXT("oN", "normal", N_("FILE"), normal, SCOPE_SCAN,
		  N_("also as nmap's normal output; the same")),
	NMAP_TEXT("oA", "all-formats", N_("BASE"), all_formats, SCOPE_SCAN,
		  N_("all three: BASE.xml, BASE.gnmap and BASE.nmap")),
	NMAP_TEXT(NULL, "save", N_("FILE"), save, SCOPE_SCAN,
		  N_("keeps there how far the scan is, to be resumed; not with -sU")),
	NMAP_TEXT(NULL, "resume", N_("FILE"), resume, SCOPE_SCAN,
		  N_("goes on with a scan that was saved there, and saves there again")),
	FLAG('n', "numeric", numeric, SCOPE_ALL, N_("numbers for users; no service names")),
	FLAG(0, "json", json, SCOPE_ALL, N_("JSON instead of a table")),
	FLAG(0, "json-lines", json_lines, SCOPE_WATCH,
	     N_("JSON, one line for each event, as it comes; --json is the same")),
	FLAG(0, "json-lines", json_lines, SCOPE_SCAN,
	     N_("JSON, one line for each open port, service and host, as it comes")),
	FLAG(0, "csv", csv, SCOPE_STATUS, N_("comma-separated values instead of a table")),
	FLAG('q', "quiet", quiet, SCOPE_ALL, N_("no heading and no remarks below the table")),
	FLAG(0, "no-color", no_color, SCOPE_ALL, N_("no colour (as does NO_COLOR=1)")),
	FLAG(0, "no-bpf", no_bpf, SCOPE_ALL,
	     N_("do as if the kernel refused BPF: read /proc instead")),
	PLACE("policy-dir", N_("DIR"), "PORTERO_POLICY_DIR", "/etc/portero/policy.d", policy_dir,
	      N_("where the policy's files are")),
	PLACE("state-dir", N_("DIR"), "PORTERO_STATE_DIR", "/var/lib/portero", state_dir,
	      N_("what portero remembers")),
	PLACE("runtime-dir", N_("DIR"), "PORTERO_RUNTIME_DIR", "/run/portero", runtime_dir,
	      N_("sockets and locks")),
	PLACE("scope-file", N_("FILE"), "PORTERO_SCOPE_FILE", "/etc/portero/scope", scope_file,
	      N_("the networks that may be probed")),
	PLACE("pin-dir", N_("DIR"), "PORTERO_PIN_DIR", "/sys/fs/bpf/portero", pin_dir,
	      N_("where the guard is, in a bpffs")),
	PLACE("cgroup", N_("DIR"), "PORTERO_CGROUP", NULL, cgroup,
	      N_("the cgroup v2 that is guarded; else its root")),
	FLAG('h', "help", help, SCOPE_ALL, N_("this help; portero COMMAND --help tells more")),
	FLAG('V', "version", version, SCOPE_ALL, N_("the version")),
};
const size_t option_row_count = ARRAY_LEN(option_rows);

struct parse {
	struct options *o;
	int argc, at;
	char **argv;
	struct err *e;
	bool given[sizeof(struct options)]; /* the texts that were, by their offsets */
};

static void set_text(struct options *o, const struct option_row *row, const char *value)
{
	memcpy((char *)o + row->offset, &value, sizeof(value));
}

static void set_flag(struct options *o, const struct option_row *row)
{
	*(bool *)(void *)((char *)o + row->offset) = true;
}

static bool is_choice(const char *choices, const char *value)
{
	size_t len = strlen(value);

	if (strchr(value, '|'))
		return false;
	for (const char *at = choices; at; at = strchr(at, '|'), at = at ? at + 1 : NULL)
		if (strncmp(at, value, len) == 0 && (at[len] == '|' || at[len] == '\0') && len)
			return true;
	return false;
}

/* Of the command that stands before; NULL: none does. */
static const struct command *command_before(const struct parse *p)
{
	return p->o->word_count ? command_find(p->o->words[0]) : NULL;
}

static unsigned scope_before(const struct parse *p)
{
	const struct command *command = command_before(p);

	return command ? command->scope | SCOPE_ALL : ~0U;
}

const struct option_row *options_find(const char *name, size_t len, unsigned scope)
{
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].scope & scope && strlen(option_rows[i].name) == len &&
		    memcmp(option_rows[i].name, name, len) == 0)
			return &option_rows[i];
	return NULL;
}

/* The option that begins with `name`, else the one that is spelled most like it, or NULL. */
static const char *guess_option(const char *name, unsigned scope)
{
	size_t best = SIZE_MAX;
	const char *near = NULL;

	for (size_t i = 0; strlen(name) > 2 && i < option_row_count; i++)
		if (option_rows[i].scope & scope &&
		    strncmp(option_rows[i].name, name, strlen(name)) == 0)
			return option_rows[i].name;
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].scope & scope &&
		    text_is_nearer(name, option_rows[i].name, &best))
			near = option_rows[i].name;
	return near;
}

/* `text` with its dashes */
static int unknown_option(struct parse *p, const char *text)
{
	const struct command *command = command_before(p);

	if (command)
		return err_set(p->e, -EINVAL, _("unknown option %s: portero help %s lists them"),
			       text, command->name);
	return err_set(p->e, -EINVAL, _("unknown option %s: portero --help lists them"), text);
}

static int unknown_name(struct parse *p, const char *text, size_t len)
{
	char name[64] = "--";
	const char *near = NULL;

	memcpy(name + 2, text, len < sizeof(name) - 2 ? len : sizeof(name) - 3);
	if (!command_before(p)) /* it may come later, but as a rule there is none */
		near = guess_option(name + 2, SCOPE_STATUS | SCOPE_ALL);
	if (!near)
		near = guess_option(name + 2, scope_before(p));
	if (near)
		return err_set(p->e, -EINVAL, _("unknown option %s: did you mean --%s?"), name,
			       near);
	return unknown_option(p, name);
}

/*
 * Only one of two values can count, and which must not be a matter of luck. A place (it has a
 * variable, too) is what scripts give, and people after them: the last counts.
 */
static bool is_second(struct parse *p, const struct option_row *row)
{
	bool second = p->given[row->offset] && !row->environment;

	p->given[row->offset] = true;
	return second;
}

/* `typed`: the option as it was, with its dashes; `value` is what stood behind it, or NULL. */
/* As nmap sees it: its files are not called so, and ports begin by digits (-p -80). */
static bool looks_like_option(const char *text)
{
	return text[0] == '-' && text[1] && !(text[1] >= '0' && text[1] <= '9');
}

static int take_option(struct parse *p, const struct option_row *row, const char *typed,
		       const char *value)
{
	const char *between = typed[1] == '-' ? "=" : " ";

	if (row->kind == OPTION_FLAG) {
		if (value)
			return err_set(p->e, -EINVAL, _("option %s takes no value"), typed);
		set_flag(p->o, row);
		return 0;
	}
	if (!value && p->at + 1 < p->argc) {
		value = p->argv[++p->at];
		if (row->nmap && looks_like_option(value))
			return err_set(p->e, -EINVAL,
				       _("option %s needs a value, and %.64s looks like an option"),
				       typed, value);
	}
	if (!value || !value[0])
		return err_set(p->e, -EINVAL, _("option %s needs a value: %s%s%s"), typed, typed,
			       between, _(row->argument));
	if (row->choices && !is_choice(row->choices, value))
		return err_set(p->e, -EINVAL, _("%s cannot be '%.64s': choose one of %s"), typed,
			       value, row->choices);
	if (is_second(p, row))
		return err_set(p->e, -EINVAL,
			       _("option %s is there twice, and only one can count: say it once, "
				 "with commas where it may be several"),
			       typed);
	set_text(p->o, row, value);
	return 0;
}

static int take_long(struct parse *p, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);
	const struct option_row *row = options_find(text, len, scope_before(p));
	char typed[64];

	if (!row)
		row = options_find(text, len, ~0U); /* of another command: main says so */
	if (!row)
		return unknown_name(p, text, len);
	snprintf(typed, sizeof(typed), "--%s", row->name);
	return take_option(p, row, typed, equals ? equals + 1 : NULL);
}

/*
 * nmap's way: -sS, -Pn; a value is attached or the next argument: -p-, -p 22, -iLFILE. 1: it is
 * none.
 */
static int take_nmap_one(struct parse *p, const char *text)
{
	unsigned scope = scope_before(p);
	const char *why;

	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		size_t len = row->nmap ? strlen(row->nmap) : 0;
		char typed[8];

		if (!len || !(row->scope & scope) || strncmp(text, row->nmap, len) != 0)
			continue;
		snprintf(typed, sizeof(typed), "-%s", row->nmap);
		if (row->kind == OPTION_TEXT)
			return take_option(p, row, typed, text[len] ? text + len : NULL);
		if (!text[len])
			return take_option(p, row, typed, NULL);
	}
	why = options_nmap_lacks(text);
	return why ? err_set(p->e, -EINVAL, "%s", _(why)) : 1;
}

/* Also several of nmap's ways to scan: -sUV is -sU -sV. */
static int take_nmap(struct parse *p, const char *text)
{
	int r = take_nmap_one(p, text);

	if (r != 1 || text[0] != 's')
		return r;
	for (const char *letter = text + 1; *letter && r >= 0; letter++) {
		r = take_nmap_one(p, (const char[]){'s', *letter, '\0'});
		if (r == 1)
			return 1;
	}
	return r;
}

/* Does nmap's way of writing options count? Behind the words scan and verify. */
static bool is_after_scan(const struct parse *p)
{
	const struct command *command = command_before(p);

	return command && command->scope & (SCOPE_SCAN | SCOPE_VERIFY);
}

static int take_letters(struct parse *p, const char *letters)
{
	for (; *letters; letters++) {
		char typed[] = {'-', *letters >= ' ' && *letters < 127 ? *letters : '?', '\0'};
		size_t i = 0;

		while (i < option_row_count && option_rows[i].letter != *letters)
			i++;
		if (i == option_row_count)
			return unknown_option(p, typed);
		set_flag(p->o, &option_rows[i]);
	}
	return 0;
}

/* Letters, but of what begins like one of nmap's ways to scan no letter is told alone. */
static int take_short(struct parse *p, const char *text)
{
	char typed[16];
	int r = is_after_scan(p) ? take_nmap(p, text) : 1;

	if (r != 1)
		return r;
	if (!is_after_scan(p) || text[0] != 's')
		return take_letters(p, text);
	snprintf(typed, sizeof(typed), "-%s", text);
	return unknown_option(p, typed);
}

static void set_standards(struct options *o)
{
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		const char *value = row->environment ? getenv(row->environment) : NULL;

		if (row->kind == OPTION_TEXT)
			set_text(o, row, value && value[0] ? value : row->standard);
	}
}

int options_parse(int argc, char **argv, struct options *o, struct err *e)
{
	struct parse p = {.o = o, .argc = argc, .at = 1, .argv = argv, .e = e};
	bool only_words = false;

	*o = (struct options){.argv = argv, .argc = argc};
	set_standards(o);
	o->words = calloc((size_t)argc + 1, sizeof(*o->words));
	if (!o->words)
		return err_set(e, -ENOMEM, _("out of memory"));
	for (; p.at < argc; p.at++) {
		const char *text = argv[p.at];
		int r = 0;

		if (only_words || text[0] != '-' || text[1] == '\0')
			o->words[o->word_count++] = text;
		else if (strcmp(text, "--") == 0)
			only_words = true;
		else if (text[1] == '-')
			r = take_long(&p, text + 2);
		else
			r = take_short(&p, text + 1);
		if (r < 0)
			return r;
	}
	return 0;
}
