/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/scan_inside.h"
#include "base/mem.h"
#include "cli/view.h"
#include "decide/scan_join.h"
#include "observe/reach.h"

#include <stdlib.h>

static void join(const struct view *v, struct scan *s, size_t host)
{
	struct belief cleanup_free *beliefs = calloc((size_t)UINT16_MAX + 1, sizeof(*beliefs));
	const struct belief_question q = {.list = &v->list,
					  .reach = &v->reach,
					  .join = &v->join,
					  .to = s->hosts[host].address,
					  .proto = PROTO_UDP,
					  .of_host = true};

	if (!beliefs)
		return;
	belief_take(&q, beliefs);
	/* a guard may keep packets from a listener, which the rules know nothing of */
	for (size_t port = 0; v->guard && port <= UINT16_MAX; port++)
		if (beliefs[port].open == SURE_OPEN)
			beliefs[port].open = UNSURE;
	scan_join_udp(s, &s->hosts[host], beliefs, snapshot_has_all_listeners(&v->snapshot));
}

void scan_inside_join(const struct options *o, struct scan *s, size_t host)
{
	/* what the machine sends to itself comes in there, whatever the address */
	const struct reach_options ask = {
		.in = "lo", .to = s->hosts[host].address, .protos = 1U << PROTO_UDP};
	const struct view_wish wish = {
		.reach = true, .reach_only = true, .clients = true, .ask = &ask};
	struct options inside = *o;
	struct view v = {0};
	struct err ignored; /* then it stays as it was found */

	if (!scan_join_helps(s, &s->hosts[host]))
		return;
	inside.ipv4 = inside.ipv6 = false;
	if (view_take(&v, &inside, &wish, &ignored) >= 0)
		join(&v, s, host);
	view_done(&v);
}
