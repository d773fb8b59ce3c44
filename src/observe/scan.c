/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: the loop between the state machine and the sockets. Hosts are asked in groups: of one
 * family, and of those that share a link with others apart from those that do not, since these may
 * be asked as fast as the processor can.
 *
 * An answer is ours when it comes from the address and port that were asked, to the source port of
 * the slot, and acknowledges the cookie in the sequence number: a SipHash of all these under a key
 * that only this run knows.
 */
#include "observe/scan.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nl.h"
#include "observe/dial.h"
#include "observe/rawsock.h"
#include "observe/scan_way.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sodium/crypto_shorthash.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
	/* above the ports that the kernel gives to clients (32768-60999, unless it was told other)
	 */
	FIRST_SOURCE_PORT = 61000,
	LAST_SOURCE_PORT = 65535,
	NO_PORT = 0xffff,
	ROUND_MS =
		200, /* how long neighbours are waited for before those that are there are asked */
};

#define MS_NS	    UINT64_C(1000000)
#define NEAR_RATE   1e6	  /* packets a second: more than a processor sends */
#define SHARED_RATE 10000 /* on a link that others use, too: 6 Mbit/s */
#define FIRST_SHARE 4	  /* begin with that part of the most */

struct run {
	struct scan *scan;
	const struct scan_wish *wish;
	struct nl route;
	struct scan_way *ways; /* of each host */
	uint8_t key[crypto_shorthash_KEYBYTES];
	uint64_t seed;
	uint16_t first_port;   /* of the sources: + slot */
	uint16_t index[65536]; /* of each port in scan->ports, or NO_PORT */
	size_t done;	       /* hosts */
	uint64_t begun_ns;
	uint64_t save_ns; /* when the next time */
	bool resumes;	  /* the group that was being asked is to be taken first */
	struct err *e;
};

/* A group of hosts that are asked together. */
struct group {
	struct run *run;
	struct scan_host hosts[PROBE_HOST_LIMIT]; /* as in the scan: replies are its own */
	uint32_t indexes[PROBE_HOST_LIMIT];	  /* in the scan */
	uint32_t count;
	struct map by_address;
	struct probe_engine *engine;
	const struct probe_memory *memory; /* to go on with, or NULL */
	uint64_t now_ns;
};

static uint64_t clock_ns(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * MS_NS + (uint64_t)now.tv_nsec;
}

static bool is_stopped(const struct run *run)
{
	return run->wish->stop && *run->wish->stop;
}

static uint64_t address_key(const struct address *a)
{
	return map_hash_bytes(a, sizeof(*a));
}

static uint32_t cookie(const struct run *run, const struct address *to, uint16_t port,
		       uint16_t slot)
{
	uint8_t hash[crypto_shorthash_BYTES], text[sizeof(to->bytes) + 4] = {0};
	uint32_t value;

	memcpy(text, to->bytes, sizeof(to->bytes));
	text[16] = (uint8_t)(port >> 8);
	text[17] = (uint8_t)port;
	text[18] = (uint8_t)(slot >> 8);
	text[19] = (uint8_t)slot;
	crypto_shorthash(hash, text, sizeof(text), run->key);
	memcpy(&value, hash, sizeof(value));
	return value;
}

/* --- what is told --------------------------------------------------------------------------------
 */

static void end_host(struct run *run, size_t index)
{
	struct scan_host *host = &run->scan->hosts[index];

	run->done++;
	host->done = host->trouble != SCAN_INTERRUPTED;
	if (run->wish->host_done)
		run->wish->host_done(index, run->wish->context);
}

static void take_answer(struct group *g, const struct probe *to, enum scan_reply reply)
{
	const struct scan_wish *wish = g->run->wish;
	const uint8_t *known = &g->hosts[to->host].replies[to->port];
	bool was_open = *known == SCAN_SYN_ACK;

	probe_answer(g->engine, g->now_ns, to, reply);
	if (wish->found && !was_open && *known == SCAN_SYN_ACK)
		wish->found(g->indexes[to->host], to->port, wish->context);
}

