/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: the whole. Hosts are asked in groups: of one family, and of those that share a link with
 * others apart from those that do not, since these may be asked as fast as the processor can. How a
 * group is asked is scan_packets', scan_connect's and scan_udp's business.
 */
#include "observe/scan.h"
#include "base/clock.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/rawsock.h"
#include "observe/scan_inner.h"

#include <errno.h>
#include <linux/netlink.h>
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
	ROUND_MS =
		200, /* how long neighbours are waited for before those that are there are asked */
};

#define NEAR_RATE   1e6	  /* packets a second: more than a processor sends */
#define SHARED_RATE 10000 /* on a link that others use, too: 6 Mbit/s */
#define FIRST_SHARE 4	  /* begin with that part of the most */

bool scan_is_stopped(const struct run *run)
{
	return run->wish->stop && *run->wish->stop;
}

static uint64_t address_key(const struct address *a)
{
	return map_hash_bytes(a, sizeof(*a));
}

bool scan_group_find(const struct group *g, const struct address *a, uint32_t *ret)
{
	return map_get(&g->by_address, address_key(a), ret) &&
	       address_equal(a, &g->hosts[*ret].address);
}

void scan_group_report(const struct group *g, const struct probe_progress *p)
{
	if (g->run->wish->progress)
		g->run->wish->progress(g->run->done, p, g->run->wish->context);
}

/* --- what is told --------------------------------------------------------------------------------
 */

static void end_host(struct run *run, size_t index)
{
	struct scan_host *host = &run->scan->hosts[index];

	run->done++;
	host->done = host->trouble != SCAN_INTERRUPTED && host->trouble != SCAN_WAY_LOST;
	if (run->wish->host_done)
		run->wish->host_done(index, run->wish->context);
}

void scan_group_answer(struct group *g, const struct probe *to, enum scan_reply reply)
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

	if (!run->wish->save || (!now && clock_mono_ns() < run->save_ns))
		return;
	m = calloc(1, sizeof(*m));
	if (!m)
		return; /* what was kept before stays */
	*m = (struct scan_memory){.seed = run->seed,
				  .sent = run->scan->sent,
				  .answers = run->scan->answers,
				  .took_ns = run->scan->took_ns + clock_mono_ns() - run->begun_ns};
	if (g) {
		m->sent += probe_progress(g->engine).sent;
		m->answers += probe_progress(g->engine).answered;
		m->count = g->count;
		memcpy(m->indexes, g->indexes, sizeof(m->indexes));
		probe_remember(g->engine, clock_mono_ns(), &m->engine);
	}
	run->save_ns = run->wish->save(m, run->wish->context) * MS_NS;
	run->save_ns += clock_mono_ns();
}

void scan_group_report_tcp(const struct group *g)
{
	struct probe_progress p = probe_progress(g->engine);

	scan_group_report(g, &p);
	save(g->run, g, false);
}

static bool look_tcp(struct group *g, bool routed)
{
	if (!scan_ways_look(g, routed))
		return false;
	probe_spoil_pass(g->engine);
	for (uint32_t i = 0; i < g->count; i++)
		if (g->way_lost[i])
			probe_end_host(g->engine, i, SCAN_WAY_LOST);
	return true;
}

void scan_group_look_tcp(struct group *g, bool routed)
{
	if (scan_ways_are_due(g) || probe_will_judge(g->engine, g->now_ns))
		look_tcp(g, routed);
}

bool scan_group_look_again(struct group *g)
{
	return look_tcp(g, true);
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
		.port_count = (uint32_t)g->run->scan->tcp_count,
		.seed = g->run->seed,
		.rate = wish->rate > 0 ? wish->rate : most / FIRST_SHARE,
		.max_rate = most,
		.fixed_rate = wish->rate > 0,
		.gentle = wish->connect,
		.patience_ns = wish->patience_ms * MS_NS,
		.host_timeout_ns = wish->host_timeout_s * 1000 * MS_NS,
		.memory = g->memory,
	};
}

static int ask_tcp(struct group *g, bool near)
{
	struct probe_wish wish = make_wish(g, near);
	struct run *run = g->run;
	uint64_t begun = clock_mono_ns();
	int r;

	g->engine = probe_new(&wish, begun);
	if (!g->engine)
		return err_set(run->e, -ENOMEM, _("out of memory"));
	begun -= g->memory ? g->memory->spent_ns : 0;
	r = run->wish->connect ? scan_connect_ask(g) : scan_packets_ask(g);
	if (r < 0 || scan_is_stopped(run))
		save(run, g, true);
	probe_conclude(g->engine, r < 0 || scan_is_stopped(run));
	if (r == 0 && run->wish->connect)
		scan_connect_find_absent(g);
	run->scan->sent += probe_progress(g->engine).sent;
	run->scan->answers += probe_progress(g->engine).answered;
	probe_free(g->engine);
	for (uint32_t i = 0; i < g->count; i++)
		g->hosts[i].took_ms = (uint32_t)((clock_mono_ns() - begun) / MS_NS);
	return r;
}

static int run_group(struct group *g, bool near)
{
	struct run *run = g->run;
	int r = 0;

	for (uint32_t i = 0; i < g->count && r == 0; i++)
		r = map_set(&g->by_address, address_key(&g->hosts[i].address), i);
	if (r < 0)
		return err_set(run->e, -ENOMEM, _("out of memory"));
	if (run->scan->tcp_count)
		r = ask_tcp(g, near);
	if (r == 0 && run->scan->tcp_count < run->scan->port_count)
		r = scan_udp_ask(g, near);
	for (uint32_t i = 0; i < g->count; i++) {
		run->scan->hosts[g->indexes[i]] = g->hosts[i];
		end_host(run, g->indexes[i]);
	}
	if (r == 0 && !scan_is_stopped(run))
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
	uint64_t until = clock_mono_ns() + ROUND_MS * MS_NS;
	uint32_t pending;

	for (;;) {
		count = resolve(run, waiting, count, &pending);
		if (!pending || scan_is_stopped(run) ||
		    (pending < count && clock_mono_ns() > until))
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
	while (r == 0 && count && !scan_is_stopped(run)) {
		count = wait_for_neighbours(run, waiting, count);
		if (scan_is_stopped(run))
			break;
		g->run = run;
		g->count = 0;
		g->look_ns = 0;
		memset(g->way_lost, 0, sizeof(g->way_lost));
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
	for (size_t i = 0; i < run->scan->port_count; i++) {
		enum proto proto = scan_port_proto(run->scan, i);

		run->index[proto][run->scan->ports[i]] =
			(uint16_t)(proto == PROTO_TCP ? i : i - run->scan->tcp_count);
	}
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
	run->begun_ns = clock_mono_ns();
	run->scan = s;
	s->by_connect = wish->connect;
	run->wish = wish;
	run->e = e;
	r = nl_open(&run->route, NETLINK_ROUTE, e);
	if (r < 0)
		return r;
	r = prepare(run);
	if (r == 0 && s->tcp_count < s->port_count)
		r = udp_payloads_init(&run->payloads, e);
	if (r == 0)
		r = run_groups(run, waiting, find_ways(run, waiting));
	nl_close(&run->route);
	free(run->ways);
	udp_payloads_done(&run->payloads);
	s->took_ns += clock_mono_ns() - run->begun_ns;
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
