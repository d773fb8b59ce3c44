/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_udp: asks the UDP ports of a group of hosts: the loop between udp_probe and the sockets.
 *
 * An answer is ours when it comes from the address and port that were asked, to the port that this
 * scan asks from. An ICMP error is ours when the kernel found our socket by the addresses and ports
 * that it quotes, and when what it quotes of the datagram's bytes is what was sent there: where a
 * port has no request of its own these are a SipHash of it, under a key that only this run knows.
 */
#include "base/clock.h"
#include "base/i18n.h"
#include "observe/scan_inner.h"
#include "observe/udp_probe.h"
#include "observe/udp_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UDP_NEAR_RATE	20000 /* packets a second */
#define UDP_SHARED_RATE 2000  /* 2,000 requests of 100 bytes: 2 Mbit/s */

enum { UDP_TRIES = 3 };

/* A group of which UDP ports are asked. */
struct asking {
	struct group *group;
	struct udp_engine *engine;
	struct udp_socket socket;
	uint32_t hosts[PROBE_HOST_LIMIT]; /* in the group, of each of the engine's */
	uint32_t of[PROBE_HOST_LIMIT];	  /* and the other way round */
	struct scan_host list[PROBE_HOST_LIMIT];
	uint32_t count;
	uint32_t source_count; /* of the wish's; 0: as the routes have it */
	uint8_t room[UDP_BATCH][UDP_PAYLOAD_SIZE];
};

/* What the port is asked the `number`th time (from 0). */
static size_t write_request(const struct run *run, const struct address *to, uint16_t port,
			    unsigned number, uint8_t room[UDP_PAYLOAD_SIZE])
{
	unsigned count = udp_payloads_count(&run->payloads, port);
	uint8_t text[sizeof(to->bytes) + 2];

	if (count)
		return udp_payloads_write(&run->payloads, port, number % count, to, room);
	memcpy(text, to->bytes, sizeof(to->bytes));
	text[16] = (uint8_t)(port >> 8);
	text[17] = (uint8_t)port;
	crypto_shorthash(room, text, sizeof(text), run->key);
	return crypto_shorthash_BYTES;
}

/*
 * Is it one of the datagrams that were sent there, as far as it goes? Over IPv4 some quote no more
 * than the ports (RFC 792); over IPv6 all quote what fits (RFC 4443, section 2.4).
 */
static bool is_ours(const struct run *run, const struct udp_seen *seen)
{
	unsigned count = udp_payloads_count(&run->payloads, seen->port);
	uint8_t room[UDP_PAYLOAD_SIZE];

	for (unsigned i = 0; i < (count ? count : 1); i++) {
		size_t len = write_request(run, &seen->of, seen->port, i, room);

		if (seen->of.family == AF_INET6 && seen->quoted_len < crypto_shorthash_BYTES)
			return false;
		if (memcmp(room, seen->quoted, len < seen->quoted_len ? len : seen->quoted_len) ==
		    0)
			return true;
	}
	return false;
}

static void answer(struct asking *a, uint32_t host, uint16_t port, enum scan_reply reply)
{
	const struct group *g = a->group;
	const struct scan_wish *wish = g->run->wish;
	size_t at = g->run->scan->tcp_count + port;
	const uint8_t *known = &g->hosts[host].replies[at];
	bool was_open = *known == SCAN_UDP_ANSWER;

	udp_probe_answer(a->engine, g->now_ns, a->of[host], port, reply);
	if (wish->found && !was_open && *known == SCAN_UDP_ANSWER)
		wish->found(g->indexes[host], (uint16_t)at, wish->context);
}

static bool is_own_source(const struct group *g, uint32_t host, const struct address *a)
{
	const struct scan_wish *wish = g->run->wish;

	for (uint32_t i = 0; i < wish->source_count; i++)
		if (address_equal(&wish->sources[i], a))
			return true;
	return address_equal(&g->run->ways[g->indexes[host]].source, a);
}

/* Is that one of the scan's own ports, of which it can tell nothing? */
static bool is_own_port(const struct asking *a, uint32_t host, uint16_t port)
{
	return a->group->hosts[host].own &&
	       (port == a->socket.ports[0] || port == a->socket.ports[1]);
}