/* `g`: NULL between two groups. */
static void save(struct run *run, const struct group *g, bool now)
{
	struct scan_memory cleanup_free *m = NULL;

	if (!run->wish->save || (!now && clock_ns() < run->save_ns))
		return;
	m = calloc(1, sizeof(*m));
	if (!m)
		return; /* what was kept before stays */
	*m = (struct scan_memory){.seed = run->seed,
				  .sent = run->scan->sent,
				  .answers = run->scan->answers,
				  .took_ns = run->scan->took_ns + clock_ns() - run->begun_ns};
	if (g) {
		m->sent += probe_progress(g->engine).sent;
		m->answers += probe_progress(g->engine).answered;
		m->count = g->count;
		memcpy(m->indexes, g->indexes, sizeof(m->indexes));
		probe_remember(g->engine, clock_ns(), &m->engine);
	}
	run->save_ns = run->wish->save(m, run->wish->context) * MS_NS;
	run->save_ns += clock_ns();
}

/* --- by packets --------------------------------------------------------------------------------
 */

static enum scan_reply reply_of_error(const struct frame_seen *seen)
{
	bool ip6 = seen->source.family == AF_INET6;

	if (!frame_is_refusal(seen))
		return SCAN_UNSURE;
	switch (seen->icmp_code) { /* RFC 792 and 1812; RFC 4443 */
	case 1:
		return ip6 ? SCAN_PROHIBITED : SCAN_HOST_UNREACH;
	case 3:
		return ip6 ? SCAN_HOST_UNREACH : SCAN_PORT_UNREACH;
	case 4:
		return ip6 ? SCAN_PORT_UNREACH : SCAN_OTHER_UNREACH;
	case 9:
	case 10:
	case 13:
		return ip6 ? SCAN_OTHER_UNREACH : SCAN_PROHIBITED;
	default:
		return SCAN_OTHER_UNREACH;
	}
}

static enum scan_reply reply_of(const struct frame_seen *seen)
{
	switch (seen->what) {
	case FRAME_SYN_ACK:
		return SCAN_SYN_ACK;
	case FRAME_RST:
		return SCAN_RST;
	case FRAME_ICMP_ERROR:
		return reply_of_error(seen);
	default:
		return SCAN_UNSURE;
	}
}

static void take_packet(const void *bytes, size_t len, void *context)
{
	struct group *g = context;
	const struct run *run = g->run;
	struct frame_seen seen;
	const struct address *host;
	uint16_t port, source_port;
	enum scan_reply reply;
	struct probe to;

	if (frame_decode(bytes, len, &seen) < 0 || seen.proto != PROTO_TCP || !seen.has_cookie)
		return;
	reply = reply_of(&seen);
	/* an ICMP error quotes our packet, in our direction */
	host = seen.what == FRAME_ICMP_ERROR ? &seen.quoted_destination : &seen.source;
	port = seen.what == FRAME_ICMP_ERROR ? seen.destination_port : seen.source_port;
	source_port = seen.what == FRAME_ICMP_ERROR ? seen.source_port : seen.destination_port;
	if (reply == SCAN_UNSURE || source_port < run->first_port ||
	    source_port - run->first_port >= PROBE_SLOT_COUNT || run->index[port] == NO_PORT ||
	    !map_get(&g->by_address, address_key(host), &to.host) ||
	    !address_equal(host, &g->hosts[to.host].address))
		return;
	to.slot = (uint16_t)(source_port - run->first_port);
	to.port = run->index[port];
	if (seen.cookie == cookie(run, host, port, to.slot))
		take_answer(g, &to, reply);
}

static void make_packet(const struct group *g, const struct probe *probe,
			struct rawsock_packet *packet)
{
	const struct run *run = g->run;
	const struct scan_way *way = &run->ways[g->indexes[probe->host]];
	const struct address *to = &g->hosts[probe->host].address;
	uint16_t port = run->scan->ports[probe->port];
	struct frame_knock knock = {.proto = PROTO_TCP,
				    .source = way->source,
				    .destination = *to,
				    .source_port = (uint16_t)(run->first_port + probe->slot),
				    .destination_port = port,
				    .cookie = cookie(run, to, port, probe->slot)};

	packet->way = &way->way;
	packet->len = (size_t)frame_encode(&knock, packet->bytes);
}

static int send_packets(struct group *g, struct rawsock *raw, const struct probe *probes,
			size_t count)
{
	struct rawsock_packet packets[RAWSOCK_BATCH];

	for (size_t i = 0; i < count; i++)
		make_packet(g, &probes[i], &packets[i]);
	return rawsock_send(raw, packets, count, g->run->e);
}

