/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/way_out.h"
#include "base/map.h"
#include "base/mem.h"
#include "observe/hook_effects.h"
#include "observe/legacy_walk.h"
#include "observe/nft_attr.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

/* --- nf_tables ----------------------------------------------------------------------------------
 */

/* The hook of a base chain of a family; UINT64_MAX: it is none. */
static uint64_t hook_of(const struct nft_image *image, size_t item)
{
	struct cur hook;

	if (image->items[item].type != NFT_MSG_NEWCHAIN ||
	    !nla_find(nft_image_attributes(image, item), NFTA_CHAIN_HOOK, &hook))
		return UINT64_MAX;
	return nft_attr_number(hook, NFTA_HOOK_HOOKNUM);
}

/* Is it a base chain that packets pass on their way out? Those of NAT see no answer. */
static bool is_way_out(const struct nft_image *image, size_t item)
{
	uint8_t family = image->items[item].family;
	uint64_t hook = hook_of(image, item);
	char type[NFT_NAME_SIZE];

	if (family != NFPROTO_INET && family != NFPROTO_IPV4 && family != NFPROTO_IPV6)
		return false;
	if (hook != NF_INET_LOCAL_OUT && hook != NF_INET_POST_ROUTING)
		return false;
	nft_attr_name(nft_image_attributes(image, item), NFTA_CHAIN_TYPE, type);
	return strcmp(type, "nat") != 0;
}

static bool is_egress(const struct nft_image *image, size_t item)
{
	uint64_t hook = hook_of(image, item);

	return image->items[item].family == NFPROTO_NETDEV && hook != UINT64_MAX &&
	       hook != NF_NETDEV_INGRESS;
}

/* Chains that are reached, by nft_image_item_key() of a chain, and what else is known of them. */
struct reached {
	const struct nft_image *image;
	struct map chains;
	bool grew;
};

static int reach_chain(struct reached *r, uint64_t key)
{
	uint32_t known;

	if (map_get(&r->chains, key, &known))
		return 0;
	r->grew = true;
	return map_set(&r->chains, key, 0);
}

/* NFTA_DATA_...: a verdict that names a chain? */
static int follow_verdict(struct reached *r, size_t item, struct cur data)
{
	struct cur verdict, chain, table = cur_init("", 0);

	if (!nla_find(data, NFTA_DATA_VERDICT, &verdict) ||
	    !nla_find(verdict, NFTA_VERDICT_CHAIN, &chain))
		return 0;
	nla_find(nft_image_attributes(r->image, item), NFTA_RULE_TABLE, &table);
	return reach_chain(
		r, nft_image_key(NFT_MSG_NEWCHAIN, r->image->items[item].family, table, chain));
}

/* Which map a rule looks into does not matter: all of the table are followed. */
static int follow_maps(struct reached *r, size_t rule)
{
	uint64_t table = hook_effects_table_key(r->image, rule);
	int result = 0;

	for (size_t i = 0; i < r->image->count && result == 0; i++) {
		struct cur list, each, data;
		uint16_t type;

		if (r->image->items[i].type != NFT_MSG_NEWSETELEM ||
		    hook_effects_table_key(r->image, i) != table ||
		    !nla_find(nft_image_attributes(r->image, i), NFTA_SET_ELEM_LIST_ELEMENTS,
			      &list))
			continue;
		while (result == 0 && nla_next(&list, &type, &each))
			if (nla_find(each, NFTA_SET_ELEM_DATA, &data))
				result = follow_verdict(r, i, data);
	}
	return result;
}

static int follow_rule(struct reached *r, size_t item, struct nft_expr *exprs)
{
	struct cur list = {.ok = true}, data;
	int count, result = 0;

	nla_find(nft_image_attributes(r->image, item), NFTA_RULE_EXPRESSIONS, &list);
	count = nft_exprs_decode(list, exprs);
	for (int i = 0; i < count && result == 0; i++) {
		if (strcmp(exprs[i].name, "immediate") == 0 &&
		    nla_find(exprs[i].data, NFTA_IMMEDIATE_DATA, &data))
			result = follow_verdict(r, item, data);
		else if (strcmp(exprs[i].name, "lookup") == 0 &&
			 nla_find(exprs[i].data, NFTA_LOOKUP_DREG, &data))
			result = follow_maps(r, item);
	}
	return result;
}

