/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_draft.h"
#include "base/mem.h"
#include "decide/policy_draft_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void policy_draft_done(struct policy_draft *d)
{
	strpool_done(&d->strings);
	free(d->ports);
	*d = (struct policy_draft){0};
}

/* Does it concern others than this machine? */
static bool is_wanted(const struct port_row *row)
{
	const struct port_reach *r = &row->reach;

	if (r->state == PORT_UNKNOWN)
		return row->bound != BOUND_HOST;
	return (r->state == PORT_OPEN && r->reached && r->widest != SOURCE_HOST) ||
	       (r->wider_unknown && row->bound != BOUND_HOST);
}

static int add_row(struct drafting *g, const struct port_row *row)
{
	struct policy_draft *d = g->d;
	struct draft_port port;

	policy_draft_row(g, row, &port);
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
	return policy_draft_keep(g, buf_text(&text));
}

/* Two listeners on one port, for different addresses: one opening, and for one owner only if both
 * have the same. */
static void merge(struct drafting *g, struct draft_port *into, const struct draft_port *from)
{
	struct buf cleanup_call(buf_done) left = {0};

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
		policy_draft_add_listed(g, into, from->listed[i], &left);
	if (left.len)
		policy_draft_add_reason(g, into, DRAFT_KEEP, buf_text(&left));
	into->found_str = join_lines(g, into->found_str, from->found_str);
	into->reason_str = join_lines(g, into->reason_str, from->reason_str);
}

static void merge_ports(struct drafting *g)
{
	struct draft_port *ports = g->d->ports;
	size_t count = g->d->count, kept = 0;

	if (!ports)
		return;
	qsort(ports, count, sizeof(*ports), compare_ranges);
	for (size_t i = 0; i < count; i++) {
		struct draft_port *last = kept ? &ports[kept - 1] : NULL;

		if (last && last->range.proto == ports[i].range.proto &&
		    ports[i].range.first <= last->range.last)
			merge(g, last, &ports[i]);
		else
			ports[kept++] = ports[i];
	}
	g->d->count = kept;
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
	port->from_str = policy_draft_keep(g, buf_text(&text));
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
