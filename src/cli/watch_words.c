/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/watch_words.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/port.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WHAT_COLUMNS = 52, START_SLACK_NS = 1000000 };

void watch_words_time(int64_t time_ns, struct buf *out)
{
	time_t seconds = (time_t)(time_ns / 1000000000);
	char text[] = "0000-00-00 00:00:00.000  ";
	struct tm tm;

	if (time_ns < 0 || !localtime_r(&seconds, &tm)) {
		buf_add_text(out, "?  ");
		return;
	}
	text_put_digits(text, 4, (uint32_t)tm.tm_year + 1900);
	text_put_digits(text + 5, 2, (uint32_t)tm.tm_mon + 1);
	text_put_digits(text + 8, 2, (uint32_t)tm.tm_mday);
	text_put_digits(text + 11, 2, (uint32_t)tm.tm_hour);
	text_put_digits(text + 14, 2, (uint32_t)tm.tm_min);
	text_put_digits(text + 17, 2, (uint32_t)tm.tm_sec);
	text_put_digits(text + 20, 3, (uint32_t)(time_ns % 1000000000 / 1000000));
	buf_add(out, text, sizeof(text) - 1);
}

enum guard_event_kind watch_words_kind(const struct guard_event *e)
{
	if (e->kind == GUARD_EVENT_BIND_REFUSED && !e->home)
		return GUARD_EVENT_BIND;
	return (enum guard_event_kind)e->kind;
}

const char *watch_words_proto(const struct guard_event *e, char room[16])
{
	static const struct {
		uint8_t number;
		const char *name;
	} known[] = {
		{IPPROTO_TCP, "tcp"},	{IPPROTO_UDP, "udp"},	    {IPPROTO_UDPLITE, "udplite"},
		{IPPROTO_ICMP, "icmp"}, {IPPROTO_ICMPV6, "icmpv6"}, {IPPROTO_SCTP, "sctp"},
		{IPPROTO_DCCP, "dccp"},
	};

	if (e->family == AF_PACKET || e->family == AF_VSOCK || e->family == AF_XDP)
		return e->family == AF_PACKET ? "packet" : e->family == AF_VSOCK ? "vsock" : "xdp";
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].number == e->proto)
			return known[i].name;
	snprintf(room, 16, "%u", (unsigned)e->proto);
	return room;
}

static void format_port(const struct guard_event *e, char *text, size_t size)
{
	char room[16];
	size_t len = 0;

	if (e->port) {
		len = text_put_number(text, e->port);
		text[len++] = '/';
	}
	snprintf(text + len, size - len, "%s", watch_words_proto(e, room));
}

static void format_address(const struct guard_event *e, const uint8_t *bytes,
			   char text[ADDRESS_TEXT_SIZE])
{
	struct address a = {.family = e->family};

	memcpy(a.bytes, bytes, sizeof(a.bytes));
	address_format(&a, text);
}

/* --- what happened ------------------------------------------------------------------------------
 */

static void add_reason(const struct watch_event *w, bool ascii, struct buf *out)
{
	struct buf cleanup_call(buf_done) owner = {0};

	switch (w->event->reason) {
	case GUARD_REASON_UNDECLARED:
		buf_add_text(out, _("no opening has it"));
		break;
	case GUARD_REASON_CHANGED:
		buf_add_text(out, _("its program file changed: portero guard refresh"));
		break;
	case GUARD_REASON_UNSEEN:
		buf_add_text(out, _("who listens there is not known"));
		break;
	default:
		if (!w->owner) {
			buf_add_text(out, _("it is declared for somebody else"));
			break;
		}
		text_escape(&owner, w->owner, strlen(w->owner), ascii);
		buf_printf(out, _("the policy declares it for %s"), buf_text(&owner));
	}
}