static int find_reached(struct reached *r)
{
	struct nft_expr cleanup_free *exprs = calloc(NFT_EXPR_LIMIT, sizeof(*exprs));
	bool cleanup_free *followed = calloc(r->image->count + 1, sizeof(*followed));
	uint32_t known;
	int result = exprs && followed ? 0 : -ENOMEM;

	for (size_t i = 0; i < r->image->count && result == 0; i++)
		if (is_way_out(r->image, i))
			result = reach_chain(r, nft_image_item_key(r->image, i));
	while (r->grew && result == 0) {
		r->grew = false;
		for (size_t i = 0; i < r->image->count && result == 0; i++) {
			if (followed[i] || r->image->items[i].type != NFT_MSG_NEWRULE ||
			    !map_get(&r->chains, nft_image_item_key(r->image, i), &known))
				continue;
			followed[i] = true;
			result = follow_rule(r, i, exprs);
		}
	}
	return result;
}

static int look_at_nft(const struct nft_image *image, const struct ipset_messages *ipsets,
		       struct way_out *ret, struct err *e)
{
	struct hook_effects cleanup_call(hook_effects_done) effects = {0};
	struct reached r = {.image = image};
	struct nft_image part = *image; /* the same bytes, and fewer items */
	uint32_t known;
	int result = hook_effects_find(image, &effects);

	for (size_t i = 0; i < image->count && result == 0; i++) {
		ret->rules |= is_way_out(image, i) && hook_effects_of_chain(&effects, image, i);
		ret->egress |= is_egress(image, i);
	}
	if (result < 0 || !ret->rules)
		return result;
	result = find_reached(&r);
	part.items = calloc(image->count + 1, sizeof(*part.items));
	part.count = 0;
	if (!part.items)
		result = -ENOMEM;
	for (size_t i = 0; i < image->count && result == 0; i++)
		if (image->items[i].type != NFT_MSG_NEWRULE ||
		    map_get(&r.chains, nft_image_item_key(image, i), &known))
			part.items[part.count++] = image->items[i];
	if (result == 0)
		result = rule_constants_add_nft(&ret->constants, &part, ipsets, e);
	free(part.items);
	map_done(&r.chains);
	return result;
}

/* --- iptables-legacy ----------------------------------------------------------------------------
 */

/* May what goes out meet it? Chains of the user's are taken to be jumped to from everywhere. */
static bool is_met(const struct legacy_walk *walk, const struct legacy_entry *entry)
{
	const struct legacy_chain *chain;

	if (entry->chain >= walk->chain_count)
		return false;
	chain = &walk->chains[entry->chain];
	return !chain->builtin || chain->hook == NF_INET_LOCAL_OUT ||
	       chain->hook == NF_INET_POST_ROUTING;
}

static int look_at_table(const struct legacy_image *legacy, size_t table,
			 const struct ipset_messages *ipsets, struct way_out *ret, struct err *e)
{
	const struct legacy_table *t = &legacy->tables[table];
	const uint8_t *blob = legacy_image_blob(legacy, t);
	struct legacy_walk cleanup_call(legacy_walk_done) walk = {0};
	int r;

	if (strcmp(t->name, "nat") == 0 ||
	    !(hook_effects_of_legacy(legacy, table, NF_INET_LOCAL_OUT) |
	      hook_effects_of_legacy(legacy, table, NF_INET_POST_ROUTING)))
		return 0;
	ret->rules = true;
	r = legacy_walk_read(&walk, t, blob);
	if (r < 0) /* then nothing is known of its order */
		return r == -ENOMEM ? r
				    : rule_constants_add_legacy(&ret->constants, t->family, blob,
								t->size, ipsets, e);
	for (size_t i = 0; i < walk.count && r >= 0; i++)
		if (is_met(&walk, &walk.entries[i]))
			r = rule_constants_add_legacy(&ret->constants, t->family,
						      blob + walk.entries[i].offset,
						      walk.entries[i].size, ipsets, e);
	return r;
}

/* --- both ---------------------------------------------------------------------------------------
 */

int way_out_find(const struct nft_image *image, const struct legacy_image *legacy,
		 const struct ipset_messages *ipsets, struct way_out *ret, struct err *e)
{
	int r = look_at_nft(image, ipsets, ret, e);

	for (size_t i = 0; i < legacy->count && r >= 0; i++)
		r = look_at_table(legacy, i, ipsets, ret, e);
	return r;
}

void way_out_done(struct way_out *w)
{
	rule_constants_done(&w->constants);
}