static void take(const struct udp_seen *seen, void *context)
{
	struct asking *a = context;
	const struct group *g = a->group;
	uint16_t port = g->run->index[PROTO_UDP][seen->port];
	uint32_t host;

	if (port == NO_PORT || !scan_group_find(g, &seen->of, &host) || a->of[host] == UINT32_MAX)
		return;
	if (seen->reply != SCAN_UDP_ANSWER && !is_ours(g->run, seen))
		return;
	if (seen->reply == SCAN_UDP_ANSWER && is_own_port(a, host, seen->from))
		return;
	/* this machine tells itself that its neighbour does not answer now: that is loss */
	if (seen->reply == SCAN_HOST_UNREACH && !g->hosts[host].own &&
	    is_own_source(g, host, &seen->offender))
		return;
	/* ... and a rule that refuses to send (reject) tells it so, too */
	if (g->hosts[host].replies[g->run->scan->tcp_count + port] == SCAN_KEPT_BACK &&
	    seen->reply != SCAN_UDP_ANSWER)
		return;
	answer(a, host, port, seen->reply);
}

static uint32_t scope_of(const struct scan_way *way)
{
	return way->way.own ? way->way.to.ip6.sin6_scope_id
			    : (uint32_t)way->way.to.link.sll_ifindex;
}

static void send_requests(struct asking *a, const struct probe *probes, size_t count)
{
	const struct run *run = a->group->run;
	struct udp_datagram datagrams[UDP_BATCH];

	for (size_t i = 0; i < count; i++) {
		uint32_t host = a->hosts[probes[i].host];
		const struct address *to = &a->group->hosts[host].address;
		uint16_t port = run->scan->ports[run->scan->tcp_count + probes[i].port];

		udp_name_set(&datagrams[i].to, to, port,
			     address_is_link_local(to)
				     ? scope_of(&run->ways[a->group->indexes[host]])
				     : 0);
		datagrams[i].from = a->source_count
					    ? &run->wish->sources[probes[i].port % a->source_count]
					    : NULL;
		datagrams[i].bytes = a->room[i];
		datagrams[i].len = write_request(run, to, port, probes[i].slot, a->room[i]);
	}
	udp_socket_send(&a->socket, datagrams, count);
	for (size_t i = 0; i < count; i++)
		if (datagrams[i].kept_back)
			udp_probe_kept_back(a->engine, probes[i].host, probes[i].port);
}

static void look_at_ways(struct asking *a)
{
	struct group *g = a->group;

	if (!scan_ways_are_due(g) || !scan_ways_look(g, true))
		return;
	for (uint32_t i = 0; i < g->count; i++)
		if (g->way_lost[i] && a->of[i] != UINT32_MAX)
			udp_probe_end_host(a->engine, a->of[i], SCAN_WAY_LOST);
}

static void ask(struct asking *a)
{
	struct group *g = a->group;
	struct probe probes[UDP_BATCH];

	while (!udp_probe_finished(a->engine) && !scan_is_stopped(g->run)) {
		struct probe_progress progress = udp_probe_progress(a->engine);
		uint64_t wake;
		size_t count;

		g->now_ns = clock_mono_ns();
		look_at_ways(a);
		udp_socket_receive(&a->socket, take, a);
		count = udp_probe_next(a->engine, g->now_ns, probes, UDP_BATCH);
		scan_group_report(g, &progress);
		if (count) {
			send_requests(a, probes, count);
			continue;
		}
		wake = udp_probe_wake_ns(a->engine, g->now_ns);
		if (wake > g->now_ns)
			udp_socket_wait(&a->socket, wake - g->now_ns);
	}
}

/* The hosts that have time left. */
static uint64_t choose_hosts(struct asking *a)
{
	const struct scan_wish *wish = a->group->run->wish;
	uint64_t limit_ms = (uint64_t)wish->host_timeout_s * 1000, most_ms = 0;

	for (uint32_t i = 0; i < a->group->count; i++) {
		const struct scan_host *host = &a->group->hosts[i];

		a->of[i] = UINT32_MAX;
		if (host->trouble == SCAN_TIMED_OUT || host->trouble == SCAN_INTERRUPTED ||
		    host->trouble == SCAN_WAY_LOST)
			continue;
		if (host->took_ms > most_ms)
			most_ms = host->took_ms;
		a->group->way_lost[i] = false; /* as it was for what TCP had to ask yet */
		a->of[i] = a->count;
		if (wish->udp_begun)
			wish->udp_begun(a->group->indexes[i], wish->context);
		a->hosts[a->count] = i;
		a->list[a->count++] = *host;
	}
	if (!limit_ms)
		return 0;
	return limit_ms > most_ms ? (limit_ms - most_ms) * MS_NS : 1;
}

