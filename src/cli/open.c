/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * open, close: one opening, as a file of its own in the policy's folder, applied with the same care
 * as the whole policy. The file comes and goes with the change: what is undone takes it along.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/applying.h"
#include "cli/command.h"
#include "cli/policy_load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NAME_SIZE = 64, COPIES_LIMIT = 100, FOR_LIMIT_S = 10 * 365 * 86400 };

/* "50-open-8443-tcp", "50-open-8000-8100-udp": what the files of one port begin with. */
static void name_port(const struct port_range *range, char name[NAME_SIZE])
{
	if (range->first == range->last)
		snprintf(name, NAME_SIZE, "50-open-%u-%s", range->first, proto_name(range->proto));
	else
		snprintf(name, NAME_SIZE, "50-open-%u-%u-%s", range->first, range->last,
			 proto_name(range->proto));
}

static int read_port(const struct options *o, const char *command, struct port_range *ret)
{
	struct err e = {0};

	if (o->word_count != 1)
		return command_fail(_("'portero %s' takes one port, as in: portero %s 8443/tcp"),
				    command, command);
	if (port_range_parse(o->words[0], ret, &e) < 0)
		return command_fail("%s", e.msg);
	if (ret->any_proto)
		return command_fail(_("'%.64s' has no protocol: %.64s/tcp or %.64s/udp?"),
				    o->words[0], o->words[0], o->words[0]);
	return 0;
}

/* --- open ---------------------------------------------------------------------------------------
 */

/* A text as YAML takes it in any case. */
static void add_quoted(struct buf *out, const char *text, size_t len)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, text[i]);
	}
	buf_add_char(out, '"');
}

static void add_key(struct buf *out, const char *key, const char *value)
{
	if (!value)
		return;
	buf_printf(out, "    %s: ", key);
	add_quoted(out, value, strlen(value));
	buf_add_char(out, '\n');
}

/* "a,b" becomes ["a", "b"]. */
static void add_list(struct buf *out, const char *key, const char *value)
{
	const char *separator = "";

	if (!value)
		return;
	buf_printf(out, "    %s: [", key);
	while (*value) {
		size_t len = strcspn(value, ",");

		buf_add_text(out, separator);
		add_quoted(out, value, len);
		separator = ", ";
		value += len + (value[len] == ',');
	}
	buf_add_text(out, "]\n");
}

static int add_end(const struct options *o, struct buf *out)
{
	uint32_t seconds;
	struct tm utc;
	char text[32];
	time_t end;

	if (o->duration && o->until)
		return command_fail(_("--for and --until exclude each other: choose one"));
	add_key(out, "until", o->until);
	if (!o->duration)
		return 0;
	if (text_parse_duration(o->duration, FOR_LIMIT_S, &seconds) < 0)
		return command_fail(_("'%.64s' is no time: 30m, 2h, 7d, at most 3650d"),
				    o->duration);
	end = time(NULL) + (time_t)seconds;
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&end, &utc));
	add_key(out, "until", text);
	return 0;
}

static int format_opening(const struct options *o, struct buf *out)
{
	int code;

	buf_printf(out, "# Written by 'portero open'; 'portero close %s' removes it.\nopenings:\n",
		   o->words[0]);
	buf_printf(out, "  - ports: [%s]\n", o->words[0]);
	add_list(out, "from", o->from);
	add_list(out, "interfaces", o->in);
	add_key(out, "program", o->program);
	add_key(out, "unit", o->unit);
	add_key(out, "user", o->user);
	add_key(out, "container", o->container);
	add_key(out, "rate", o->rate);
	code = add_end(o, out);
	add_key(out, "why", o->why);
	add_key(out, "owner", o->owner);
	if (out->failed)
		return command_fail(_("out of memory"));
	return code;
}

/* A name that no file of the folder has yet. */
static int choose_name(const struct options *o, const struct port_range *range,
		       char name[NAME_SIZE])
{
	char base[NAME_SIZE], path[4096];

	name_port(range, base);
	for (int i = 1; i <= COPIES_LIMIT; i++) {
		if (i == 1)
			snprintf(name, NAME_SIZE, "%.40s.yaml", base);
		else
			snprintf(name, NAME_SIZE, "%.40s-%d.yaml", base, i);
		snprintf(path, sizeof(path), "%.3900s/%s", o->policy_dir, name);
		if (access(path, F_OK) < 0 && errno == ENOENT)
			return 0;
	}
	return command_fail(_("%.300s has %d files for %.64s already: put more into one"),
			    o->policy_dir, COPIES_LIMIT, o->words[0]);
}

