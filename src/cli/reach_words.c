/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/reach_words.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

const char *reach_words_state(enum port_state state)
{
	static const char *const words[PORT_STATE_COUNT] = {
		N_("unknown"), N_("open"), N_("filtered"), N_("rejected"), N_("closed")};

	return _(words[state]);
}

const char *reach_words_verdict(enum verdict verdict)
{
	static const char *const words[VERDICT_COUNT] = {
		[VERDICT_UNKNOWN] = N_("unknown"),	[VERDICT_ACCEPT] = N_("let in"),
		[VERDICT_DROP] = N_("dropped"),		[VERDICT_REJECT] = N_("refused"),
		[VERDICT_RATE_LIMITED] = N_("limited"),
	};

	return _(words[verdict]);
}

const char *reach_words_class(enum source_class class)
{
	static const char *const words[SOURCE_CLASS_COUNT] = {
		[SOURCE_HOST] = N_("this machine"),	   [SOURCE_LINK] = N_("attached networks"),
		[SOURCE_PRIVATE] = N_("private networks"), [SOURCE_INTERNET] = N_("internet"),
		[SOURCE_LISTED] = N_("listed addresses"),  [SOURCE_FORGED] = N_("forged addresses"),
	};

	return _(words[class]);
}

/* The table's words, which are those of --reach and of the JSON. */
static const char *class_word(enum source_class class)
{
	static const char *const words[SOURCE_CLASS_COUNT] = {
		[SOURCE_HOST] = N_("host"),
		[SOURCE_LINK] = N_("link"),
		[SOURCE_PRIVATE] = N_("private"),
		[SOURCE_INTERNET] = N_("internet"),
		[SOURCE_LISTED] = N_("some addresses"),
		[SOURCE_FORGED] = N_("forged addresses"),
	};

	return _(words[class]);
}

static void add_escaped(const struct view *v, const char *text, struct buf *out)
{
	text_escape(out, text, strlen(text), v->ascii);
}

void reach_words_sources(const struct view *v, const struct reach_class *c, struct buf *out)
{
	if (c->sources_str)
		add_escaped(v, reach_text(&v->reach, c->sources_str), out);
	else
		buf_add_text(out, reach_words_class(c->source_class));
	if (c->sources_str && c->source_class == SOURCE_FORGED)
		buf_add_text(out, _(" (forged)"));
}

static const struct reach_way *way_of(const struct view *v, const struct port_row *row, uint32_t n)
{
	return &v->join.ways[row->reach.first_way + n];
}

static uint8_t family_bit(const struct reach_class *c)
{
	return c->destination.family == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;
}

/* The families that a row is served on, by the ways that lead to it. */
static uint8_t served(const struct view *v, const struct port_row *row)
{
	uint8_t families = 0;

	for (uint32_t i = 0; i < row->reach.way_count; i++)
		families |= family_bit(&v->reach.classes[way_of(v, row, i)->class]);
	return families;
}

/*
 * Who of the row's widest class: the class as a whole by its word; the only part of it that gets in
 * (10.0.0.0/8 of the private networks, an address that the rules mention) by itself. Was it the
 * word, which does not tell the family?
 */
static bool add_widest(const struct view *v, const struct port_row *row, struct buf *out)
{
	enum source_class widest = row->reach.widest;
	const struct reach_class *only = NULL;

	for (uint32_t i = 0; i < row->reach.way_count; i++) {
		const struct reach_way *way = way_of(v, row, i);
		const struct reach_class *c = &v->reach.classes[way->class];

		if (c->source_class != widest ||
		    (way->verdict != VERDICT_ACCEPT && way->verdict != VERDICT_RATE_LIMITED))
			continue;
		if (c->sources_str == 0 || (only && only->sources_str != c->sources_str)) {
			buf_add_text(out, class_word(widest));
			return true;
		}
		only = c;
	}
	if (only && (source_class_is_part(widest) || widest == SOURCE_PRIVATE)) {
		reach_words_sources(v, only, out);
		return false;
	}
	buf_add_text(out, class_word(widest));
	return true;
}

