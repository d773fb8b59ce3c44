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

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

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
static void print_impostors(const struct verify_look *l)
{
	for (size_t i = 0; i < l->found.count; i++) {
		const struct verify_difference *d = &l->found.differences[i];
		struct buf cleanup_call(buf_done) name = {0};

		if (d->kind != VERIFY_IMPOSTOR)
			continue;
		scan_service_words_name(d->service, &name);
		view_print_line(
			&l->view,
			d->impostor == IMPOSTOR_PROGRAM
				? _("%u/tcp: its program never speaks anything but %s, and "
				    "there it speaks %s.")
				: _("%u/tcp: the number stands for %s, and what speaks there "
				    "is %s."),
			d->port, d->expected, buf_text(&name));
	}
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

static void print_sums(const struct verify_look *l)
{
	const struct verify *f = &l->found;
	struct buf cleanup_call(buf_done) asked = {0};

	view_number(l->scan.host_count * l->port_count, &asked);
	view_print_line(&l->view,
			_("Asked: %s ports, in %.1f s. Open on both sides: %zu. Disagreements: "
			  "%zu."),
			buf_text(&asked), (double)l->took_ms / 1e3, f->open, f->count);
	if (f->silent)
		view_print_line(&l->view,
				_("Somebody is bound there and let in, and says nothing: %zu."),
				f->silent);
	if (l->changed)
		view_print_line(&l->view, _("Changed while they were looked at: %zu."), l->changed);
	if (f->unsure_inside)
		view_print_line(
			&l->view,
			_("Ports of which the inside cannot say whether they are open to the one "
			  "who looked (portero reach tells why): %zu."),
			f->unsure_inside);
	if (l->with_services)
		view_print_line(&l->view,
				_("Asked what speaks there: %zu open ports. Not to be told: %zu."),
				l->scan.service_count, verify_look_unnamed(l));
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
	print_impostors(l);
	print_meanings(l);
	print_sums(l);
	print_who(l);
	view_print_gaps(&l->view);
	return 0;
}
