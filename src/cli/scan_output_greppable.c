/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "cli/scan_output_formats.h"
#include "cli/scan_output_parts.h"

#include <stdio.h>
#include <string.h>

/* Fields end at '/', ports at a comma: a text that has one may not. */
static void add_field(struct buf *out, const struct buf *text)
{
	for (size_t i = 0; i < text->len; i++) {
		char c = buf_text(text)[i];

		buf_add_char(out, (char)(c == '/' ? '|' : c == ',' ? ';' : c));
	}
	out->failed |= text->failed;
}

/* "OpenSSH 9.2p1 (Debian)" */
static void add_version(struct buf *out, const struct scan_output_service *s)
{
	add_field(out, &s->product);
	if (s->product.len && s->version.len)
		buf_add_char(out, ' ');
	add_field(out, &s->version);
	if (!s->extra.len)
		return;
	buf_add_text(out, s->product.len || s->version.len ? " (" : "(");
	add_field(out, &s->extra);
	buf_add_char(out, ')');
}

/* port/state/protocol/owner/service/RPC/version/ */
static void add_port(const struct scan_report *r, const struct scan_output_host *h, size_t port,
		     struct buf *out)
{
	struct scan_output_service cleanup_call(scan_output_service_done) s;

	scan_output_take_service(r, h->index, port, &s);
	out->failed |= scan_output_service_failed(&s);
	buf_printf(out, "%u/%s/%s//", r->scan->ports[port],
		   scan_output_state_name(scan_output_state(h->host->replies[port])),
		   proto_name(scan_port_proto(r->scan, port)));
	if (s.tls)
		buf_add_text(out, "ssl|");
	add_field(out, &s.name);
	buf_add_text(out, "//");
	add_version(out, &s);
	buf_add_char(out, '/');
}

/* As nmap 7.93: one, or nothing when there are several. */
static void add_ignored(const struct scan_output_host *h, struct buf *out)
{
	enum scan_output_state ignored = OUTPUT_OPEN;
	size_t count = 0;

	for (int i = OUTPUT_CLOSED; i < OUTPUT_STATE_COUNT; i++) {
		if (!h->counts[i] || scan_output_lists(h, (enum scan_output_state)i))
			continue;
		ignored = (enum scan_output_state)i;
		count++;
	}
	if (count == 1)
		buf_printf(out, "\tIgnored State: %s (%zu)", scan_output_state_name(ignored),
			   h->counts[ignored]);
}

static void add_host(const struct scan_report *r, size_t index, struct buf *out)
{
	const char *before = "";
	struct scan_output_host h;

	scan_output_take_host(r, index, &h);
	if (h.left_out)
		return;
	buf_printf(out, "Host: %s ()\tStatus: %s\n", h.address, h.up ? "Up" : "Down");
	if (!h.up)
		return;
	buf_printf(out, "Host: %s ()\tPorts: ", h.address); /* also when none is listed */
	for (size_t i = 0; i < r->scan->port_count; i++) {
		if (!scan_output_lists(&h, scan_output_state(h.host->replies[i])))
			continue;
		buf_add_text(out, before);
		add_port(r, &h, i, out);
		before = ", ";
	}
	add_ignored(&h, out);
	buf_add_char(out, '\n');
}

void scan_output_greppable(const struct scan_report *r, struct buf *out)
{
	scan_output_add_begin(r, out);
	for (size_t i = 0; i < r->scan->host_count; i++)
		add_host(r, i, out);
	scan_output_add_end(r, out);
}
