/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/scan_output_parts.h"
#include "base/text.h"
#include "model/registry.h"

#include <string.h>
#include <time.h>

enum {
	LISTED = 25,	   /* ports of a state that are not open: listed when they are no more */
	OF_THE_NUMBER = 3, /* the confidence that nmap has in a name of the table */
};

static const struct {
	enum scan_output_state state;
	const char *reason;
} replies[SCAN_REPLY_COUNT] = {
	[SCAN_UNASKED] = {OUTPUT_UNKNOWN, "unknown-response"},
	[SCAN_NO_REPLY] = {OUTPUT_FILTERED, "no-response"},
	[SCAN_UNSURE] = {OUTPUT_UNKNOWN, "no-response"},
	[SCAN_KEPT_BACK] = {OUTPUT_UNKNOWN, "kept-back"},
	[SCAN_HOST_UNREACH] = {OUTPUT_FILTERED, "host-unreach"},
	[SCAN_PROHIBITED] = {OUTPUT_FILTERED, "admin-prohibited"},
	[SCAN_PORT_UNREACH] = {OUTPUT_FILTERED, "port-unreach"},
	[SCAN_OTHER_UNREACH] = {OUTPUT_FILTERED, "dest-unreach"},
	[SCAN_RST] = {OUTPUT_CLOSED, "reset"},
	[SCAN_SYN_ACK] = {OUTPUT_OPEN, "syn-ack"},
	[SCAN_UDP_SILENT] = {OUTPUT_OPEN_FILTERED, "no-response"},
	[SCAN_UDP_CLOSED] = {OUTPUT_CLOSED, "port-unreach"},
	[SCAN_UDP_ANSWER] = {OUTPUT_OPEN, "udp-response"},
	[SCAN_UDP_BOUND] = {OUTPUT_OPEN, "localhost-response"},
	[SCAN_UDP_UNBOUND] = {OUTPUT_FILTERED, "no-response"},
	[SCAN_UDP_DROPPED] = {OUTPUT_FILTERED, "no-response"},
	[SCAN_UDP_OWN] = {OUTPUT_UNKNOWN, "own-socket"},
	[SCAN_UDP_CHANGED] = {OUTPUT_UNKNOWN, "no-response"},
};

enum scan_output_state scan_output_state(enum scan_reply reply)
{
	return replies[reply].state;
}

const char *scan_output_state_name(enum scan_output_state state)
{
	static const char *const names[OUTPUT_STATE_COUNT] = {"open", "closed", "filtered",
							      "open|filtered", "unknown"};

	return names[state];
}

const char *scan_output_reason(enum scan_reply reply, bool by_connect)
{
	return reply == SCAN_RST && by_connect ? "conn-refused" : replies[reply].reason;
}

/* --- hosts -------------------------------------------------------------------------------------
 */

/* A silent host counts as up, as with nmap -Pn, unless it is known that nobody is there. */
static const char *host_reason(const struct scan_output_host *h, enum scan_reply surest)
{
	switch (h->host->trouble) {
	case SCAN_NO_NEIGHBOUR:
		return "no-response";
	case SCAN_NO_ROUTE:
		return "net-unreach";
	case SCAN_NO_HOST:
		return "unknown-response";
	default:
		return replies[surest].state <= OUTPUT_CLOSED ? replies[surest].reason : "user-set";
	}
}

void scan_output_take_host(const struct scan_report *r, size_t index, struct scan_output_host *ret)
{
	const struct scan_host *host = &r->scan->hosts[index];
	enum scan_reply surest = SCAN_UNASKED;

	*ret = (struct scan_output_host){.host = host, .index = index};
	address_format(&host->address, ret->address);
	for (size_t i = 0; i < r->scan->port_count; i++) {
		ret->counts[replies[host->replies[i]].state]++;
		if (replies[host->replies[i]].state < replies[surest].state)
			surest = (enum scan_reply)host->replies[i];
	}
	ret->up = host->trouble == SCAN_FINE || host->trouble > SCAN_NO_HOST;
	ret->only_open = r->options->only_open;
	ret->left_out = ret->only_open && host->trouble <= SCAN_NO_HOST &&
			!ret->counts[OUTPUT_OPEN] && !ret->counts[OUTPUT_OPEN_FILTERED];
	ret->reason = host_reason(ret, surest);
}

bool scan_output_lists(const struct scan_output_host *h, enum scan_output_state state)
{
	if (h->only_open && state != OUTPUT_OPEN_FILTERED)
		return state == OUTPUT_OPEN;
	return state == OUTPUT_OPEN || (state != OUTPUT_UNKNOWN && h->counts[state] <= LISTED);
}

