/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/udp_payload.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static bool is_udp(const struct probe_request *q)
{
	return (q->over & PROBE_OVER_UDP) && !q->after_greeting && q->send.len;
}

/* Those that are never tried elsewhere (rarity 0) go last. */
static int rank(const struct udp_payloads *u, int request)
{
	return u->probes.requests[request].rarity ? u->probes.requests[request].rarity
						  : PROBE_RARITY_LIMIT + 1;
}

static void add(struct udp_payloads *u, unsigned port, int request)
{
	int *list = u->requests[port];

	for (int i = 0; i < UDP_PAYLOAD_LIMIT; i++) {
		int other = list[i];

		if (other != PROBE_NONE && rank(u, other) <= rank(u, request))
			continue;
		list[i] = request;
		if (other == PROBE_NONE)
			return;
		request = other;
	}
}

static void add_file(struct udp_payloads *u, const struct probe_file *f, int request)
{
	for (size_t i = 0; i < f->port_count; i++) {
		const struct probe_ports *ports = &u->probes.ports[f->port + i];

		for (unsigned port = ports->first;
		     (ports->over & PROBE_OVER_UDP) && port <= ports->last; port++)
			add(u, port, request);
	}
}

int udp_payloads_init(struct udp_payloads *u, struct err *e)
{
	int r;

	memset(u, 0, sizeof(*u));
	for (size_t port = 0; port < sizeof(u->requests) / sizeof(u->requests[0]); port++)
		for (int i = 0; i < UDP_PAYLOAD_LIMIT; i++)
			u->requests[port][i] = PROBE_NONE;
	r = probes_read(&u->probes, probe_texts, probe_text_count, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < u->probes.file_count; i++) {
		const struct probe_file *f = &u->probes.files[i];

		for (size_t q = f->request; q < f->request + f->request_count; q++)
			if (is_udp(&u->probes.requests[q]))
				add_file(u, f, (int)q);
	}
	return 0;
}

void udp_payloads_done(struct udp_payloads *u)
{
	probes_done(&u->probes);
}

unsigned udp_payloads_count(const struct udp_payloads *u, uint16_t port)
{
	unsigned count = 0;

	while (count < UDP_PAYLOAD_LIMIT && u->requests[port][count] != PROBE_NONE)
		count++;
	return count;
}

size_t udp_payloads_write(const struct udp_payloads *u, uint16_t port, unsigned number,
			  const struct address *to, uint8_t room[UDP_PAYLOAD_SIZE])
{
	static const char host[] = "$host";
	const struct probe_bytes *from = &u->probes.requests[u->requests[port][number]].send;
	char address[ADDRESS_TEXT_SIZE], text[ADDRESS_TEXT_SIZE + 2];
	size_t len = 0, host_len = sizeof(host) - 1;

	address_format(to, address);
	snprintf(text, sizeof(text), to->family == AF_INET6 ? "[%s]" : "%s", address);
	for (size_t i = 0; i < from->len; i++) {
		bool is_host =
			from->len - i >= host_len && memcmp(from->bytes + i, host, host_len) == 0;
		size_t part = is_host ? strlen(text) : 1;

		if (len + part > UDP_PAYLOAD_SIZE)
			return 0;
		memcpy(room + len, is_host ? text : from->bytes + i, part);
		len += part;
		i += is_host ? host_len - 1 : 0;
	}
	return len;
}
