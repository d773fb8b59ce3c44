/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "base/text.h"
#include "cli/scan_output_formats.h"
#include "cli/scan_output_parts.h"
#include "cli/scan_words.h"

#include <string.h>
#include <sys/socket.h>

/* Is it a Char of XML 1.0 (section 2.2) that need not be told otherwise in an attribute? */
static bool is_plain(uint32_t code)
{
	return code >= 0x20 && code != 0xfffe && code != 0xffff && code <= 0x10ffff;
}

static void add_escaped(struct buf *out, const char *text, size_t len)
{
	for (size_t at = 0, step; at < len; at += step) {
		uint32_t code = 0;

		step = text_decode_utf8(text + at, len - at, &code);
		if (step == 0 || !is_plain(code)) {
			buf_add_char(out, '?');
			step = step ? step : 1;
		} else if (strchr("<>&\"'", (int)code) && code < 0x80) {
			buf_printf(out, "&#%u;", code);
		} else {
			buf_add(out, text + at, step);
		}
	}
}

static void add_attribute(struct buf *out, const char *name, const struct buf *value)
{
	buf_printf(out, " %s=\"", name);
	add_escaped(out, buf_text(value), value->len);
	buf_add_char(out, '"');
	out->failed |= value->failed;
}

static void add_known(struct buf *out, const char *name, const struct buf *value)
{
	if (value->len)
		add_attribute(out, name, value);
}

static void add_service(const struct scan_report *r, size_t host, size_t port, struct buf *out)
{
	struct scan_output_service cleanup_call(scan_output_service_done) s;

	scan_output_take_service(r, host, port, &s);
	out->failed |= scan_output_service_failed(&s);
	if (!s.name.len)
		return;
	buf_add_text(out, "<service");
	add_attribute(out, "name", &s.name);
	add_known(out, "product", &s.product);
	add_known(out, "version", &s.version);
	add_known(out, "extrainfo", &s.extra);
	add_known(out, "hostname", &s.host);
	add_known(out, "ostype", &s.os);
	if (s.tls)
		buf_add_text(out, " tunnel=\"ssl\"");
	buf_printf(out, " method=\"%s\" conf=\"%u\"/>", s.probed ? "probed" : "table",
		   s.confidence);
}

static void add_port(const struct scan_report *r, const struct scan_output_host *h, size_t port,
		     struct buf *out)
{
	enum scan_reply reply = h->host->replies[port];
	enum scan_output_state state = scan_output_state(reply);

	if (!scan_output_lists(h, state))
		return;
	buf_printf(out,
		   "<port protocol=\"%s\" portid=\"%u\"><state state=\"%s\" reason=\"%s\" "
		   "reason_ttl=\"0\"/>",
		   proto_name(scan_port_proto(r->scan, port)), r->scan->ports[port],
		   scan_output_state_name(state), scan_output_reason(reply, r->by_connect));
	add_service(r, h->index, port, out);
	buf_add_text(out, "</port>\n");
}

static void add_extra_reasons(const struct scan_report *r, const struct scan_output_host *h,
			      enum scan_output_state state, enum proto proto, struct buf *out)
{
	size_t counts[SCAN_REPLY_COUNT] = {0};

	for (size_t i = 0; i < r->scan->port_count; i++)
		if (scan_port_proto(r->scan, i) == proto)
			counts[h->host->replies[i]]++;
	for (int i = 0; i < SCAN_REPLY_COUNT; i++) {
		enum scan_reply reply = (enum scan_reply)i;

		if (!counts[i] || scan_output_state(reply) != state)
			continue;
		buf_printf(out, "<extrareasons reason=\"%s\" count=\"%zu\" proto=\"%s\" ports=\"",
			   scan_output_reason(reply, r->by_connect), counts[i], proto_name(proto));
		scan_output_add_ports(r->scan, proto, h->host, reply, out);
		buf_add_text(out, "\"/>\n");
	}
}

/* The ports of a state that are not listed, by reason. */
static void add_extra_ports(const struct scan_report *r, const struct scan_output_host *h,
			    enum scan_output_state state, struct buf *out)
{
	buf_printf(out, "<extraports state=\"%s\" count=\"%zu\">\n", scan_output_state_name(state),
		   h->counts[state]);
	add_extra_reasons(r, h, state, PROTO_TCP, out);
	add_extra_reasons(r, h, state, PROTO_UDP, out);
	buf_add_text(out, "</extraports>\n");
}