static void wait_for_packets(struct group *g, struct rawsock *raw)
{
	uint64_t wake = probe_wake_ns(g->engine, g->now_ns), now = clock_ns();
	struct timespec wait = {0};
	struct pollfd fd = {.fd = raw->ring_fd, .events = POLLIN};

	if (wake <= now)
		return;
	wait.tv_sec = (time_t)((wake - now) / (1000 * MS_NS));
	wait.tv_nsec = (long)((wake - now) % (1000 * MS_NS));
	ppoll(&fd, 1, &wait, NULL);
}

static void report(const struct group *g)
{
	struct probe_progress p = probe_progress(g->engine);

	if (g->run->wish->progress)
		g->run->wish->progress(g->run->done, &p, g->run->wish->context);
	save(g->run, g, false);
}

static int ask_by_packets(struct group *g)
{
	struct run *run = g->run;
	struct probe probes[RAWSOCK_BATCH];
	struct rawsock raw;
	int r = rawsock_open(&raw, g->hosts[0].address.family, run->first_port, PROBE_SLOT_COUNT,
			     run->e);

	while (r == 0 && !probe_finished(g->engine) && !is_stopped(run)) {
		size_t count;

		/* what came until now is told before it is decided what that means */
		g->now_ns = clock_ns();
		rawsock_receive(&raw, take_packet, g);
		count = probe_next(g->engine, g->now_ns, probes, RAWSOCK_BATCH);
		report(g);
		if (count) {
			r = send_packets(g, &raw, probes, count);
			continue;
		}
		if (rawsock_overflows(&raw))
			probe_overflowed(g->engine);
		wait_for_packets(g, &raw);
	}
	rawsock_close(&raw);
	return r;
}

/* --- by connect() ------------------------------------------------------------------------------
 */

static void take_call(const struct probe *probe, enum scan_reply reply, void *context)
{
	struct group *g = context;

	take_answer(g, probe, reply);
}

static int ask_by_connect(struct group *g)
{
	struct probe probes[RAWSOCK_BATCH];
	struct dial *dial = dial_new(g->run->e);

	while (dial && !probe_finished(g->engine) && !is_stopped(g->run)) {
		size_t room = dial_room(dial), count;

		g->now_ns = clock_ns();
		count = probe_next(g->engine, g->now_ns, probes,
				   room < RAWSOCK_BATCH ? room : RAWSOCK_BATCH);
		for (size_t i = 0; i < count; i++) {
			struct dial_wish wish = {.probe = probes[i],
						 .to = &g->hosts[probes[i].host].address,
						 .port = g->run->scan->ports[probes[i].port],
						 .until_ns =
							 g->now_ns + probe_patience_ns(g->engine)};

			dial_begin(dial, &wish, take_call, g);
		}
		report(g);
		g->now_ns = clock_ns();
		dial_receive(dial, g->now_ns,
			     count ? g->now_ns : probe_wake_ns(g->engine, g->now_ns), take_call, g);
		dial_expire(dial, g->now_ns);
	}
	dial_free(dial);
	return dial ? 0 : -ENOMEM;
}

/* --- groups ------------------------------------------------------------------------------------
 */

static struct probe_wish make_wish(struct group *g, bool near)
{
	const struct scan_wish *wish = g->run->wish;
	double most = near ? NEAR_RATE : SHARED_RATE;

	if (wish->max_rate > 0)
		most = wish->max_rate;
	if (wish->rate > most)
		most = wish->rate;
	return (struct probe_wish){
		.hosts = g->hosts,
		.host_count = g->count,
		.port_count = (uint32_t)g->run->scan->port_count,
		.seed = g->run->seed,
		.rate = wish->rate > 0 ? wish->rate : most / FIRST_SHARE,
		.max_rate = most,
		.fixed_rate = wish->rate > 0,
		.gentle = wish->connect,
		.host_timeout_ns = wish->host_timeout_s * 1000 * MS_NS,
		.memory = g->memory,
	};
}

static int run_group(struct group *g, bool near)
{
	struct probe_wish wish = make_wish(g, near);
	struct run *run = g->run;
	uint64_t begun = clock_ns();
	int r = 0;

	for (uint32_t i = 0; i < g->count && r == 0; i++)
		r = map_set(&g->by_address, address_key(&g->hosts[i].address), i);
	g->engine = r == 0 ? probe_new(&wish, begun) : NULL;
	if (!g->engine)
		return err_set(run->e, -ENOMEM, _("out of memory"));
	begun -= g->memory ? g->memory->spent_ns : 0;
	r = run->wish->connect ? ask_by_connect(g) : ask_by_packets(g);
	if (r < 0 || is_stopped(run))
		save(run, g, true);
	probe_conclude(g->engine, r < 0 || is_stopped(run));
	run->scan->sent += probe_progress(g->engine).sent;
	run->scan->answers += probe_progress(g->engine).answered;
	probe_free(g->engine);
	for (uint32_t i = 0; i < g->count; i++) {
		g->hosts[i].took_ms = (uint32_t)((clock_ns() - begun) / MS_NS);
		run->scan->hosts[g->indexes[i]] = g->hosts[i];
		end_host(run, g->indexes[i]);
	}
	if (r == 0 && !is_stopped(run))
		save(run, NULL, false);
	return r;
}

