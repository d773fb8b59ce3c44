/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_destinations: which addresses are asked for: the machine's own, those that somebody listens
 * on, and those of namespaces behind it.
 */
#include "base/mem.h"
#include "observe/reach_planner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool planner_in_prefix(const struct address *a, const struct reach_prefix *prefix)
{
	return reach_prefix_has(prefix, a);
}

bool planner_is_local(const struct planner *p, const struct address *a)
{
	if (address_is_loopback(a))
		return true;
	for (size_t i = 0; i < p->local_count; i++)
		if (address_equal(&p->locals[i], a))
			return true;
	return false;
}

/* Is it to be asked for, as all are when none is named? */
static bool is_wished(const struct planner *p, const struct address *a)
{
	const struct reach_options *o = p->options;

	if (!o->to.family || address_equal(&o->to, a))
		return true;
	for (size_t i = 0; i < o->also_count; i++)
		if (address_equal(&o->also[i], a))
			return true;
	return false;
}

int planner_add_destination(struct planner *p, const struct destination *d)
{
	if (!is_wished(p, &d->address))
		return 0;
	for (size_t i = 0; i < p->destination_count; i++)
		if (address_equal(&p->destinations[i].address, &d->address) &&
		    ((!address_is_link_local(&d->address) && !d->group) ||
		     p->destinations[i].ifindex == d->ifindex)) {
			p->destinations[i].bound |= d->bound;
			return 0;
		}
	if (p->destination_count >= REACH_DESTINATION_LIMIT) {
		p->too_many = true;
		return 0;
	}
	if (mem_grow(&p->destinations, &p->destination_cap, p->destination_count + 1,
		     sizeof(*p->destinations)) < 0)
		return -ENOMEM;
	p->destinations[p->destination_count++] = *d;
	return 0;
}

static int add_destination(struct planner *p, const struct address *a, uint32_t ifindex)
{
	const struct destination d = {.address = *a, .ifindex = ifindex};

	return planner_add_destination(p, &d);
}

static bool is_in_local_route(const struct planner *p, const struct address *a)
{
	for (size_t i = 0; i < p->local_route_count; i++)
		if (planner_in_prefix(a, &p->local_routes[i]))
			return true;
	return false;
}

/* Networks that are the machine's own as a whole (AnyIP), beyond the addresses it has. */
static int find_local_routes(struct planner *p)
{
	const struct rt_image *image = &p->m->twin.host;

	for (size_t i = 0; i < image->count; i++) {
		struct reach_prefix prefix;

		if (!reach_routes_local(image, &image->items[i], &prefix) ||
		    planner_is_local(p, &prefix.address) || is_in_local_route(p, &prefix.address))
			continue;
		if (mem_grow(&p->local_routes, &p->local_route_cap, p->local_route_count + 1,
			     sizeof(*p->local_routes)) < 0)
			return -ENOMEM;
		p->local_routes[p->local_route_count++] = prefix;
	}
	return 0;
}

struct candidates {
	struct reach_destination *items;
	size_t count, cap;
};

static int add_candidate(struct candidates *c, const struct address *a)
{
	if (mem_grow(&c->items, &c->cap, c->count + 1, sizeof(*c->items)) < 0)
		return -ENOMEM;
	c->items[c->count++] = (struct reach_destination){*a, 0};
	return 0;
}

/* The address behind one, or before the first where there is none. */
static struct address next_address(const struct address *a)
{
	struct address next = *a;

	for (size_t i = a->family == AF_INET ? 4 : 16; i-- > 0;)
		if (++next.bytes[i] != 0)
			break;
	return next;
}

