/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach: which ports the firewall lets in, for each class of sources.
 */
#include "observe/reach.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/reach_words.h"
#include "cli/rest.h"
#include "cli/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPAN_LIMIT = 24 };

/* Do two intervals read the same but for their ports? */
static bool same_fate(const struct reach_interval *a, const struct reach_interval *b)
{
	return a->verdict == b->verdict && a->forwarded == b->forwarded && a->nat == b->nat &&
	       a->several == b->several && a->why_str == b->why_str &&
	       (!a->nat || (address_equal(&a->target, &b->target) && a->shifts == b->shifts &&
			    (a->shifts || a->target_port == b->target_port)));
}

static void add_fate(const struct view *v, const struct reach_interval *i, struct buf *out)
{
	char target[ADDRESS_TEXT_SIZE];

	buf_add_text(out, reach_words_verdict(i->verdict));
	if (i->forwarded)
		buf_add_text(out, _(", on its way through"));
	if (i->nat) {
		address_format(&i->target, target);
		buf_printf(out, _(", as %s port %u"), target, i->target_port);
		if (i->shifts && i->first != i->last)
			buf_add_text(out, _(" and on"));
	}
	if (i->several)
		buf_add_text(out, _(" or elsewhere"));
	if (i->why_str) {
		struct buf cleanup_call(buf_done) why = {0};

		view_escape(v, reach_text(&v->reach, i->why_str), &why);
		buf_printf(out, " (%s)", buf_text(&why));
	}
}

static const struct reach_interval *intervals_of(const struct view *v, const struct reach_class *c)
{
	return &v->reach.intervals[c->first_interval];
}

/* The fate of the most ports: index of an interval that has it. */
static uint32_t commonest(const struct view *v, const struct reach_class *c)
{
	const struct reach_interval *i = intervals_of(v, c);
	unsigned most = 0;
	uint32_t best = 0;

	for (uint32_t k = 0; k < c->interval_count; k++) {
		unsigned ports = 0;

		for (uint32_t n = 0; n < c->interval_count; n++)
			if (same_fate(&i[k], &i[n]))
				ports += (unsigned)(i[n].last - i[n].first) + 1;
		if (ports > most)
			best = k;
		if (ports > most)
			most = ports;
		if (most > 32768)
			break;
	}
	return best;
}

enum { FATE_COLUMN = 7 };

/* The first line of a protocol begins with its name; the others stand below. */
static void print_fate(const struct view *v, const struct reach_interval *fate, const char *ports,
		       const char **label)
{
	struct buf cleanup_call(buf_done) text = {0};

	buf_printf(&text, "%s: ", ports);
	add_fate(v, fate, &text);
	printf("  %-*s", FATE_COLUMN - 2, *label);
	*label = "";
	view_print_indented(v, FATE_COLUMN, buf_text(&text));
}

/* All ports of one fate, in one line, when `at` is the first interval that has it. */
static void print_spans(const struct view *v, const struct reach_class *c, uint32_t at,
			const char **label)
{
	const struct reach_interval *i = intervals_of(v, c);
	struct port_span cleanup_free *spans = calloc(c->interval_count, sizeof(*spans));
	struct buf cleanup_call(buf_done) text = {0};
	size_t count = 0;

	for (uint32_t k = 0; spans && k < c->interval_count; k++) {
		if (!same_fate(&i[at], &i[k]))
			continue;
		if (k < at)
			return;
		spans[count++] = (struct port_span){i[k].first, i[k].last};
	}
	reach_words_spans(spans, count, SPAN_LIMIT, &text);
	print_fate(v, &i[at], buf_text(&text), label);
}

static void print_class(const struct view *v, const struct reach_class *c)
{
	const struct reach_interval *i = intervals_of(v, c);
	const char *label = proto_name(c->proto);
	uint32_t rest = commonest(v, c);

	for (uint32_t k = 0; k < c->interval_count; k++)
		if (!same_fate(&i[k], &i[rest]))
			print_spans(v, c, k, &label);
	print_fate(v, &i[rest], c->interval_count == 1 ? _("every port") : _("all other ports"),
		   &label);
}

/* --- sections: classes that differ in protocol only ----------------------------------------------
 */

struct section {
	size_t first, count; /* classes */
	bool told;	     /* with another one, from which it differs in its destination only */
};

static bool same_sources(const struct reach_class *a, const struct reach_class *b)
{
	return a->source_class == b->source_class && a->ifindex == b->ifindex &&
	       a->sources_str == b->sources_str && a->behind == b->behind;
}

