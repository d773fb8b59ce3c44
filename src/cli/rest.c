/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/rest.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/changes.h"
#include "cli/reach_words.h"

#include <stdio.h>
#include <stdlib.h>

enum { SPAN_LIMIT = 8, FORWARD_LIMIT = 8 };

/* How many of the ports of a protocol nobody listens on, of this machine's own namespace. */
static unsigned long count_silent(const struct snapshot *s, enum proto proto)
{
	unsigned char seen[65536 / 8] = {0};
	unsigned long count = 65535;

	for (size_t i = 0; i < s->socket_count; i++) {
		const struct socket_info *socket = &s->sockets[i];
		unsigned char bit = (unsigned char)(1u << (socket->port % 8));

		if (socket->netns != 0 || socket->proto != proto || !socket->port ||
		    (socket->kind != SOCKET_PORT && socket->kind != SOCKET_CLIENT) ||
		    seen[socket->port / 8] & bit)
			continue;
		seen[socket->port / 8] |= bit;
		count--;
	}
	return count;
}

/* Without a look at the firewall, nobody can say that a port is closed: it may be sent on. */
static void print_without_reach(const struct view *v)
{
	struct buf cleanup_call(buf_done) tcp = {0};
	struct buf cleanup_call(buf_done) udp = {0};

	view_number(count_silent(&v->snapshot, PROTO_TCP), &tcp);
	view_number(count_silent(&v->snapshot, PROTO_UDP), &udp);
	view_print_line(v, _("The other %s tcp and %s udp ports have no listener."), buf_text(&tcp),
			buf_text(&udp));
}

/* "65,000 tcp and 65,535 udp"; false when there are none. */
static bool format_counts(const uint32_t tcp, uint32_t udp, struct buf *out)
{
	struct buf cleanup_call(buf_done) number = {0};

	if (tcp) {
		view_number(tcp, &number);
		buf_printf(out, "%s tcp", buf_text(&number));
	}
	if (tcp && udp)
		buf_add_text(out, _(" and "));
	if (udp) {
		buf_clear(&number);
		view_number(udp, &number);
		buf_printf(out, "%s udp", buf_text(&number));
	}
	return tcp || udp;
}

static const char *source_sentence(enum source_class class)
{
	static const char *const words[SOURCE_CLASS_COUNT] = {
		[SOURCE_HOST] = N_("this machine"),	   [SOURCE_LINK] = N_("attached networks"),
		[SOURCE_PRIVATE] = N_("private networks"), [SOURCE_INTERNET] = N_("the internet"),
		[SOURCE_LISTED] = N_("some addresses"),	   [SOURCE_FORGED] = N_("forged addresses"),
	};

	return _(words[class]);
}

/* The widest sources that there are: what they see is what a port is said to be. */
static const char *widest_sources(const struct view *v)
{
	enum source_class widest = SOURCE_HOST;

	for (size_t i = 0; i < v->reach.class_count; i++) {
		const struct reach_class *c = &v->reach.classes[i];

		if (!c->behind && source_class_rank(c->source_class) > source_class_rank(widest))
			widest = c->source_class;
	}
	return source_sentence(widest);
}

/* The counts of ports that nobody listens on and that are in that state; false: none. */
static bool silent_counts(const struct view *v, enum port_state state, struct buf *out)
{
	buf_clear(out);
	return format_counts(v->join.silent[PROTO_TCP][state], v->join.silent[PROTO_UDP][state],
			     out);
}

/* translators: the first %s is "the internet", the second "65,515 tcp and 65,534 udp" */
static void print_closed(const struct view *v)
{
	struct buf cleanup_call(buf_done) counts = {0};
	const char *sources = widest_sources(v);

	if (silent_counts(v, PORT_FILTERED, &counts))
		view_print_line(v, _("Closed ports; packets from %s are dropped: %s."), sources,
				buf_text(&counts));
	if (silent_counts(v, PORT_REJECTED, &counts))
		view_print_line(v, _("Closed ports; packets from %s are refused: %s."), sources,
				buf_text(&counts));
	if (silent_counts(v, PORT_CLOSED, &counts))
		view_print_line(v, _("Closed ports, but packets from %s are let in: %s."), sources,
				buf_text(&counts));
	if (silent_counts(v, PORT_UNKNOWN, &counts))
		view_print_line(v,
				_("Ports without a listener; what becomes of packets from %s is "
				  "not known: %s."),
				sources, buf_text(&counts));
}

enum { HOLE_COLUMN = 2 };

/* Holes that agree in protocol, sources and families, as one line. */
static void print_hole_group(const struct view *v, size_t first, bool *done)
{
	const struct hole *holes = v->join.holes, *h = &holes[first];
	struct port_span cleanup_free *spans = calloc(v->join.hole_count, sizeof(*spans));
	struct buf cleanup_call(buf_done) text = {0};
	size_t count = 0;

	for (size_t i = first; spans && i < v->join.hole_count; i++) {
		if (done[i] || holes[i].proto != h->proto || holes[i].widest != h->widest ||
		    holes[i].families != h->families)
			continue;
		done[i] = true;
		spans[count++] = (struct port_span){holes[i].first, holes[i].last};
	}
	buf_printf(&text, _("from %s"), source_sentence(h->widest));
	buf_add_text(&text, h->families == FAMILY_IPV4	 ? " (IPv4)"
			    : h->families == FAMILY_IPV6 ? " (IPv6)"
							 : "");
	buf_add_text(&text, ": ");
	reach_words_spans(spans, count, SPAN_LIMIT, &text);
	buf_printf(&text, "/%s", proto_name(h->proto));
	printf("%*s", HOLE_COLUMN, "");
	view_print_indented(v, HOLE_COLUMN, buf_text(&text));
}