/* In each part of a network that the rules tell from its neighbours, an address. */
static int add_parts(struct planner *p, const struct reach_prefix *prefix, struct candidates *c)
{
	bool ip4 = prefix->address.family == AF_INET;
	const struct rule_conditions *list =
		&p->plan->constants.fields[ip4 ? RULE_DESTINATION4 : RULE_DESTINATION6];
	struct address second = next_address(&prefix->address);
	int r = add_candidate(c, planner_in_prefix(&second, prefix) ? &second : &prefix->address);

	for (size_t i = 0; i < list->range_count && r == 0; i++) {
		struct address first = {.family = prefix->address.family}, last = first, behind;

		memcpy(first.bytes, list->ranges[i].first, ip4 ? 4 : 16);
		memcpy(last.bytes, list->ranges[i].last, ip4 ? 4 : 16);
		behind = next_address(&last);
		if (planner_in_prefix(&first, prefix))
			r = add_candidate(c, &first);
		if (r == 0 && planner_in_prefix(&behind, prefix))
			r = add_candidate(c, &behind);
	}
	return r;
}

static int add_local_routes(struct planner *p)
{
	struct candidates c = {0};
	size_t *same = NULL;
	int r = 0;

	for (size_t i = 0; i < p->local_route_count && r == 0; i++)
		r = add_parts(p, &p->local_routes[i], &c);
	if (r == 0)
		same = calloc(c.count + 1, sizeof(*same));
	if (r == 0)
		r = same ? reach_destinations_group(&p->plan->constants, c.items, c.count, same)
			 : -ENOMEM;
	for (size_t i = 0; i < c.count && r >= 0; i++)
		if (same[i] == i)
			r = add_destination(p, &c.items[i].address, 0);
	free(c.items);
	free(same);
	return r;
}

/* The first address of each interface, and each that the rules tell apart from those. */
static int add_own_addresses(struct planner *p)
{
	const struct snapshot *s = p->options->snapshot;
	struct reach_destination cleanup_free *list = calloc(s->address_count + 1, sizeof(*list));
	size_t cleanup_free *same = calloc(s->address_count + 1, sizeof(*same));
	bool told_apart = p->plan->constants.uses_fib;
	size_t count = 0;
	int r = 0;

	if (!list || !same)
		return -ENOMEM;
	for (size_t i = 0; i < s->address_count; i++)
		if (s->addresses[i].netns == 0 && !address_is_loopback(&s->addresses[i].address))
			list[count++] = (struct reach_destination){s->addresses[i].address,
								   s->addresses[i].ifindex};
	r = reach_destinations_group(&p->plan->constants, list, count, same);
	for (size_t i = 0; i < count && r >= 0; i++) {
		struct destination d = {.address = list[i].address, .ifindex = list[i].ifindex};

		if (same[i] != i && !told_apart && !p->options->to.family)
			continue;
		/* of those that are named, each has its own answer */
		if (!told_apart && !p->options->to.family && !address_is_link_local(&d.address))
			r = reach_destination_key(&p->plan->constants, &list[i], &d.alike);
		if (r >= 0)
			r = planner_add_destination(p, &d);
	}
	return r;
}

static uint32_t interface_of(const struct snapshot *s, const struct address *a)
{
	for (size_t i = 0; i < s->address_count; i++)
		if (s->addresses[i].netns == 0 && address_equal(&s->addresses[i].address, a))
			return s->addresses[i].ifindex;
	return 0;
}

/* Addresses that somebody listens on: only an answer for the very address counts for them. */
static int add_bound_addresses(struct planner *p)
{
	const struct snapshot *s = p->options->snapshot;
	int r = 0;

	for (size_t i = 0; i < s->socket_count && r >= 0; i++) {
		const struct socket_info *socket = &s->sockets[i];
		struct address a = socket->address;
		struct destination d = {.bound = true};

		address_unmap(&a);
		if (socket->netns != 0 || socket->kind != SOCKET_PORT || address_is_any(&a) ||
		    (!address_is_loopback(&a) && !interface_of(s, &a) && !is_in_local_route(p, &a)))
			continue;
		d.address = a;
		d.ifindex = interface_of(s, &a);
		r = planner_add_destination(p, &d);
	}
	return r;
}

static bool has_address(const struct snapshot *s, uint32_t netns, const struct address *a)
{
	for (size_t i = 0; i < s->address_count; i++)
		if (s->addresses[i].netns == netns && address_equal(&s->addresses[i].address, a))
			return true;
	return false;
}

