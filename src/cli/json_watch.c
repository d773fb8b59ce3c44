/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json_watch.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/port.h"

#include <errno.h>
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

/* --- values -------------------------------------------------------------------------------------
 * A line is written as it stands: a tree of it would take longer than all else that is done.
 */

/* How many characters from here on stand for themselves in a quoted string. */
static size_t plain_run(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && text[n] >= ' ' && text[n] <= '~' && text[n] != '"' && text[n] != '\\')
		n++;
	return n;
}

/* RFC 8259, 7, in ASCII; `text` is escaped, so it is UTF-8 without control characters. */
static void add_quoted(struct buf *out, const char *text, size_t len)
{
	buf_add_char(out, '"');
	for (size_t at = 0, used; at < len; at += used) {
		uint32_t code;

		used = plain_run(text + at, len - at);
		buf_add(out, text + at, used);
		if (used)
			continue;
		used = text_decode_utf8(text + at, len - at, &code);
		if (!used)
			break;
		if (code == '"' || code == '\\')
			buf_add_char(out, '\\');
		if (code < 0x80)
			buf_add_char(out, (char)code);
		else if (code < 0x10000)
			buf_printf(out, "\\u%04X", code);
		else
			buf_printf(out, "\\u%04X\\u%04X", 0xd7c0 + (code >> 10),
				   0xdc00 + (code & 0x3ff));
	}
	buf_add_char(out, '"');
}

/* A string that cannot harm, or null. */
static void add_safe(struct buf *out, const char *text)
{
	struct buf cleanup_call(buf_done) safe = {0};

	if (!text || !text[0]) {
		buf_add_text(out, "null");
		return;
	}
	if (plain_run(text, strlen(text)) == strlen(text)) {
		add_quoted(out, text, strlen(text));
		return;
	}
	text_escape(&safe, text, strlen(text), false);
	add_quoted(out, buf_text(&safe), safe.len);
	out->failed |= safe.failed;
}

static void add_number(struct buf *out, uint64_t value)
{
	char text[20];

	buf_add(out, text, text_put_number(text, value));
}

/* RFC 3339 in UTC, with microseconds; strftime() would take as long as half of the line. */
static void add_time(struct buf *out, int64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / 1000000000);
	char text[] = "\"0000-00-00T00:00:00.000000Z\"";
	struct tm tm;

	if (time_ns <= 0 || !gmtime_r(&seconds, &tm)) {
		buf_add_text(out, "null");
		return;
	}
	text_put_digits(text + 1, 4, (uint32_t)tm.tm_year + 1900);
	text_put_digits(text + 6, 2, (uint32_t)tm.tm_mon + 1);
	text_put_digits(text + 9, 2, (uint32_t)tm.tm_mday);
	text_put_digits(text + 12, 2, (uint32_t)tm.tm_hour);
	text_put_digits(text + 15, 2, (uint32_t)tm.tm_min);
	text_put_digits(text + 18, 2, (uint32_t)tm.tm_sec);
	text_put_digits(text + 21, 6, (uint32_t)(time_ns % 1000000000 / 1000));
	buf_add_text(out, text);
}

/* What readers can hold: a signed number of 64 bits. */
static void add_count(struct buf *out, uint64_t count)
{
	buf_add_text(out, ",\"count\":");
	add_number(out, count < INT64_MAX ? count : INT64_MAX);
}

static const char *word(bool is_true)
{
	return is_true ? "true" : "false";
}

/* --- parts of a line, in their order ------------------------------------------------------------
 */

static void add_head(struct buf *out, int64_t time_ns)
{
	buf_add_text(out, "{\"schema\":\"portero.event/1\",\"@timestamp\":");
	add_time(out, time_ns);
}

static void add_event(struct buf *out, const char *action, bool failed, const char *reason)
{
	buf_add_text(out,
		     ",\"event\":{\"kind\":\"event\",\"category\":[\"network\"],\"action\":\"");
	buf_add_text(out, action);
	buf_add_text(out, failed ? "\",\"outcome\":\"failure\",\"reason\":"
				 : "\",\"outcome\":\"success\",\"reason\":");
	add_safe(out, reason);
	buf_add_char(out, '}');
}

static void add_process(struct buf *out, const struct watch_event *w)
{
	const struct guard_identity *id = &w->event->who;

	if (!id->pid) {
		buf_add_text(out, ",\"process\":null,\"user\":null");
		return;
	}
	buf_add_text(out, ",\"process\":{\"pid\":");
	add_number(out, id->pid);
	buf_add_text(out, ",\"executable\":");
	add_safe(out, w->who->program);
	buf_add_text(out, ",\"name\":");
	add_safe(out, id->name);
	buf_add_text(out, ",\"start\":");
	add_time(out, w->start_ns);
	buf_add_text(out, "},\"user\":{\"id\":\"");
	add_number(out, id->uid);
	buf_add_text(out, "\",\"name\":");
	add_safe(out, w->who->user);
	buf_add_char(out, '}');
}

