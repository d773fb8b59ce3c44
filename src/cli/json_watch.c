/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json_watch.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/port.h"

#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const actions[] = {
	[GUARD_EVENT_LISTEN] = "listen",
	[GUARD_EVENT_BIND] = "bind",
	[GUARD_EVENT_CLOSE] = "close",
	[GUARD_EVENT_BIND_REFUSED] = "bind-refused",
	[GUARD_EVENT_PACKET_REFUSED] = "packet-refused",
	[GUARD_EVENT_RAW] = "raw-socket",
};

static const char *const reasons[] = {
	[GUARD_REASON_UNDECLARED] = "undeclared",
	[GUARD_REASON_OTHER] = "other",
	[GUARD_REASON_CHANGED] = "changed",
	[GUARD_REASON_UNSEEN] = "unseen",
};

/* A string that cannot harm, or null. */
static json_t *safe(const char *text)
{
	struct buf cleanup_call(buf_done) out = {0};

	if (!text || !text[0])
		return json_null();
	text_escape(&out, text, strlen(text), false);
	return json_string(buf_text(&out));
}

/* RFC 3339 in UTC, with microseconds. */
static json_t *rfc3339(int64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / 1000000000);
	char text[40], whole[64];
	struct tm tm;

	if (time_ns <= 0 || !gmtime_r(&seconds, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
		return json_null();
	snprintf(whole, sizeof(whole), "%s.%06dZ", text, (int)(time_ns % 1000000000 / 1000));
	return json_string(whole);
}

static json_t *pack_event(const struct guard_event *e)
{
	enum guard_event_kind kind = watch_words_kind(e);
	bool is_refusal = kind == GUARD_EVENT_BIND_REFUSED || kind == GUARD_EVENT_PACKET_REFUSED;

	return json_pack("{s:s, s:[s], s:s, s:s, s:s?}", "kind", "event", "category", "network",
			 "action", actions[kind], "outcome",
			 is_refusal && e->enforced && e->home ? "failure" : "success", "reason",
			 is_refusal ? reasons[e->reason] : NULL);
}

static json_t *pack_process(const struct watch_event *w)
{
	const struct guard_identity *id = &w->event->who;

	if (!id->pid)
		return json_null();
	return json_pack("{s:I, s:o, s:o, s:o}", "pid", (json_int_t)id->pid, "executable",
			 safe(w->who->program), "name", safe(id->name),
			 "start", rfc3339(w->start_ns));
}

static json_t *pack_user(const struct watch_event *w)
{
	char number[16];

	if (!w->event->who.pid)
		return json_null();
	snprintf(number, sizeof(number), "%u", (unsigned)w->event->who.uid);
	return json_pack("{s:s, s:o}", "id", number, "name", safe(w->who->user));
}

static json_t *pack_address(const struct guard_event *e, const uint8_t *bytes, uint16_t port)
{
	struct address a = {.family = e->family};
	char text[ADDRESS_TEXT_SIZE];

	memcpy(a.bytes, bytes, sizeof(a.bytes));
	address_format(&a, text);
	return json_pack("{s:s, s:o}", "ip", text, "port", port ? json_integer(port) : json_null());
}

static json_t *pack_network(const struct guard_event *e)
{
	char room[16];

	return json_pack("{s:s, s:s}", "transport", watch_words_proto(e, room), "type",
			 e->family == AF_INET6 ? "ipv6" : "ipv4");
}

static json_t *pack_container(const struct guard_who *who)
{
	if (!who->container_id)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "id", safe(who->container_id), "name",
			 safe(who->container), "runtime", safe(who->runtime));
}

static json_t *pack_portero(const struct watch_event *w)
{
	const struct guard_event *e = w->event;

	return json_pack("{s:b, s:b, s:I, s:o, s:I, s:o}", "enforced", e->enforced && e->home,
			 "home", e->home, "netns", (json_int_t)e->netns, "netns_name",
			 safe(w->who->netns), "count", (json_int_t)e->count, "declared_for",
			 safe(w->owner));
}

/* All of the line; NULL members make it NULL. */
static int add_line(json_t *root, struct buf *out)
{
	char *text = root ? json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	json_decref(root);
	if (!text)
		return -ENOMEM;
	buf_add_text(out, text);
	buf_add_char(out, '\n');
	free(text);
	return out->failed ? -ENOMEM : 0;
}

int json_watch_add(const struct watch_event *w, struct buf *out)
{
	const struct guard_event *e = w->event;
	bool is_raw = e->kind == GUARD_EVENT_RAW, has_peer = e->kind == GUARD_EVENT_PACKET_REFUSED;

	return add_line(json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o}, s:o, s:o}",
				  "schema", "portero.event/1", "@timestamp", rfc3339(w->time_ns),
				  "event", pack_event(e), "process", pack_process(w), "user",
				  pack_user(w), "destination",
				  is_raw ? json_null() : pack_address(e, e->address, e->port),
				  "source",
				  has_peer ? pack_address(e, e->peer, e->peer_port) : json_null(),
				  "network", pack_network(e), "service", "name", safe(w->who->unit),
				  "container", pack_container(w->who), "portero", pack_portero(w)),
			out);
}

int json_watch_add_lost(int64_t time_ns, uint64_t count, const char *reason, struct buf *out)
{
	return add_line(
		json_pack("{s:s, s:o, s:{s:s, s:[s], s:s, s:s, s:s}, s:n, s:n, s:n, s:n, s:n, s:n, "
			  "s:n, s:{s:n, s:n, s:n, s:n, s:I, s:n}}",
			  "schema", "portero.event/1", "@timestamp", rfc3339(time_ns), "event",
			  "kind", "event", "category", "network", "action", "events-lost",
			  "outcome", "failure", "reason", reason, "process", "user", "destination",
			  "source", "network", "service", "container", "portero", "enforced",
			  "home", "netns", "netns_name", "count", (json_int_t)count,
			  "declared_for"),
		out);
}