/* Does it lead right into the namespace, not to a gateway elsewhere? */
static bool leads_into(const struct planner *p, const struct reach_route *route, uint32_t netns,
		       const struct ties *ties)
{
	return ties_lead_to(ties, route->ifindex, netns) &&
	       (!route->gateway.family ||
		has_address(p->options->snapshot, netns, &route->gateway));
}

/*
 * The interface to which the most specific route to it leads: where the internet is not, and the
 * namespace is. 0: there is none.
 */
static uint32_t lies_behind(const struct planner *p, const struct address *a, uint32_t netns,
			    const struct ties *ties)
{
	uint32_t best = 0, bits = 0;

	for (size_t i = 0; i < p->routes.count; i++) {
		const struct reach_route *route = &p->routes.items[i];

		if (route->prefix.bits == 0 || route->prefix.bits < bits ||
		    !planner_in_prefix(a, &route->prefix))
			continue;
		if (route->prefix.bits > bits)
			best = 0;
		bits = route->prefix.bits;
		if (!reach_routes_has_default(&p->routes, a->family, route->ifindex) &&
		    leads_into(p, route, netns, ties))
			best = route->ifindex;
	}
	return best;
}

static int add_behind(struct planner *p, const struct address *a, uint32_t leads_to)
{
	const struct destination d = {.address = *a, .behind = true, .leads_to = leads_to};

	return planner_add_destination(p, &d);
}

/* Addresses of other namespaces that somebody listens on: packets may be sent on to them. */
static int add_addresses_behind(struct planner *p)
{
	const struct snapshot *s = p->options->snapshot;
	struct ties cleanup_call(ties_done) ties = {0};
	bool cleanup_free *listens = calloc(s->netns_count + 1, sizeof(*listens));
	int r = 0;

	if (!listens || ties_find(s, &ties) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < s->socket_count; i++)
		if (s->sockets[i].kind == SOCKET_PORT && s->sockets[i].netns < s->netns_count)
			listens[s->sockets[i].netns] = true;
	for (size_t i = 0; i < s->address_count && r >= 0; i++) {
		const struct interface_address *a = &s->addresses[i];
		uint32_t leads_to;

		if (a->netns == 0 || a->netns >= s->netns_count || !listens[a->netns] ||
		    address_is_loopback(&a->address) || address_is_link_local(&a->address) ||
		    planner_is_local(p, &a->address))
			continue;
		leads_to = lies_behind(p, &a->address, a->netns, &ties);
		if (leads_to)
			r = add_behind(p, &a->address, leads_to);
	}
	return r;
}

/* One that is named, and that nothing else has led to. */
static int add_unknown(struct planner *p, const struct address *a)
{
	for (size_t i = 0; i < p->destination_count; i++)
		if (address_equal(&p->destinations[i].address, a))
			return 0;
	return planner_is_local(p, a) || is_in_local_route(p, a) ? add_destination(p, a, 0)
								 : add_behind(p, a, 0);
}

int planner_find_destinations(struct planner *p)
{
	static const struct address loopback[] = {{AF_INET, {127, 0, 0, 1}},
						  {AF_INET6, {[15] = 1}}};
	int r = find_local_routes(p);

	if (r >= 0)
		r = add_own_addresses(p);
	if (r >= 0)
		r = add_local_routes(p);
	for (size_t i = 0; i < ARRAY_LEN(loopback) && r >= 0; i++)
		if (loopback[i].family == AF_INET ||
		    interface_of(p->options->snapshot, &loopback[i]))
			r = add_destination(p, &loopback[i], 1);
	if (r >= 0)
		r = add_bound_addresses(p);
	if (r >= 0)
		r = add_addresses_behind(p);
	/* who names an address that is nobody's may mean a group */
	if (r >= 0 && (!p->options->to.family || p->destination_count == 0))
		r = planner_add_groups(p);
	if (r >= 0 && p->options->to.family)
		r = add_unknown(p, &p->options->to);
	for (size_t i = 0; i < p->options->also_count && r >= 0; i++)
		r = add_unknown(p, &p->options->also[i]);
	return r;
}