size_t scan_output_count_up(const struct scan_report *r)
{
	size_t count = 0;

	for (size_t i = 0; i < r->scan->host_count; i++) {
		enum scan_trouble trouble = r->scan->hosts[i].trouble;

		count += trouble == SCAN_FINE || trouble > SCAN_NO_HOST;
	}
	return count;
}

/* --- services ----------------------------------------------------------------------------------
 */

static const char *number_name(const struct scan_report *r, enum proto proto, uint16_t port)
{
	struct registry_entry entry = {0};
	const char *name;

	if (r->options->numeric)
		return NULL;
	name = services_name(r->services, port, proto);
	if (!name && registry_find(port, proto, &entry))
		name = entry.name;
	return name && *name ? name : NULL;
}

static void take_found(const struct service *from, struct scan_output_service *to)
{
	to->probed = true;
	to->confidence = (unsigned)(from->confidence * 10 + 0.5);
	to->tls = from->tls.spoken && !from->tls.inside && strcmp(from->protocol, "tls") != 0;
	text_escape_message(&to->name, from->protocol);
	text_escape_message(&to->product, from->product);
	text_escape_message(&to->version, from->version);
	text_escape_message(&to->extra, from->extra);
	text_escape_message(&to->host, from->host);
	text_escape_message(&to->os, from->os);
}

void scan_output_take_service(const struct scan_report *r, size_t host, size_t port,
			      struct scan_output_service *ret)
{
	const struct service *found = scan_find_service(r->scan, host, port);
	const char *name = number_name(r, scan_port_proto(r->scan, port), r->scan->ports[port]);

	*ret = (struct scan_output_service){0};
	if (found && found->end == SERVICE_NAMED && *found->protocol) {
		take_found(found, ret);
	} else if (name) {
		ret->confidence = OF_THE_NUMBER;
		text_escape_message(&ret->name, name);
	}
}

void scan_output_service_done(struct scan_output_service *s)
{
	buf_done(&s->name);
	buf_done(&s->product);
	buf_done(&s->version);
	buf_done(&s->extra);
	buf_done(&s->host);
	buf_done(&s->os);
}

bool scan_output_service_failed(const struct scan_output_service *s)
{
	return s->name.failed || s->product.failed || s->version.failed || s->extra.failed ||
	       s->host.failed || s->os.failed;
}

/* --- texts -------------------------------------------------------------------------------------
 */

static bool has_reply(const struct scan_host *host, size_t port, enum scan_reply reply)
{
	return !host || host->replies[port] == reply;
}

void scan_output_add_ports(const struct scan *s, enum proto proto, const struct scan_host *host,
			   enum scan_reply reply, struct buf *out)
{
	size_t end = proto == PROTO_TCP ? s->tcp_count : s->port_count;
	const char *before = "";

	for (size_t i = proto == PROTO_TCP ? 0 : s->tcp_count; i < end; i++) {
		size_t first = i;

		if (!has_reply(host, i, reply))
			continue;
		while (i + 1 < end && s->ports[i + 1] == s->ports[i] + 1 &&
		       has_reply(host, i + 1, reply))
			i++;
		buf_printf(out, "%s%u", before, s->ports[first]);
		if (i > first)
			buf_printf(out, "-%u", s->ports[i]);
		before = ",";
	}
}

void scan_output_add_command(const struct options *o, struct buf *out)
{
	buf_add_text(out, "portero");
	for (int i = 1; i < o->argc; i++) {
		buf_add_char(out, ' ');
		text_escape_message(out, o->argv[i]);
	}
}

void scan_output_add_time(int64_t seconds, struct buf *out)
{
	time_t t = (time_t)seconds;
	char text[40];
	struct tm tm;

	if (localtime_r(&t, &tm) && asctime_r(&tm, text))
		buf_add(out, text, strcspn(text, "\n"));
}

void scan_output_add_begin(const struct scan_report *r, struct buf *out)
{
	buf_add_text(out, "# portero " PORTERO_VERSION " scan initiated ");
	scan_output_add_time(r->begun_s, out);
	buf_add_text(out, " as: ");
	scan_output_add_command(r->options, out);
	buf_add_char(out, '\n');
}

void scan_output_add_sums(const struct scan_report *r, struct buf *out)
{
	size_t total = r->scan->host_count, up = scan_output_count_up(r);

	buf_printf(out, "%zu IP address%s (%zu host%s up) scanned in %.2f seconds", total,
		   total == 1 ? "" : "es", up, up == 1 ? "" : "s", (double)r->scan->took_ns / 1e9);
}

void scan_output_add_end(const struct scan_report *r, struct buf *out)
{
	buf_add_text(out, "# portero done at ");
	scan_output_add_time(r->ended_s, out);
	buf_add_text(out, " -- ");
	scan_output_add_sums(r, out);
	buf_add_char(out, '\n');
}
