/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_walk_effect: what an expression of nf_tables is for: does it do anything but compare? Part of
 * nft_walk.
 */
#include "base/nla.h"
#include "observe/nft_walk_inner.h"

#include <linux/netfilter/nf_tables.h>
#include <string.h>

static struct nft_set_info *find_set(const struct nft_walk *k, const struct nft_expr *expr,
				     uint16_t attribute)
{
	struct cur table = cur_init("", 0), name;
	uint32_t index;

	nla_find(nft_image_attributes(k->w->image, k->item), NFTA_RULE_TABLE, &table);
	if (!nla_find(expr->data, attribute, &name) ||
	    !map_get(&k->w->by_key, nft_image_key(NFT_MSG_NEWSET, k->family, table, name), &index))
		return NULL;
	return &k->w->sets[index];
}

struct nft_set_info *nft_walk_set_of(const struct nft_walk *k, const struct nft_expr *expr)
{
	if (strcmp(expr->name, "lookup") == 0)
		return find_set(k, expr, NFTA_LOOKUP_SET);
	if (strcmp(expr->name, "objref") == 0)
		return find_set(k, expr, NFTA_OBJREF_SET_NAME);
	if (strcmp(expr->name, "dynset") == 0)
		return find_set(k, expr, NFTA_DYNSET_SET_NAME);
	return NULL;
}

/* The code of an `immediate` verdict; NFT_CONTINUE when it is none. */
static int32_t verdict_code(const struct nft_expr *expr)
{
	struct cur data, verdict;

	if (nft_attr_number(expr->data, NFTA_IMMEDIATE_DREG) != NFT_REG_VERDICT ||
	    !nla_find(expr->data, NFTA_IMMEDIATE_DATA, &data) ||
	    !nla_find(data, NFTA_DATA_VERDICT, &verdict))
		return NFT_CONTINUE;
	return (int32_t)nft_attr_number(verdict, NFTA_VERDICT_CODE);
}

bool nft_walk_is_meta_effect(const struct nft_expr *expr)
{
	uint32_t key = (uint32_t)nft_attr_number(expr->data, NFTA_META_KEY);

	return nft_walk_has(expr, NFTA_META_SREG) && key != NFT_META_NFTRACE &&
	       key != NFT_META_SECMARK;
}

bool nft_walk_is_ct_effect(const struct nft_expr *expr)
{
	uint32_t key = (uint32_t)nft_attr_number(expr->data, NFTA_CT_KEY);

	return nft_walk_has(expr, NFTA_CT_SREG) && key != NFT_CT_SECMARK && key != NFT_CT_EVENTMASK;
}

static bool is_feed(const struct nft_walk *k, const struct nft_expr *expr)
{
	const struct nft_set_info *set = nft_walk_set_of(k, expr);

	return set && set->looked_up;
}

bool nft_walk_is_effect(const struct nft_walk *k, const struct nft_expr *expr)
{
	const struct nft_row *row = nft_row_find(expr->name);
	struct cur dreg;

	if (!row || row->traits & TRAIT_EFFECT)
		return true;
	switch (row->treat) {
	case TREAT_TARGET:
		return nft_walk_target_treat(expr) != TREAT_STRIP;
	case TREAT_KEYED:
		return nft_walk_is_meta_effect(expr);
	case TREAT_FEED:
		return is_feed(k, expr);
	case TREAT_LOOKUP:
		return nla_find(expr->data, NFTA_LOOKUP_DREG, &dreg) &&
		       nla_number_be(dreg) == NFT_REG_VERDICT;
	case TREAT_OBJECT: /* helpers, timeouts, expectations, synproxy, or a map to any of them */
		return !nft_walk_has(expr, NFTA_OBJREF_IMM_TYPE) ||
		       nft_attr_number(expr->data, NFTA_OBJREF_IMM_TYPE) == NFT_OBJECT_SYNPROXY;
	case TREAT_UNMIRRORED:
		return strcmp(expr->name, "tproxy") == 0;
	default:
		break;
	}
	if (strcmp(expr->name, "immediate") == 0)
		return verdict_code(expr) != NFT_CONTINUE;
	if (strcmp(expr->name, "ct") == 0)
		return nft_walk_is_ct_effect(expr);
	if (strcmp(expr->name, "payload") == 0)
		return nft_walk_has(expr, NFTA_PAYLOAD_SREG);
	return strcmp(expr->name, "exthdr") == 0 && !nft_walk_has(expr, NFTA_EXTHDR_DREG);
}

bool nft_walk_is_risky(const struct nft_walk *k, const struct nft_expr *expr)
{
	const struct nft_row *row = nft_row_find(expr->name);
	const struct nft_set_info *set = nft_walk_set_of(k, expr);
	int32_t code = verdict_code(expr);

	return !row || row->traits & TRAIT_RISKY || code == NFT_JUMP || code == NFT_GOTO ||
	       (row->treat == TREAT_LOOKUP && (!set || set->refused));
}
