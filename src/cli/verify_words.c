/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/verify_words.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/json.h"
#include "cli/reach_words.h"
#include "cli/scan_words.h"
#include "cli/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLUMN_PORT, COLUMN_ADDRESS, COLUMN_KIND, COLUMN_INSIDE, COLUMN_OUTSIDE, COLUMN_COUNT };

static const struct {
	const char *word, *text;
} kinds[VERIFY_KIND_COUNT] = {
	[VERIFY_GHOST] = {N_("ghost"),
			  N_("ghost: it answers, and nobody is known to listen. Something hides a "
			     "listener, or answers in its place.")},
	[VERIFY_BELIEVED_CLOSED] =
		{N_("believed closed"),
		 N_("believed closed: it answers, although the rules keep this packet out. Trust "
		    "the "
		    "packet, and report it: portero's picture of the firewall is wrong here.")},
	[VERIFY_SHADOWED] =
		{N_("shadowed"),
		 N_("shadowed: somebody listens, and the rules let it in, yet it does not answer. "
		    "Something on the way drops it, or the listener's queue is full.")},
	[VERIFY_MIDDLEBOX] =
		{N_("middlebox"),
		 N_("middlebox: nearly every port of the address answers, whoever listens. What "
		    "answers is not this machine's programs.")},
};

bool verify_is_complete(const struct verify_look *l)
{
	return snapshot_is_complete(&l->view.snapshot) && scan_is_complete(&l->scan) &&
	       l->found.unsure_inside == 0 && l->found.unsure_outside == 0;
}

static const struct process_info *owner_of(const struct verify_look *l,
					   const struct verify_difference *d)
{
	return d->owner == SNAPSHOT_NONE ? NULL : &l->view.snapshot.processes[d->owner];
}

/* --- for a person ------------------------------------------------------------------------------
 */

struct row {
	char port[16], address[ADDRESS_TEXT_SIZE], inside[160], outside[64];
};

static void write_inside(const struct verify_look *l, const struct verify_difference *d,
			 struct row *row)
{
	const struct process_info *p = owner_of(l, d);
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

static void write_row(const struct verify_look *l, const struct verify_difference *d,
		      struct row *row, struct table_cell *cells)
{
	if (d->port)
		snprintf(row->port, sizeof(row->port), "%u/%s", d->port, proto_name(l->proto));
	else
		snprintf(row->port, sizeof(row->port), "%s", _("all"));
	address_format(&d->address, row->address);
	write_inside(l, d, row);
	snprintf(row->outside, sizeof(row->outside), "%s (%s)",
		 scan_words_state(scan_reply_state(d->reply)), scan_reply_reason(d->reply));
	cells[COLUMN_PORT].text = row->port;
	cells[COLUMN_ADDRESS].text = row->address;
	cells[COLUMN_KIND] = (struct table_cell){.text = _(kinds[d->kind].word), .color = "31"};
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
			view_print_line(&l->view, "%s", _(kinds[i].text));
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
	print_meanings(l);
	print_sums(l);
	print_who(l);
	view_print_gaps(&l->view);
	return 0;
}

/* --- for machines ------------------------------------------------------------------------------
 */

static json_t *pack_address(const struct address *a)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(a, text);
	return json_string(text);
}

static json_t *pack_difference(const struct verify_look *l, const struct verify_difference *d)
{
	const struct process_info *p = owner_of(l, d);
	struct buf cleanup_call(buf_done) program = {0};

	if (p)
		text_escape_message(&program, snapshot_text(&l->view.snapshot, p->program_str));
	return json_pack("{s:s, s:o, s:o, s:s?, s:{s:b, s:s?, s:s}, s:{s:s, s:s}}", "kind",
			 verify_kind_id(d->kind), "address", pack_address(&d->address), "port",
			 d->port ? json_integer(d->port) : json_null(), "proto",
			 d->port ? proto_name(l->proto) : NULL, "inside", "listens", d->listens,
			 "program", program.len ? buf_text(&program) : NULL, "verdict",
			 verdict_id(d->verdict), "outside", "state",
			 scan_state_name(scan_reply_state(d->reply)), "reason",
			 scan_reply_reason(d->reply));
}

static json_t *pack_sources(const struct verify_look *l)
{
	const struct address *all[] = {&l->visitor.ip4, &l->visitor.ip6, &l->remote};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i]->family)
			json_array_append_new(list, pack_address(all[i]));
	return list;
}

int verify_json_print(const struct verify_look *l)
{
	json_t *root = json_heading(&l->view, "portero.verify/1"), *differences = json_array(),
	       *addresses = json_array();
	const struct verify *f = &l->found;

	for (size_t i = 0; i < f->count; i++)
		json_array_append_new(differences, pack_difference(l, &f->differences[i]));
	for (size_t i = 0; i < l->scan.host_count; i++)
		json_array_append_new(addresses, pack_address(&l->scan.hosts[i].address));
	json_object_set_new(root, "complete", json_boolean(verify_is_complete(l)));
	json_object_set_new(root, "seconds", json_real((double)l->took_ms / 1e3));
	json_object_set_new(root, "from",
			    json_pack("{s:s?, s:s, s:o}", "host", l->from[0] ? l->from : NULL,
				      "interface",
				      l->from[0] ? l->remote_ifname : l->visitor.ifname,
				      "addresses", pack_sources(l)));
	json_object_set_new(root, "addresses", addresses);
	json_object_set_new(root, "ports", json_integer((json_int_t)l->port_count));
	json_object_set_new(root, "open", json_integer((json_int_t)f->open));
	json_object_set_new(root, "not_open", json_integer((json_int_t)f->not_open));
	json_object_set_new(root, "silent", json_integer((json_int_t)f->silent));
	json_object_set_new(root, "unsure_inside", json_integer((json_int_t)f->unsure_inside));
	json_object_set_new(root, "unsure_outside", json_integer((json_int_t)f->unsure_outside));
	json_object_set_new(root, "changed", json_integer((json_int_t)l->changed));
	json_object_set_new(root, "disagreements", differences);
	return json_print(root);
}
