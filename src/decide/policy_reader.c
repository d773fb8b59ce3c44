/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_reader.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "decide/policy_value.h"

#include <string.h>

bool policy_reader_has_failed(const struct policy_reader *r)
{
	return r->yaml.stopped || r->yaml.failed;
}

struct opening *policy_reader_opening(struct policy_reader *r)
{
	return &r->p->openings[r->opening];
}

struct policy_place policy_reader_place(const struct policy_reader *r)
{
	struct policy_place here = policy_yaml_place(&r->yaml);

	here.file_str = r->file_str;
	return here;
}

void policy_reader_say(struct policy_reader *r, const struct err *e)
{
	policy_yaml_error(&r->yaml, NULL, "%s", e->msg);
}

bool policy_reader_is_over(struct policy_reader *r, size_t count, size_t limit)
{
	if (count < limit)
		return false;
	policy_yaml_error(&r->yaml, NULL, _("a policy may have at most %zu of these in all"),
			  limit);
	r->yaml.stopped = true;
	return true;
}

void policy_reader_list(struct policy_reader *r, const char *expected, policy_take_item *take)
{
	struct policy_yaml *y = &r->yaml;
	size_t count = 0;

	if (y->event.type != YAML_SEQUENCE_START_EVENT) {
		if (policy_yaml_text(y, expected))
			take(r);
		policy_yaml_skip(y);
		return;
	}
	for (; policy_yaml_next(y) && y->event.type != YAML_SEQUENCE_END_EVENT; count++) {
		if (policy_yaml_text(y, expected))
			take(r);
		if (!policy_yaml_skip(y))
			return;
	}
	if (!policy_reader_has_failed(r) && !count)
		policy_yaml_error(y, NULL, _("this list is empty: %s is expected in it"), expected);
}

const char *policy_reader_text(const struct policy_reader *r)
{
	return (const char *)r->yaml.event.data.scalar.value;
}

void policy_reader_port(struct policy_reader *r)
{
	struct port_range *port, range;
	struct err e = {0};

	if (policy_value_ports(policy_reader_text(r), &range, &e) < 0) {
		policy_reader_say(r, &e);
		return;
	}
	if (policy_reader_is_over(r, r->p->port_count, POLICY_SOURCE_LIMIT))
		return;
	port = policy_add_port(r->p);
	if (!port)
		r->yaml.failed = true;
	else
		*port = range;
}

static const struct policy_key *find_key(enum policy_level level, const char *name)
{
	for (size_t i = 0; i < policy_key_count; i++)
		if (policy_keys[i].level == level && strcmp(policy_keys[i].name, name) == 0)
			return &policy_keys[i];
	return NULL;
}

static void list_keys(enum policy_level level, struct buf *out)
{
	for (size_t i = 0; i < policy_key_count; i++)
		if (policy_keys[i].level == level)
			buf_printf(out, "%s%s", out->len ? ", " : "", policy_keys[i].name);
}

/* What people call some keys elsewhere. */
static const char *synonym_of(enum policy_level level, const char *name)
{
	static const struct {
		enum policy_level level;
		const char *word, *key;
	} synonyms[] = {
		{POLICY_LEVEL_OPENING, "sources", "from"},
		{POLICY_LEVEL_OPENING, "reason", "why"},
		{POLICY_LEVEL_OPENING, "comment", "why"},
		{POLICY_LEVEL_OPENING, "description", "why"},
		{POLICY_LEVEL_OPENING, "service", "unit"},
		{POLICY_LEVEL_OPENING, "process", "program"},
		{POLICY_LEVEL_OPENING, "expires", "until"},
		{POLICY_LEVEL_OPENING, "limit", "rate"},
		{POLICY_LEVEL_FILE, "rules", "openings"},
		{POLICY_LEVEL_FILE, "ports", "openings"},
		{POLICY_LEVEL_SETTINGS, "default", "undeclared"},
		{POLICY_LEVEL_ICMP, "ping", "echo"},
	};

	for (size_t i = 0; i < ARRAY_LEN(synonyms); i++)
		if (synonyms[i].level == level && strcmp(synonyms[i].word, name) == 0)
			return synonyms[i].key;
	return NULL;
}

static void say_unknown_key(struct policy_reader *r, enum policy_level level, const char *name)
{
	struct buf cleanup_call(buf_done) all = {0};
	const char *near = synonym_of(level, name);
	size_t best = SIZE_MAX;

	for (size_t i = 0; !synonym_of(level, name) && i < policy_key_count; i++)
		if (policy_keys[i].level == level &&
		    text_is_nearer(name, policy_keys[i].name, &best))
			near = policy_keys[i].name;
	list_keys(level, &all);
	if (near)
		policy_yaml_error(&r->yaml, NULL, _("unknown key '%.64s': did you mean %s?"), name,
				  near);
	else
		policy_yaml_error(&r->yaml, NULL, _("unknown key '%.64s': here can be %s"), name,
				  buf_text(&all));
}

/* The current event is a key: the row of it, unless it cannot be taken. */
static const struct policy_key *take_key(struct policy_reader *r, enum policy_level level)
{
	const char *name = policy_yaml_text(&r->yaml, _("a key"));
	const struct policy_key *key = name ? find_key(level, name) : NULL;
	struct policy_place here = policy_yaml_place(&r->yaml), *seen;

	if (name && !key)
		say_unknown_key(r, level, name);
	if (!key)
		return NULL;
	seen = &r->seen[key - policy_keys];
	if (seen->line) {
		policy_yaml_error(&r->yaml, seen, _("%s is given twice"), name);
		return NULL;
	}
	*seen = here;
	return key;
}

static void check_missing(struct policy_reader *r, enum policy_level level,
			  const struct policy_place *where)
{
	for (size_t i = 0; i < policy_key_count; i++)
		if (policy_keys[i].level == level && policy_keys[i].missing && !r->seen[i].line)
			policy_problems_add(r->yaml.problems, true, where, NULL, "%s",
					    _(policy_keys[i].missing));
}

void policy_reader_keys(struct policy_reader *r, enum policy_level level, const char *expected)
{
	struct policy_yaml *y = &r->yaml;
	struct policy_place where = policy_yaml_place(y);

	for (size_t i = 0; i < policy_key_count; i++)
		if (policy_keys[i].level == level)
			r->seen[i] = (struct policy_place){0};
	if (y->event.type != YAML_MAPPING_START_EVENT) {
		if (y->event.type != YAML_ALIAS_EVENT &&
		    (level == POLICY_LEVEL_OPENING || !policy_yaml_is_null(y)))
			policy_yaml_error(y, NULL, "%s", expected);
		policy_yaml_skip(y);
		return;
	}
	while (policy_yaml_next(y) && y->event.type != YAML_MAPPING_END_EVENT) {
		const struct policy_key *key = take_key(r, level);

		if (!policy_yaml_skip(y) || !policy_yaml_next(y))
			return;
		if (key)
			key->take(r, key);
		else
			policy_yaml_skip(y);
		if (policy_reader_has_failed(r))
			return;
	}
	if (!policy_reader_has_failed(r))
		check_missing(r, level, &where);
}