/* May the host be asked together with the group's, and is it not done yet? */
static bool belongs(const struct run *run, const struct group *g, size_t index)
{
	if (g->count == 0)
		return true;
	return run->ways[index].near == run->ways[g->indexes[0]].near &&
	       run->scan->hosts[index].address.family == g->hosts[0].address.family;
}

/* Takes hosts out of waiting[], which becomes shorter. */
static uint32_t take_group(struct run *run, uint32_t *waiting, uint32_t count, struct group *g)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = waiting[i];

		if (g->count == PROBE_HOST_LIMIT || run->ways[index].pending ||
		    !belongs(run, g, index)) {
			waiting[kept++] = index;
			continue;
		}
		g->hosts[g->count] = run->scan->hosts[index];
		g->indexes[g->count++] = index;
	}
	return kept;
}

/* Where the host stands in waiting[], if it can be asked now; else `count`. */
static uint32_t find_waiting(const struct run *run, const uint32_t *waiting, uint32_t count,
			     uint32_t index)
{
	for (uint32_t i = 0; i < count; i++)
		if (waiting[i] == index)
			return run->ways[index].pending ? count : i;
	return count;
}

/*
 * The group that was being asked when the scan was interrupted, in its order. When one of its hosts
 * cannot be asked any more, that order is gone: then its ports that are not known are asked from
 * the beginning.
 */
static uint32_t take_old_group(struct run *run, uint32_t *waiting, uint32_t count, struct group *g)
{
	const struct scan_memory *m = run->wish->resume;

	for (uint32_t i = 0; i < m->count; i++) {
		if (find_waiting(run, waiting, count, m->indexes[i]) == count ||
		    !belongs(run, g, m->indexes[i])) {
			g->count = 0;
			return count;
		}
		g->hosts[i] = run->scan->hosts[m->indexes[i]];
		g->indexes[g->count++] = m->indexes[i];
	}
	for (uint32_t i = 0; i < m->count; i++) {
		uint32_t at = find_waiting(run, waiting, count, m->indexes[i]);

		memmove(waiting + at, waiting + at + 1, (--count - at) * sizeof(*waiting));
	}
	g->memory = &m->engine;
	return count;
}

/* Looks which neighbours are there; those that nobody answers for leave waiting[]. */
static uint32_t resolve(struct run *run, uint32_t *waiting, uint32_t count, uint32_t *pending)
{
	uint32_t kept = 0;

	*pending = 0;
	for (uint32_t i = 0; i < count; i++) {
		int r = scan_way_resolve(&run->route, &run->ways[waiting[i]]);

		if (r < 0) {
			run->scan->hosts[waiting[i]].trouble = SCAN_NO_NEIGHBOUR;
			end_host(run, waiting[i]);
			continue;
		}
		*pending += (uint32_t)r;
		waiting[kept++] = waiting[i];
	}
	return kept;
}

/* Until all neighbours are known, or for a moment: then those that are there are asked first. */
static uint32_t wait_for_neighbours(struct run *run, uint32_t *waiting, uint32_t count)
{
	static const struct timespec moment = {.tv_nsec = 1000000};
	uint64_t until = clock_ns() + ROUND_MS * MS_NS;
	uint32_t pending;

	for (;;) {
		count = resolve(run, waiting, count, &pending);
		if (!pending || is_stopped(run) || (pending < count && clock_ns() > until))
			return count;
		nanosleep(&moment, NULL);
	}
}

