/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/scan_words.h"
#include "base/arena.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/scan_output_parts.h"
#include "cli/scan_service_words.h"
#include "cli/table.h"
#include "model/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	LISTED = 25, /* ports of a state that are not open: listed when they are no more */
};

enum column {
	COLUMN_PORT,
	COLUMN_STATE,
	COLUMN_SERVICE,
	COLUMN_VERSION,
	COLUMN_EXTRA,
	COLUMN_REASON,
	COLUMN_COUNT,
};

/* What goes first when the line is too long. */
static const struct table_step steps[] = {
	{COLUMN_REASON, STEP_DROP, 0},	  {COLUMN_EXTRA, STEP_WIDTH, 60},
	{COLUMN_EXTRA, STEP_WIDTH, 40},	  {COLUMN_VERSION, STEP_WIDTH, 40},
	{COLUMN_EXTRA, STEP_WIDTH, 24},	  {COLUMN_VERSION, STEP_WIDTH, 24},
	{COLUMN_SERVICE, STEP_WIDTH, 14}, {COLUMN_EXTRA, STEP_WIDTH, 12},
	{COLUMN_VERSION, STEP_WIDTH, 16}, {COLUMN_EXTRA, STEP_DROP, 0},
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
	[SCAN_KEPT_HERE] = {"kept-back",
			    N_("this machine's own rules keep back what is sent there")},
	[SCAN_WAY_LOST] = {"way-lost", N_("the way to this address ended while it was asked")},
};

const char *scan_words_trouble_id(enum scan_trouble trouble)
{
	return troubles[trouble].id;
}

const char *scan_words_trouble(enum scan_trouble trouble)
{
	return troubles[trouble].text;
}

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
	case SCAN_OPEN_FILTERED:
		return _("open|filtered");
	default:
		return _("unknown");
	}
}

static const char *state_color(enum scan_state state)
{
	return state == SCAN_OPEN ? "32" : state == SCAN_UNKNOWN ? "33" : NULL;
}

static const char *number_name(const struct view *v, uint16_t port, enum proto proto)
{
	struct registry_entry entry = {0};
	const char *name = v->options->numeric ? NULL : services_name(&v->services, port, proto);

	if (!name && !v->options->numeric && registry_find(port, proto, &entry))
		name = entry.name;
	return name && name[0] ? name : NULL;
}

static bool is_listed(const struct view *v, const size_t counts[SCAN_STATE_COUNT],
		      enum scan_state state)
{
	if (v->options->only_open && state != SCAN_OPEN_FILTERED)
		return state == SCAN_OPEN;
	return state == SCAN_OPEN || (state != SCAN_UNKNOWN && counts[state] <= LISTED);
}

/* --open: all is known of the host, and nothing is or may be open. */
static bool is_left_out(const struct view *v, const struct scan *s, const struct scan_host *host)
{
	size_t counts[SCAN_STATE_COUNT];

	scan_count_states(s, host, counts);
	return v->options->only_open && host->trouble <= SCAN_NO_HOST && !counts[SCAN_OPEN] &&
	       !counts[SCAN_OPEN_FILTERED];
}

/* A table that is being made. */
struct rows {
	const struct view *v;
	const struct scan *scan;
	size_t host;
	struct table_cell *cells;
	size_t count;
	struct buf room;
	struct arena texts; /* of the cells */
};

static void rows_done(struct rows *r)
{
	free(r->cells);
	buf_done(&r->room);
	arena_done(&r->texts);
}

/* Keeps what is in `room`, escaped: it may be a stranger's. */
static const char *keep(struct rows *r)
{
	struct buf cleanup_call(buf_done) escaped = {0};
	const char *text;

	text_escape(&escaped, buf_text(&r->room), r->room.len, r->v->ascii);
	text = arena_add(&r->texts, buf_text(&escaped), escaped.len);
	r->room.failed |= escaped.failed || !text;
	r->room.len = 0;
	return text;
}

/* What the number is for; with a question mark when the port was asked, and did not say it. */
static void add_number_name(struct rows *r, size_t port, bool asked)
{
	const char *name = number_name(r->v, r->scan->ports[port], scan_port_proto(r->scan, port));

	buf_add_text(&r->room, name ? name : "-");
	if (name && asked)
		buf_add_char(&r->room, '?');
}

