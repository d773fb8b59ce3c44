/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/udp_probe.h"
#include "observe/permutation.h"
#include "observe/probe_rate.h"
#include "observe/udp_host.h"

#include <stdlib.h>

#define MS_NS UINT64_C(1000000)

enum { LONGEST_SLEEP_MS = 100, MOST_ASKS = 1 << 22 /* of all hosts: 32 MB */ };

struct udp_engine {
	struct udp_wish wish;
	struct udp_host *of; /* of each host and source: host * sources + source */
	uint32_t count;
	struct probe_rate rate;
	uint64_t begun_ns, sent, answered;
	uint32_t turn;	/* which goes first */
	uint8_t *ended; /* of each host: enum scan_trouble, when it was not asked to its end */
};

/*
 * The ports of a host are dealt out to the sources: a port is always asked from the same one, among
 * whose it has a number of its own.
 */
static uint32_t source_of(const struct udp_engine *u, uint32_t port)
{
	return port % u->wish.sources;
}

static struct udp_host *find(const struct udp_engine *u, uint32_t host, uint32_t port,
			     uint32_t *ret_number)
{
	*ret_number = port / u->wish.sources;
	return &u->of[host * u->wish.sources + source_of(u, port)];
}

static uint32_t port_at(const struct udp_engine *u, uint32_t index, uint32_t number)
{
	return number * u->wish.sources + index % u->wish.sources;
}

/* The numbers of those that are asked from there, the likely ones first. Returns how many. */
static uint32_t make_order(const struct udp_engine *u, uint32_t source, uint64_t seed,
			   uint32_t *order)
{
	const struct udp_wish *wish = &u->wish;
	struct permutation mixed = permutation_init(wish->port_count, seed);
	uint32_t count = 0;

	for (int first = 1; first >= 0; first--)
		for (uint32_t i = 0; i < wish->port_count; i++) {
			uint32_t port = (uint32_t)permutation_at(&mixed, i);

			if (source_of(u, port) == source &&
			    (wish->likely && wish->likely[port]) == first)
				order[count++] = port / wish->sources;
		}
	return count;
}

static int init_hosts(struct udp_engine *u, uint32_t *order, uint64_t now_ns)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < u->count; i++) {
		uint32_t count = make_order(u, i % u->wish.sources,
					    u->wish.seed + i / u->wish.sources, order);

		r = udp_host_init(&u->of[i], order, count, u->wish.tries, MOST_ASKS / u->count,
				  now_ns);
	}
	return r;
}

struct udp_engine *udp_probe_new(const struct udp_wish *wish, uint64_t now_ns)
{
	struct udp_engine *u = calloc(1, sizeof(*u));
	uint32_t *order = calloc(wish->port_count, sizeof(*order));
	int r = u && order ? 0 : -1;

	if (r == 0) {
		u->wish = *wish;
		if (!u->wish.sources)
			u->wish.sources = 1;
		if (u->wish.sources > wish->port_count)
			u->wish.sources = wish->port_count;
		u->count = wish->host_count * u->wish.sources;
		u->begun_ns = now_ns;
		u->rate = probe_rate_init(wish->rate, wish->rate, true);
		u->of = calloc(u->count, sizeof(*u->of));
		u->ended = calloc(wish->host_count, sizeof(*u->ended));
		r = u->of && u->ended ? init_hosts(u, order, now_ns) : -1;
	}
	free(order);
	if (r == 0)
		return u;
	udp_probe_free(u);
	return NULL;
}

void udp_probe_free(struct udp_engine *u)
{
	if (!u)
		return;
	for (uint32_t i = 0; u->of && i < u->count; i++)
		udp_host_done(&u->of[i]);
	free(u->of);
	free(u->ended);
	free(u);
}

void udp_probe_end_host(struct udp_engine *u, uint32_t host, enum scan_trouble trouble)
{
	for (uint32_t i = host * u->wish.sources; i < (host + 1) * u->wish.sources; i++) {
		if (u->of[i].phase != UDP_FINISHED)
			u->ended[host] = (uint8_t)trouble;
		u->of[i].phase = UDP_FINISHED;
	}
}

static void end_late(struct udp_engine *u, uint64_t now_ns)
{
	if (!u->wish.host_timeout_ns || now_ns - u->begun_ns < u->wish.host_timeout_ns)
		return;
	for (uint32_t i = 0; i < u->wish.host_count; i++)
		udp_probe_end_host(u, i, SCAN_TIMED_OUT);
}

size_t udp_probe_next(struct udp_engine *u, uint64_t now_ns, struct probe *out, size_t room)
{
	size_t allowed = probe_rate_allows(&u->rate, now_ns), count = 0;
	uint32_t silent = 0; /* hosts on end that had nothing to ask */

	end_late(u, now_ns);
	if (allowed < room)
		room = allowed;
	while (count < room && silent < u->count) {
		uint32_t index = u->turn, number;

		u->turn = (u->turn + 1) % u->count;
		if (!udp_host_next(&u->of[index], now_ns, &number)) {
			silent++;
			continue;
		}
		silent = 0;
		out[count++] = (struct probe){.host = index / u->wish.sources,
					      .port = port_at(u, index, number),
					      .slot = u->of[index].ports[number].asks - 1U};
	}
	probe_rate_sent(&u->rate, (uint32_t)count);
	u->sent += count;
	return count;
}