static void add_ports(const struct scan_report *r, const struct scan_output_host *h,
		      struct buf *out)
{
	buf_add_text(out, "<ports>");
	for (int i = OUTPUT_CLOSED; i < OUTPUT_STATE_COUNT; i++)
		if (h->counts[i] && !scan_output_lists(h, (enum scan_output_state)i))
			add_extra_ports(r, h, (enum scan_output_state)i, out);
	for (size_t i = 0; i < r->scan->port_count; i++)
		add_port(r, h, i, out);
	buf_add_text(out, "</ports>\n");
}

static void add_host(const struct scan_report *r, size_t index, struct buf *out)
{
	struct scan_output_host h;
	const char *trouble;

	scan_output_take_host(r, index, &h);
	if (h.left_out)
		return;
	trouble = scan_words_trouble(h.host->trouble);
	buf_add_text(out, "<host");
	if (h.host->trouble == SCAN_TIMED_OUT)
		buf_add_text(out, " timedout=\"true\"");
	if (trouble) {
		buf_add_text(out, " comment=\"");
		add_escaped(out, trouble, strlen(trouble));
		buf_add_char(out, '"');
	}
	buf_printf(out,
		   "><status state=\"%s\" reason=\"%s\" reason_ttl=\"0\"/>\n"
		   "<address addr=\"%s\" addrtype=\"%s\"/>\n<hostnames>\n</hostnames>\n",
		   h.up ? "up" : "down", h.reason, h.address,
		   h.host->address.family == AF_INET ? "ipv4" : "ipv6");
	if (h.up)
		add_ports(r, &h, out);
	if (h.host->rtt_ms >= 0) /* in microseconds */
		buf_printf(out, "<times srtt=\"%.0f\" rttvar=\"%.0f\" to=\"%.0f\"/>\n",
			   h.host->rtt_ms * 1e3, h.host->rtt_var_ms * 1e3,
			   h.host->patience_ms * 1e3);
	buf_add_text(out, "</host>\n");
}

static void add_scan_info(const struct scan_report *r, const char *type, enum proto proto,
			  struct buf *out)
{
	size_t tcp = r->scan->tcp_count;

	buf_printf(out, "<scaninfo type=\"%s\" protocol=\"%s\" numservices=\"%zu\" services=\"",
		   type, proto_name(proto), proto == PROTO_TCP ? tcp : r->scan->port_count - tcp);
	scan_output_add_ports(r->scan, proto, NULL, SCAN_UNASKED, out);
	buf_add_text(out, "\"/>\n");
}

static void add_head(const struct scan_report *r, struct buf *out)
{
	struct buf cleanup_call(buf_done) command = {0};

	scan_output_add_command(r->options, &command);
	buf_add_text(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE nmaprun>\n"
			  "<!-- portero " PORTERO_VERSION
			  ", in nmap's format, where the scanner can only be nmap -->\n"
			  "<nmaprun scanner=\"nmap\"");
	add_attribute(out, "args", &command);
	buf_printf(out, " start=\"%lld\" startstr=\"", (long long)r->begun_s);
	scan_output_add_time(r->begun_s, out);
	buf_printf(out, "\" version=\"portero %s\" xmloutputversion=\"1.05\">\n", PORTERO_VERSION);
	if (r->scan->tcp_count)
		add_scan_info(r, r->by_connect ? "connect" : "syn", PROTO_TCP, out);
	if (r->scan->tcp_count < r->scan->port_count)
		add_scan_info(r, "udp", PROTO_UDP, out);
	buf_add_text(out, "<verbose level=\"0\"/>\n<debugging level=\"0\"/>\n");
}

static void add_tail(const struct scan_report *r, struct buf *out)
{
	size_t up = scan_output_count_up(r);

	buf_printf(out, "<runstats><finished time=\"%lld\" timestr=\"", (long long)r->ended_s);
	scan_output_add_time(r->ended_s, out);
	buf_printf(out,
		   "\" elapsed=\"%.2f\" summary=\"portero done: ", (double)r->scan->took_ns / 1e9);
	scan_output_add_sums(r, out);
	buf_add_text(out, scan_is_complete(r->scan)
				  ? "\" exit=\"success\"/>"
				  : "\" exit=\"error\" errormsg=\"not all could be found out\"/>");
	buf_printf(out, "<hosts up=\"%zu\" down=\"%zu\" total=\"%zu\"/>\n</runstats>\n</nmaprun>\n",
		   up, r->scan->host_count - up, r->scan->host_count);
}

void scan_output_xml(const struct scan_report *r, struct buf *out)
{
	add_head(r, out);
	for (size_t i = 0; i < r->scan->host_count; i++)
		add_host(r, i, out);
	add_tail(r, out);
}