static void add_row(struct rows *r, size_t port)
{
	enum scan_reply reply = r->scan->hosts[r->host].replies[port];
	const struct service *found = scan_find_service(r->scan, r->host, port);
	struct table_cell *cell = &r->cells[r->count++ * COLUMN_COUNT];
	enum scan_state state = scan_reply_state(reply);

	buf_printf(&r->room, "%u/%s", r->scan->ports[port],
		   proto_name(scan_port_proto(r->scan, port)));
	cell[COLUMN_PORT].text = keep(r);
	cell[COLUMN_STATE] =
		(struct table_cell){.text = scan_words_state(state), .color = state_color(state)};
	cell[COLUMN_REASON].text = scan_reply_reason(reply);
	if (found)
		scan_service_words_name(found, &r->room);
	if (!r->room.len)
		add_number_name(r, port, state == SCAN_OPEN && r->scan->wants_services);
	cell[COLUMN_SERVICE].text = keep(r);
	if (!found)
		return;
	scan_service_words_version(found, &r->room);
	cell[COLUMN_VERSION].text = keep(r);
	scan_service_words_extra(found, &r->room);
	cell[COLUMN_EXTRA].text = keep(r);
}

static int print_table(const struct view *v, const struct scan *s, size_t host,
		       const size_t counts[SCAN_STATE_COUNT], size_t count)
{
	const char *titles[COLUMN_COUNT] = {_("PORT"),	  _("STATE"), _("SERVICE"),
					    _("VERSION"), _("EXTRA"), _("REASON")};
	struct rows cleanup_call(rows_done) rows = {.v = v, .scan = s, .host = host};
	struct buf cleanup_call(buf_done) out = {0};
	struct table t = {.titles = titles,
			  .column_count = COLUMN_COUNT,
			  .ascii = v->ascii,
			  .no_heading = v->options->quiet,
			  .steps = steps,
			  .step_count = ARRAY_LEN(steps),
			  .hidden = s->wants_services ? 0
						      : 1u << COLUMN_VERSION | 1u << COLUMN_EXTRA};

	rows.cells = calloc(count * COLUMN_COUNT, sizeof(*rows.cells));
	if (!rows.cells)
		return -ENOMEM;
	for (size_t i = 0; i < s->port_count; i++)
		if (is_listed(v, counts, scan_reply_state(s->hosts[host].replies[i])))
			add_row(&rows, i);
	t.cells = rows.cells;
	t.row_count = rows.count;
	table_format(&t, v->width, v->colored, &out);
	if (out.failed || rows.room.failed)
		return -ENOMEM;
	fputs(buf_text(&out), stdout);
	return 0;
}

static void print_not_shown(const struct view *v, const size_t counts[SCAN_STATE_COUNT])
{
	struct buf cleanup_call(buf_done) text = {0};

	for (int i = SCAN_CLOSED; i < SCAN_STATE_COUNT; i++) {
		if (!counts[i] || is_listed(v, counts, (enum scan_state)i))
			continue;
		if (text.len)
			buf_add_text(&text, ", ");
		view_number(counts[i], &text);
		buf_printf(&text, " %s", scan_words_state((enum scan_state)i));
	}
	if (text.len)
		view_print_line(v, _("Not listed: %s."), buf_text(&text));
}

static void print_left_out(const struct view *v, const struct scan *s, size_t host)
{
	size_t count = scan_count_left_out(s, host);

	if (count)
		view_print_line(v,
				ngettext("%zu open port was not asked what speaks there: there are "
					 "too many. Choose some by -p.",
					 "%zu open ports were not asked what speaks there: there "
					 "are too many. Choose some by -p.",
					 count),
				count);
}

/* "tcp 22, udp 53,161-162": the ports with that reply */
static void add_ports(const struct scan *s, const struct scan_host *host, enum scan_reply reply,
		      struct buf *text)
{
	for (int proto = PROTO_TCP; proto <= PROTO_UDP; proto++) {
		struct buf cleanup_call(buf_done) ports = {0};

		scan_output_add_ports(s, (enum proto)proto, host, reply, &ports);
		if (ports.len)
			buf_printf(text, "%s%s %s", text->len ? ", " : "",
				   proto_name((enum proto)proto), buf_text(&ports));
	}
}

/* Ports of which nothing is known because of this machine itself. */
static void print_unknown(const struct view *v, const struct scan *s, const struct scan_host *host)
{
	struct buf cleanup_call(buf_done) kept_back = {0}, own = {0}, changed = {0};

	add_ports(s, host, SCAN_KEPT_BACK, &kept_back);
	add_ports(s, host, SCAN_UDP_OWN, &own);
	add_ports(s, host, SCAN_UDP_CHANGED, &changed);
	if (kept_back.len)
		view_print_line(v, _("Kept back, and so never asked: %s."), buf_text(&kept_back));
	if (own.len)
		view_print_line(v,
				_("Unknown, because this scan itself asked from there: %s. Another "
				  "run asks from other ports."),
				buf_text(&own));
	if (changed.len)
		view_print_line(v,
				_("It seems that who is bound there, or the rules, changed while "
				  "they were asked: %s."),
				buf_text(&changed));
}

