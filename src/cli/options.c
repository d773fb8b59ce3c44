/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/options.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdint.h>
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
	TEXT("from", N_("ADDRESS"), NULL, from,
	     SCOPE_REACH | SCOPE_EXPLAIN | SCOPE_OPEN | SCOPE_VERIFY,
	     N_("only from this address (open: networks, classes; verify: a host, by ssh)")),
	TEXT("to", N_("ADDRESS"), NULL, to, SCOPE_REACH | SCOPE_EXPLAIN,
	     N_("packets to this address of the machine (or behind it)")),
	TEXT("in", N_("INTERFACE"), NULL, in, SCOPE_REACH | SCOPE_EXPLAIN | SCOPE_OPEN,
	     N_("packets that come in by this interface only")),
	TEXT("proto", N_("PROTOCOL"), "tcp|udp", proto, SCOPE_REACH, N_("tcp or udp only")),
	FLAG(0, "full", full, SCOPE_REACH,
	     N_("ask about every single port, not once for those that no rule tells apart")),
	FLAG(0, "no-reach", no_reach, SCOPE_STATUS | SCOPE_SHOW | SCOPE_DOCTOR,
	     N_("do not look at the firewall: who listens, and where it is bound")),
	FLAG(0, "no-cache", no_cache, SCOPE_STATUS | SCOPE_SHOW | SCOPE_REACH,
	     N_("ask about the firewall anew, though nothing has changed")),
	TEXT("listening-on", N_("WHERE"), "everywhere|network|this-machine", listening_on,
	     SCOPE_STATUS, N_("bound to: everywhere, network or this-machine")),
	TEXT("user", N_("USER"), NULL, user, SCOPE_STATUS | SCOPE_OPEN,
	     N_("listeners of this user (name or number)")),
	TEXT("unit", N_("UNIT"), NULL, unit, SCOPE_STATUS | SCOPE_OPEN,
	     N_("listeners of this systemd unit ('nginx' means nginx.service)")),
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
	TEXT("rate", N_("RATE"), NULL, rate, SCOPE_OPEN | SCOPE_SCAN,
	     N_("of one source's new connections, as in 10/minute; scan: packets a second")),
	TEXT("for", N_("TIME"), NULL, duration, SCOPE_OPEN | SCOPE_WATCH,
	     N_("open: closes again after that; watch: ends then (30m, 2h, 7d)")),
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
	NMAP_TEXT("p", "ports", N_("PORTS"), ports, SCOPE_SCAN | SCOPE_VERIFY,
		  N_("these only: 22,ssh,8000-8100, or T:22,U:53; as it is without: all of TCP")),
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
		  N_("by packets of portero's own, as it is without; needs root")),
	NMAP_FLAG("sT", "by-connect", by_connect, SCOPE_SCAN,
		  N_("by connections, which are ended at once; needs no privileges")),
	NMAP_FLAG("sU", "by-datagrams", by_datagrams, SCOPE_SCAN | SCOPE_VERIFY,
		  N_("UDP ports, by what their protocols ask; with -sS or -sT those of TCP too")),
	NMAP_FLAG("sV", "services", services, SCOPE_SCAN,
		  N_("also ask every open port what speaks there: protocol, product, version")),
	FLAG(0, "no-services", no_services, SCOPE_VERIFY,
	     N_("do not ask the open ports what speaks there: no impostor is found")),
	NMAP_FLAG("Pn", "no-discovery", no_discovery, SCOPE_SCAN,
		  N_("for who is used to nmap: portero asks every host's ports anyway")),
	NMAP_TEXT(NULL, "max-rate", N_("NUMBER"), max_rate, SCOPE_SCAN,
		  N_("packets a second, at most; as it is without: 10000 on a shared link")),
	NMAP_TEXT(NULL, "max-retries", N_("NUMBER"), max_retries, SCOPE_SCAN,
		  N_("how often a silent UDP port is asked again: 0 to 10; as it is without: 2")),
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
		  N_("keeps there how far the scan is, so that it can be resumed")),
	NMAP_TEXT(NULL, "resume", N_("FILE"), resume, SCOPE_SCAN,
		  N_("goes on with a scan that was saved there, and saves there again")),
	FLAG('n', "numeric", numeric, SCOPE_ALL, N_("numbers for users; no service names")),
	FLAG(0, "json", json, SCOPE_ALL, N_("JSON instead of a table")),
	FLAG(0, "json-lines", json_lines, SCOPE_WATCH | SCOPE_SCAN,
	     N_("JSON, one line for each event (watch: --json is the same), as it comes")),
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

