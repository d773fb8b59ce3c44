/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/verify_words.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/reach_words.h"
#include "cli/scan_service_words.h"
#include "cli/scan_words.h"
#include "cli/table.h"
#include "cli/verify_kinds.h"
#include "cli/verify_lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SPANS_TOLD = 20 }; /* ranges of ports, in one line */
enum { COLUMN_PORT, COLUMN_ADDRESS, COLUMN_KIND, COLUMN_INSIDE, COLUMN_OUTSIDE, COLUMN_COUNT };

struct row {
	char port[16], address[ADDRESS_TEXT_SIZE], inside[160], outside[320];
};

static void write_inside(const struct verify_look *l, const struct verify_difference *d,
			 struct row *row)
{
	const struct process_info *p = verify_look_owner(l, d);
	struct buf cleanup_call(buf_done) name = {0};

	if (p)
		view_escape(&l->view,
			    text_base_name(snapshot_text(&l->view.snapshot, p->program_str)),
			    &name);
	if (d->port == 0)
		snprintf(row->inside, sizeof(row->inside), "-");
	else
		snprintf(row->inside, sizeof(row->inside), "%s, %s",
			 !d->listens ? _("nobody listens")
			 : name.len  ? buf_text(&name)
				     : _("somebody listens"),
			 reach_words_verdict(d->verdict));
}

/* "open (syn-ack): ssh OpenSSH 9.2p1" */
static void write_outside(const struct verify_look *l, const struct verify_difference *d,
			  struct row *row)
{
	struct buf cleanup_call(buf_done) service = {0}, shown = {0};

	if (d->service)
		scan_service_words_brief(d->service, &service);
	view_escape(&l->view, buf_text(&service), &shown);
	snprintf(row->outside, sizeof(row->outside), "%s (%s)%s%s",
		 scan_words_state(scan_reply_state(d->reply)), scan_reply_reason(d->reply),
		 shown.len ? ": " : "", buf_text(&shown));
}

static void write_row(const struct verify_look *l, const struct verify_difference *d,
		      struct row *row, struct table_cell *cells)
{
	if (d->port)
		snprintf(row->port, sizeof(row->port), "%u/%s", d->port, proto_name(l->proto));
	else
		snprintf(row->port, sizeof(row->port), "%s", _("all"));
	address_format(&d->address, row->address);
	write_inside(l, d, row);
	write_outside(l, d, row);
	cells[COLUMN_PORT].text = row->port;
	cells[COLUMN_ADDRESS].text = row->address;
	cells[COLUMN_KIND] = (struct table_cell){.text = verify_kinds_word(d->kind), .color = "31"};
	cells[COLUMN_INSIDE].text = row->inside;
	cells[COLUMN_OUTSIDE].text = row->outside;
}

static int print_table(const struct verify_look *l)
{
	const char *titles[COLUMN_COUNT] = {_("PORT"), _("ADDRESS"), _("DISAGREEMENT"), _("INSIDE"),
					    _("OUTSIDE")};
	size_t count = l->found.count;
	struct table_cell cleanup_free *cells = calloc(count * COLUMN_COUNT + 1, sizeof(*cells));
	struct row cleanup_free *rows = calloc(count + 1, sizeof(*rows));
	struct buf cleanup_call(buf_done) out = {0};
	struct table t = {.titles = titles,
			  .column_count = COLUMN_COUNT,
			  .ascii = l->view.ascii,
			  .no_heading = l->options->quiet,
			  .cells = cells,
			  .row_count = count};

	if (!cells || !rows)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		write_row(l, &l->found.differences[i], &rows[i], &cells[i * COLUMN_COUNT]);
	table_format(&t, l->view.width, l->view.colored, &out);
	if (out.failed)
		return -ENOMEM;
	fputs(buf_text(&out), stdout);
	return 0;
}

static void print_meanings(const struct verify_look *l)
{
	unsigned seen = 0;

	for (size_t i = 0; i < l->found.count; i++)
		seen |= 1U << l->found.differences[i].kind;
	for (int i = 0; i < VERIFY_KIND_COUNT; i++)
		if (seen & 1U << i)
			view_print_line(&l->view, "%s", verify_kinds_meaning((enum verify_kind)i));
}

/* What is contradicted, of each. */
static int print_impostors(const struct verify_look *l)
{
	struct verify_lines cleanup_call(verify_lines_done) lines = {0};

	for (size_t i = 0; i < l->found.count; i++) {
		const struct verify_difference *d = &l->found.differences[i];
		struct buf cleanup_call(buf_done) text = {0};

		if (d->kind != VERIFY_IMPOSTOR)
			continue;
		verify_kinds_impostor(d->impostor, d->expected, d->service, &text);
		verify_lines_add(&lines, d->port, &d->address, buf_text(&text));
	}
	verify_lines_print(&lines, &l->view, l->proto);
	return lines.failed ? -ENOMEM : 0;
}

/* "closed outside; inside: nobody is known there, let in." */
static void write_port(const struct verify_port *p, struct buf *out)
{
	buf_add_text(out, p->reply == SCAN_UDP_SILENT
				  ? _("silent")
				  : scan_words_state(scan_reply_state(p->reply)));
	buf_add_text(out, _("; inside: "));
	if (!p->listens)
		buf_add_text(out, _("nobody is known there"));
	else if (p->program[0])
		buf_printf(out, _("%s is bound"), p->program);
	else
		buf_add_text(out, _("somebody is bound"));
	buf_printf(out, ", %s.", reach_words_verdict(p->verdict));
}