static void print_maybe_rejected(const struct view *v, const struct scan *s,
				 const struct scan_host *host)
{
	size_t count = scan_count_maybe_rejected(s, host);
	struct buf cleanup_call(buf_done) number = {0};

	view_number(count, &number);
	if (count)
		view_print_line(v,
				ngettext("It refuses by ICMP, of which hosts send few errors: the "
					 "%s filtered TCP port may be refused as well.",
					 "It refuses by ICMP, of which hosts send few errors: the "
					 "%s filtered TCP ports may be refused as well.",
					 count),
				buf_text(&number));
}

/* A number of closed ports a second, or a number of seconds for each: what is easier to read. */
static void print_refusals(const struct view *v, double per_s)
{
	if (per_s >= 1.5)
		view_print_line(v,
				_("It told of about %.0f closed UDP ports a second, and was waited "
				  "for."),
				per_s);
	else if (per_s > 1 / 1.5)
		view_print_line(v, _("It told of about one closed UDP port a second, and was "
				     "waited for."));
	else
		view_print_line(v,
				_("It told of one closed UDP port in about %.0f seconds, and was "
				  "waited for."),
				1 / per_s);
}

static void print_remarks(const struct view *v, const struct scan *s, const struct scan_host *host)
{
	if (host->trouble != SCAN_FINE)
		view_print_line(v, _("Not all is known: %s."), _(troubles[host->trouble].text));
	print_unknown(v, s, host);
	if (v->options->quiet && host->trouble == SCAN_FINE)
		return;
	if (scan_host_opens_all(s, host))
		view_print_line(v,
				_("It answers on every port: a middlebox or a tarpit, so \"open\" "
				  "tells nothing."));
	if (host->own)
		view_print_line(v,
				_("This machine's own address: asked by the interface lo, past the "
				  "rules for others. How it looks from outside, portero verify "
				  "tells."));
	print_maybe_rejected(v, s, host);
	if (host->refusals > 0)
		print_refusals(v, host->refusals);
	/* by connections, what came too late may be this machine's doing */
	if (host->loss > TELL_LOSS && !s->by_connect)
		view_print_line(v,
				_("Of its answers, %.0f %% were lost on the way; what was silent "
				  "was asked again."),
				host->loss * 100);
}

static int print_host(const struct view *v, const struct scan *s, size_t number)
{
	const struct scan_host *host = &s->hosts[number];
	size_t counts[SCAN_STATE_COUNT], rows = 0;
	char address[ADDRESS_TEXT_SIZE];
	int r = 0;

	address_format(&host->address, address);
	scan_count_states(s, host, counts);
	for (int i = 0; i < SCAN_STATE_COUNT; i++)
		rows += is_listed(v, counts, (enum scan_state)i) ? counts[i] : 0;
	if (host->trouble != SCAN_FINE && host->trouble <= SCAN_NO_HOST) {
		printf("%s: %s\n", address, _(troubles[host->trouble].text));
		return 0;
	}
	printf("%s\n", address);
	if (rows)
		r = print_table(v, s, number, counts, rows);
	if (!v->options->quiet)
		print_not_shown(v, counts);
	print_remarks(v, s, host);
	print_left_out(v, s, number);
	return r;
}

static void print_sums(const struct view *v, const struct scan *s)
{
	struct buf cleanup_call(buf_done) sent = {0};
	size_t counts[SCAN_STATE_COUNT], open = 0, left_out = 0;

	for (size_t i = 0; i < s->host_count; i++) {
		scan_count_states(s, &s->hosts[i], counts);
		open += counts[SCAN_OPEN];
		left_out += is_left_out(v, s, &s->hosts[i]);
	}
	view_number(s->sent, &sent);
	view_print_line(v,
			ngettext("Hosts: %zu. Open ports: %zu. %s packet in %.2f s.",
				 "Hosts: %zu. Open ports: %zu. %s packets in %.2f s.", s->sent),
			s->host_count, open, buf_text(&sent), (double)s->took_ns / 1e9);
	if (left_out)
		view_print_line(v, _("Hosts where nothing is open are not listed: %zu."), left_out);
}

int scan_words_print(const struct view *v, const struct scan *s)
{
	int r = 0;

	for (size_t i = 0; i < s->host_count && r == 0; i++) {
		if (is_left_out(v, s, &s->hosts[i]))
			continue;
		r = print_host(v, s, i);
		if (!v->options->quiet)
			putchar('\n');
	}
	if (!v->options->quiet)
		print_sums(v, s);
	return r;
}
