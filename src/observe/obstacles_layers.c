/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/obstacles_layers.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/nft_attr.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

enum {
	INET_INGRESS = 5,  /* NF_INET_INGRESS, Linux 5.10 */
	DEVICE_PREFIX = 2, /* NFTA_DEVICE_PREFIX, Linux 6.16 */
};

/* --- interfaces ---------------------------------------------------------------------------------
 */

static uint32_t number(struct cur attributes, uint16_t type)
{
	uint32_t value = 0;
	struct cur c;

	if (nla_find(attributes, type, &c))
		cur_read(&c, &value, sizeof(value));
	return value;
}

int obstacles_layers_add(struct layers *l, uint32_t ifindex, struct cur attributes)
{
	struct layer *layer;
	struct cur info, value;
	char kind[32] = "";

	if (mem_grow(&l->items, &l->cap, l->count + 1, sizeof(*l->items)) < 0)
		return -ENOMEM;
	layer = &l->items[l->count++];
	*layer = (struct layer){.ifindex = ifindex, .master = number(attributes, IFLA_MASTER)};
	if (nla_find(attributes, IFLA_IFNAME, &value))
		nla_string(value, layer->name, sizeof(layer->name));
	if (nla_find(attributes, IFLA_LINKINFO, &info) && nla_find(info, IFLA_INFO_KIND, &value))
		nla_string(value, kind, sizeof(kind));
	layer->bridge = strcmp(kind, "bridge") == 0;
	/* a veth's other end is none, nor is an interface of another namespace */
	if (kind[0] && strcmp(kind, "veth") != 0 &&
	    !nla_find(attributes, IFLA_LINK_NETNSID, &value))
		layer->lower = number(attributes, IFLA_LINK);
	return 0;
}

void obstacles_layers_done(struct layers *l)
{
	free(l->items);
	*l = (struct layers){0};
}

static const struct layer *find(const struct layers *l, uint32_t ifindex)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->items[i].ifindex == ifindex)
			return &l->items[i];
	return NULL;
}

static bool stands_on(const struct layers *l, const struct layer *upper, uint32_t ifindex)
{
	const struct layer *lower = find(l, ifindex);

	return upper->ifindex != ifindex &&
	       (upper->lower == ifindex || (lower && lower->master == upper->ifindex));
}

/* --- spreading ----------------------------------------------------------------------------------
 */

static bool is_known(const struct obstacles *o, uint32_t ifindex, const char *what)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->items[i].scope == OBSTACLE_INTERFACE && o->items[i].ifindex == ifindex &&
		    strcmp(o->items[i].what, what) == 0)
			return true;
	return false;
}

/* Those that stand on the interface of obstacle `at` get it, too: at the end of the list. */
static int spread_one(const struct layers *l, struct obstacles *o, size_t at)
{
	for (size_t i = 0; i < l->count; i++) {
		struct obstacle from = o->items[at];

		if (!stands_on(l, &l->items[i], from.ifindex) ||
		    is_known(o, l->items[i].ifindex, from.what))
			continue;
		if (obstacles_add(o, OBSTACLE_INTERFACE, from.family, l->items[i].ifindex, "%s",
				  from.what) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* What is added is looked at in its turn; an interface gets each once, so it ends. */
int obstacles_layers_spread(const struct layers *l, struct obstacles *o)
{
	for (size_t at = 0; at < o->count; at++)
		if (o->items[at].scope == OBSTACLE_INTERFACE && spread_one(l, o, at) < 0)
			return -ENOMEM;
	return 0;
}

/* --- nf_tables ----------------------------------------------------------------------------------
 */

/* Can a packet that passes the chain meet anything there? */
static bool decides(const struct nft_image *image, size_t chain)
{
	uint64_t key = nft_image_item_key(image, chain);
	struct cur policy;

	if (nla_find(nft_image_attributes(image, chain), NFTA_CHAIN_POLICY, &policy) &&
	    nla_number_be(policy) != NF_ACCEPT)
		return true;
	for (size_t i = 0; i < image->count; i++)
		if (image->items[i].type == NFT_MSG_NEWRULE && nft_image_item_key(image, i) == key)
			return true;
	return false;
}

/* Is the interface one of the chain's? A name may end where a prefix does. */
static bool hooks_into(struct cur hook, const char *name)
{
	struct cur devices, value;
	char device[IF_NAMESIZE];
	uint16_t type;

	if (nla_find(hook, NFTA_HOOK_DEV, &value) && nla_string(value, device, sizeof(device)) &&
	    strcmp(device, name) == 0)
		return true;
	if (!nla_find(hook, NFTA_HOOK_DEVS, &devices))
		return false;
	while (nla_next(&devices, &type, &value)) {
		if (!nla_string(value, device, sizeof(device)))
			continue;
		if (type == DEVICE_PREFIX ? strncmp(device, name, strlen(device)) == 0
					  : strcmp(device, name) == 0)
			return true;
	}
	return false;
}

/* A chain of ingress, on each interface that another stands on. */
static int add_ingress(const struct layers *l, const struct nft_place *place, struct cur hook,
		       struct obstacles *ret)
{
	for (size_t i = 0; i < l->count; i++) {
		if (!hooks_into(hook, l->items[i].name))
			continue;
		for (size_t k = 0; k < l->count; k++)
			if (stands_on(l, &l->items[k], l->items[i].ifindex) &&
			    obstacles_add(ret, OBSTACLE_INTERFACE, 0, l->items[k].ifindex,
					  _("the chain %.40s of table %s %.40s, on %s below it,"),
					  place->chain, nft_family_name(place->family),
					  place->table, l->items[i].name) < 0)
				return -ENOMEM;
	}
	return 0;
}

static int add_bridges(const struct layers *l, const struct nft_place *place, struct obstacles *ret)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->items[i].bridge &&
		    obstacles_add(ret, OBSTACLE_INTERFACE, 0, l->items[i].ifindex,
				  _("the chain %.40s of table bridge %.40s, on the way into %s,"),
				  place->chain, place->table, l->items[i].name) < 0)
			return -ENOMEM;
	return 0;
}

static int look_at_chain(const struct layers *l, const struct nft_image *image, size_t item,
			 struct obstacles *ret)
{
	uint8_t family = image->items[item].family;
	struct nft_place place;
	uint64_t number_of_hook;
	struct cur hook;

	if (!nla_find(nft_image_attributes(image, item), NFTA_CHAIN_HOOK, &hook))
		return 0;
	nft_image_place(image, item, &place);
	number_of_hook = nft_attr_number(hook, NFTA_HOOK_HOOKNUM);
	if (family == NFPROTO_BRIDGE)
		return number_of_hook <= NF_INET_LOCAL_IN && decides(image, item)
			       ? add_bridges(l, &place, ret)
			       : 0;
	if ((family == NFPROTO_NETDEV && number_of_hook == NF_NETDEV_INGRESS) ||
	    (family == NFPROTO_INET && number_of_hook == INET_INGRESS))
		return decides(image, item) ? add_ingress(l, &place, hook, ret) : 0;
	return 0;
}

int obstacles_layers_find_nft(const struct layers *l, const struct nft_image *image,
			      struct obstacles *ret)
{
	for (size_t i = 0; i < image->count; i++)
		if (image->items[i].type == NFT_MSG_NEWCHAIN && look_at_chain(l, image, i, ret) < 0)
			return -ENOMEM;
	return 0;
}