static void add_refused_bind(const struct watch_event *w, bool ascii, struct buf *out)
{
	struct buf cleanup_call(buf_done) why = {0};
	char port[32];

	format_port(w->event, port, sizeof(port));
	add_reason(w, ascii, &why);
	buf_printf(out,
		   w->event->enforced ? _("was refused %s: %s")
				      : _("would have been refused %s: %s"),
		   port, buf_text(&why));
}

static void add_refused_packet(const struct watch_event *w, bool ascii, struct buf *out)
{
	const struct guard_event *e = w->event;
	struct buf cleanup_call(buf_done) why = {0};
	char port[32], peer[ADDRESS_TEXT_SIZE], count[64] = "";

	format_port(e, port, sizeof(port));
	format_address(e, e->peer, peer);
	add_reason(w, ascii, &why);
	if (e->count > 1)
		snprintf(count, sizeof(count), _(" (%llu so far)"), (unsigned long long)e->count);
	buf_printf(out,
		   e->enforced ? _("a packet of %s to %s was dropped%s: %s")
			       : _("a packet of %s to %s would have been dropped%s: %s"),
		   peer, port, count, buf_text(&why));
}

static void add_raw(const struct guard_event *e, struct buf *out)
{
	char room[16];

	if (e->family == AF_PACKET)
		buf_add_text(out, _("opened a packet socket, which sees what arrives"));
	else if (e->family == AF_XDP)
		buf_add_text(out, _("opened an XDP socket, which takes what arrives"));
	else if (e->family == AF_VSOCK)
		buf_add_text(out, _("listens on vsock, for virtual machines or their host"));
	else
		buf_printf(out, _("opened a raw socket (%s, %s)"),
			   e->family == AF_INET ? "IPv4" : "IPv6", watch_words_proto(e, room));
}

static void add_what(const struct watch_event *w, bool ascii, struct buf *out)
{
	const struct guard_event *e = w->event;
	enum guard_event_kind kind = watch_words_kind(e);
	char port[32], address[ADDRESS_TEXT_SIZE];

	format_port(e, port, sizeof(port));
	format_address(e, e->address, address);
	if (kind == GUARD_EVENT_BIND_REFUSED)
		add_refused_bind(w, ascii, out);
	else if (kind == GUARD_EVENT_PACKET_REFUSED)
		add_refused_packet(w, ascii, out);
	else if (kind == GUARD_EVENT_RAW)
		add_raw(e, out);
	else if (kind == GUARD_EVENT_CLOSE)
		buf_printf(out, _("closed %s (%s)"), port, address);
	else if (kind == GUARD_EVENT_BIND && e->proto == IPPROTO_TCP)
		/* it will listen later; UDP does so from here on */
		buf_printf(out, _("binds %s (%s)"), port, address);
	else if (e->who.flags & GUARD_EPHEMERAL)
		buf_printf(out, _("listens on %s (%s), which the kernel chose"), port, address);
	else
		buf_printf(out, _("listens on %s (%s)"), port, address);
}

/* --- by whom ------------------------------------------------------------------------------------
 */

static void add_escaped(const char *text, bool ascii, struct buf *out)
{
	text_escape(out, text, strlen(text), ascii);
}

static void add_process(const struct watch_event *w, bool ascii, struct buf *out)
{
	const struct guard_identity *id = &w->event->who;

	if (w->who->program) {
		add_escaped(w->who->program, ascii, out);
	} else {
		/* a name is all that is known of it */
		add_escaped(id->name, ascii, out);
		buf_add_char(out, '?');
	}
	buf_printf(out, w->who->alive ? _(" (pid %u)") : _(" (pid %u, ended)"), (unsigned)id->pid);
}

/* "docker:web", or the first characters of its id. */
static void add_container(const struct guard_who *who, bool ascii, struct buf *out)
{
	char id[13];

	snprintf(id, sizeof(id), "%s", who->container_id);
	buf_add_text(out, _(", container "));
	add_escaped(who->runtime ? who->runtime : "?", ascii, out);
	buf_add_char(out, ':');
	add_escaped(who->container ? who->container : id, ascii, out);
}

