/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/scan_inside.h"
#include "base/mem.h"
#include "cli/view.h"
#include "decide/listener_at.h"
#include "decide/scan_join.h"
#include "observe/reach.h"

#include <stdlib.h>

struct inside_look {
	size_t host;
	struct belief *beliefs; /* 65536; owned */
	bool knows_all;
};

/*
 * Who is bound to an interface may hear the packet or not: of what the machine sends to itself, the
 * kernel takes the interface that has the address, or lo. Where the rules let it in, a refusal says
 * that nobody does; where they may not, it may be theirs.
 */
static void doubt_interfaces(const struct view *v, const struct address *to, struct belief *beliefs)
{
	for (size_t i = 0; i < v->list.listener_count; i++) {
		const struct listener *l = &v->list.listeners[i];
		struct belief *b = &beliefs[l->port];

		if (!l->ifindex || l->netns != 0 || l->proto != PROTO_UDP ||
		    listener_at(&v->snapshot, &v->list, PROTO_UDP, l->port, to, to) !=
			    LISTENER_AT_UNKNOWN)
			continue;
		if (b->verdict == VERDICT_ACCEPT)
			*b = (struct belief){UNSURE, VERDICT_ACCEPT, SNAPSHOT_NONE};
		else
			b->listener = (uint32_t)i;
	}
}

static int take_beliefs(const struct view *v, const struct address *to, struct inside_look *ret)
{
	const struct belief_question q = {.list = &v->list,
					  .reach = &v->reach,
					  .join = &v->join,
					  .to = *to,
					  .proto = PROTO_UDP,
					  .of_host = true};

	ret->beliefs = calloc((size_t)UINT16_MAX + 1, sizeof(*ret->beliefs));
	if (!ret->beliefs)
		return -1;
	ret->knows_all = snapshot_has_all_listeners(&v->snapshot);
	belief_take(&q, ret->beliefs);
	doubt_interfaces(v, to, ret->beliefs);
	/* a guard may keep packets from a listener, which the rules know nothing of */
	for (size_t port = 0; v->guard && port <= UINT16_MAX; port++)
		if (ret->beliefs[port].open == SURE_OPEN)
			ret->beliefs[port].open = UNSURE;
	return 0;
}

/* 0, and the beliefs are the caller's; negative: it could not be looked at. */
static int look(const struct options *o, const struct address *to, struct inside_look *ret)
{
	/* what the machine sends to itself comes in there, whatever the address */
	const struct reach_options ask = {.in = "lo", .to = *to, .protos = 1U << PROTO_UDP};
	const struct view_wish wish = {
		.reach = true, .reach_only = true, .clients = true, .ask = &ask};
	struct options inside = *o;
	struct view v = {0};
	struct err ignored; /* then it stays as it was found */
	int r;

	inside.ipv4 = inside.ipv6 = false;
	r = view_take(&v, &inside, &wish, &ignored) < 0 ? -1 : take_beliefs(&v, to, ret);
	view_done(&v);
	return r;
}

void scan_inside_begin(struct scan_inside *inside, const struct options *o, const struct scan *s,
		       size_t host)
{
	struct inside_look before = {.host = host}, *more;

	if (!s->hosts[host].own || look(o, &s->hosts[host].address, &before) < 0)
		return;
	more = reallocarray(inside->looks, inside->count + 1, sizeof(*more));
	if (!more) {
		free(before.beliefs);
		return;
	}
	inside->looks = more;
	inside->looks[inside->count++] = before;
}

/* Gives it away; without beliefs: there is none. */
static struct inside_look take_out(struct scan_inside *inside, size_t host)
{
	for (size_t i = 0; i < inside->count; i++)
		if (inside->looks[i].host == host) {
			struct inside_look found = inside->looks[i];

			inside->looks[i] = inside->looks[--inside->count];
			return found;
		}
	return (struct inside_look){0};
}

void scan_inside_join(struct scan_inside *inside, const struct options *o, struct scan *s,
		      size_t host)
{
	struct inside_look before = take_out(inside, host), after = {0};

	if (before.beliefs && scan_join_helps(s, &s->hosts[host]) &&
	    look(o, &s->hosts[host].address, &after) == 0)
		scan_join_udp(s, &s->hosts[host],
			      &(struct scan_look){before.beliefs, before.knows_all},
			      &(struct scan_look){after.beliefs, after.knows_all});
	free(before.beliefs);
	free(after.beliefs);
}

void scan_inside_done(struct scan_inside *inside)
{
	for (size_t i = 0; i < inside->count; i++)
		free(inside->looks[i].beliefs);
	free(inside->looks);
}
