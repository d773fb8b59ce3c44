/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_parse.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "decide/policy_reader.h"
#include "decide/policy_value.h"

#include <errno.h>

static void take_icmp(struct policy_reader *r, const struct policy_key *key)
{
	(void)key;
	policy_reader_keys(r, POLICY_LEVEL_ICMP,
			   _("keys are expected below icmp, such as 'echo: drop'"));
}

static void take_settings(struct policy_reader *r, const struct policy_key *key)
{
	(void)key;
	policy_reader_keys(r, POLICY_LEVEL_SETTINGS,
			   _("keys are expected below settings, such as 'undeclared: drop'"));
}

/* An opening that is wrong is taken back. */
static void take_opening(struct policy_reader *r)
{
	struct policy *p = r->p;
	size_t openings = p->opening_count, ports = p->port_count, sources = p->source_count;
	size_t interfaces = p->interface_count;
	size_t errors = r->yaml.problems->error_count;
	struct opening *o;

	if (policy_reader_is_over(r, p->opening_count, POLICY_OPENING_LIMIT))
		return;
	r->opening = p->opening_count;
	o = policy_add_opening(p);
	if (!o) {
		r->yaml.failed = true;
		return;
	}
	o->place = policy_reader_place(r);
	policy_reader_keys(
		r, POLICY_LEVEL_OPENING,
		_("an opening is expected here: a group of keys such as '- ports: [443/tcp]', "
		  "with 'from: [internet]' below it"));
	/* what is no group may have been told before (an alias): then it has no ports */
	if (!policy_reader_has_failed(r) && r->yaml.problems->error_count == errors &&
	    p->openings[openings].port_count)
		return;
	p->opening_count = openings;
	p->port_count = ports;
	p->source_count = sources;
	p->interface_count = interfaces;
}

static void take_openings(struct policy_reader *r, const struct policy_key *key)
{
	struct policy_yaml *y = &r->yaml;

	(void)key;
	if (y->event.type != YAML_SEQUENCE_START_EVENT) {
		if (y->event.type != YAML_ALIAS_EVENT && !policy_yaml_is_null(y))
			policy_yaml_error(y, NULL,
					  _("a list of openings is expected here: each begins with "
					    "'- ', as in '- ports: [443/tcp]'"));
		policy_yaml_skip(y);
		return;
	}
	while (policy_yaml_next(y) && y->event.type != YAML_SEQUENCE_END_EVENT) {
		take_opening(r);
		if (policy_reader_has_failed(r))
			return;
	}
}

static int check_program(const char *text, const char **ret_suffix, struct err *e)
{
	(void)ret_suffix;
	return policy_value_program(text, e);
}

static int check_user(const char *text, const char **ret_suffix, struct err *e)
{
	(void)ret_suffix;
	return policy_value_user(text, e);
}

static int check_container(const char *text, const char **ret_suffix, struct err *e)
{
	(void)ret_suffix;
	return policy_value_container(text, e);
}

#define OPENING_TEXT(name, field, check)                                                           \
	{                                                                                          \
		POLICY_LEVEL_OPENING, name, NULL, policy_take_text,                                \
			offsetof(struct opening, field), check                                     \
	}

const struct policy_key policy_keys[] = {
	{POLICY_LEVEL_FILE, "settings", NULL, take_settings, 0, NULL},
	{POLICY_LEVEL_FILE, "openings", NULL, take_openings, 0, NULL},
	{POLICY_LEVEL_SETTINGS, "undeclared", NULL, policy_take_undeclared, 0, NULL},
	{POLICY_LEVEL_SETTINGS, "guard", NULL, policy_take_guard, 0, NULL},
	{POLICY_LEVEL_SETTINGS, "loopback", NULL, policy_take_loopback, 0, NULL},
	{POLICY_LEVEL_SETTINGS, "ephemeral", NULL, policy_take_ephemeral, 0, NULL},
	{POLICY_LEVEL_SETTINGS, "protect", NULL, policy_take_protect, 0, NULL},
	{POLICY_LEVEL_SETTINGS, "icmp", NULL, take_icmp, 0, NULL},
	{POLICY_LEVEL_ICMP, "echo", NULL, policy_take_echo, 0, NULL},
	{POLICY_LEVEL_OPENING, "ports",
	 N_("this opening has no 'ports': say which, as in 'ports: [443/tcp]'"), policy_take_ports,
	 0, NULL},
	{POLICY_LEVEL_OPENING, "from",
	 N_("this opening has no 'from': say who may come in, as in 'from: [internet]' or "
	    "'from: [10.0.0.0/8]'"),
	 policy_take_from, 0, NULL},
	{POLICY_LEVEL_OPENING, "interfaces", NULL, policy_take_interfaces, 0, NULL},
	{POLICY_LEVEL_OPENING, "rate", NULL, policy_take_rate, 0, NULL},
	{POLICY_LEVEL_OPENING, "until", NULL, policy_take_until, 0, NULL},
	OPENING_TEXT("unit", unit_str, policy_value_unit),
	OPENING_TEXT("program", program_str, check_program),
	OPENING_TEXT("user", user_str, check_user),
	OPENING_TEXT("container", container_str, check_container),
	OPENING_TEXT("why", why_str, NULL),
	OPENING_TEXT("owner", owner_str, NULL),
};
const size_t policy_key_count = ARRAY_LEN(policy_keys);
_Static_assert(ARRAY_LEN(policy_keys) <= POLICY_KEY_LIMIT,
	       "struct policy_reader has room for each key");

static void take_document(struct policy_reader *r)
{
	struct policy_yaml *y = &r->yaml;

	if (!policy_yaml_next(y) || !policy_yaml_next(y))
		return;
	if (y->event.type == YAML_STREAM_END_EVENT) /* empty, or only comments */
		return;
	if (!policy_yaml_next(y))
		return;
	policy_reader_keys(r, POLICY_LEVEL_FILE,
			   _("a policy has the keys 'settings' and 'openings' at its top"));
	if (policy_reader_has_failed(r) || !policy_yaml_next(y) || !policy_yaml_next(y))
		return;
	if (y->event.type != YAML_STREAM_END_EVENT)
		policy_yaml_error(y, NULL,
				  _("another document begins here: a file of the policy holds "
				    "one"));
}

int policy_parse(struct policy *p, const char *file, const char *text, size_t len,
		 struct policy_problems *problems)
{
	struct policy_reader r = {.p = p};
	struct policy_place whole = policy_problems_place(problems, file, 0, 0);
	int code;

	r.file_str = strpool_add_text(&p->strings, file);
	if (!r.file_str || problems->failed)
		return -ENOMEM;
	p->file_count++;
	if (len > POLICY_FILE_LIMIT) {
		policy_problems_add(problems, true, &whole, NULL,
				    _("this file has %zu bytes: the limit is %d MB"), len,
				    POLICY_FILE_LIMIT >> 20);
		return problems->failed ? -ENOMEM : 0;
	}
	code = policy_yaml_open(&r.yaml, file, text, len, problems);
	if (code == 0)
		take_document(&r);
	policy_yaml_close(&r.yaml);
	return code < 0 || r.yaml.failed || problems->failed ? -ENOMEM : 0;
}
