/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_opening: the values of the keys of an opening.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "decide/policy_reader.h"
#include "decide/policy_value.h"

#include <string.h>

static void take_source(struct policy_reader *r)
{
	struct policy_source *slot, source = {.place = policy_reader_place(r)};
	struct err e = {0};

	if (policy_value_source(policy_reader_text(r), &source, &e) < 0) {
		policy_reader_say(r, &e);
		return;
	}
	if (policy_reader_is_over(r, r->p->source_count, POLICY_SOURCE_LIMIT))
		return;
	slot = policy_add_source(r->p);
	if (!slot)
		r->yaml.failed = true;
	else
		*slot = source;
}

static void take_interface(struct policy_reader *r)
{
	struct err e = {0};

	if (policy_value_interface(policy_reader_text(r), &e) < 0)
		policy_reader_say(r, &e);
	else if (!policy_reader_is_over(r, r->p->interface_count, POLICY_SOURCE_LIMIT) &&
		 policy_add_interface(r->p, policy_reader_text(r)) < 0)
		r->yaml.failed = true;
}

void policy_take_ports(struct policy_reader *r, const struct policy_key *key)
{
	(void)key;
	policy_reader_opening(r)->first_port = (uint32_t)r->p->port_count;
	policy_reader_list(r, _("a port with its protocol, such as 443/tcp,"), policy_reader_port);
	policy_reader_opening(r)->port_count =
		(uint32_t)r->p->port_count - policy_reader_opening(r)->first_port;
}

void policy_take_from(struct policy_reader *r, const struct policy_key *key)
{
	(void)key;
	policy_reader_opening(r)->first_source = (uint32_t)r->p->source_count;
	policy_reader_list(r, _("a source, such as internet or 10.0.0.0/8,"), take_source);
	policy_reader_opening(r)->source_count =
		(uint32_t)r->p->source_count - policy_reader_opening(r)->first_source;
}

void policy_take_interfaces(struct policy_reader *r, const struct policy_key *key)
{
	(void)key;
	policy_reader_opening(r)->first_interface = (uint32_t)r->p->interface_count;
	policy_reader_list(r, _("the name of an interface"), take_interface);
	policy_reader_opening(r)->interface_count =
		(uint32_t)r->p->interface_count - policy_reader_opening(r)->first_interface;
}

void policy_take_rate(struct policy_reader *r, const struct policy_key *key)
{
	const char *text = policy_yaml_text(&r->yaml, _("a rate, such as 10/minute,"));
	struct opening *o = policy_reader_opening(r);
	struct err e = {0};

	(void)key;
	if (text && policy_value_rate(text, &o->rate_count, &o->rate_seconds, &e) < 0)
		policy_reader_say(r, &e);
	policy_yaml_skip(&r->yaml);
}

void policy_take_until(struct policy_reader *r, const struct policy_key *key)
{
	const char *text = policy_yaml_text(&r->yaml, _("a time, such as 2026-12-01T18:00:00Z,"));
	struct err e = {0};

	(void)key;
	if (text && policy_value_until(text, &policy_reader_opening(r)->until_s, &e) < 0)
		policy_reader_say(r, &e);
	policy_yaml_skip(&r->yaml);
}

/* Line breaks, which a long `why` may have, become spaces, and those at the end go. */
static size_t flatten(char *text)
{
	size_t len = strlen(text);

	while (len && strchr(" \t\n\r", text[len - 1]))
		text[--len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\n' || text[i] == '\r' || text[i] == '\t')
			text[i] = ' ';
	return len;
}

static void keep_text(struct policy_reader *r, const struct policy_key *key, const char *text,
		      const char *suffix)
{
	struct buf cleanup_call(buf_done) whole = {0};
	uint32_t str;

	buf_add_text(&whole, text);
	buf_add_text(&whole, suffix);
	str = whole.failed || !flatten(whole.data) ? 0
						   : strpool_add_text(&r->p->strings, whole.data);
	if (whole.failed || (!str && whole.data[0]))
		r->yaml.failed = true;
	else if (!str)
		policy_yaml_error(&r->yaml, NULL,
				  _("a text is expected at %s, and it has only spaces"), key->name);
	memcpy((char *)policy_reader_opening(r) + key->offset, &str, sizeof(str));
}

void policy_take_text(struct policy_reader *r, const struct policy_key *key)
{
	const char *text = policy_yaml_text(&r->yaml, _("a text")), *suffix = "";
	struct err e = {0};

	if (text && key->check && key->check(text, &suffix, &e) < 0)
		policy_reader_say(r, &e);
	else if (text)
		keep_text(r, key, text, suffix);
	policy_yaml_skip(&r->yaml);
}