void rest_print_holes(const struct view *v)
{
	bool cleanup_free *done = calloc(v->join.hole_count + 1, sizeof(*done));

	if (!snapshot_has_all_listeners(&v->snapshot))
		return;
	if (v->join.hole_count)
		view_print_line(
			v, "%s",
			_("Holes: ports that the firewall lets in although nobody listens:"));
	for (size_t i = 0; done && i < v->join.hole_count; i++)
		if (!done[i])
			print_hole_group(v, i, done);
}

static void print_forward(const struct view *v, const struct forward *f)
{
	char target[ADDRESS_TEXT_SIZE];
	struct port_span span = {f->first, f->last};
	struct buf cleanup_call(buf_done) ports = {0};

	address_format(&f->target, target);
	reach_words_spans(&span, 1, 1, &ports);
	view_print_line(v,
			f->here	     ? _("Sent on: %s/%s, from %s, to %s port %u, where nobody "
					      "listens.")
			: f->several ? _("Sent on: %s/%s, from %s, to %s port %u or elsewhere: "
					 "whether somebody listens there is not known.")
				     : _("Sent on: %s/%s, from %s, to %s port %u: whether somebody "
					 "listens there cannot be seen from here."),
			buf_text(&ports), proto_name(f->proto),
			source_sentence(v->reach.classes[f->class].source_class), target,
			f->target_port);
}

static void print_forwards(const struct view *v)
{
	for (size_t i = 0; i < v->join.forward_count && i < FORWARD_LIMIT; i++)
		print_forward(v, &v->join.forwards[i]);
	if (v->join.forward_count > FORWARD_LIMIT)
		view_print_line(v, _("Sent on: %zu more (see portero reach)."),
				v->join.forward_count - FORWARD_LIMIT);
}

/* The ports of one namespace, in one line, when `first` is its first row. */
static void print_behind(const struct view *v, size_t first)
{
	const struct port_row *rows = v->behind;
	struct buf cleanup_call(buf_done) ports = {0};
	struct buf cleanup_call(buf_done) name = {0};
	size_t count = 0;

	for (size_t i = 0; i < v->behind_count && count <= SPAN_LIMIT; i++) {
		if (rows[i].netns != rows[first].netns)
			continue;
		if (i < first)
			return;
		if (++count > SPAN_LIMIT)
			break;
		buf_add_text(&ports, count > 1 ? ", " : "");
		view_port(&rows[i], &ports);
	}
	if (count > SPAN_LIMIT)
		buf_add_text(&ports, ", ...");
	view_netns_name(v, rows[first].netns, &name);
	view_print_line(
		v,
		_("Behind this machine: %s of %s: open from %s, for whoever sends packets for "
		  "its address through this machine (see --all)."),
		buf_text(&ports), buf_text(&name), source_sentence(rows[first].reach.widest));
}

/* Who listens may be anybody, whatever the policy says. */
static void print_guard(const struct view *v)
{
	if (v->has_policy && v->policy.settings.guard != GUARD_OFF && !v->guard)
		view_print_line(v, "%s",
				_("The policy wants a guard, and none is known to be in force: no "
				  "port is kept for its program (see portero guard)."));
}

/* Declared, and nobody there. */
static void print_missing(const struct view *v)
{
	struct buf cleanup_call(buf_done) text = {0};

	/* who was not seen may listen */
	if (!v->has_policy || !snapshot_has_all_listeners(&v->snapshot))
		return;
	for (size_t i = 0; i < v->policy.opening_count; i++) {
		const struct opening *o = &v->policy.openings[i];
		const struct port_range *range = &v->policy.ports[o->first_port];

		if (opening_is_over(o, v->now_s) || !policy_is_missing(&v->policy, o, &v->list))
			continue;
		buf_printf(&text, "%s%u", text.len ? ", " : "", range->first);
		if (range->last != range->first)
			buf_printf(&text, "-%u", range->last);
		buf_printf(&text, "/%s", proto_name(range->proto));
	}
	if (text.len)
		view_print_line(v, _("Declared, but nobody listens there: %s"), buf_text(&text));
}

void rest_print(const struct view *v)
{
	if (!snapshot_has_all_listeners(&v->snapshot)) {
		view_print_line(v, "%s",
				_("Whether the other ports have a listener is not known (see "
				  "below)."));
	} else if (!v->with_reach || !v->reach.available) {
		print_without_reach(v);
	} else if (!v->join.filters && v->join.hole_count) {
		print_without_reach(v);
		view_print_line(
			v, "%s",
			_("No rule keeps packets out: whatever listens next is reached from "
			  "everywhere."));
	} else {
		print_closed(v);
		rest_print_holes(v);
	}
	if (v->with_reach && v->reach.available)
		print_forwards(v);
	for (size_t i = 0; i < v->behind_count; i++)
		print_behind(v, i);
	print_guard(v);
	print_missing(v);
	if (v->has_policy)
		changes_print_pending(v);
}