void reach_words_row(const struct view *v, const struct port_row *row, struct buf *out)
{
	const struct port_reach *r = &row->reach;

	if (!r->looked || (!r->reached && (r->wider_unknown || r->way_count == 0))) {
		buf_add_text(out, _("unknown"));
		return;
	}
	if (!r->reached) {
		buf_add_text(out, _("none"));
		return;
	}
	if (add_widest(v, row, out) && r->widest != SOURCE_HOST &&
	    r->families != v->offered[row->proto][r->widest])
		buf_add_text(out, r->families == FAMILY_IPV4   ? " (IPv4)"
				  : r->families == FAMILY_IPV6 ? " (IPv6)"
							       : "");
	if (r->rate_limited)
		buf_add_text(out, _(", limited"));
	if (r->wider_unknown)
		buf_add_text(out, _(" or wider"));
}

/* Classes that read the same but for their family and address are told once. */
struct telling {
	const struct reach_class *class;
	uint8_t families;
};

static bool same_words(const struct reach_class *a, const struct reach_class *b)
{
	return a->source_class == b->source_class && a->ifindex == b->ifindex &&
	       a->sources_str == b->sources_str && a->behind == b->behind &&
	       address_is_multicast(&a->destination) == address_is_multicast(&b->destination);
}

static void tell(struct telling *tellings, size_t *count, const struct reach_class *c)
{
	for (size_t i = 0; i < *count; i++) {
		if (!same_words(tellings[i].class, c))
			continue;
		tellings[i].families |= family_bit(c);
		return;
	}
	tellings[(*count)++] = (struct telling){c, family_bit(c)};
}

static void add_telling(const struct view *v, const struct telling *t, uint8_t all, struct buf *out)
{
	reach_words_sources(v, t->class, out);
	if (t->class->ifindex) {
		buf_add_text(out, /* by this interface */ _(" via "));
		add_escaped(v, reach_text(&v->reach, t->class->ifname_str), out);
	}
	if (address_is_multicast(&t->class->destination))
		buf_add_text(out, _(" (multicast)"));
	if (t->families != all && !t->class->sources_str)
		buf_add_text(out,
			     t->families == FAMILY_IPV4 ? _(" (IPv4 only)") : _(" (IPv6 only)"));
}

static void add_tellings(const struct view *v, const struct telling *tellings, size_t count,
			 uint8_t all, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_add_text(out, ", ");
		add_telling(v, &tellings[i], all, out);
	}
}

void reach_words_ways(const struct view *v, const struct port_row *row, enum verdict verdict,
		      struct buf *out)
{
	struct telling cleanup_free *tellings = calloc(row->reach.way_count + 1, sizeof(*tellings));
	size_t count = 0;

	for (uint32_t i = 0; tellings && i < row->reach.way_count; i++) {
		const struct reach_way *way = way_of(v, row, i);

		if (way->verdict == verdict)
			tell(tellings, &count, &v->reach.classes[way->class]);
	}
	add_tellings(v, tellings, count, served(v, row), out);
}

void reach_words_port(const struct view *v, uint16_t port, enum proto proto, enum verdict verdict,
		      struct buf *out)
{
	struct telling cleanup_free *tellings = calloc(v->reach.class_count + 1, sizeof(*tellings));
	uint8_t all = 0;
	size_t count = 0;

	for (size_t i = 0; tellings && i < v->reach.class_count; i++) {
		const struct reach_class *c = &v->reach.classes[i];
		const struct reach_interval *at = reach_find(&v->reach, c, port);

		if (c->proto != proto || c->behind)
			continue;
		all |= family_bit(c);
		if (at && at->verdict == verdict)
			tell(tellings, &count, c);
	}
	add_tellings(v, tellings, count, all, out);
}

void reach_words_spans(const struct port_span *spans, size_t count, size_t limit, struct buf *out)
{
	for (size_t i = 0; i < count && i < limit; i++) {
		buf_add_text(out, i ? ", " : "");
		if (spans[i].first == spans[i].last)
			buf_printf(out, "%u", spans[i].first);
		else
			buf_printf(out, "%u-%u", spans[i].first, spans[i].last);
	}
	if (count > limit)
		buf_printf(out, _(" and %zu more"), count - limit);
}
