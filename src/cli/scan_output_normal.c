/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "base/text.h"
#include "cli/scan_output_formats.h"
#include "cli/scan_output_parts.h"
#include "cli/scan_words.h"

#include <stdio.h>
#include <string.h>

enum { SPACE = 1 };

/* What a host's lines need. */
struct widths {
	size_t port, state, service;
};

static void add_padded(struct buf *out, const char *text, size_t width)
{
	size_t columns = text_width(text);

	buf_add_text(out, text);
	for (; columns < width + SPACE; columns++)
		buf_add_char(out, ' ');
}

/* "http", "ssl/http", "http?" when only the number says so although the port was asked. */
static void add_name(const struct scan_report *r, const struct scan_output_service *s, bool open,
		     struct buf *out)
{
	if (s->tls)
		buf_add_text(out, "ssl/");
	buf_add_text(out, s->name.len ? buf_text(&s->name) : "unknown");
	if (open && r->scan->wants_services && (!s->probed || s->confidence < 5))
		buf_add_char(out, '?');
}

static void add_version(const struct scan_output_service *s, struct buf *out)
{
	const struct buf *parts[] = {&s->product, &s->version};
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!parts[i]->len)
			continue;
		buf_printf(out, "%s%s", any ? " " : "", buf_text(parts[i]));
		any = true;
	}
	if (s->extra.len)
		buf_printf(out, "%s(%s)", any ? " " : "", buf_text(&s->extra));
}

static void end_line(struct buf *out)
{
	while (out->len && out->data[out->len - 1] == ' ')
		out->len--;
	buf_add_char(out, '\n');
}

static void measure_port(const struct scan_report *r, const struct scan_output_host *h, size_t port,
			 struct widths *widths)
{
	enum scan_output_state state = scan_output_state(h->host->replies[port]);
	struct scan_output_service cleanup_call(scan_output_service_done) s;
	struct buf cleanup_call(buf_done) name = {0};
	size_t width;

	scan_output_take_service(r, h->index, port, &s);
	add_name(r, &s, state == OUTPUT_OPEN, &name);
	width = text_width(buf_text(&name));
	if (width > widths->service)
		widths->service = width;
	width = (size_t)snprintf(NULL, 0, "%u/%s", r->scan->ports[port],
				 proto_name(scan_port_proto(r->scan, port)));
	if (width > widths->port)
		widths->port = width;
	width = strlen(scan_output_state_name(state));
	if (width > widths->state)
		widths->state = width;
}

static void add_port(const struct scan_report *r, const struct scan_output_host *h, size_t port,
		     const struct widths *widths, struct buf *out)
{
	enum scan_output_state state = scan_output_state(h->host->replies[port]);
	struct scan_output_service cleanup_call(scan_output_service_done) s;
	struct buf cleanup_call(buf_done) name = {0};
	char number[16];

	snprintf(number, sizeof(number), "%u/%s", r->scan->ports[port],
		 proto_name(scan_port_proto(r->scan, port)));
	scan_output_take_service(r, h->index, port, &s);
	add_name(r, &s, state == OUTPUT_OPEN, &name);
	out->failed |= scan_output_service_failed(&s) || name.failed;
	add_padded(out, number, widths->port);
	add_padded(out, scan_output_state_name(state), widths->state);
	add_padded(out, buf_text(&name), widths->service);
	add_version(&s, out);
	end_line(out);
}

static bool is_listed(const struct scan_output_host *h, size_t port)
{
	return scan_output_lists(h, scan_output_state(h->host->replies[port]));
}

static void add_table(const struct scan_report *r, const struct scan_output_host *h,
		      struct buf *out)
{
	struct widths widths = {strlen("PORT"), strlen("STATE"), strlen("SERVICE")};
	bool any = false;

	for (size_t i = 0; i < r->scan->port_count; i++) {
		if (!is_listed(h, i))
			continue;
		measure_port(r, h, i, &widths);
		any = true;
	}
	if (!any)
		return;
	add_padded(out, "PORT", widths.port);
	add_padded(out, "STATE", widths.state);
	add_padded(out, "SERVICE", widths.service);
	buf_add_text(out, r->scan->wants_services ? "VERSION" : "");
	end_line(out);
	for (size_t i = 0; i < r->scan->port_count; i++)
		if (is_listed(h, i))
			add_port(r, h, i, &widths, out);
}

/* "Not shown: 65505 closed tcp ports (reset), ..." */
static void add_not_shown(const struct scan_report *r, const struct scan_output_host *h,
			  struct buf *out)
{
	size_t counts[PROTO_COUNT][SCAN_REPLY_COUNT] = {0};
	const char *before = "Not shown: ";

	for (size_t i = 0; i < r->scan->port_count; i++)
		counts[scan_port_proto(r->scan, i)][h->host->replies[i]]++;
	for (int i = SCAN_REPLY_COUNT * 2; i-- > 0;) {
		enum proto proto = i % 2 ? PROTO_TCP : PROTO_UDP;
		enum scan_reply reply = (enum scan_reply)(i / 2);
		enum scan_output_state state = scan_output_state(reply);
		size_t count = counts[proto][reply];

		if (!count || scan_output_lists(h, state))
			continue;
		buf_printf(out, "%s%zu %s %s port%s (%s)", before, count,
			   scan_output_state_name(state), proto_name(proto), count == 1 ? "" : "s",
			   scan_output_reason(reply, r->by_connect));
		before = ", ";
	}
	if (before[0] == ',')
		buf_add_char(out, '\n');
}

/* What is to be known of the host before its ports are read. */
static void add_remarks(const struct scan_report *r, const struct scan_output_host *h,
			struct buf *out)
{
	const char *trouble = scan_words_trouble(h->host->trouble);
	size_t silent = scan_count_maybe_rejected(r->scan, h->host);

	if (trouble)
		buf_printf(out, "Not all is known: %s.\n", trouble);
	if (scan_host_opens_all(r->scan, h->host))
		buf_add_text(out, "It answers on every port: a middlebox or a tarpit, so \"open\" "
				  "tells nothing.\n");
	if (silent)
		buf_printf(out,
			   "It refuses by ICMP, of which hosts send few errors: the %zu tcp port%s "
			   "without a response may be refused as well.\n",
			   silent, silent == 1 ? "" : "s");
}

static void add_host(const struct scan_report *r, size_t index, struct buf *out)
{
	struct scan_output_host h;
	const char *trouble;

	scan_output_take_host(r, index, &h);
	if (h.left_out)
		return;
	trouble = scan_words_trouble(h.host->trouble);
	buf_printf(out, "portero scan report for %s\n", h.address);
	if (!h.up) {
		buf_printf(out, "Host seems down: %s.\n\n", trouble);
		return;
	}
	buf_add_text(out, "Host is up");
	if (h.host->rtt_ms >= 0)
		buf_printf(out, " (%.6fs latency)", h.host->rtt_ms / 1e3);
	buf_add_text(out, ".\n");
	add_remarks(r, &h, out);
	add_not_shown(r, &h, out);
	add_table(r, &h, out);
	buf_add_char(out, '\n');
}

void scan_output_normal(const struct scan_report *r, struct buf *out)
{
	scan_output_add_begin(r, out);
	for (size_t i = 0; i < r->scan->host_count; i++)
		add_host(r, i, out);
	scan_output_add_end(r, out);
}
