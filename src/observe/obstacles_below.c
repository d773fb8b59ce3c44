/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * obstacles_below: which interface lies below which, and what is known of the lower ones. A chain
 * of interfaces (a VLAN of a bond in a bridge) is gone up step by step.
 */
#include "observe/obstacles_below.h"

#include "base/i18n.h"
#include "base/nla.h"
#include "observe/nft_attr.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <stdio.h>
#include <string.h>

enum { INET_INGRESS = 5 }; /* NF_INET_INGRESS, Linux 5.10 */

struct going_up {
	struct obstacles *found;
	const struct rt_image *network;
};

static bool lies_on(const struct rt_link *upper, const struct rt_link *lower)
{
	return lower->master == upper->ifindex || upper->lower == lower->ifindex;
}

static bool has(const struct obstacles *o, uint32_t ifindex, const char *what)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->items[i].scope == OBSTACLE_INTERFACE && o->items[i].ifindex == ifindex &&
		    strcmp(o->items[i].what, what) == 0)
			return true;
	return false;
}

/* What is in the way at `lower` is in the way of all interfaces on it. */
static int add_uppers(struct going_up *g, const struct rt_link *lower, const char *what)
{
	for (size_t i = 0; i < g->network->link_count; i++) {
		const struct rt_link *upper = &g->network->links[i];

		if (lies_on(upper, lower) && !has(g->found, upper->ifindex, what) &&
		    obstacles_add(g->found, OBSTACLE_INTERFACE, 0, upper->ifindex, "%s", what) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Those that were added are looked at in their turn, so the loop goes all the way up. */
static int climb(struct going_up *g)
{
	for (size_t i = 0; i < g->found->count; i++) {
		const struct obstacle o = g->found->items[i]; /* the list moves */
		const struct rt_link *lower = o.scope == OBSTACLE_INTERFACE
						      ? rt_image_link(g->network, o.ifindex)
						      : NULL;

		if (lower && add_uppers(g, lower, o.what) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* --- rules --------------------------------------------------------------------------------------
 */

static const struct rt_link *link_named(const struct rt_image *network, struct cur name)
{
	char text[RT_NAME_SIZE];

	if (!nla_string(name, text, sizeof(text)))
		return NULL;
	for (size_t i = 0; i < network->link_count; i++)
		if (strcmp(network->links[i].name, text) == 0)
			return &network->links[i];
	return NULL;
}

/* The rules see what comes in by `name`: the twin asks them for that interface's own packets. */
static int add_ingress(struct going_up *g, const struct nft_place *place, struct cur name)
{
	const struct rt_link *link = link_named(g->network, name);
	char what[sizeof(g->found->items[0].what)];

	if (!link)
		return 0;
	snprintf(what, sizeof(what), _("the rules of %s %.40s %.40s on what comes in by %s"),
		 nft_family_name(place->family), place->table, place->chain, link->name);
	return add_uppers(g, link, what);
}

static int add_ingress_chain(struct going_up *g, const struct nft_place *place, struct cur hook)
{
	struct cur one, list;
	uint16_t type;

	if (nla_find(hook, NFTA_HOOK_DEV, &one) && add_ingress(g, place, one) < 0)
		return -ENOMEM;
	if (!nla_find(hook, NFTA_HOOK_DEVS, &list))
		return 0;
	while (nla_next(&list, &type, &one))
		if (add_ingress(g, place, one) < 0)
			return -ENOMEM;
	return 0;
}

static int add_bridge_chain(struct going_up *g, const struct nft_place *place)
{
	for (size_t i = 0; i < g->network->link_count; i++) {
		const struct rt_link *link = &g->network->links[i];

		if (strcmp(link->kind, "bridge") == 0 &&
		    obstacles_add(g->found, OBSTACLE_INTERFACE, 0, link->ifindex,
				  _("the rules of bridge %.40s %.40s, for what its ports bring to "
				    "%s"),
				  place->table, place->chain, link->name) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int look_at_chain(struct going_up *g, const struct nft_image *rules, size_t item)
{
	struct cur hook;
	struct nft_place place;
	uint64_t number;

	if (!nla_find(nft_image_attributes(rules, item), NFTA_CHAIN_HOOK, &hook))
		return 0;
	nft_image_place(rules, item, &place);
	number = nft_attr_number(hook, NFTA_HOOK_HOOKNUM);
	if (place.family == NFPROTO_BRIDGE &&
	    (number == NF_BR_PRE_ROUTING || number == NF_BR_LOCAL_IN))
		return add_bridge_chain(g, &place);
	if ((place.family == NFPROTO_NETDEV && number == NF_NETDEV_INGRESS) ||
	    (place.family == NFPROTO_INET && number == INET_INGRESS))
		return add_ingress_chain(g, &place, hook);
	return 0;
}

int obstacles_below_add(struct obstacles *o, const struct rt_image *network,
			const struct nft_image *rules)
{
	struct going_up g = {o, network};
	int r = 0;

	for (size_t i = 0; i < rules->count && r == 0; i++)
		if (rules->items[i].type == NFT_MSG_NEWCHAIN)
			r = look_at_chain(&g, rules, i);
	return r < 0 ? r : climb(&g);
}
