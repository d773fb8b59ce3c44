/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options: the command line, by one table which also makes the help and the completions.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* What the command line said. Strings belong to argv or the environment. */
struct options {
	/* output */
	bool json, json_lines, csv, quiet, numeric, no_color;
	/* what to look at */
	bool all, clients, no_bpf;
	bool tcp, udp, ipv4, ipv6;
	bool no_reach, no_cache, full;
	bool listeners, programs; /* as -l and -p of ss: they change nothing */
	const char *listening_on, *user, *unit, *sort;
	const char *from, *to, *in, *proto; /* of a packet; of an opening */
	/* of a change */
	bool ruleset, yes, force, no_confirm, when_due, now;
	const char *confirm, *extend, *why;
	/* of an opening */
	const char *program, *container, *rate, *duration, *until, *owner;
	/* of watch */
	const char *count;
	/* of scan */
	bool by_packets, by_connect, by_datagrams, no_discovery, services, fast, only_open, verbose;
	const char *ports, *targets, *exclude, *exclude_file, *sources, *max_rate, *max_retries,
		*host_timeout, *top_ports, *timing;
	bool no_services; /* of verify */
	const char *xml, *greppable, *normal, *all_formats, *save, *resume;
	/* places; each has an environment variable too */
	const char *policy_dir, *state_dir, *runtime_dir, *scope_file;
	const char *pin_dir, *cgroup; /* of the guard; cgroup: NULL: the root of cgroup v2 */
	bool help, version;
	/* the words that are not options; the first may name a command */
	const char **words;
	size_t word_count;
	/* the whole command line */
	char **argv;
	int argc;
};

enum option_kind { OPTION_FLAG, OPTION_TEXT };

/* Which commands an option is for: bits, to be compared with struct command's. */
enum option_scope {
	SCOPE_ALL = 1 << 0,
	SCOPE_STATUS = 1 << 1,
	SCOPE_SHOW = 1 << 2,
	SCOPE_DOCTOR = 1 << 3,
	SCOPE_REACH = 1 << 4,
	SCOPE_EXPLAIN = 1 << 5,
	SCOPE_POLICY = 1 << 6,
	SCOPE_PLAN = 1 << 7,
	SCOPE_CHANGE = 1 << 8, /* apply, open, close */
	SCOPE_OPEN = 1 << 9,
	SCOPE_CONFIRM = 1 << 12,
	SCOPE_ROLLBACK = 1 << 13,
	SCOPE_WATCH = 1 << 15,
	SCOPE_SCAN = 1 << 16,
	SCOPE_VERIFY = 1 << 17,
};

/*
 * An option that means something else for another command has a row for each, with other scopes,
 * the same name, letters, kind and field.
 */
struct option_row {
	char letter; /* 0: none */
	const char *name;
	const char *argument;	 /* for the help: "DIR"; NULL for a flag */
	const char *choices;	 /* "a|b|c", or NULL: any text */
	const char *environment; /* variable that sets it too, or NULL */
	const char *standard;	 /* value when nothing sets it, or NULL */
	enum option_kind kind;
	size_t offset; /* in struct options */
	unsigned scope;
	const char *help; /* N_(); NULL: no person needs it, so it is not shown */
	const char *nmap; /* behind the words scan and verify: how nmap writes it, without '-'; or
			     NULL */
};

extern const struct option_row option_rows[];
extern const size_t option_row_count;

/* The row of the option that is for one of these commands, or NULL. */
const struct option_row *options_find(const char *name, size_t len, unsigned scope);

/*
 * Reads argv[1..argc) into *o: options anywhere, `--` ends them, `--name=value` and `--name value`,
 * letters joined as in -tn; behind the words scan and verify also as nmap has them (-p22,80 -iL
 * FILE -sUV). A value that is given twice is refused, but for places. Returns 0, or -EINVAL with a
 * sentence that names the nearest option. o->words must be freed by the caller.
 */
int options_parse(int argc, char **argv, struct options *o, struct err *e);