static int run_groups(struct run *run, uint32_t *waiting, uint32_t count)
{
	struct group *g = malloc(sizeof(*g));
	int r = 0;

	if (!g)
		return err_set(run->e, -ENOMEM, _("out of memory"));
	for (uint32_t i = 0; i < count; i++)
		if (run->ways[waiting[i]].pending)
			scan_way_ask(&run->route, &run->ways[waiting[i]],
				     &run->scan->hosts[waiting[i]].address);
	while (r == 0 && count && !is_stopped(run)) {
		count = wait_for_neighbours(run, waiting, count);
		if (is_stopped(run))
			break;
		g->run = run;
		g->count = 0;
		g->memory = NULL;
		g->by_address = (struct map){0};
		if (run->resumes)
			count = take_old_group(run, waiting, count, g);
		run->resumes = false;
		if (!g->count)
			count = take_group(run, waiting, count, g);
		if (g->count)
			r = run_group(g, run->ways[g->indexes[0]].near);
		map_done(&g->by_address);
	}
	for (uint32_t i = 0; i < count; i++) {
		run->scan->hosts[waiting[i]].trouble = SCAN_INTERRUPTED;
		end_host(run, waiting[i]);
	}
	free(g);
	return r;
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static int prepare(struct run *run)
{
	uint16_t span = LAST_SOURCE_PORT - FIRST_SOURCE_PORT - PROBE_SLOT_COUNT + 1;
	uint16_t chance;

	if (getrandom(run->key, sizeof(run->key), 0) != sizeof(run->key) ||
	    getrandom(&run->seed, sizeof(run->seed), 0) != sizeof(run->seed) ||
	    getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
		return err_set(run->e, -errno, _("the kernel gives no random numbers: %s"),
			       strerror(errno));
	if (run->wish->resume)
		run->seed = run->wish->resume->seed;
	run->resumes = run->wish->resume && run->wish->resume->count;
	run->first_port = (uint16_t)(FIRST_SOURCE_PORT + chance % span);
	memset(run->index, 0xff, sizeof(run->index));
	for (size_t i = 0; i < run->scan->port_count; i++)
		run->index[run->scan->ports[i]] = (uint16_t)i;
	run->ways = calloc(run->scan->host_count + 1, sizeof(*run->ways));
	return run->ways ? 0 : err_set(run->e, -ENOMEM, _("out of memory"));
}

/* The ways; hosts to which there is none are done. Returns how many are waiting. */
static uint32_t find_ways(struct run *run, uint32_t *waiting)
{
	uint32_t count = 0;
	struct err ignored;

	for (size_t i = 0; i < run->scan->host_count; i++) {
		struct scan_host *host = &run->scan->hosts[i];
		int r;

		if (host->done) { /* in the scan that this one goes on with */
			end_host(run, i);
			continue;
		}
		r = scan_way_find(&run->route, &host->address, &run->ways[i], &ignored);
		host->own = r == 0 && run->ways[i].way.own;
		if (r < 0 || !run->ways[i].source.family) {
			host->trouble = r == -EDESTADDRREQ ? SCAN_NO_HOST : SCAN_NO_ROUTE;
			end_host(run, i);
			continue;
		}
		if (run->wish->connect) /* the kernel does it all */
			run->ways[i].pending = false;
		waiting[count++] = (uint32_t)i;
	}
	return count;
}

int scan_run(struct scan *s, const struct scan_wish *wish, struct err *e)
{
	struct run cleanup_free *run = calloc(1, sizeof(*run));
	uint32_t cleanup_free *waiting = calloc(s->host_count + 1, sizeof(*waiting));
	int r;

	if (!run || !waiting)
		return err_set(e, -ENOMEM, _("out of memory"));
	run->begun_ns = clock_ns();
	run->scan = s;
	run->wish = wish;
	run->e = e;
	r = nl_open(&run->route, NETLINK_ROUTE, e);
	if (r < 0)
		return r;
	r = prepare(run);
	if (r == 0)
		r = run_groups(run, waiting, find_ways(run, waiting));
	nl_close(&run->route);
	free(run->ways);
	s->took_ns += clock_ns() - run->begun_ns;
	return r;
}

int scan_can_send(struct err *e)
{
	struct rawsock raw;
	int r = rawsock_open(&raw, AF_INET, FIRST_SOURCE_PORT, PROBE_SLOT_COUNT, e);

	rawsock_close(&raw);
	return r;
}

bool scan_is_own(const struct address *a)
{
	struct scan_way way;
	struct err ignored;
	struct nl route;
	bool own;

	if (nl_open(&route, NETLINK_ROUTE, &ignored) < 0)
		return false;
	own = scan_way_find(&route, a, &way, &ignored) == 0 && way.way.own;
	nl_close(&route);
	return own;
}
