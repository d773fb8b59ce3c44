/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_draft.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "decide/listener_notes.h"
#include "decide/policy_value.h"
#include "model/programs.h"
#include "model/risks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct drafting {
	const struct draft_wish *wish;
	struct policy_draft *d;
	bool failed;
};

/* A row of the table, and who is behind it. */
struct found {
	const struct port_row *row;
	const struct listener *listener;
	const struct process_info *process;	  /* or NULL */
	const struct activation_info *activation; /* when systemd listens for a service; or NULL */
	const char *program;			  /* its path, or "" */
};

void policy_draft_done(struct policy_draft *d)
{
	strpool_done(&d->strings);
	free(d->ports);
	*d = (struct policy_draft){0};
}

static uint32_t keep(struct drafting *g, const char *text)
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

/* Who is to listen there, in the words of a policy; what a policy cannot say is left out. */
static void set_owner(struct drafting *g, const struct found *f, struct draft_port *port)
{
	const char *container = seen(g, container_of(g, f)), *unit = unit_of(g, f), *suffix = "";
	const struct process_info *p = f->process;

	if (container[0]) {
		if (is_utf8(container) && policy_value_container(container, NULL) == 0)
			port->container_str = keep(g, container);
	} else if (is_lasting(unit) && is_utf8(unit) &&
		   policy_value_unit(unit, &suffix, NULL) == 0) {
		port->unit_str = keep(g, unit);
	} else if (p && !p->is_manager && p->own_root && p->program_state == PROGRAM_THERE &&
		   strlen(f->program) <= POLICY_TEXT_LIMIT && is_utf8(f->program) &&
		   policy_value_program(f->program, NULL) == 0) {
		port->program_str = keep(g, f->program);
		if (policy_value_user(seen(g, p->user_str), NULL) == 0)
			port->user_str = keep(g, seen(g, p->user_str));
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

/* "/usr/sbin/nginx, user www-data, unit nginx.service, package nginx" */
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
	g->failed |= text.failed;
	port->found_str = keep(g, buf_text(&text));
}

/* --- from where ----------------------------------------------------------------------------- */

static void add_listed(struct drafting *g, struct draft_port *port, uint32_t str, bool *whole)
{
	for (uint32_t i = 0; i < port->listed_count; i++)
		if (port->listed[i] == str)
			return;
	if (port->listed_count == DRAFT_LISTED_LIMIT)
		*whole = false;
	else
		port->listed[port->listed_count++] = str;
	g->failed |= !str;
}

/* "10.0.0.0/8, 192.0.2.1", as far as these are networks: a name of a set is none. */
static void add_networks(struct drafting *g, struct draft_port *port, const char *text, bool *whole)
{
	while (*text) {
		size_t len = strcspn(text, ",");
		struct policy_source source = {0};
		char word[64] = "";

		if (len < sizeof(word))
			memcpy(word, text, len);
		if (policy_value_source(word, &source, NULL) == 0)
			add_listed(g, port, keep(g, word), whole);
		else
			*whole = false;
		text += len;
		text += strspn(text, ", ");
	}
}

/* Which sources get in now. *whole: all of them can be written. */
static void find_sources(struct drafting *g, const struct port_row *row, struct draft_port *port,
			 bool *whole)
{
	const struct reach *reach = g->wish->reach;

	for (uint32_t i = 0; i < row->reach.way_count; i++) {
		const struct reach_way *way = &g->wish->join->ways[row->reach.first_way + i];
		const struct reach_class *c = &reach->classes[way->class];

		if (way->verdict != VERDICT_ACCEPT && way->verdict != VERDICT_RATE_LIMITED)
			continue;
		port->classes |= (uint8_t)(1u << c->source_class);
		if (c->source_class == SOURCE_LISTED)
			add_networks(g, port, reach_text(reach, c->sources_str), whole);
	}
	if (port->classes & 1u << SOURCE_INTERNET) {
		port->listed_count = 0;
		*whole = true;
	}
}

/* --- what to think about -------------------------------------------------------------------- */

static void add_reason(struct drafting *g, struct draft_port *port, enum draft_group group,
		       const char *text)
{
	struct buf cleanup_call(buf_done) all = {0};

	buf_add_text(&all, strpool_get(&g->d->strings, port->reason_str));
	if (all.len)
		buf_add_char(&all, '\n');
	text_escape(&all, text, strlen(text), false);
	g->failed |= all.failed;
	port->reason_str = keep(g, buf_text(&all));
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
		add_reason(g, port, DRAFT_SURE, text);
	}
}

