/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/scan_services.h"
#include "base/clock.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RTT_LIMIT_MS = 2000 };

struct asking {
	struct scan *scan;
	const struct scan_wish *wish;
	struct service_target *targets;
	uint32_t *indexes; /* in the scan's services, of each target */
	size_t count, told;
};

static void set_address(struct service_target *t, const struct address *a, uint16_t port)
{
	t->address.any.sa_family = a->family;
	if (a->family == AF_INET) {
		t->address.v4.sin_port = htons(port);
		memcpy(&t->address.v4.sin_addr, a->bytes, sizeof(t->address.v4.sin_addr));
	} else {
		t->address.v6.sin6_port = htons(port);
		memcpy(&t->address.v6.sin6_addr, a->bytes, sizeof(t->address.v6.sin6_addr));
	}
}

/* Has the host time left for it? */
static bool has_time(const struct scan_wish *wish, const struct scan_host *host)
{
	return !wish->host_timeout_s || host->took_ms / 1000 < wish->host_timeout_s;
}

static void add_targets(struct asking *a)
{
	for (size_t i = 0; i < a->scan->service_count; i++) {
		const struct scan_service *service = &a->scan->services[i];
		const struct scan_host *host = &a->scan->hosts[service->host];
		struct service_target *t = &a->targets[a->count];

		if (service->found.end != SERVICE_UNASKED || !has_time(a->wish, host))
			continue;
		set_address(t, &host->address, a->scan->ports[service->port]);
		t->host = service->host;
		t->rtt_ms = host->rtt_ms > 0 && host->rtt_ms < RTT_LIMIT_MS ? (uint32_t)host->rtt_ms
									    : 0;
		t->udp = scan_port_proto(a->scan, service->port) == PROTO_UDP;
		if (a->wish->host_timeout_s)
			t->host_ms = a->wish->host_timeout_s * 1000 - host->took_ms;
		a->indexes[a->count++] = (uint32_t)i;
	}
}

static int take(void *data, size_t number, const struct service *found)
{
	struct asking *a = data;
	struct scan_service *service = &a->scan->services[a->indexes[number]];
	uint8_t *reply = &a->scan->hosts[service->host].replies[service->port];

	service->found = *found;
	a->told++;
	if (*reply == SCAN_UDP_SILENT &&
	    (found->end == SERVICE_NAMED || found->end == SERVICE_UNNAMED)) {
		*reply = SCAN_UDP_ANSWER;
		if (a->wish->found)
			a->wish->found(service->host, service->port, a->wish->context);
	}
	if (a->wish->service_found && scan_reply_state(*reply) == SCAN_OPEN)
		a->wish->service_found(service->host, service->port, a->wish->context);
	if (a->wish->service_progress)
		a->wish->service_progress(a->told, a->count, a->wish->context);
	return 0;
}

static int ask(struct asking *a, struct err *e)
{
	const struct service_options options = {.stop = a->wish->stop,
						.port_ms = a->wish->service_ms};
	int r = 0;

	add_targets(a);
	if (!a->wish->stop || !*a->wish->stop)
		r = service_detect(a->targets, a->count, &options, take, a, e);
	return r == -EINTR ? 0 : r;
}

int scan_services_ask(struct scan *s, const struct scan_wish *wish, struct err *e)
{
	struct asking a = {.scan = s, .wish = wish};
	uint64_t begun = clock_mono_ns();
	int r = s->services ? 0 : scan_add_services(s);

	s->wants_services = true;
	a.targets = calloc(s->service_count + 1, sizeof(*a.targets));
	a.indexes = calloc(s->service_count + 1, sizeof(*a.indexes));
	if (r == 0 && (!a.targets || !a.indexes))
		r = -ENOMEM;
	r = r < 0 ? err_set(e, r, "%s", _("out of memory")) : ask(&a, e);
	free(a.targets);
	free(a.indexes);
	s->took_ns += clock_mono_ns() - begun;
	return r;
}

void scan_services_conclude(struct scan *s, const struct scan_wish *wish)
{
	enum scan_trouble trouble = wish->stop && *wish->stop ? SCAN_INTERRUPTED : SCAN_TIMED_OUT;

	for (size_t i = 0; i < s->service_count; i++) {
		struct scan_host *host = &s->hosts[s->services[i].host];

		if (host->trouble == SCAN_FINE &&
		    !service_is_known(&s->services[i].found, wish->service_ms))
			host->trouble = trouble;
	}
	scan_drop_silent_services(s);
}
