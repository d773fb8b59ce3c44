/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/scan_words.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/table.h"
#include "model/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	LISTED = 25, /* ports of a state that are not open: listed when they are no more */
	COLUMN_COUNT = 4,
	TEXT_SIZE = 64,
};

#define TELL_LOSS 0.02

static const struct {
	const char *id, *text;
} troubles[] = {
	[SCAN_FINE] = {NULL, NULL},
	[SCAN_NO_NEIGHBOUR] = {"no-neighbour",
			       N_("nobody on the attached network has this address")},
	[SCAN_NO_ROUTE] = {"no-route", N_("there is no way to this address")},
	[SCAN_NO_HOST] = {"no-host", N_("a broadcast or multicast address, not one host")},
	[SCAN_TIMED_OUT] = {"timed-out", N_("the host's time was over before all was known")},
	[SCAN_INTERRUPTED] = {"interrupted", N_("interrupted before all was known")},
	[SCAN_LOSSY] = {"lossy", N_("so much is lost on the way that silence means nothing")},
};

const char *scan_words_trouble_id(enum scan_trouble trouble)
{
	return troubles[trouble].id;
}

/* One after the other, since a table's texts must stay. */
struct row_texts {
	char port[TEXT_SIZE], service[TEXT_SIZE];
};

const char *scan_words_state(enum scan_state state)
{
	switch (state) {
	case SCAN_OPEN:
		return _("open");
	case SCAN_CLOSED:
		return _("closed");
	case SCAN_REJECTED:
		return _("rejected");
	case SCAN_FILTERED:
		return _("filtered");
	default:
		return _("unknown");
	}
}

static const char *state_color(enum scan_state state)
{
	return state == SCAN_OPEN ? "32" : state == SCAN_UNKNOWN ? "33" : NULL;
}

static void name_service(const struct view *v, uint16_t port, char text[TEXT_SIZE])
{
	struct registry_entry entry = {0};
	const char *name =
		v->options->numeric ? NULL : services_name(&v->services, port, PROTO_TCP);

	if (!name && !v->options->numeric && registry_find(port, PROTO_TCP, &entry))
		name = entry.name;
	snprintf(text, TEXT_SIZE, "%s", name && name[0] ? name : "-");
}

static bool is_listed(const size_t counts[SCAN_STATE_COUNT], enum scan_state state)
{
	return state == SCAN_OPEN || (state != SCAN_UNKNOWN && counts[state] <= LISTED);
}

static int print_table(const struct view *v, const struct scan *s, const struct scan_host *host,
		       const size_t counts[SCAN_STATE_COUNT], size_t rows)
{
	const char *titles[COLUMN_COUNT] = {_("PORT"), _("STATE"), _("SERVICE"), _("REASON")};
	struct table_cell cleanup_free *cells = calloc(rows * COLUMN_COUNT, sizeof(*cells));
	struct row_texts cleanup_free *texts = calloc(rows, sizeof(*texts));
	struct buf cleanup_call(buf_done) out = {0};
	struct table t = {.titles = titles,
			  .column_count = COLUMN_COUNT,
			  .ascii = v->ascii,
			  .no_heading = v->options->quiet,
			  .cells = cells};

	if (!cells || !texts)
		return -ENOMEM;
	for (size_t i = 0; i < s->port_count; i++) {
		enum scan_state state = scan_reply_state(host->replies[i]);
		struct row_texts *text = &texts[t.row_count];
		struct table_cell *cell = &cells[t.row_count * COLUMN_COUNT];

		if (!is_listed(counts, state))
			continue;
		snprintf(text->port, TEXT_SIZE, "%u/tcp", s->ports[i]);
		name_service(v, s->ports[i], text->service);
		cell[0].text = text->port;
		cell[1] = (struct table_cell){.text = scan_words_state(state),
					      .color = state_color(state)};
		cell[2].text = text->service;
		cell[3].text = scan_reply_reason(host->replies[i]);
		t.row_count++;
	}
	table_format(&t, v->width, v->colored, &out);
	if (out.failed)
		return -ENOMEM;
	fputs(buf_text(&out), stdout);
	return 0;
}

static void print_not_shown(const struct view *v, const size_t counts[SCAN_STATE_COUNT])
{
	struct buf cleanup_call(buf_done) text = {0};

	for (int i = SCAN_CLOSED; i < SCAN_STATE_COUNT; i++) {
		if (!counts[i] || is_listed(counts, (enum scan_state)i))
			continue;
		if (text.len)
			buf_add_text(&text, ", ");
		view_number(counts[i], &text);
		buf_printf(&text, " %s", scan_words_state((enum scan_state)i));
	}
	if (text.len)
		view_print_line(v, _("Not listed: %s."), buf_text(&text));
}

static void print_remarks(const struct view *v, const struct scan *s, const struct scan_host *host)
{
	if (host->trouble != SCAN_FINE)
		view_print_line(v, _("Not all is known: %s."), _(troubles[host->trouble].text));
	if (scan_host_opens_all(s, host))
		view_print_line(v,
				_("It answers on every port: a middlebox or a tarpit, so \"open\" "
				  "tells nothing."));
	if (host->loss > TELL_LOSS)
		view_print_line(v, _("Of its answers, %.0f %% are lost on the way."),
				host->loss * 100);
}

static int print_host(const struct view *v, const struct scan *s, const struct scan_host *host)
{
	size_t counts[SCAN_STATE_COUNT], rows = 0;
	char address[ADDRESS_TEXT_SIZE];
	int r = 0;

	address_format(&host->address, address);
	scan_count_states(s, host, counts);
	for (int i = 0; i < SCAN_STATE_COUNT; i++)
		rows += is_listed(counts, (enum scan_state)i) ? counts[i] : 0;
	if (host->trouble != SCAN_FINE && host->trouble <= SCAN_NO_HOST) {
		printf("%s: %s\n", address, _(troubles[host->trouble].text));
		return 0;
	}
	printf("%s\n", address);
	if (rows)
		r = print_table(v, s, host, counts, rows);
	if (!v->options->quiet)
		print_not_shown(v, counts);
	if (!v->options->quiet || host->trouble != SCAN_FINE)
		print_remarks(v, s, host);
	return r;
}

static void print_sums(const struct view *v, const struct scan *s)
{
	struct buf cleanup_call(buf_done) sent = {0};
	size_t counts[SCAN_STATE_COUNT], open = 0;

	for (size_t i = 0; i < s->host_count; i++) {
		scan_count_states(s, &s->hosts[i], counts);
		open += counts[SCAN_OPEN];
	}
	view_number(s->sent, &sent);
	view_print_line(v, _("Hosts: %zu. Open ports: %zu. %s packets in %.2f s."), s->host_count,
			open, buf_text(&sent), (double)s->took_ns / 1e9);
}

int scan_words_print(const struct view *v, const struct scan *s)
{
	int r = 0;

	for (size_t i = 0; i < s->host_count && r == 0; i++) {
		r = print_host(v, s, &s->hosts[i]);
		if (!v->options->quiet)
			putchar('\n');
	}
	if (!v->options->quiet)
		print_sums(v, s);
	return r;
}
