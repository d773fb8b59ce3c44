/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_replies.h"
#include "base/mem.h"
#include "observe/hook_effects.h"
#include "observe/nft_attr.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

/* Is it a base chain that packets pass on their way out? Those of NAT see no answer. */
static bool is_way_out(const struct nft_image *image, size_t item)
{
	uint8_t family = image->items[item].family;
	struct cur attributes = nft_image_attributes(image, item), hook;
	char type[NFT_NAME_SIZE];
	uint64_t number;

	if (image->items[item].type != NFT_MSG_NEWCHAIN ||
	    (family != NFPROTO_INET && family != NFPROTO_IPV4 && family != NFPROTO_IPV6) ||
	    !nla_find(attributes, NFTA_CHAIN_HOOK, &hook))
		return false;
	number = nft_attr_number(hook, NFTA_HOOK_HOOKNUM);
	nft_attr_name(attributes, NFTA_CHAIN_TYPE, type);
	return (number == NF_INET_LOCAL_OUT || number == NF_INET_POST_ROUTING) &&
	       strcmp(type, "nat") != 0;
}

static int nft_matters(const struct nft_image *image)
{
	struct hook_effects cleanup_call(hook_effects_done) effects = {0};
	int r = hook_effects_find(image, &effects);

	for (size_t i = 0; i < image->count && r == 0; i++)
		r = is_way_out(image, i) && hook_effects_of_chain(&effects, image, i) != 0;
	return r;
}

static bool legacy_matters(const struct legacy_image *legacy)
{
	for (size_t i = 0; i < legacy->count; i++)
		if (strcmp(legacy->tables[i].name, "nat") != 0 &&
		    (hook_effects_of_legacy(legacy, i, NF_INET_LOCAL_OUT) ||
		     hook_effects_of_legacy(legacy, i, NF_INET_POST_ROUTING)))
			return true;
	return false;
}

/* No rule ties the copies to a port: they are asked about at all. */
static uint64_t reply_group(uint64_t group)
{
	return map_mix(group, 0x7265706c79);
}

static int add_senders(struct rule_constants *c, enum rule_field from, enum rule_field to)
{
	const struct rule_conditions *list = &c->fields[from];
	struct rule_conditions *senders = &c->fields[to];

	for (size_t i = 0; i < list->range_count; i++)
		if (rule_constants_add_range(c, to, list->ranges[i].first, list->ranges[i].last,
					     reply_group(list->ranges[i].group)) < 0)
			return -ENOMEM;
	if (list->mask_count &&
	    mem_grow(&senders->masks, &senders->mask_cap, senders->mask_count + list->mask_count,
		     sizeof(*senders->masks)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < list->mask_count; i++) {
		senders->masks[senders->mask_count] = list->masks[i];
		senders->masks[senders->mask_count++].group = reply_group(list->masks[i].group);
	}
	if (list->opaque)
		rule_constants_make_opaque(c, to, rule_constants_text(c, list->why_str));
	return 0;
}

int reach_replies_constants(const struct nft_image *image, const struct legacy_image *legacy,
			    struct rule_constants *c)
{
	struct port_cuts *ports = &c->destination_ports;
	int r = legacy_matters(legacy) ? 1 : nft_matters(image);

	if (r <= 0)
		return r;
	for (size_t i = 0; i < RULE_PORT_WORDS; i++) {
		ports->cut[i] |= c->source_ports.cut[i];
		ports->always[i] |= c->source_ports.cut[i];
	}
	r = add_senders(c, RULE_DESTINATION4, RULE_SOURCE4);
	return r < 0 ? r : add_senders(c, RULE_DESTINATION6, RULE_SOURCE6);
}
