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

static void take_call(const struct probe *probe, enum scan_reply reply, void *context)
{
	struct group *g = context;

	if (reply == SCAN_KEPT_BACK)
		probe_kept_back(g->engine, probe);
	else
		scan_group_answer(g, probe, reply);
}

int scan_connect_ask(struct group *g)
{
	struct probe probes[RAWSOCK_BATCH];
	struct dial *dial = dial_new(g->run->e);

	while (dial && !probe_finished(g->engine) && !scan_is_stopped(g->run)) {
		size_t room = dial_room(dial), count;

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

			dial_begin(dial, &wish, take_call, g);
		}
		scan_group_report_tcp(g);
		g->now_ns = clock_mono_ns();
		dial_receive(dial, g->now_ns,
			     count ? g->now_ns : probe_wake_ns(g->engine, g->now_ns), take_call, g);
		dial_expire(dial, g->now_ns);
	}
	dial_free(dial);
	return dial ? 0 : -ENOMEM;
}
