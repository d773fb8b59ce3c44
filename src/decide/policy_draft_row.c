/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_draft_row.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "decide/listener_notes.h"
#include "decide/policy_value.h"
#include "model/programs.h"
#include "model/risks.h"

#include <stdio.h>
#include <string.h>

/* A row of the table, and who is behind it. */
struct found {
	const struct port_row *row;
	const struct listener *listener;
	const struct process_info *process;	  /* or NULL */
	const struct activation_info *activation; /* when systemd listens for a service; or NULL */
	const char *program;			  /* its path, or "" */
};

uint32_t policy_draft_keep(struct drafting *g, const char *text)
{
	uint32_t str = strpool_add_text(&g->d->strings, text);

	g->failed |= !str && text[0];
	return str;
}

static const char *seen(const struct drafting *g, uint32_t str)
{
	return snapshot_text(g->wish->snapshot, str);
}

static bool ends_in(const char *text, const char *suffix)
{
	size_t len = strlen(text), suffix_len = strlen(suffix);

	return len > suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

/* --- who ------------------------------------------------------------------------------------ */

static void find_who(const struct drafting *g, const struct port_row *row, struct found *ret)
{
	const struct snapshot *s = g->wish->snapshot;
	const struct listener *l = &g->wish->list->listeners[row->first_listener];
	const struct process_info *p = row_owner(s, g->wish->list, row);
	const struct activation_info *a =
		l->activation == SNAPSHOT_NONE ? NULL : &s->activations[l->activation];

	if (a && p && !p->is_manager)
		a = NULL; /* the service runs, and has the socket itself */
	*ret = (struct found){row, l, p, a, ""};
	if (a)
		ret->program = snapshot_text(s, a->program_str);
	else if (p)
		ret->program = snapshot_text(s, p->program_str);
}

/* Can a policy, which is UTF-8, say it? */
static bool is_utf8(const char *text)
{
	size_t len = strlen(text), used = 1;
	uint32_t code;

	for (; len && used; text += used, len -= used)
		used = text_decode_utf8(text, len, &code);
	return used;
}

/* Units whose names will be others tomorrow say nothing. */
static bool is_lasting(const char *unit)
{
	return (ends_in(unit, ".service") || ends_in(unit, ".socket")) &&
	       strncmp(unit, "user@", 5) != 0 && !strstr(unit, "@.") &&
	       strncmp(unit, "run-", 4) != 0;
}

static uint32_t container_of(const struct drafting *g, const struct found *f)
{
	const struct snapshot *s = g->wish->snapshot;
	uint32_t index = f->process ? f->process->container : SNAPSHOT_NONE;
	const struct container_info *c;

	if (index == SNAPSHOT_NONE && f->listener->netns != 0)
		index = s->netns[f->listener->netns].container;
	if (index == SNAPSHOT_NONE)
		return 0;
	c = &s->containers[index];
	return c->name_str ? c->name_str : c->id_str;
}

static const char *unit_of(const struct drafting *g, const struct found *f)
{
	if (!f->activation)
		return f->process ? seen(g, f->process->unit_str) : "";
	return is_lasting(seen(g, f->activation->service_str))
		       ? seen(g, f->activation->service_str)
		       : seen(g, f->activation->socket_unit_str);
}

/* A user's own unit is none of the machine's: see policy_rows. */
static bool is_unit(const struct found *f, const char *unit)
{
	return is_lasting(unit) && (f->activation || !f->process || !f->process->unit_of_user);
}

/* Who is to listen there, in the words of a policy; what a policy cannot say is left out. */
static void set_owner(struct drafting *g, const struct found *f, struct draft_port *port)
{
	const char *container = seen(g, container_of(g, f)), *unit = unit_of(g, f), *suffix = "";
	const struct process_info *p = f->process;

	if (container[0]) {
		if (is_utf8(container) && policy_value_container(container, NULL) == 0)
			port->container_str = policy_draft_keep(g, container);
	} else if (is_unit(f, unit) && is_utf8(unit) &&
		   policy_value_unit(unit, &suffix, NULL) == 0) {
		port->unit_str = policy_draft_keep(g, unit);
	} else if (p && !p->is_manager && p->own_root && p->program_state == PROGRAM_THERE &&
		   strlen(f->program) <= POLICY_TEXT_LIMIT && is_utf8(f->program) &&
		   policy_value_program(f->program, NULL) == 0) {
		port->program_str = policy_draft_keep(g, f->program);
		if (policy_value_user(seen(g, p->user_str), NULL) == 0)
			port->user_str = policy_draft_keep(g, seen(g, p->user_str));
	}
}

static void add_part(const char *label, const char *text, struct buf *out)
{
	if (!text[0])
		return;
	buf_add_text(out, out->len ? ", " : "");
	buf_add_text(out, label);
	text_escape(out, text, strlen(text), true);
}

/* "/usr/sbin/nginx, user www-data, unit nginx.service; reached from internet" */
static void describe(struct drafting *g, const struct found *f, struct draft_port *port)
{
	struct buf cleanup_call(buf_done) text = {0};
	const struct process_info *p = f->process;

	add_part("", f->program, &text);
	if (p && !p->is_manager) {
		add_part(_("user "), seen(g, p->user_str), &text);
		add_part(_("package "), seen(g, p->package_str), &text);
	}
	add_part(_("unit "), unit_of(g, f), &text);
	add_part(_("container "), seen(g, container_of(g, f)), &text);
	if (!text.len)
		buf_add_text(&text, _("the program could not be seen"));
	if (f->row->reach.reached) {
		buf_add_text(&text, _("; reached from "));
		buf_add_text(&text, source_class_is_part(f->row->reach.widest)
					    ? _("some addresses")
					    : source_class_id(f->row->reach.widest));
		if (f->row->reach.families == FAMILY_IPV4)
			buf_add_text(&text, _(" (IPv4 only)"));
		if (f->row->reach.families == FAMILY_IPV6)
			buf_add_text(&text, _(" (IPv6 only)"));
	}
	g->failed |= text.failed;
	port->found_str = policy_draft_keep(g, buf_text(&text));
}

/* --- from where ----------------------------------------------------------------------------- */

static void add_left(const char *text, struct buf *left)
{
	enum { ENOUGH = 200 };

	if (left->len <= ENOUGH && !strstr(buf_text(left), text))
		buf_printf(left, "%s%s", left->len ? ", " : "",
			   left->len + strlen(text) > ENOUGH ? "..." : text);
}

void policy_draft_add_listed(struct drafting *g, struct draft_port *port, uint32_t str,
			     struct buf *left)
{
	for (uint32_t i = 0; i < port->listed_count; i++)
		if (port->listed[i] == str)
			return;
	if (port->listed_count == DRAFT_LISTED_LIMIT)
		add_left(strpool_get(&g->d->strings, str), left);
	else
		port->listed[port->listed_count++] = str;
	g->failed |= !str;
}

/* "10.0.0.0/8, 192.0.2.1", as far as these are networks: a name of a set is none. */
static void add_networks(struct drafting *g, struct draft_port *port, const char *text,
			 struct buf *left)
{
	while (*text) {
		size_t len = strcspn(text, ",");
		struct policy_source source = {0};
		char word[64] = "";

		if (len < sizeof(word))
			memcpy(word, text, len);
		if (policy_value_source(word, &source, NULL) == 0)
			policy_draft_add_listed(g, port, policy_draft_keep(g, word), left);
		else
			add_left(word[0] ? word : "...", left);
		text += len;
		text += strspn(text, ", ");
	}
}

/* Which sources get in now. */
static void find_sources(struct drafting *g, const struct port_row *row, struct draft_port *port,
			 struct buf *left)
{
	const struct reach *reach = g->wish->reach;

	for (uint32_t i = 0; i < row->reach.way_count; i++) {
		const struct reach_way *way = &g->wish->join->ways[row->reach.first_way + i];
		const struct reach_class *c = &reach->classes[way->class];

		if (way->verdict != VERDICT_ACCEPT && way->verdict != VERDICT_RATE_LIMITED)
			continue;
		port->classes |= (uint8_t)(1u << c->source_class);
		if (c->source_class == SOURCE_LISTED)
			add_networks(g, port, reach_text(reach, c->sources_str), left);
	}
	if (port->classes & 1u << SOURCE_INTERNET) {
		port->listed_count = 0;
		buf_clear(left);
	}
}

/* --- what to think about -------------------------------------------------------------------- */

void policy_draft_add_reason(struct drafting *g, struct draft_port *port, enum draft_group group,
			     const char *text)
{
	struct buf cleanup_call(buf_done) all = {0};

	buf_add_text(&all, strpool_get(&g->d->strings, port->reason_str));
	if (all.len)
		buf_add_char(&all, '\n');
	text_escape(&all, text, strlen(text), false);
	g->failed |= all.failed;
	port->reason_str = policy_draft_keep(g, buf_text(&all));
	if (group > port->group)
		port->group = group;
}

static void think_of_notes(struct drafting *g, const struct found *f, struct draft_port *port)
{
	char text[NOTE_TEXT_SIZE];

	for (int n = 0; n < NOTE_COUNT; n++) {
		if (!(f->row->notes & 1u << n) ||
		    (!notes_are_finding(1u << n) && n != NOTE_UDP_MAYBE_CLIENT))
			continue;
		note_format(g->wish->snapshot, g->wish->services, f->listener, (enum note)n, false,
			    text);
		policy_draft_add_reason(g, port, DRAFT_SURE, text);
	}
}

static void think_of_risk(struct drafting *g, const struct found *f, struct draft_port *port)
{
	const struct risk *risk = risks_find(f->program, &port->range);
	char text[256];

	if (!risk)
		return;
	snprintf(text, sizeof(text), _("%s: hardly ever for the internet (severity %s)"),
		 risk->name, risk->severity);
	policy_draft_add_reason(g, port,
				(port->classes & 1u << SOURCE_INTERNET) || risk->programs[0] == '/'
					? DRAFT_SURE
					: DRAFT_KEEP,
				text);
}

static bool is_dhcp_client(const struct port_range *r)
{
	return r->proto == PROTO_UDP && r->first == r->last && (r->first == 68 || r->first == 546);
}

static void think_of_reach(struct drafting *g, const struct found *f, struct draft_port *port,
			   const struct buf *left)
{
	const struct port_reach *r = &f->row->reach;
	const char *why = reach_text(g->wish->reach, r->why_str);
	char text[1024];

	if (r->state == PORT_UNKNOWN) {
		snprintf(text, sizeof(text), _("who can reach it is not known%s%s"),
			 why[0] ? ": " : "", why);
		policy_draft_add_reason(g, port, DRAFT_UNKNOWN, text);
	} else if (r->wider_unknown) {
		snprintf(text, sizeof(text), _("others may reach it, too: that is not known%s%s"),
			 why[0] ? ": " : "", why);
		policy_draft_add_reason(g, port, DRAFT_KEEP, text);
	}
	if (r->rate_limited)
		policy_draft_add_reason(g, port, DRAFT_KEEP,
					_("the firewall limits how many get in"));
	if (left->len) {
		bool others = port->listed_count ||
			      port->classes & (1u << SOURCE_PRIVATE | 1u << SOURCE_LINK);

		snprintf(text, sizeof(text),
			 _("the firewall lets in these, too, which are not written here: %s"),
			 buf_text(left));
		policy_draft_add_reason(g, port, others ? DRAFT_KEEP : DRAFT_SURE, text);
	}
	if (is_dhcp_client(&port->range))
		policy_draft_add_reason(
			g, port, DRAFT_SURE,
			_("answers to a DHCP client are let in without an opening"));
}

/* --- all of it ------------------------------------------------------------------------------ */

static bool speaks_ssh(const char *program)
{
	return program[0] &&
	       programs_fit(text_base_name(program), 22, PROTO_TCP, NULL, NULL) == PROGRAM_FIT_YES;
}

void policy_draft_row(struct drafting *g, const struct port_row *row, struct draft_port *ret)
{
	struct draft_port port = {0};
	struct buf cleanup_call(buf_done) left = {0};
	struct found f;

	port.range = (struct port_range){
		.first = row->port,
		.last = row->last_port ? row->last_port : row->port,
		.proto = row->proto,
	};
	find_who(g, row, &f);
	set_owner(g, &f, &port);
	describe(g, &f, &port);
	find_sources(g, row, &port, &left);
	think_of_notes(g, &f, &port);
	think_of_risk(g, &f, &port);
	think_of_reach(g, &f, &port, &left);
	port.is_ssh = row->proto == PROTO_TCP && speaks_ssh(f.program);
	g->failed |= left.failed;
	*ret = port;
}
