/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/scan_inside.h"
#include "base/mem.h"
#include "cli/view.h"
#include "decide/listener_at.h"
#include "decide/scan_join.h"
#include "observe/reach.h"

#include <stdlib.h>

enum {
	ADDRESS_LIMIT = 256, /* of one look; a scan asks no more hosts at once */
	BELIEFS = UINT16_MAX + 1,
};

struct inside_look {
	struct inside_look *next;
	struct options options; /* of the views */
	struct address addresses[ADDRESS_LIMIT];
	size_t address_count;
	bool looked, looked_again; /* before, after: filled in */
	bool tried_again;
	struct view before, after;
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

static void take_beliefs(const struct view *v, const struct address *to, struct belief *ret)
{
	const struct belief_question q = {.list = &v->list,
					  .reach = &v->reach,
					  .join = &v->join,
					  .to = *to,
					  .proto = PROTO_UDP,
					  .of_host = true};

	belief_take(&q, ret);
	doubt_interfaces(v, to, ret);
	/* a guard may keep packets from a listener, which the rules know nothing of */
	for (size_t port = 0; v->guard && port < BELIEFS; port++)
		if (ret[port].open == SURE_OPEN)
			ret[port].open = UNSURE;
}

/* At all of the addresses. What cannot be looked at stays as the scan finds it. */
static bool look(const struct scan_inside *inside, const struct inside_look *l, struct view *ret)
{
	/* what the machine sends to itself comes in there, whatever the address */
	const struct reach_options ask = {.in = "lo",
					  .to = l->addresses[0],
					  .also = l->addresses + 1,
					  .also_count = l->address_count - 1,
					  .protos = 1U << PROTO_UDP,
					  .patience = inside->patience_s};
	const struct view_wish wish = {
		.reach = true, .reach_only = true, .clients = true, .ask = &ask};
	struct err ignored;

	return view_take(ret, &l->options, &wish, &ignored) >= 0;
}

static bool is_stopped(const struct scan_inside *inside)
{
	return inside->stop && *inside->stop;
}

static struct inside_look *look_of(const struct scan_inside *inside, const struct address *a)
{
	for (struct inside_look *l = inside->looks; l; l = l->next)
		for (size_t i = 0; i < l->address_count; i++)
			if (address_equal(&l->addresses[i], a))
				return l;
	return NULL;
}

/* The host, and those that are likely to be asked with it. */
static void choose_addresses(const struct scan *s, size_t host, struct inside_look *l)
{
	for (size_t i = host; i < s->host_count && l->address_count < ADDRESS_LIMIT; i++)
		if (s->hosts[i].own && !s->hosts[i].done)
			l->addresses[l->address_count++] = s->hosts[i].address;
}

static bool has_looked_again(const struct scan_inside *inside)
{
	for (const struct inside_look *l = inside->looks; l; l = l->next)
		if (l->tried_again)
			return true;
	return false;
}

void scan_inside_begin(struct scan_inside *inside, const struct options *o, const struct scan *s,
		       size_t host)
{
	struct inside_look *l;

	/* then all that were asked before are done */
	if (has_looked_again(inside))
		scan_inside_done(inside);
	if (!s->hosts[host].own || is_stopped(inside) || look_of(inside, &s->hosts[host].address))
		return;
	l = calloc(1, sizeof(*l));
	if (!l)
		return;
	l->options = *o;
	l->options.ipv4 = l->options.ipv6 = false;
	choose_addresses(s, host, l);
	l->next = inside->looks;
	inside->looks = l;
	l->looked = look(inside, l, &l->before);
}

static void join(struct scan *s, struct scan_host *host, const struct inside_look *l)
{
	struct belief cleanup_free *before = calloc(BELIEFS, sizeof(*before));
	struct belief cleanup_free *after = calloc(BELIEFS, sizeof(*after));

	if (!before || !after)
		return;
	take_beliefs(&l->before, &host->address, before);
	take_beliefs(&l->after, &host->address, after);
	scan_join_udp(s, host,
		      &(struct scan_look){before, snapshot_has_all_listeners(&l->before.snapshot)},
		      &(struct scan_look){after, snapshot_has_all_listeners(&l->after.snapshot)});
}

void scan_inside_join(struct scan_inside *inside, struct scan *s, size_t host)
{
	struct inside_look *l = look_of(inside, &s->hosts[host].address);

	if (!l || !l->looked || !scan_join_helps(s, &s->hosts[host]))
		return;
	if (!l->tried_again && is_stopped(inside))
		return;
	if (!l->tried_again)
		l->looked_again = look(inside, l, &l->after);
	l->tried_again = true;
	if (l->looked_again)
		join(s, &s->hosts[host], l);
}

void scan_inside_done(struct scan_inside *inside)
{
	while (inside->looks) {
		struct inside_look *l = inside->looks;

		inside->looks = l->next;
		view_done(&l->before);
		view_done(&l->after);
		free(l);
	}
}