static void add_netns(const struct watch_event *w, bool ascii, struct buf *out)
{
	char number[24];

	snprintf(number, sizeof(number), "%u", (unsigned)w->event->netns);
	buf_add_text(out, _(", network namespace "));
	add_escaped(w->who->netns ? w->who->netns : number, ascii, out);
}

static void tell_who(const struct watch_event *w, bool ascii, struct buf *out)
{
	const struct guard_identity *id = &w->event->who;

	if (id->flags & GUARD_BY_KERNEL) {
		buf_add_text(out, _("the kernel"));
	} else if (id->flags & GUARD_UNSEEN || !id->pid) {
		buf_add_text(out, _("nobody that is known"));
	} else {
		add_process(w, ascii, out);
		buf_add_text(out, _(", user "));
		if (w->who->user)
			add_escaped(w->who->user, ascii, out);
		else
			buf_printf(out, "%u", (unsigned)id->uid);
	}
	if (w->who->container_id) {
		add_container(w->who, ascii, out);
	} else if (w->who->unit) {
		buf_add_text(out, _(", unit "));
		add_escaped(w->who->unit, ascii, out);
	}
	if (!w->event->home)
		add_netns(w, ascii, out);
}

bool watch_words_holds(const struct watch_said *said, const struct watch_event *w)
{
	const struct guard_identity *id = &w->event->who;
	uint64_t later_ns = (uint64_t)w->start_ns - (uint64_t)said->start_ns;

	return said->serial && said->serial == w->who->serial && said->flags == id->flags &&
	       later_ns + START_SLACK_NS < (uint64_t)2 * START_SLACK_NS &&
	       memcmp(said->name, id->name, sizeof(said->name)) == 0;
}

void watch_words_keep(struct watch_said *said, const struct watch_event *w)
{
	const struct guard_identity *id = &w->event->who;

	said->serial = said->text.failed ? 0 : w->who->serial;
	said->flags = id->flags;
	said->start_ns = w->start_ns;
	memcpy(said->name, id->name, sizeof(said->name));
}

void watch_words_forget(struct watch_said *said)
{
	buf_done(&said->text);
	*said = (struct watch_said){0};
}

static void add_who(const struct watch_event *w, bool ascii, struct buf *out)
{
	struct watch_said cleanup_call(watch_words_forget) room = {0};
	struct watch_said *said = w->said ? w->said : &room;

	if (!watch_words_holds(said, w)) {
		buf_clear(&said->text);
		tell_who(w, ascii, &said->text);
		watch_words_keep(said, w);
	}
	buf_add(out, said->text.data, said->text.len);
	out->failed |= said->text.failed;
}

static const char *color_of(const struct guard_event *e)
{
	switch (watch_words_kind(e)) {
	case GUARD_EVENT_BIND_REFUSED:
	case GUARD_EVENT_PACKET_REFUSED:
		return e->enforced ? "31" : "33";
	case GUARD_EVENT_RAW:
		return "33";
	default:
		return NULL;
	}
}

/* To the column that says who; two spaces at least. */
static void add_gap(size_t width, struct buf *out)
{
	size_t gap = width < WHAT_COLUMNS ? WHAT_COLUMNS - width + 2 : 2;
	char *to = buf_reserve(out, gap);

	if (!to)
		return;
	memset(to, ' ', gap);
	to[gap] = '\0';
	out->len += gap;
}

void watch_words_add(const struct watch_event *w, bool ascii, bool colored, struct buf *out)
{
	const char *color = colored ? color_of(w->event) : NULL;
	struct buf cleanup_call(buf_done) what = {0};

	watch_words_time(w->time_ns, out);
	add_what(w, ascii, &what);
	if (color)
		buf_printf(out, "\033[%sm", color);
	buf_add_text(out, buf_text(&what));
	if (color)
		buf_add_text(out, "\033[0m");
	add_gap(text_width(buf_text(&what)), out);
	add_who(w, ascii, out);
}