static void think_of_risk(struct drafting *g, const struct found *f, struct draft_port *port)
{
	const struct risk *risk = risks_find(f->program, &port->range);
	char text[256];

	if (!risk)
		return;
	snprintf(text, sizeof(text), _("severity %s: %s"), risk->severity, risk->name);
	add_reason(g, port,
		   (port->classes & 1u << SOURCE_INTERNET) || risk->programs[0] == '/' ? DRAFT_SURE
										       : DRAFT_KEEP,
		   text);
}

static bool is_dhcp_client(const struct port_range *r)
{
	return r->proto == PROTO_UDP && r->first == r->last && (r->first == 68 || r->first == 546);
}

static void think_of_reach(struct drafting *g, const struct found *f, struct draft_port *port,
			   bool whole)
{
	const struct port_reach *r = &f->row->reach;
	const char *why = reach_text(g->wish->reach, r->why_str);
	char text[1024];

	if (r->state == PORT_UNKNOWN) {
		snprintf(text, sizeof(text), _("who can reach it is not known%s%s"),
			 why[0] ? ": " : "", why);
		add_reason(g, port, DRAFT_UNKNOWN, text);
	} else if (r->wider_unknown) {
		snprintf(text, sizeof(text), _("others may reach it, too: that is not known%s%s"),
			 why[0] ? ": " : "", why);
		add_reason(g, port, DRAFT_KEEP, text);
	}
	if (r->rate_limited)
		add_reason(g, port, DRAFT_KEEP, _("the firewall limits how many get in"));
	if (!whole)
		add_reason(g, port,
			   port->classes & ~(1u << SOURCE_HOST | 1u << SOURCE_LISTED) ||
					   port->listed_count
				   ? DRAFT_KEEP
				   : DRAFT_SURE,
			   _("the firewall lets in others, too, that are not written here: see "
			     "portero reach"));
	if (is_dhcp_client(&port->range))
		add_reason(g, port, DRAFT_SURE,
			   _("answers to a DHCP client are let in without an opening"));
}

/* --- from rows to openings ------------------------------------------------------------------ */

/* Does it concern others than this machine? */
static bool is_wanted(const struct port_row *row)
{
	const struct port_reach *r = &row->reach;

	if (r->state == PORT_UNKNOWN)
		return row->bound != BOUND_HOST;
	return (r->state == PORT_OPEN && r->reached && r->widest != SOURCE_HOST) ||
	       (r->wider_unknown && row->bound != BOUND_HOST);
}

static bool speaks_ssh(const char *program)
{
	return program[0] &&
	       programs_fit(text_base_name(program), 22, PROTO_TCP, NULL, NULL) == PROGRAM_FIT_YES;
}

static int add_row(struct drafting *g, const struct port_row *row)
{
	struct policy_draft *d = g->d;
	struct draft_port port = {0};
	bool whole = true;
	struct found f;

	port.range = (struct port_range){
		.first = row->port,
		.last = row->last_port ? row->last_port : row->port,
		.proto = row->proto,
	};
	find_who(g, row, &f);
	set_owner(g, &f, &port);
	describe(g, &f, &port);
	find_sources(g, row, &port, &whole);
	think_of_notes(g, &f, &port);
	think_of_risk(g, &f, &port);
	think_of_reach(g, &f, &port, whole);
	port.is_ssh = row->proto == PROTO_TCP && speaks_ssh(f.program);
	if (g->failed || mem_grow(&d->ports, &d->cap, d->count + 1, sizeof(*d->ports)) < 0)
		return -ENOMEM;
	d->ports[d->count++] = port;
	return 0;
}

static int compare_ranges(const void *a_pointer, const void *b_pointer)
{
	const struct port_range *a = &((const struct draft_port *)a_pointer)->range;
	const struct port_range *b = &((const struct draft_port *)b_pointer)->range;

	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return (a->last > b->last) - (a->last < b->last);
}