uint64_t udp_probe_wake_ns(const struct udp_engine *u, uint64_t now_ns)
{
	uint64_t wake = now_ns + LONGEST_SLEEP_MS * MS_NS, rate = probe_rate_next_ns(&u->rate);
	uint64_t first = UINT64_MAX;

	for (uint32_t i = 0; i < u->count; i++) {
		uint64_t host = udp_host_wake_ns(&u->of[i], now_ns);

		first = host < first ? host : first;
	}
	if (first < rate)
		first = rate; /* nothing is sent before */
	return first < wake ? first : wake;
}

bool udp_probe_finished(const struct udp_engine *u)
{
	for (uint32_t i = 0; i < u->count; i++)
		if (u->of[i].phase != UDP_FINISHED)
			return false;
	return true;
}

void udp_probe_answer(struct udp_engine *u, uint64_t now_ns, uint32_t host, uint32_t port,
		      enum scan_reply reply)
{
	uint8_t *known;
	bool refused = reply != SCAN_UDP_ANSWER;
	struct udp_host *h;
	uint32_t number;

	if (host >= u->wish.host_count || port >= u->wish.port_count || reply < SCAN_HOST_UNREACH ||
	    reply >= SCAN_REPLY_COUNT)
		return;
	h = find(u, host, port, &number);
	if (!h->ports[number].asks)
		return;
	known = &u->wish.hosts[host].replies[u->wish.first + port];
	u->answered += *known < SCAN_HOST_UNREACH;
	if (*known < reply)
		*known = (uint8_t)reply;
	udp_host_answer(h, now_ns, number, refused);
}

void udp_probe_kept_back(struct udp_engine *u, uint32_t host, uint32_t port)
{
	uint8_t *known = &u->wish.hosts[host].replies[u->wish.first + port];
	struct udp_host *h;
	uint32_t number;

	if (*known < SCAN_KEPT_BACK)
		*known = SCAN_KEPT_BACK;
	h = find(u, host, port, &number);
	udp_host_give_up(h, number);
}

static enum scan_reply silent_reply(const struct udp_host *h, uint32_t port)
{
	if (!h->ports[port].asks)
		return SCAN_UNASKED;
	return udp_host_is_silent(h, port) ? SCAN_UDP_SILENT : SCAN_UNSURE;
}

/* What the sources have learnt of a host, together. */
struct sum {
	uint64_t srtt_ns;
	double refusals; /* a second; negative: not known */
	bool unresolved, gave_up, given_up;
};

static struct sum sum_up(const struct udp_engine *u, uint32_t host)
{
	struct sum sum = {.refusals = -1};

	for (uint32_t i = 0; i < u->wish.sources; i++) {
		const struct udp_host *h = &u->of[host * u->wish.sources + i];

		if (!sum.srtt_ns)
			sum.srtt_ns = h->times.srtt_ns;
		if (h->usual_ns)
			sum.refusals =
				(sum.refusals > 0 ? sum.refusals : 0) + 1e9 / (double)h->usual_ns;
		sum.unresolved |= h->unresolved > 0;
		sum.gave_up |= h->gave_up;
		sum.given_up |= h->given_up > 0;
	}
	return sum;
}

static void conclude_host(struct udp_engine *u, uint32_t number, bool interrupted)
{
	struct scan_host *host = &u->wish.hosts[number];
	const struct sum sum = sum_up(u, number);
	uint8_t *replies = host->replies + u->wish.first;

	for (uint32_t i = 0; i < u->wish.port_count; i++) {
		uint32_t at;
		const struct udp_host *h = find(u, number, i, &at);

		if (replies[i] == SCAN_UNASKED)
			replies[i] = (uint8_t)silent_reply(h, at);
	}
	if (sum.srtt_ns && host->rtt_ms < 0)
		host->rtt_ms = (double)sum.srtt_ns / 1e6;
	host->refusals = sum.refusals;
	if (host->trouble != SCAN_FINE)
		return;
	if (sum.unresolved)
		host->trouble = u->ended[number] ? (enum scan_trouble)u->ended[number]
				: sum.gave_up	 ? SCAN_LOSSY
				: interrupted	 ? SCAN_INTERRUPTED
						 : SCAN_FINE;
	if (host->trouble == SCAN_FINE && sum.given_up)
		host->trouble = SCAN_KEPT_HERE;
}

void udp_probe_conclude(struct udp_engine *u, bool interrupted)
{
	for (uint32_t i = 0; i < u->wish.host_count; i++)
		conclude_host(u, i, interrupted);
}

/* By the slowest host; 0: not known. */
static double left_s(const struct udp_engine *u)
{
	double most = 0;

	for (uint32_t i = 0; i < u->count; i++) {
		double left = udp_host_left_s(&u->of[i]);

		most = left > most ? left : most;
	}
	return most;
}

struct probe_progress udp_probe_progress(const struct udp_engine *u)
{
	struct probe_progress p = {.sent = u->sent, .answered = u->answered, .pass = 1};

	p.left_s = (uint32_t)(left_s(u) + 0.5);
	p.rate = u->wish.rate;
	p.total = (uint64_t)u->wish.host_count * u->wish.port_count;
	p.asked = p.total;
	for (uint32_t i = 0; i < u->count; i++) {
		p.asked -= u->of[i].unresolved;
		if (u->of[i].phase > UDP_QUIET)
			p.pass = 2;
	}
	return p;
}
