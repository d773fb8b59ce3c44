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
	[SCAN_KEPT_BACK] = {SCAN_UNKNOWN, "kept-back"},
	[SCAN_HOST_UNREACH] = {SCAN_REJECTED, "host-unreachable"},
	[SCAN_PROHIBITED] = {SCAN_REJECTED, "admin-prohibited"},
	[SCAN_PORT_UNREACH] = {SCAN_REJECTED, "port-unreachable"},
	[SCAN_OTHER_UNREACH] = {SCAN_REJECTED, "unreachable"},
	[SCAN_RST] = {SCAN_CLOSED, "reset"},
	[SCAN_SYN_ACK] = {SCAN_OPEN, "syn-ack"},
	[SCAN_UDP_SILENT] = {SCAN_OPEN_FILTERED, "no-response"},
	[SCAN_UDP_CLOSED] = {SCAN_CLOSED, "port-unreachable"},
	[SCAN_UDP_ANSWER] = {SCAN_OPEN, "udp-response"},
	[SCAN_UDP_BOUND] = {SCAN_OPEN, "bound-here"},
	[SCAN_UDP_UNBOUND] = {SCAN_FILTERED, "nobody-bound"},
	[SCAN_UDP_DROPPED] = {SCAN_FILTERED, "rules-drop"},
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
		[SCAN_OPEN] = "open",
		[SCAN_CLOSED] = "closed",
		[SCAN_REJECTED] = "rejected",
		[SCAN_FILTERED] = "filtered",
		[SCAN_OPEN_FILTERED] = "open|filtered",
		[SCAN_UNKNOWN] = "unknown",
	};

	return names[state];
}

int scan_init(struct scan *s, const struct address *hosts, size_t host_count, const uint16_t *ports,
	      size_t port_count)
{
	return scan_init_both(s, hosts, host_count, ports, port_count, 0);
}

int scan_init_both(struct scan *s, const struct address *hosts, size_t host_count,
		   const uint16_t *ports, size_t tcp_count, size_t udp_count)
{
	size_t port_count = tcp_count + udp_count;

	*s = (struct scan){.port_count = port_count, .tcp_count = tcp_count};
	s->ports = calloc(port_count + 1, sizeof(*s->ports));
	s->hosts = calloc(host_count + 1, sizeof(*s->hosts));
	if (!s->ports || !s->hosts)
		return -ENOMEM;
	memcpy(s->ports, ports, port_count * sizeof(*ports));
	for (; s->host_count < host_count; s->host_count++) {
		struct scan_host *host = &s->hosts[s->host_count];

		*host = (struct scan_host){
			.address = hosts[s->host_count], .rtt_ms = -1, .loss = -1, .refusals = -1};
		host->replies = calloc(port_count + 1, 1);
		if (!host->replies)
			return -ENOMEM;
	}
	return 0;
}

enum proto scan_port_proto(const struct scan *s, size_t port)
{
	return port < s->tcp_count ? PROTO_TCP : PROTO_UDP;
}

void scan_done(struct scan *s)
{
	for (size_t i = 0; i < s->host_count; i++)
		free(s->hosts[i].replies);
	free(s->hosts);
	free(s->ports);
	free(s->services);
	*s = (struct scan){0};
}

void scan_count_states(const struct scan *s, const struct scan_host *host,
		       size_t counts[SCAN_STATE_COUNT])
{
	memset(counts, 0, SCAN_STATE_COUNT * sizeof(*counts));
	for (size_t i = 0; i < s->port_count; i++)
		counts[scan_reply_state(host->replies[i])]++;
}

/* Are the host's silent UDP ports so few that they are asked, too? */
static bool asks_silent(const struct scan *s, const struct scan_host *host)
{
	size_t counts[SCAN_STATE_COUNT];

	scan_count_states(s, host, counts);
	return counts[SCAN_OPEN_FILTERED] <= SCAN_SILENT_LIMIT;
}

