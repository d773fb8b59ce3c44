/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_connect: asks TCP ports by connect() (observe/dial).
 */
#include "base/clock.h"
#include "base/i18n.h"
#include "observe/dial.h"
#include "observe/rawsock.h"
#include "observe/scan_inner.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { ABSENT_MS = 4000 }; /* neighbours are asked for three times, a second each */

static void take_call(const struct probe *probe, enum scan_reply reply, void *context)
{
	struct group *g = context;

	if (reply == SCAN_KEPT_BACK)
		probe_kept_back(g->engine, probe);
	else
		scan_group_answer(g, probe, reply);
}

/*
 * The kernel refused to send. If the ways to the hosts are what they were, it is some rule of
 * routing for that port (ip-rule(8)).
 */
static void take_unsent(struct group *g, const struct probe *unsent, size_t count)
{
	if (scan_group_look_again(g))
		return;
	for (size_t i = 0; i < count; i++)
		probe_kept_back(g->engine, &unsent[i]);
}

static bool is_silent(const struct group *g, uint32_t host)
{
	for (size_t i = 0; i < g->run->scan->tcp_count; i++)
		if (g->hosts[host].replies[i] >= SCAN_KEPT_BACK)
			return false;
	return true;
}

/* That nobody has the address is told by the kernel after three seconds only, when silence is long
 * known. */
void scan_connect_find_absent(struct group *g)
{
	static const struct timespec moment = {.tv_nsec = 20 * MS_NS};
	uint64_t until = clock_mono_ns() + ABSENT_MS * MS_NS;

	for (uint32_t i = 0; i < g->count; i++) {
		struct scan_host *host = &g->hosts[i];
		int r = -EAGAIN;

		while (host->trouble == SCAN_FINE && is_silent(g, i) && r == -EAGAIN &&
		       clock_mono_ns() < until && !scan_is_stopped(g->run)) {
			r = scan_way_is_absent(&g->run->route, &host->address);
			if (r == -EAGAIN)
				nanosleep(&moment, NULL);
		}
		if (r != 1)
			continue;
		host->trouble = SCAN_NO_NEIGHBOUR;
		memset(host->replies, SCAN_UNASKED, g->run->scan->tcp_count);
	}
}

int scan_connect_ask(struct group *g)
{
	struct probe unsent[RAWSOCK_BATCH];
	struct probe probes[RAWSOCK_BATCH];
	struct dial *dial = dial_new(g->run->e);

	while (dial && !probe_finished(g->engine) && !scan_is_stopped(g->run)) {
		size_t room = dial_room(dial), count, unsent_count = 0;

		g->now_ns = clock_mono_ns();
		scan_group_look_tcp(g, true);
		count = probe_next(g->engine, g->now_ns, probes,
				   room < RAWSOCK_BATCH ? room : RAWSOCK_BATCH);
		for (size_t i = 0; i < count; i++) {
			struct dial_wish wish = {.probe = probes[i],
						 .to = &g->hosts[probes[i].host].address,
						 .port = g->run->scan->ports[probes[i].port],
						 .until_ns =
							 g->now_ns + probe_patience_ns(g->engine)};

			if (!dial_begin(dial, &wish, take_call, g))
				unsent[unsent_count++] = probes[i];
		}
		if (unsent_count)
			take_unsent(g, unsent, unsent_count);
		scan_group_report_tcp(g);
		g->now_ns = clock_mono_ns();
		dial_receive(dial, g->now_ns,
			     count ? g->now_ns : probe_wake_ns(g->engine, g->now_ns), take_call, g);
		dial_expire(dial, g->now_ns);
	}
	dial_free(dial);
	return dial ? 0 : -ENOMEM;
}