/* The option that begins with `name`, else the one that is spelled most like it, or NULL. */
static const char *guess_option(const char *name)
{
	size_t best = SIZE_MAX;
	const char *near = NULL;

	for (size_t i = 0; strlen(name) > 2 && i < option_row_count; i++)
		if (strncmp(option_rows[i].name, name, strlen(name)) == 0)
			return option_rows[i].name;
	for (size_t i = 0; i < option_row_count; i++)
		if (text_is_nearer(name, option_rows[i].name, &best))
			near = option_rows[i].name;
	return near;
}

static int unknown_option(struct parse *p, const char *text, size_t len)
{
	char name[64] = "";
	const char *near;

	memcpy(name, text, len < sizeof(name) ? len : sizeof(name) - 1);
	near = guess_option(name);
	if (near)
		return err_set(p->e, -EINVAL, _("unknown option --%s: did you mean --%s?"), name,
			       near);
	return err_set(p->e, -EINVAL, _("unknown option --%s: portero --help lists them"), name);
}

/* `value` is what stood behind '=', or NULL. */
static int take_option(struct parse *p, const struct option_row *row, const char *value)
{
	if (row->kind == OPTION_FLAG) {
		if (value)
			return err_set(p->e, -EINVAL, _("option --%s takes no value"), row->name);
		set_flag(p->o, row);
		return 0;
	}
	if (!value && p->at + 1 < p->argc)
		value = p->argv[++p->at];
	if (!value || !value[0])
		return err_set(p->e, -EINVAL, _("option --%s needs a value: --%s %s"), row->name,
			       row->name, row->argument);
	if (row->choices && !is_choice(row->choices, value))
		return err_set(p->e, -EINVAL, _("--%s cannot be '%.64s': choose one of %s"),
			       row->name, value, row->choices);
	set_text(p->o, row, value);
	return 0;
}

static int take_long(struct parse *p, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);

	for (size_t i = 0; i < option_row_count; i++)
		if (strlen(option_rows[i].name) == len &&
		    memcmp(option_rows[i].name, text, len) == 0)
			return take_option(p, &option_rows[i], equals ? equals + 1 : NULL);
	return unknown_option(p, text, len);
}

/*
 * nmap's way: -sS, -Pn; a value is attached or the next argument: -p-, -p 22, -iLFILE. 1: it is
 * none.
 */
static int take_nmap(struct parse *p, const char *text)
{
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		size_t len = row->nmap ? strlen(row->nmap) : 0;

		if (!len || strncmp(text, row->nmap, len) != 0)
			continue;
		if (row->kind == OPTION_TEXT)
			return take_option(p, row, text[len] ? text + len : NULL);
		if (!text[len])
			return take_option(p, row, NULL);
	}
	return 1;
}

static bool is_after_scan(const struct parse *p)
{
	return p->o->word_count && p->o->words[0] &&
	       (strcmp(p->o->words[0], "scan") == 0 || strcmp(p->o->words[0], "verify") == 0);
}

static int take_letters(struct parse *p, const char *letters)
{
	for (; *letters; letters++) {
		size_t i = 0;

		while (i < option_row_count && option_rows[i].letter != *letters)
			i++;
		if (i == option_row_count)
			return err_set(p->e, -EINVAL,
				       _("unknown option -%c: portero --help lists them"),
				       *letters >= ' ' && *letters < 127 ? *letters : '?');
		set_flag(p->o, &option_rows[i]);
	}
	return 0;
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
	struct parse p = {o, argc, 1, argv, e};
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
		else if (!is_after_scan(&p) || (r = take_nmap(&p, text + 1)) == 1)
			r = take_letters(&p, text + 1);
		if (r < 0)
			return r;
	}
	return 0;
}
