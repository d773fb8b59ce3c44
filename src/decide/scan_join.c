/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/scan_join.h"

bool scan_join_helps(const struct scan *s, const struct scan_host *host)
{
	for (size_t i = s->tcp_count; host->own && i < s->port_count; i++)
		if (host->replies[i] == SCAN_UDP_SILENT || host->replies[i] == SCAN_UDP_CLOSED)
			return true;
	return false;
}

static enum scan_reply join_silence(const struct belief *b, bool knows_all)
{
	if (b->open == SURE_OPEN)
		return SCAN_UDP_BOUND;
	if (b->open == UNSURE)
		return SCAN_UDP_SILENT;
	if (b->verdict == VERDICT_DROP || b->verdict == VERDICT_REJECT)
		return SCAN_UDP_DROPPED;
	return b->listener == SNAPSHOT_NONE && knows_all ? SCAN_UDP_UNBOUND : SCAN_UDP_SILENT;
}

static enum scan_reply join(enum scan_reply reply, const struct scan_look *look, uint16_t port)
{
	const struct belief *b = &look->beliefs[port];

	if (reply == SCAN_UDP_SILENT)
		return join_silence(b, look->knows_all);
	return reply == SCAN_UDP_CLOSED && b->listener != SNAPSHOT_NONE ? SCAN_PORT_UNREACH : reply;
}

static bool is_open_to_nobody(const struct belief *b)
{
	return b->open == SURE_CLOSED && b->verdict == VERDICT_ACCEPT &&
	       b->listener == SNAPSHOT_NONE;
}

/* Did the host refuse a port on which nobody was, and which the rules let in? */
static bool refuses(const struct scan *s, const struct scan_host *host,
		    const struct scan_look *before, const struct scan_look *after)
{
	for (size_t i = s->tcp_count; i < s->port_count; i++)
		if (host->replies[i] == SCAN_UDP_CLOSED &&
		    is_open_to_nobody(&before->beliefs[s->ports[i]]) &&
		    is_open_to_nobody(&after->beliefs[s->ports[i]]))
			return true;
	return false;
}

void scan_join_udp(const struct scan *s, struct scan_host *host, const struct scan_look *before,
		   const struct scan_look *after)
{
	bool refused_others = refuses(s, host, before, after);

	for (size_t i = s->tcp_count; i < s->port_count; i++) {
		enum scan_reply reply = host->replies[i];
		enum scan_reply joined = join(reply, before, s->ports[i]);

		/* it would have refused this one, too: somebody was there between the looks */
		if (joined != join(reply, after, s->ports[i]) ||
		    (joined == SCAN_UDP_UNBOUND && refused_others))
			joined = SCAN_UDP_CHANGED;
		host->replies[i] = (uint8_t)joined;
	}
}
