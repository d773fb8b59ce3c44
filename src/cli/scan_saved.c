/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/scan_saved.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/scan_output_parts.h"
#include "cli/scan_saved_services.h"
#include "cli/scan_words.h"
#include "decide/scan_ports.h"
#include "decide/scan_targets.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char schema[] = "portero.scan-state/1";

/* Of each enum scan_reply that a TCP port may have: nothing else is saved. */
static const char letters[] = "-n?khaurRs";
_Static_assert(sizeof(letters) == SCAN_UDP_SILENT + 1, "a letter for each reply");

/* --- writing -----------------------------------------------------------------------------------
 */

static void add_trouble(enum scan_trouble trouble, struct buf *out)
{
	const char *id = scan_words_trouble_id(trouble);

	if (id)
		buf_printf(out, ",\"trouble\":\"%s\"", id);
}

static void add_replies(const struct scan *s, const struct scan_host *host, struct buf *out)
{
	for (size_t i = 0, next; i < s->port_count; i = next) {
		for (next = i + 1; next < s->port_count && host->replies[next] == host->replies[i];)
			next++;
		buf_add_char(out, letters[host->replies[i]]);
		if (next - i > 1)
			buf_printf(out, "%zu", next - i);
	}
}

static void add_host(const struct scan *s, const struct scan_host *host, struct buf *out)
{
	char address[ADDRESS_TEXT_SIZE];

	address_format(&host->address, address);
	buf_printf(out, "{\"address\":\"%s\",\"done\":%s", address, host->done ? "true" : "false");
	if (host->done) {
		buf_printf(out, ",\"own\":%s,\"took_ms\":%u", host->own ? "true" : "false",
			   host->took_ms);
		add_trouble(host->trouble, out);
	}
	if (host->done && host->rtt_ms >= 0)
		buf_printf(out, ",\"rtt_ms\":%.6f,\"rtt_var_ms\":%.6f,\"patience_ms\":%.6f",
			   host->rtt_ms, host->rtt_var_ms, host->patience_ms);
	if (host->done && host->loss >= 0)
		buf_printf(out, ",\"loss\":%.6f", host->loss);
	buf_add_text(out, ",\"replies\":\"");
	add_replies(s, host, out);
	buf_add_text(out, "\"}");
}

static void add_asked(uint32_t index, const struct probe_host *h, struct buf *out)
{
	buf_printf(out,
		   "{\"host\":%u,\"tries\":%u,\"found\":%u,\"kept\":[%u,%u],\"lost\":[%u,%u],"
		   "\"srtt_ns\":%llu,\"rttvar_ns\":%llu,\"finished\":%s",
		   index, h->tries, h->found, h->kept[PROBE_OPEN], h->kept[PROBE_CLOSED],
		   h->lost[PROBE_OPEN], h->lost[PROBE_CLOSED], (unsigned long long)h->srtt_ns,
		   (unsigned long long)h->rttvar_ns, h->finished ? "true" : "false");
	if (isfinite(h->expected))
		buf_printf(out, ",\"expected\":%.9f", h->expected);
	add_trouble(h->trouble, out);
	buf_add_char(out, '}');
}

static void add_group(const struct scan_memory *m, struct buf *out)
{
	buf_printf(out,
		   ",\n\"now\":{\"pass\":%u,\"place\":%llu,\"spent_ns\":%llu,\"rate\":%.3f,"
		   "\"hosts\":[\n",
		   m->engine.pass, (unsigned long long)m->engine.place,
		   (unsigned long long)m->engine.spent_ns, m->engine.rate);
	for (uint32_t i = 0; i < m->count; i++) {
		buf_add_text(out, i ? ",\n" : "");
		add_asked(m->indexes[i], &m->engine.hosts[i], out);
	}
	buf_add_text(out, "]}");
}