static bool same_intervals(const struct view *v, const struct reach_class *a,
			   const struct reach_class *b)
{
	if (a->proto != b->proto || a->interval_count != b->interval_count)
		return false;
	for (uint32_t i = 0; i < a->interval_count; i++) {
		const struct reach_interval *x = &intervals_of(v, a)[i],
					    *y = &intervals_of(v, b)[i];

		if (x->first != y->first || x->last != y->last || !same_fate(x, y))
			return false;
	}
	return true;
}

static bool same_section(const struct view *v, const struct section *a, const struct section *b)
{
	const struct reach_class *x = &v->reach.classes[a->first], *y = &v->reach.classes[b->first];

	if (a->count != b->count || !same_sources(x, y))
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!same_intervals(v, x + i, y + i))
			return false;
	return true;
}

static void start_section(struct section *s, size_t class)
{
	*s = (struct section){.first = class, .count = 1};
}

static size_t find_sections(const struct reach *r, struct section *sections)
{
	size_t count = 0;

	for (size_t i = 0; i < r->class_count; i++) {
		const struct reach_class *c = &r->classes[i];

		if (i && same_sources(c, c - 1) &&
		    address_equal(&c->destination, &(c - 1)->destination))
			sections[count - 1].count++;
		else
			start_section(&sections[count++], i);
	}
	return count;
}

static void add_destination(const struct reach_class *c, struct buf *out)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(&c->destination, text);
	buf_add_text(out, text);
}

/* "From internet via eth0 to 192.0.2.1, 192.0.2.9": of all sections that say the same. */
static void print_heading(const struct view *v, struct section *sections, size_t at, size_t count)
{
	const struct reach_class *c = &v->reach.classes[sections[at].first];
	struct buf cleanup_call(buf_done) text = {0};
	struct buf cleanup_call(buf_done) name = {0};

	buf_add_text(&text, _("From "));
	reach_words_sources(v, c, &text);
	if (c->ifindex)
		buf_printf(&text, _(" via %s"),
			   view_escape(v, reach_text(&v->reach, c->ifname_str), &name));
	buf_add_text(&text, _(" to "));
	add_destination(c, &text);
	for (size_t i = at + 1; i < count; i++) {
		if (sections[i].told || !same_section(v, &sections[at], &sections[i]))
			continue;
		sections[i].told = true;
		buf_add_text(&text, ", ");
		add_destination(&v->reach.classes[sections[i].first], &text);
	}
	if (c->behind)
		buf_add_text(&text, _(" (behind this machine)"));
	view_print_line(v, "%s", buf_text(&text));
}

static int print_human(const struct view *v)
{
	const struct reach *r = &v->reach;
	struct section cleanup_free *sections = calloc(r->class_count + 1, sizeof(*sections));
	size_t count;

	if (!sections)
		return -ENOMEM;
	count = find_sections(r, sections);
	for (size_t i = 0; i < count; i++) {
		if (sections[i].told)
			continue;
		if (i && !v->options->quiet)
			putchar('\n');
		print_heading(v, sections, i, count);
		for (size_t k = 0; k < sections[i].count; k++)
			print_class(v, &r->classes[sections[i].first + k]);
	}
	if (v->join.hole_count && !v->options->quiet)
		putchar('\n');
	rest_print_holes(v);
	for (size_t i = 0; i < r->gap_count; i++)
		view_print_gap(v, reach_text(r, r->gaps[i].what_str),
			       reach_text(r, r->gaps[i].why_str),
			       reach_text(r, r->gaps[i].remedy_str));
	return 0;
}

static int read_options(const struct options *o, struct reach_options *ask)
{
	bool tcp = o->tcp || (o->proto && strcmp(o->proto, "tcp") == 0);
	bool udp = o->udp || (o->proto && strcmp(o->proto, "udp") == 0);

	if (o->word_count)
		return command_fail(_("reach takes no ports: it tells of all; portero show %s "
				      "tells of one"),
				    o->words[0]);
	*ask = (struct reach_options){
		.full = o->full,
		.protos = (tcp ? 1u << PROTO_TCP : 0) | (udp ? 1u << PROTO_UDP : 0),
	};
	return ask_read(o, ask);
}

int command_reach(const struct options *o)
{
	struct reach_options ask;
	struct view_wish wish = {.reach = true, .ask = &ask, .reach_only = true};
	struct view v = {0};
	struct err e = {0};
	int code = read_options(o, &ask);

	if (code)
		return code;
	if (view_take(&v, o, &wish, &e) < 0) {
		code = command_fail("%s", e.msg);
	} else {
		code = v.reach.complete && v.reach.available ? EXIT_DECLARED : EXIT_BLIND;
		if ((o->json ? json_print_reach(&v) : print_human(&v)) < 0)
			code = command_fail(_("out of memory"));
	}
	view_done(&v);
	return code;
}
