/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json_scan.h"
#include "cli/json.h"
#include "cli/scan_words.h"
#include "model/registry.h"

#include <time.h>

static json_t *rfc3339(int64_t seconds)
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

static json_t *pack_open(const struct scan *s, const struct scan_host *host)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->port_count; i++) {
		struct registry_entry entry = {0};

		if (scan_reply_state(host->replies[i]) != SCAN_OPEN)
			continue;
		registry_find(s->ports[i], PROTO_TCP, &entry);
		json_array_append_new(list,
				      json_pack("{s:i, s:s, s:s, s:s, s:s?}", "port", s->ports[i],
						"proto", "tcp", "state", scan_state_name(SCAN_OPEN),
						"reason", scan_reply_reason(host->replies[i]),
						"registered", entry.name));
	}
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
		    host->replies[i + 1] == reply)
			continue;
		json_array_append_new(list, json_pack("{s:i, s:i, s:s, s:s}", "first",
						      s->ports[first], "last", s->ports[i], "state",
						      scan_state_name(scan_reply_state(reply)),
						      "reason", scan_reply_reason(reply)));
		first = i + 1;
	}
	return list;
}

static json_t *pack_host(const struct scan *s, const struct scan_host *host)
{
	char address[ADDRESS_TEXT_SIZE];

	address_format(&host->address, address);
	return json_pack("{s:s, s:b, s:s?, s:o, s:o, s:b, s:o, s:o, s:o}", "address", address,
			 "own", host->own, "trouble", scan_words_trouble_id(host->trouble),
			 "rtt_ms", number_or_null(host->rtt_ms), "loss", number_or_null(host->loss),
			 "opens_all", scan_host_opens_all(s, host), "ports", pack_open(s, host),
			 "others", pack_others(s, host), "intervals", pack_intervals(s, host));
}

int json_scan_print(const struct scan *s, bool by_connect, int64_t begun_s)
{
	json_t *hosts = json_array();

	for (size_t i = 0; i < s->host_count; i++)
		json_array_append_new(hosts, pack_host(s, &s->hosts[i]));
	return json_print(json_pack(
		"{s:s, s:o, s:b, s:s, s:f, s:I, s:I, s:o}", "schema", "portero.scan/1", "time",
		rfc3339(begun_s), "complete", scan_is_complete(s), "method",
		by_connect ? "connect" : "packets", "seconds", (double)s->took_ns / 1e9, "sent",
		(json_int_t)s->sent, "answers", (json_int_t)s->answers, "hosts", hosts));
}