/* `bytes` NULL: there is none */
static void add_address(struct buf *out, const struct guard_event *e, const uint8_t *bytes,
			uint16_t port)
{
	struct address a = {.family = e->family};
	char text[ADDRESS_TEXT_SIZE];

	if (!bytes) {
		buf_add_text(out, "null");
		return;
	}
	memcpy(a.bytes, bytes, sizeof(a.bytes));
	address_format(&a, text);
	buf_add_text(out, "{\"ip\":\"");
	buf_add_text(out, text);
	buf_add_text(out, "\",\"port\":");
	if (port)
		add_number(out, port);
	else
		buf_add_text(out, "null");
	buf_add_char(out, '}');
}

static void add_network(struct buf *out, const struct guard_event *e)
{
	char room[16];

	buf_add_text(out, ",\"network\":{\"transport\":\"");
	buf_add_text(out, watch_words_proto(e, room));
	buf_add_text(out, e->family == AF_INET	  ? "\",\"type\":\"ipv4\"}"
			  : e->family == AF_INET6 ? "\",\"type\":\"ipv6\"}"
						  : "\",\"type\":null}");
}

static void add_container(struct buf *out, const struct guard_who *who)
{
	buf_add_text(out, ",\"service\":{\"name\":");
	add_safe(out, who->unit);
	if (!who->container_id) {
		buf_add_text(out, "},\"container\":null");
		return;
	}
	buf_add_text(out, "},\"container\":{\"id\":");
	add_safe(out, who->container_id);
	buf_add_text(out, ",\"name\":");
	add_safe(out, who->container);
	buf_add_text(out, ",\"runtime\":");
	add_safe(out, who->runtime);
	buf_add_char(out, '}');
}

static void add_portero(struct buf *out, const struct watch_event *w)
{
	const struct guard_event *e = w->event;

	buf_add_text(out, ",\"portero\":{\"enforced\":");
	buf_add_text(out, word(e->enforced && e->home));
	buf_add_text(out, ",\"home\":");
	buf_add_text(out, word(e->home));
	buf_add_text(out, ",\"ephemeral\":");
	buf_add_text(out, word(e->who.flags & GUARD_EPHEMERAL));
	buf_add_text(out, ",\"netns\":");
	add_number(out, e->netns);
	buf_add_text(out, ",\"netns_name\":");
	add_safe(out, w->who->netns);
	add_count(out, e->count);
	buf_add_text(out, ",\"declared_for\":");
	add_safe(out, w->owner);
	buf_add_text(out, "}}\n");
}

/* The two parts of a line that tell of it. */
static void say_who(const struct watch_event *w, struct watch_said *said)
{
	buf_clear(&said->text);
	add_process(&said->text, w);
	said->cut = said->text.len;
	add_container(&said->text, w->who);
	watch_words_keep(said, w);
}

/* --- lines --------------------------------------------------------------------------------------
 */

int json_watch_add(const struct watch_event *w, struct buf *out)
{
	const struct guard_event *e = w->event;
	enum guard_event_kind kind = watch_words_kind(e);
	struct watch_said cleanup_call(watch_words_forget) room = {0};
	struct watch_said *said = w->said ? w->said : &room;
	bool is_refusal = kind == GUARD_EVENT_BIND_REFUSED || kind == GUARD_EVENT_PACKET_REFUSED;

	if (!watch_words_holds(said, w))
		say_who(w, said);
	add_head(out, w->time_ns);
	add_event(out, actions[kind], is_refusal && e->enforced && e->home,
		  is_refusal ? reasons[e->reason] : NULL);
	buf_add(out, said->text.data, said->cut);
	buf_add_text(out, ",\"destination\":");
	add_address(out, e, kind == GUARD_EVENT_RAW ? NULL : e->address, e->port);
	buf_add_text(out, ",\"source\":");
	add_address(out, e, kind == GUARD_EVENT_PACKET_REFUSED ? e->peer : NULL, e->peer_port);
	add_network(out, e);
	buf_add(out, said->text.data + said->cut, said->text.len - said->cut);
	add_portero(out, w);
	return out->failed || said->text.failed ? -ENOMEM : 0;
}

int json_watch_add_lost(int64_t time_ns, uint64_t count, const char *reason, struct buf *out)
{
	add_head(out, time_ns);
	add_event(out, "events-lost", true, reason);
	buf_add_text(out, ",\"process\":null,\"user\":null,\"destination\":null,\"source\":null,"
			  "\"network\":null,\"service\":null,\"container\":null,\"portero\":{"
			  "\"enforced\":null,\"home\":null,\"ephemeral\":null,\"netns\":null,"
			  "\"netns_name\":null");
	add_count(out, count);
	buf_add_text(out, ",\"declared_for\":null}}\n");
	return out->failed ? -ENOMEM : 0;
}