static uint32_t join_lines(struct drafting *g, uint32_t a_str, uint32_t b_str)
{
	struct buf cleanup_call(buf_done) text = {0};
	const char *a = strpool_get(&g->d->strings, a_str), *b = strpool_get(&g->d->strings, b_str);

	if (!b[0] || strstr(a, b))
		return a_str;
	buf_printf(&text, "%s%s%s", a, a[0] ? "\n" : "", b);
	g->failed |= text.failed;
	return keep(g, buf_text(&text));
}

/* Two listeners on one port, for different addresses: one opening, and for one owner only if both
 * have the same. */
static void merge(struct drafting *g, struct draft_port *into, const struct draft_port *from)
{
	bool whole = true;

	if (into->unit_str != from->unit_str || into->program_str != from->program_str ||
	    into->user_str != from->user_str || into->container_str != from->container_str)
		into->unit_str = into->program_str = into->user_str = into->container_str = 0;
	if (from->range.last > into->range.last)
		into->range.last = from->range.last;
	into->classes |= from->classes;
	into->is_ssh |= from->is_ssh;
	if (from->group > into->group)
		into->group = from->group;
	for (uint32_t i = 0; i < from->listed_count; i++)
		add_listed(g, into, from->listed[i], &whole);
	into->found_str = join_lines(g, into->found_str, from->found_str);
	into->reason_str = join_lines(g, into->reason_str, from->reason_str);
}

static void merge_ports(struct drafting *g)
{
	struct policy_draft *d = g->d;
	size_t kept = 0;

	if (d->count)
		qsort(d->ports, d->count, sizeof(*d->ports), compare_ranges);
	for (size_t i = 0; i < d->count; i++) {
		struct draft_port *last = kept ? &d->ports[kept - 1] : NULL;

		if (last && last->range.proto == d->ports[i].range.proto &&
		    d->ports[i].range.first <= last->range.last)
			merge(g, last, &d->ports[i]);
		else
			d->ports[kept++] = d->ports[i];
	}
	d->count = kept;
}

static void write_from(struct drafting *g, struct draft_port *port)
{
	static const enum source_class classes[] = {SOURCE_PRIVATE, SOURCE_LINK};
	struct buf cleanup_call(buf_done) text = {0};

	if (port->classes & 1u << SOURCE_INTERNET) {
		buf_add_text(&text, "internet");
		port->listed_count = 0;
	} else {
		for (size_t i = 0; i < ARRAY_LEN(classes); i++)
			if (port->classes & 1u << classes[i])
				buf_printf(&text, "%s%s", text.len ? ", " : "",
					   source_class_id(classes[i]));
		for (uint32_t i = 0; i < port->listed_count; i++)
			buf_printf(&text, "%s\"%s\"", text.len ? ", " : "",
				   strpool_get(&g->d->strings, port->listed[i]));
	}
	if (!text.len)
		buf_add_text(&text, "private"); /* nothing is known: a comment to be changed */
	g->failed |= text.failed;
	port->from_str = keep(g, buf_text(&text));
}

static int compare_openings(const void *a_pointer, const void *b_pointer)
{
	const struct draft_port *a = a_pointer, *b = b_pointer;
	const uint32_t keys[][2] = {
		{a->group, b->group},	    {a->container_str, b->container_str},
		{a->unit_str, b->unit_str}, {a->program_str, b->program_str},
		{a->user_str, b->user_str}, {a->from_str, b->from_str},
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] < keys[i][1] ? -1 : 1;
	return compare_ranges(a, b);
}

int policy_draft_make(const struct draft_wish *wish, struct policy_draft *ret)
{
	struct drafting g = {.wish = wish, .d = ret};
	int r = 0;

	*ret = (struct policy_draft){0};
	for (size_t i = 0; i < wish->list->row_count && r == 0; i++)
		if (is_wanted(&wish->list->rows[i]))
			r = add_row(&g, &wish->list->rows[i]);
	if (r == 0)
		merge_ports(&g);
	for (size_t i = 0; i < ret->count && r == 0; i++)
		write_from(&g, &ret->ports[i]);
	if (ret->count)
		qsort(ret->ports, ret->count, sizeof(*ret->ports), compare_openings);
	return g.failed ? -ENOMEM : r;
}
