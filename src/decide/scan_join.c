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

void scan_join_udp(const struct scan *s, struct scan_host *host, const struct belief *beliefs,
		   bool knows_all)
{
	for (size_t i = s->tcp_count; i < s->port_count; i++) {
		const struct belief *b = &beliefs[s->ports[i]];
		uint8_t *reply = &host->replies[i];

		if (*reply == SCAN_UDP_SILENT)
			*reply = (uint8_t)join_silence(b, knows_all);
		else if (*reply == SCAN_UDP_CLOSED && b->listener != SNAPSHOT_NONE)
			*reply = SCAN_PORT_UNREACH;
	}
}
