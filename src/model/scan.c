/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MANY_PORTS = 1000 };

static const struct {
	enum scan_state state;
	const char *reason;
} replies[SCAN_REPLY_COUNT] = {
	[SCAN_UNASKED] = {SCAN_UNKNOWN, "not-asked"},
	[SCAN_NO_REPLY] = {SCAN_FILTERED, "no-response"},
	[SCAN_UNSURE] = {SCAN_UNKNOWN, "not-sure"},
	[SCAN_HOST_UNREACH] = {SCAN_REJECTED, "host-unreachable"},
	[SCAN_PROHIBITED] = {SCAN_REJECTED, "admin-prohibited"},
	[SCAN_PORT_UNREACH] = {SCAN_REJECTED, "port-unreachable"},
	[SCAN_OTHER_UNREACH] = {SCAN_REJECTED, "unreachable"},
	[SCAN_RST] = {SCAN_CLOSED, "reset"},
	[SCAN_SYN_ACK] = {SCAN_OPEN, "syn-ack"},
};

enum scan_state scan_reply_state(enum scan_reply reply)
{
	return replies[reply].state;
}

const char *scan_reply_reason(enum scan_reply reply)
{
	return replies[reply].reason;
}

const char *scan_state_name(enum scan_state state)
{
	static const char *const names[SCAN_STATE_COUNT] = {
		[SCAN_OPEN] = "open",	      [SCAN_CLOSED] = "closed",
		[SCAN_REJECTED] = "rejected", [SCAN_FILTERED] = "filtered",
		[SCAN_UNKNOWN] = "unknown",
	};

	return names[state];
}

int scan_init(struct scan *s, const struct address *hosts, size_t host_count, const uint16_t *ports,
	      size_t port_count)
{
	*s = (struct scan){.port_count = port_count};
	s->ports = calloc(port_count + 1, sizeof(*s->ports));
	s->hosts = calloc(host_count + 1, sizeof(*s->hosts));
	if (!s->ports || !s->hosts)
		return -ENOMEM;
	memcpy(s->ports, ports, port_count * sizeof(*ports));
	for (; s->host_count < host_count; s->host_count++) {
		struct scan_host *host = &s->hosts[s->host_count];

		*host = (struct scan_host){
			.address = hosts[s->host_count], .rtt_ms = -1, .loss = -1};
		host->replies = calloc(port_count + 1, 1);
		if (!host->replies)
			return -ENOMEM;
	}
	return 0;
}

void scan_done(struct scan *s)
{
	for (size_t i = 0; i < s->host_count; i++)
		free(s->hosts[i].replies);
	free(s->hosts);
	free(s->ports);
	*s = (struct scan){0};
}

void scan_count_states(const struct scan *s, const struct scan_host *host,
		       size_t counts[SCAN_STATE_COUNT])
{
	memset(counts, 0, SCAN_STATE_COUNT * sizeof(*counts));
	for (size_t i = 0; i < s->port_count; i++)
		counts[scan_reply_state(host->replies[i])]++;
}

bool scan_is_complete(const struct scan *s)
{
	for (size_t i = 0; i < s->host_count; i++)
		if (s->hosts[i].trouble > SCAN_NO_HOST)
			return false;
	return true;
}

bool scan_host_opens_all(const struct scan *s, const struct scan_host *host)
{
	size_t counts[SCAN_STATE_COUNT];

	scan_count_states(s, host, counts);
	return s->port_count >= MANY_PORTS && counts[SCAN_OPEN] >= s->port_count / 10 * 9;
}
