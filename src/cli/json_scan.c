/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json_scan.h"
#include "cli/json.h"
#include "cli/scan_words.h"
#include "model/registry.h"

#include <time.h>

json_t *json_scan_time(int64_t seconds)
{
	time_t t = (time_t)seconds;
	char text[40] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static json_t *number_or_null(double number)
{
	return number >= 0 ? json_real(number) : json_null();
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *pack_tls(const struct service_tls *t)
{
	if (!t->spoken)
		return json_null();
	return json_pack("{s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "version",
			 text_or_null(t->version), "inside", t->inside, "alpn",
			 text_or_null(t->alpn), "subject", text_or_null(t->subject), "issuer",
			 text_or_null(t->issuer), "names", text_or_null(t->names), "not_after",
			 text_or_null(t->not_after), "key", text_or_null(t->key), "self_signed",
			 t->self_signed);
}

static json_t *pack_notes(const struct service *s)
{
	json_t *notes = json_object();

	for (uint32_t i = 0; i < s->note_count; i++)
		json_object_set_new(notes, s->notes[i].name, json_string(s->notes[i].value));
	return notes;
}

/* The first bytes of an answer that nothing is known of. */
static json_t *pack_answer(const struct service *s)
{
	char hex[2 * sizeof(s->answer) + 1] = "";

	if (s->end != SERVICE_UNNAMED || !s->answer_len)
		return json_null();
	for (uint32_t i = 0; i < s->answer_len; i++)
		snprintf(hex + (size_t)2 * i, 3, "%02x", s->answer[i]);
	return json_pack("{s:s, s:s}", "asked", s->asked, "hex", hex);
}

json_t *json_scan_service_whole(const struct service *found)
{
	bool named = found->end == SERVICE_NAMED;

	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
			 text_or_null(found->protocol), "product", text_or_null(found->product),
			 "version", text_or_null(found->version), "confidence",
			 named ? json_real(found->confidence) : json_null(), "end",
			 service_end_name(found->end), "extra", text_or_null(found->extra), "host",
			 text_or_null(found->host), "os", text_or_null(found->os), "tls",
			 pack_tls(&found->tls), "notes", pack_notes(found), "unknown_answer",
			 pack_answer(found));
}

static json_t *pack_service(const struct scan *s, size_t host, size_t port)
{
	static const struct service unasked = {.end = SERVICE_UNASKED};
	const struct service *found = scan_find_service(s, host, port);

	if (!s->wants_services)
		return json_null();
	return json_scan_service_whole(found ? found : &unasked);
}

json_t *json_scan_service(const struct service *s)
{
	if (!s)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:b}", "name", text_or_null(s->protocol),
			 "product", text_or_null(s->product), "version", text_or_null(s->version),
			 "confidence",
			 s->end == SERVICE_NAMED ? json_real(s->confidence) : json_null(), "end",
			 service_end_name(s->end), "tls", s->tls.spoken && !s->tls.inside);
}

json_t *json_scan_port(const struct scan *s, size_t host, size_t port)
{
	struct registry_entry entry = {0};
	uint8_t reply = s->hosts[host].replies[port];

	registry_find(s->ports[port], scan_port_proto(s, port), &entry);
	return json_pack("{s:i, s:s, s:s, s:s, s:s?, s:o}", "port", s->ports[port], "proto",
			 proto_name(scan_port_proto(s, port)), "state",
			 scan_state_name(scan_reply_state(reply)), "reason",
			 scan_reply_reason(reply), "registered", entry.name, "service",
			 pack_service(s, host, port));
}

static json_t *pack_open(const struct scan *s, const struct scan_host *host)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->port_count; i++)
		if (scan_reply_state(host->replies[i]) == SCAN_OPEN)
			json_array_append_new(list,
					      json_scan_port(s, (size_t)(host - s->hosts), i));
	return list;
}

static json_t *pack_others(const struct scan *s, const struct scan_host *host)
{
	size_t counts[SCAN_STATE_COUNT];
	json_t *others = json_object();

	scan_count_states(s, host, counts);
	for (int i = SCAN_CLOSED; i < SCAN_STATE_COUNT; i++)
		json_object_set_new(others, scan_state_name((enum scan_state)i),
				    json_integer((json_int_t)counts[i]));
	return others;
}

/* Every port that was to be asked, neighbours with the same answer together. */
static json_t *pack_intervals(const struct scan *s, const struct scan_host *host)
{
	json_t *list = json_array();

	for (size_t i = 0, first = 0; i < s->port_count; i++) {
		uint8_t reply = host->replies[i];

		if (i + 1 < s->port_count && s->ports[i + 1] == s->ports[i] + 1 &&
		    i + 1 != s->tcp_count && host->replies[i + 1] == reply)
			continue;
		json_array_append_new(list, json_pack("{s:i, s:i, s:s, s:s, s:s}", "first",
						      s->ports[first], "last", s->ports[i], "proto",
						      proto_name(scan_port_proto(s, i)), "state",
						      scan_state_name(scan_reply_state(reply)),
						      "reason", scan_reply_reason(reply)));
		first = i + 1;
	}
	return list;
}

json_t *json_scan_host(const struct scan *s, const struct scan_host *host)
{
	char address[ADDRESS_TEXT_SIZE];

	address_format(&host->address, address);
	return json_pack("{s:s, s:b, s:s?, s:o, s:o, s:o, s:b, s:I, s:o, s:o, s:o}", "address",
			 address, "own", host->own, "trouble", scan_words_trouble_id(host->trouble),
			 "rtt_ms", number_or_null(host->rtt_ms), "loss", number_or_null(host->loss),
			 "udp_refusals_per_s", number_or_null(host->refusals), "opens_all",
			 scan_host_opens_all(s, host), "maybe_rejected",
			 (json_int_t)scan_count_maybe_rejected(s, host), "ports",
			 pack_open(s, host), "others", pack_others(s, host), "intervals",
			 pack_intervals(s, host));
}

int json_scan_print(const struct scan *s, bool by_connect, int64_t begun_s)
{
	json_t *hosts = json_array();

	for (size_t i = 0; i < s->host_count; i++)
		json_array_append_new(hosts, json_scan_host(s, &s->hosts[i]));
	return json_print(json_pack(
		"{s:s, s:o, s:b, s:s, s:f, s:I, s:I, s:o}", "schema", "portero.scan/1", "time",
		json_scan_time(begun_s), "complete", scan_is_complete(s), "method",
		by_connect ? "connect" : "packets", "seconds", (double)s->took_ns / 1e9, "sent",
		(json_int_t)s->sent, "answers", (json_int_t)s->answers, "hosts", hosts));
}