/* What both sides say of them stands here, of a few. */
static int print_ports(const struct verify_look *l, const struct verify_ports *ports)
{
	struct verify_lines cleanup_call(verify_lines_done) lines = {0};
	size_t told = ports->count < VERIFY_TOLD ? ports->count : VERIFY_TOLD;

	for (size_t i = 0; i < told; i++) {
		struct buf cleanup_call(buf_done) text = {0};

		write_port(&ports->first[i], &text);
		verify_lines_add(&lines, ports->first[i].port, &ports->first[i].address,
				 buf_text(&text));
	}
	verify_lines_print(&lines, &l->view, l->proto);
	if (ports->count > told)
		view_print_line(&l->view, _("More of that kind: %zu."), ports->count - told);
	return lines.failed ? -ENOMEM : 0;
}

static int print_silents(const struct verify_look *l)
{
	const struct verify *f = &l->found;
	int r = print_ports(l, &f->silents);

	if (f->silent)
		view_print_line(&l->view,
				_("Somebody is bound there and let in, and says nothing: %zu."),
				f->silent);
	if (f->silent_kept_out)
		view_print_line(&l->view,
				_("Silent, where nobody is bound and the rules keep the one who "
				  "looked out: %zu."),
				f->silent_kept_out);
	return r;
}

/* Of whom the answers hold; the rules may name another interface, or other sources. */
static void print_who(const struct verify_look *l)
{
	char ip4[ADDRESS_TEXT_SIZE] = "", ip6[ADDRESS_TEXT_SIZE] = "";

	if (l->from[0]) {
		address_format(&l->remote, ip4);
		view_print_line(&l->view, _("Looked from %s (%s, by %s)."), l->from, ip4,
				l->remote_ifname);
		return;
	}
	if (l->visitor.ip4.family)
		address_format(&l->visitor.ip4, ip4);
	if (l->visitor.ip6.family)
		address_format(&l->visitor.ip6, ip6);
	view_print_line(&l->view,
			_("Looked as a visitor from %s%s%s, who comes in by an interface of its "
			  "own: rules for other interfaces and sources were not tried."),
			ip4, ip4[0] && ip6[0] ? ", " : "", ip6);
}

static void print_asked(const struct verify_look *l)
{
	size_t unnamed = verify_look_unnamed(l);

	view_print_line(&l->view,
			ngettext("Asked what speaks there: %zu open port.",
				 "Asked what speaks there: %zu open ports.", l->scan.service_count),
			l->scan.service_count);
	if (unnamed)
		view_print_line(&l->view, _("Of these, what speaks there cannot be told: %zu."),
				unnamed);
}

/* Why not all could be seen, as where the time was over. */
static void print_troubles(const struct verify_look *l)
{
	char address[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < l->scan.host_count; i++) {
		const char *why = scan_words_trouble(l->scan.hosts[i].trouble);

		if (!why)
			continue;
		address_format(&l->scan.hosts[i].address, address);
		view_print_line(&l->view, _("Not all is known of %s: %s."), address, _(why));
	}
}

static void print_sums(const struct verify_look *l)
{
	const struct verify *f = &l->found;
	struct buf cleanup_call(buf_done) asked = {0};

	view_number(l->scan.host_count * l->port_count, &asked);
	view_print_line(&l->view,
			_("Asked: %s ports, in %.1f s. Open on both sides: %zu. Disagreements: "
			  "%zu."),
			buf_text(&asked), (double)l->took_ms / 1e3, f->open, f->count);
	if (l->changed)
		view_print_line(&l->view, _("Changed while they were looked at: %zu."), l->changed);
	if (f->unsure_inside)
		view_print_line(
			&l->view,
			_("Ports of which the inside cannot say whether they are open to the one "
			  "who looked: %zu."),
			f->unsure_inside);
	if (l->with_services)
		print_asked(l);
	print_troubles(l);
	if (f->unsure_outside)
		view_print_line(&l->view,
				_("Ports of which the outside could not tell what they are: %zu."),
				f->unsure_outside);
}

int verify_words_print(const struct verify_look *l)
{
	int r = l->found.count ? print_table(l) : 0;

	if (l->options->quiet || r < 0)
		return r;
	if (l->found.count)
		putchar('\n');
	r = print_impostors(l);
	print_meanings(l);
	if (print_silents(l) < 0 || print_ports(l, &l->found.unsures) < 0)
		r = -ENOMEM;
	print_sums(l);
	print_who(l);
	view_print_gaps(&l->view);
	return r;
}

/* "10.5.0.1: open until then: 22, 80-81" */
static int print_seen(const struct verify_look *l, const struct scan_host *host)
{
	const struct scan *s = &l->scan;
	struct port_span cleanup_free *spans = calloc(s->port_count + 1, sizeof(*spans));
	struct buf cleanup_call(buf_done) text = {0};
	char address[ADDRESS_TEXT_SIZE];
	size_t count = 0;

	if (!spans)
		return -ENOMEM;
	for (size_t i = 0; i < s->port_count; i++) {
		if (scan_reply_state((enum scan_reply)host->replies[i]) != SCAN_OPEN)
			continue;
		if (count && spans[count - 1].last + 1 == s->ports[i])
			spans[count - 1].last = s->ports[i];
		else
			spans[count++] = (struct port_span){s->ports[i], s->ports[i]};
	}
	if (!count)
		return 0;
	reach_words_spans(spans, count, SPANS_TOLD, &text);
	address_format(&host->address, address);
	view_print_line(&l->view, _("%s: open when it was interrupted: %s."), address,
			buf_text(&text));
	return 0;
}

int verify_words_print_seen(const struct verify_look *l)
{
	int r = 0;

	for (size_t i = 0; i < l->scan.host_count && r == 0; i++)
		r = print_seen(l, &l->scan.hosts[i]);
	if (l->found.count)
		view_print_line(&l->view,
				_("Disagreements that were seen once, and not looked at again: "
				  "%zu."),
				l->found.count);
	return r;
}