int command_open(const struct options *o)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct port_range range = {0};
	char name[NAME_SIZE];
	struct planned_file file = {.name = name};
	const struct applying change = {.command = "portero open", .file = &file};
	int code = read_port(o, "open", &range);

	if (!code && !o->from)
		code = command_fail(
			_("say who may come: --from internet (everybody), private, link, "
			  "or networks, as in --from 10.0.0.0/8,2001:db8::/32"));
	if (!code)
		code = format_opening(o, &text);
	if (!code)
		code = choose_name(o, &range, name);
	if (code)
		return code;
	file.text = buf_text(&text);
	return applying_run(o, &change);
}

/* --- close --------------------------------------------------------------------------------------
 */

static bool is_exactly(const struct policy *p, const struct opening *opening,
		       const struct port_range *range)
{
	const struct port_range *own = &p->ports[opening->first_port];

	return opening->port_count == 1 && own->proto == range->proto &&
	       own->first == range->first && own->last == range->last;
}

static bool overlaps(const struct policy *p, const struct opening *opening,
		     const struct port_range *range)
{
	for (uint32_t i = 0; i < opening->port_count; i++) {
		const struct port_range *own = &p->ports[opening->first_port + i];

		if (own->proto == range->proto && own->first <= range->last &&
		    own->last >= range->first)
			return true;
	}
	return false;
}

static size_t count_of_file(const struct policy *p, uint32_t file_str)
{
	size_t count = 0;

	for (size_t i = 0; i < p->opening_count; i++)
		count += p->openings[i].place.file_str == file_str;
	return count;
}

/* The file to remove: the last one that `open` wrote, and that has nothing but this port. */
static int choose_file(const struct options *o, const struct policy *p,
		       const struct port_range *range, char name[NAME_SIZE])
{
	char base[NAME_SIZE];
	const struct opening *other = NULL;

	name_port(range, base);
	name[0] = '\0';
	for (size_t i = 0; i < p->opening_count; i++) {
		const struct opening *opening = &p->openings[i];
		const char *file = policy_text(p, opening->place.file_str);

		if (!overlaps(p, opening, range))
			continue;
		if (strncmp(file, base, strlen(base)) == 0 && is_exactly(p, opening, range) &&
		    count_of_file(p, opening->place.file_str) == 1)
			snprintf(name, NAME_SIZE, "%.63s", file);
		else
			other = opening;
	}
	if (other)
		return command_fail(
			_("%.64s is declared in %.300s/%.200s, line %u: edit that file, then "
			  "portero apply"),
			o->words[0], o->policy_dir, policy_text(p, other->place.file_str),
			other->place.line);
	if (!name[0])
		return command_fail(_("no opening has %.64s: what is undeclared is closed by "
				      "'portero apply'"),
				    o->words[0]);
	return 0;
}

static int choose_in_policy(const struct options *o, const struct port_range *range,
			    char name[NAME_SIZE])
{
	struct policy_problems problems = {0};
	struct policy policy = {0};
	struct err e = {0};
	int r = policy_load(o->policy_dir, &policy, &problems, &e), code;

	if (r < 0)
		code = command_fail("%s", e.msg);
	else if (problems.error_count) {
		policy_load_print(o->policy_dir, &problems, stderr);
		code = command_fail(_("the policy has errors: nothing was changed"));
	} else {
		code = choose_file(o, &policy, range, name);
	}
	policy_problems_done(&problems);
	policy_done(&policy);
	return code;
}

int command_close(const struct options *o)
{
	struct port_range range = {0};
	char name[NAME_SIZE];
	const struct planned_file file = {.name = name};
	const struct applying change = {.command = "portero close", .file = &file};
	int code = read_port(o, "close", &range);

	if (!code)
		code = choose_in_policy(o, &range, name);
	return code ? code : applying_run(o, &change);
}