/* How many ports of the host are asked what speaks there. */
static size_t count_asked(const struct scan *s, const struct scan_host *host)
{
	size_t counts[SCAN_STATE_COUNT];

	scan_count_states(s, host, counts);
	if (scan_host_opens_all(s, host))
		return 0;
	return counts[SCAN_OPEN] + (asks_silent(s, host) ? counts[SCAN_OPEN_FILTERED] : 0);
}

/* The first `count` of them. */
static void add_services(struct scan *s, size_t host, size_t count)
{
	bool silent = asks_silent(s, &s->hosts[host]);

	for (size_t i = 0; i < s->port_count && count; i++) {
		enum scan_state state = scan_reply_state(s->hosts[host].replies[i]);

		if (state != SCAN_OPEN && !(silent && state == SCAN_OPEN_FILTERED))
			continue;
		s->services[s->service_count++] = (struct scan_service){
			(uint32_t)host, (uint32_t)i, {.end = SERVICE_UNASKED}};
		count--;
	}
}

void scan_drop_silent_services(struct scan *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->service_count; i++) {
		const struct scan_service *service = &s->services[i];

		if (scan_reply_state(s->hosts[service->host].replies[service->port]) == SCAN_OPEN)
			s->services[kept++] = *service;
	}
	s->service_count = kept;
}

int scan_add_services(struct scan *s)
{
	size_t left, room, count = 0;

	for (size_t i = 0; i < s->host_count; i++)
		count += count_asked(s, &s->hosts[i]);
	room = left = count < SCAN_SERVICE_LIMIT ? count : SCAN_SERVICE_LIMIT;
	s->services = calloc(room + 1, sizeof(*s->services));
	if (!s->services)
		return -ENOMEM;
	for (size_t i = 0; i < s->host_count && left; i++) {
		count = count_asked(s, &s->hosts[i]);
		count = count < left ? count : left;
		add_services(s, i, count);
		left -= count;
	}
	return 0;
}

static int compare_places(const void *a, const void *b)
{
	const struct scan_service *x = a, *y = b;

	if (x->host != y->host)
		return x->host < y->host ? -1 : 1;
	return x->port < y->port ? -1 : x->port > y->port;
}

const struct service *scan_find_service(const struct scan *s, size_t host, size_t port)
{
	struct scan_service wanted = {.host = (uint32_t)host, .port = (uint32_t)port};
	const struct scan_service *found = s->service_count
						   ? bsearch(&wanted, s->services, s->service_count,
							     sizeof(wanted), compare_places)
						   : NULL;

	return found ? &found->found : NULL;
}

size_t scan_count_left_out(const struct scan *s, size_t host)
{
	size_t count = 0;

	for (size_t i = 0; s->wants_services && i < s->port_count; i++)
		count += scan_reply_state(s->hosts[host].replies[i]) == SCAN_OPEN &&
			 !scan_find_service(s, host, i);
	return count;
}

static bool has_unsure_ports(const struct scan *s, const struct scan_host *host)
{
	for (size_t i = 0; i < s->port_count; i++)
		if (host->replies[i] == SCAN_UNSURE)
			return true;
	return false;
}

bool scan_ports_are_complete(const struct scan *s)
{
	for (size_t i = 0; i < s->host_count; i++)
		if (s->hosts[i].trouble > SCAN_NO_HOST || s->hosts[i].trouble == SCAN_NO_ROUTE ||
		    (s->hosts[i].trouble == SCAN_FINE && has_unsure_ports(s, &s->hosts[i])))
			return false;
	return true;
}

bool scan_is_complete(const struct scan *s)
{
	if (!scan_ports_are_complete(s))
		return false;
	for (size_t i = 0; i < s->host_count; i++)
		if (scan_count_left_out(s, i))
			return false;
	for (size_t i = 0; i < s->service_count; i++)
		if (s->services[i].found.end >= SERVICE_OUT_OF_TIME)
			return false;
	return true;
}

bool scan_host_opens_all(const struct scan *s, const struct scan_host *host)
{
	size_t counts[SCAN_STATE_COUNT];

	scan_count_states(s, host, counts);
	return s->port_count >= MANY_PORTS && counts[SCAN_OPEN] >= s->port_count / 10 * 9;
}
