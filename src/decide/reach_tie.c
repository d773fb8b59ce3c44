/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which network namespace gets what leaves by an interface. Several may have the address (Docker's
 * 172.17.0.2 is in each Docker's first container): the one that is tied to the interface counts.
 */
#include "decide/reach_join_parts.h"

bool join_is_own(const struct join *j, const struct address *a)
{
	return address_is_loopback(a) || join_has_address(j, 0, a);
}

struct tied {
	size_t count; /* of the namespaces that are tied to the interface, and have the address */
	bool is_one;  /* the namespace that was asked for is one of them */
};

/* A gateway keeps what is for itself, and sends on the rest to where it likes. */
static bool may_take(const struct join *j, uint32_t netns, const struct address *a,
		     const struct leaving *by)
{
	return join_has_address(j, netns, a) &&
	       (!by->gateway.family || join_has_address(j, netns, &by->gateway));
}

static struct tied count_tied(const struct join *j, uint32_t netns, const struct address *a,
			      const struct leaving *by)
{
	const struct ties *t = &j->ties;
	struct tied tied = {0};

	for (size_t i = ties_of(t, by->ifindex); i < t->count && t->items[i].ifindex == by->ifindex;
	     i++) {
		if (!may_take(j, t->items[i].netns, a, by))
			continue;
		tied.count++;
		tied.is_one |= t->items[i].netns == netns;
	}
	return tied;
}

enum arrival join_arrival(const struct join *j, uint32_t netns, const struct address *a,
			  const struct leaving *by)
{
	struct tied tied;

	if (netns == 0 || join_is_own(j, a))
		return netns == 0 && join_is_own(j, a) ? ARRIVAL_SURE : ARRIVAL_NONE;
	if (!join_has_address(j, netns, a))
		return ARRIVAL_NONE;
	tied = count_tied(j, netns, a, by);
	if (tied.count == 0)
		return ARRIVAL_UNTIED;
	if (!tied.is_one)
		return ARRIVAL_NONE;
	return tied.count == 1 ? ARRIVAL_SURE : ARRIVAL_ONE_OF_SEVERAL;
}

bool join_is_tied(const struct join *j, const struct address *a, const struct leaving *by)
{
	return !join_is_own(j, a) && count_tied(j, 0, a, by).count > 0;
}

/* Does the namespace answer at the port of that listener? */
static bool answers(const struct join *j, uint32_t netns, const struct address *a,
		    const struct listener *like)
{
	for (size_t i = 0; i < j->list->listener_count; i++) {
		const struct listener *l = &j->list->listeners[i];

		if (l->netns == netns && l->proto == like->proto && l->port == like->port &&
		    join_serves(j, l, a, 0))
			return true;
	}
	return false;
}

static bool all_answer(const struct join *j, const struct address *a, const struct leaving *by,
		       const struct listener *like)
{
	const struct ties *t = &j->ties;

	for (size_t i = ties_of(t, by->ifindex); i < t->count && t->items[i].ifindex == by->ifindex;
	     i++)
		if (may_take(j, t->items[i].netns, a, by) &&
		    !answers(j, t->items[i].netns, a, like))
			return false;
	return true;
}

bool join_is_doubtful(const struct join *j, uint32_t listener, const struct address *a,
		      const struct leaving *by, uint32_t *ret_why)
{
	const struct listener *l = &j->list->listeners[listener];
	enum arrival arrival = join_arrival(j, l->netns, a, by);

	if (arrival == ARRIVAL_UNTIED)
		*ret_why = j->reach->untied_str;
	else if (arrival == ARRIVAL_ONE_OF_SEVERAL)
		*ret_why = j->reach->several_str;
	return arrival == ARRIVAL_UNTIED ||
	       (arrival == ARRIVAL_ONE_OF_SEVERAL && !all_answer(j, a, by, l));
}