void scan_saved_format(const struct scan_saved *state, const struct scan *s, struct buf *out)
{
	buf_printf(out,
		   "{\"schema\":\"%s\",\"begun\":%lld,\"connect\":%s,\"services\":%s,"
		   "\"rate\":%.0f,\"max_rate\":%.0f,\"host_timeout_s\":%u,\n"
		   "\"sent\":%llu,\"answers\":%llu,\"took_ns\":%llu,\"seed\":\"%016llx\","
		   "\n\"ports\":\"",
		   schema, (long long)state->begun_s, state->connect ? "true" : "false",
		   state->services ? "true" : "false", state->rate, state->max_rate,
		   state->host_timeout_s, (unsigned long long)state->memory.sent,
		   (unsigned long long)state->memory.answers,
		   (unsigned long long)state->memory.took_ns,
		   (unsigned long long)state->memory.seed);
	scan_output_add_ports(s, PROTO_TCP, NULL, SCAN_UNASKED, out);
	buf_add_char(out, '"');
	if (state->memory.count)
		add_group(&state->memory, out);
	buf_add_text(out, ",\n\"hosts\":[\n");
	for (size_t i = 0; i < s->host_count; i++) {
		buf_add_text(out, i ? ",\n" : "");
		add_host(s, &s->hosts[i], out);
	}
	buf_add_char(out, ']');
	if (state->services)
		scan_saved_format_services(s, out);
	buf_add_text(out, "}\n");
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* Sticky: the first member that is not as it must be. */
struct reader {
	const char *bad;
};

static double take_real(struct reader *r, const json_t *from, const char *key, double least,
			double most)
{
	const json_t *value = json_object_get(from, key);
	double number = json_number_value(value);

	if (json_is_number(value) && number >= least && number <= most)
		return number;
	r->bad = r->bad ? r->bad : key;
	return least;
}

/* One that may be left out. */
static double take_optional(struct reader *r, const json_t *from, const char *key, double most,
			    double absent)
{
	return json_object_get(from, key) ? take_real(r, from, key, 0, most) : absent;
}

static uint64_t take_number(struct reader *r, const json_t *from, const char *key, uint64_t most)
{
	const json_t *value = json_object_get(from, key);
	json_int_t number = json_integer_value(value);

	if (json_is_integer(value) && number >= 0 && (uint64_t)number <= most)
		return (uint64_t)number;
	r->bad = r->bad ? r->bad : key;
	return 0;
}

static bool take_truth(struct reader *r, const json_t *from, const char *key)
{
	const json_t *value = json_object_get(from, key);

	if (!json_is_boolean(value))
		r->bad = r->bad ? r->bad : key;
	return json_is_true(value);
}

static const char *take_text(struct reader *r, const json_t *from, const char *key)
{
	const char *text = json_string_value(json_object_get(from, key));

	if (!text)
		r->bad = r->bad ? r->bad : key;
	return text ? text : "";
}

static enum scan_trouble take_trouble(struct reader *r, const json_t *from)
{
	const char *id = json_object_get(from, "trouble") ? take_text(r, from, "trouble") : NULL;

	for (int i = SCAN_FINE + 1; id && i <= SCAN_LOSSY; i++)
		if (strcmp(id, scan_words_trouble_id((enum scan_trouble)i)) == 0)
			return (enum scan_trouble)i;
	if (id)
		r->bad = r->bad ? r->bad : "trouble";
	return SCAN_FINE;
}

static void take_pair(struct reader *r, const json_t *from, const char *key,
		      uint32_t ret[PROBE_CLASS_COUNT])
{
	const json_t *list = json_object_get(from, key);

	for (size_t i = 0; i < PROBE_CLASS_COUNT; i++) {
		const json_t *value = json_array_get(list, i);
		json_int_t number = json_integer_value(value);

		if (!json_is_integer(value) || number < 0 || number > INT32_MAX / 2)
			r->bad = r->bad ? r->bad : key;
		else
			ret[i] = (uint32_t)number;
	}
}

/* "r21sr": exactly as many as there are ports. */
static void take_replies(struct reader *r, const json_t *from, const struct scan *s,
			 struct scan_host *host)
{
	const char *at = take_text(r, from, "replies");
	size_t filled = 0;

	while (*at && filled < s->port_count) {
		const char *letter = strchr(letters, *at++);
		size_t digits = strspn(at, "0123456789");
		uint64_t count = 1;

		if (!letter || *at == '0' ||
		    (digits && text_parse_number(at, digits, s->port_count - filled, &count) < 0))
			break;
		memset(host->replies + filled, (int)(letter - letters), count);
		filled += count;
		at += digits;
	}
	if (*at || filled != s->port_count)
		r->bad = r->bad ? r->bad : "replies";
}

static void take_host(struct reader *r, const json_t *from, const struct scan *s,
		      struct scan_host *host)
{
	host->done = take_truth(r, from, "done");
	take_replies(r, from, s, host);
	if (!host->done)
		return;
	host->own = take_truth(r, from, "own");
	host->trouble = take_trouble(r, from);
	host->took_ms = (uint32_t)take_number(r, from, "took_ms", UINT32_MAX);
	host->rtt_ms = take_optional(r, from, "rtt_ms", 1e9, -1);
	host->rtt_var_ms = take_optional(r, from, "rtt_var_ms", 1e9, 0);
	host->patience_ms = take_optional(r, from, "patience_ms", 1e9, 0);
	host->loss = take_optional(r, from, "loss", 1, -1);
}

/* Each host once, and none that is done. */
static bool is_free(const struct scan *s, const struct scan_memory *m, uint64_t index)
{
	if (index >= s->host_count || s->hosts[index].done)
		return false;
	for (uint32_t i = 0; i < m->count; i++)
		if (m->indexes[i] == index)
			return false;
	return true;
}

static void take_asked(struct reader *r, const json_t *from, const struct scan *s,
		       struct scan_memory *m)
{
	uint64_t index = take_number(r, from, "host", SCAN_HOST_LIMIT);
	struct probe_host *h = &m->engine.hosts[m->count];

	if (m->count == PROBE_HOST_LIMIT || !is_free(s, m, index)) {
		r->bad = r->bad ? r->bad : "host";
		return;
	}
	*h = (struct probe_host){
		.tries = (uint32_t)take_number(r, from, "tries", PROBE_PASS_LIMIT),
		.found = (uint32_t)take_number(r, from, "found", UINT16_MAX),
		.expected = take_optional(r, from, "expected", 1e9, INFINITY),
		.srtt_ns = take_number(r, from, "srtt_ns", UINT64_C(1) << 50),
		.rttvar_ns = take_number(r, from, "rttvar_ns", UINT64_C(1) << 50),
		.finished = take_truth(r, from, "finished"),
		.trouble = take_trouble(r, from),
	};
	take_pair(r, from, "kept", h->kept);
	take_pair(r, from, "lost", h->lost);
	m->indexes[m->count++] = (uint32_t)index;
}

/* The hosts that were being asked; their replies must be known by now. */
static void take_group(struct reader *r, const json_t *root, const struct scan *s,
		       struct scan_memory *m)
{
	const json_t *now = json_object_get(root, "now"), *list = json_object_get(now, "hosts");

	if (!now)
		return;
	if (!json_array_size(list) || json_array_size(list) > PROBE_HOST_LIMIT) {
		r->bad = r->bad ? r->bad : "now";
		return;
	}
	m->engine.pass = (unsigned)take_number(r, now, "pass", PROBE_PASS_LIMIT - 1);
	m->engine.place = take_number(r, now, "place", json_array_size(list) * s->port_count);
	m->engine.spent_ns = take_number(r, now, "spent_ns", UINT64_C(1) << 60);
	m->engine.rate = take_real(r, now, "rate", 1, 1e9);
	for (size_t i = 0; i < json_array_size(list); i++)
		take_asked(r, json_array_get(list, i), s, m);
}

static void take_settings(struct reader *r, const json_t *root, struct scan_saved *ret)
{
	const char *seed = take_text(r, root, "seed");

	ret->begun_s = (int64_t)take_number(r, root, "begun", UINT64_C(1) << 40);
	ret->connect = take_truth(r, root, "connect");
	ret->services = take_truth(r, root, "services");
	ret->rate = take_real(r, root, "rate", 0, 1e9);
	ret->max_rate = take_real(r, root, "max_rate", 0, 1e9);
	ret->host_timeout_s = (uint32_t)take_number(r, root, "host_timeout_s", 30 * 86400);
	if (strlen(seed) != 16 || text_parse_hex(seed, 16, UINT64_MAX, &ret->memory.seed) < 0)
		r->bad = r->bad ? r->bad : "seed";
}

/* Makes the scan, every port SCAN_UNASKED. */
static int make_scan(struct reader *r, const json_t *root, struct scan *s, struct err *e)
{
	uint16_t cleanup_free *ports = calloc(UINT16_MAX, sizeof(*ports));
	struct scan_targets cleanup_call(scan_targets_done) targets = {0};
	const json_t *list = json_object_get(root, "hosts"), *item;
	int count = ports ? scan_ports_parse(take_text(r, root, "ports"), ports, NULL) : 0;
	size_t i;

	if (!ports)
		return err_set(e, -ENOMEM, _("out of memory"));
	if (count <= 0)
		r->bad = r->bad ? r->bad : "ports";
	else if (!json_array_size(list) ||
		 json_array_size(list) > (size_t)(SCAN_SAVED_PROBE_LIMIT / count))
		r->bad = r->bad ? r->bad : "hosts";
	if (r->bad)
		return 0;
	json_array_foreach(list, i, item)
	{
		struct address a;

		if (address_parse(take_text(r, item, "address"), &a) < 0)
			r->bad = r->bad ? r->bad : "address";
		else if (scan_targets_add(&targets, &a, e) < 0)
			return e->code;
		if (!r->bad && targets.count != i + 1) /* it is there twice */
			r->bad = "address";
		if (r->bad)
			return 0;
	}
	if (scan_init(s, targets.items, targets.count, ports, (size_t)count) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	return 0;
}

static int take_all(struct reader *r, const json_t *root, struct scan_saved *ret, struct scan *s,
		    struct err *e)
{
	const json_t *list = json_object_get(root, "hosts");
	int code;

	if (strcmp(take_text(r, root, "schema"), schema) != 0)
		r->bad = "schema";
	take_settings(r, root, ret);
	code = r->bad ? 0 : make_scan(r, root, s, e);
	if (code < 0 || r->bad)
		return code;
	s->sent = ret->memory.sent = take_number(r, root, "sent", UINT64_C(1) << 60);
	s->answers = ret->memory.answers = take_number(r, root, "answers", UINT64_C(1) << 60);
	s->took_ns = ret->memory.took_ns = take_number(r, root, "took_ns", UINT64_C(1) << 60);
	for (size_t i = 0; i < s->host_count; i++)
		take_host(r, json_array_get(list, i), s, &s->hosts[i]);
	take_group(r, root, s, &ret->memory);
	code = r->bad ? 0 : scan_saved_take_services(json_object_get(root, "known_services"), s);
	if (code == -EINVAL || (s->services && !ret->services))
		r->bad = "known_services";
	return code == -ENOMEM ? err_set(e, code, _("out of memory")) : 0;
}

int scan_saved_parse(const char *path, const char *text, size_t len, struct scan_saved *ret,
		     struct scan *s, struct err *e)
{
	struct reader r = {0};
	json_t *root;
	int code;

	*ret = (struct scan_saved){0};
	*s = (struct scan){0};
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(e, -EINVAL, _("%.200s is no scan that portero has saved"), path);
	}
	code = take_all(&r, root, ret, s, e);
	json_decref(root);
	if (code == 0 && r.bad)
		return err_set(e, -EINVAL,
			       _("%.200s is no scan that portero has saved: its \"%s\" is not what "
				 "it must be"),
			       path, r.bad);
	return code;
}