/* The wished sources are of one family, and only those can be told apart that there are ports for.
 */
static uint32_t count_sources(const struct asking *a)
{
	const struct run *run = a->group->run;
	size_t ports = run->scan->port_count - run->scan->tcp_count;

	if (!run->wish->source_count ||
	    run->wish->sources[0].family != a->group->hosts[0].address.family)
		return 0;
	return run->wish->source_count < ports ? run->wish->source_count : (uint32_t)ports;
}

static struct udp_engine *make_engine(struct asking *a, uint64_t timeout_ns, bool near)
{
	const struct run *run = a->group->run;
	const struct scan *scan = run->scan;
	size_t count = scan->port_count - scan->tcp_count;
	double rate = near ? UDP_NEAR_RATE : UDP_SHARED_RATE;
	struct udp_engine *engine;
	uint8_t *likely = calloc(count, 1);

	if (!likely)
		return NULL;
	for (size_t i = 0; i < count; i++)
		likely[i] =
			udp_payloads_count(&run->payloads, scan->ports[scan->tcp_count + i]) > 0;
	if (run->wish->rate > 0)
		rate = run->wish->rate;
	else if (run->wish->max_rate > 0 && run->wish->max_rate < rate)
		rate = run->wish->max_rate;
	engine = udp_probe_new(
		&(struct udp_wish){.hosts = a->list,
				   .host_count = a->count,
				   .first = (uint32_t)scan->tcp_count,
				   .port_count = (uint32_t)count,
				   .likely = likely,
				   .seed = run->seed,
				   .rate = rate,
				   .tries = run->wish->tries ? run->wish->tries : UDP_TRIES,
				   .host_timeout_ns = timeout_ns,
				   .sources = a->source_count},
		clock_mono_ns());
	free(likely);
	return engine;
}

/* What is silent there is the scan itself, whoever else would answer. */
static void forget_own_ports(struct asking *a, uint32_t host)
{
	const struct scan *scan = a->group->run->scan;

	for (size_t i = scan->tcp_count; i < scan->port_count; i++) {
		uint8_t *reply = &a->group->hosts[host].replies[i];

		if (*reply == SCAN_UDP_SILENT && is_own_port(a, host, scan->ports[i]))
			*reply = SCAN_UDP_OWN;
	}
}

static void keep_results(struct asking *a, uint64_t begun_ns)
{
	uint32_t took_ms = (uint32_t)((clock_mono_ns() - begun_ns) / MS_NS);
	struct scan *scan = a->group->run->scan;
	struct probe_progress p = udp_probe_progress(a->engine);

	scan->sent += p.sent;
	scan->answers += p.answered;
	for (uint32_t i = 0; i < a->count; i++) {
		a->list[i].took_ms += took_ms;
		a->group->hosts[a->hosts[i]] = a->list[i];
		forget_own_ports(a, a->hosts[i]);
	}
}

int scan_udp_ask(struct group *g, bool near)
{
	struct asking *a = calloc(1, sizeof(*a));
	struct err *e = g->run->e;
	uint64_t begun = clock_mono_ns(), timeout_ns;
	int r;

	if (!a)
		return err_set(e, -ENOMEM, "%s", _("out of memory"));
	a->group = g;
	g->look_ns = 0;
	a->source_count = count_sources(a);
	timeout_ns = choose_hosts(a);
	r = a->count ? udp_socket_open(&a->socket, g->hosts[0].address.family, e) : 0;
	if (r == 0 && a->count) {
		a->engine = make_engine(a, timeout_ns, near);
		if (!a->engine)
			r = err_set(e, -ENOMEM, "%s", _("out of memory"));
	}
	if (a->engine) {
		ask(a);
		udp_probe_conclude(a->engine, scan_is_stopped(g->run));
		keep_results(a, begun);
	}
	udp_probe_free(a->engine);
	if (a->count)
		udp_socket_close(&a->socket);
	free(a);
	return r;
}
