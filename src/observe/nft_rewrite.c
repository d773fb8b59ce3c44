/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_rewrite: what must be known of the whole image before a rule can be rewritten (sets, who
 * feeds them, the place of each rule and its first doubt), and the parts of a rule that are not
 * expressions. The expressions are nft_walk's.
 */
#include "observe/nft_rewrite.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/nft_attr.h"
#include "observe/nft_walk.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void nft_rewrite_done(struct nft_rewrite *w)
{
	map_done(&w->by_key);
	free(w->sets);
	free(w->feeds);
	free(w->first_doubt);
	free(w->stop);
	free(w->position);
	free(w->level);
	free(w->later);
	free(w->exprs);
	*w = (struct nft_rewrite){0};
}

struct nft_set_info *nft_rewrite_set(const struct nft_rewrite *w, size_t item)
{
	uint32_t index;

	return map_get(&w->by_key, nft_image_item_key(w->image, item), &index) ? &w->sets[index]
									       : NULL;
}

/* Can it end a lookup that found its element? */
static bool is_state(struct cur whole)
{
	struct nft_expr expr;

	return !nft_expr_decode(whole, &expr) ||
	       (strcmp(expr.name, "counter") != 0 && strcmp(expr.name, "last") != 0);
}

/* Of a set or an element, which have them in one attribute alone or as a list in another. */
static bool has_state(struct cur attributes, uint16_t one, uint16_t several)
{
	struct cur value, each;
	uint16_t type;

	if (nla_find(attributes, one, &value) && is_state(value))
		return true;
	if (!nla_find(attributes, several, &value))
		return false;
	while (nla_next(&value, &type, &each))
		if (is_state(each))
			return true;
	return false;
}

static int add_set(struct nft_rewrite *w, size_t item)
{
	struct cur attributes = nft_image_attributes(w->image, item);

	if (mem_grow(&w->sets, &w->set_cap, w->set_count + 1, sizeof(*w->sets)) < 0 ||
	    map_set(&w->by_key, nft_image_item_key(w->image, item), (uint32_t)w->set_count) < 0)
		return -ENOMEM;
	w->sets[w->set_count++] = (struct nft_set_info){
		.item = (uint32_t)item,
		.flags = (uint32_t)nft_attr_number(attributes, NFTA_SET_FLAGS),
		.key_len = (uint32_t)nft_attr_number(attributes, NFTA_SET_KEY_LEN),
		.object_type = (uint32_t)nft_attr_number(attributes, NFTA_SET_OBJ_TYPE),
		.stateful = has_state(attributes, NFTA_SET_EXPR, NFTA_SET_EXPRESSIONS),
	};
	return 0;
}

static void look_at_elements(struct nft_rewrite *w, size_t item)
{
	struct nft_set_info *set = nft_rewrite_set(w, item);
	struct cur list, each;
	uint16_t type;

	if (!set || set->stateful ||
	    !nla_find(nft_image_attributes(w->image, item), NFTA_SET_ELEM_LIST_ELEMENTS, &list))
		return;
	while (!set->stateful && nla_next(&list, &type, &each))
		set->stateful = has_state(each, NFTA_SET_ELEM_EXPR, NFTA_SET_ELEM_EXPRESSIONS);
}

/* Rules of a chain stand one after the other. */
static void place_rules(struct nft_rewrite *w)
{
	uint64_t chain = 0, key;
	uint16_t position = 0;

	for (size_t i = 0; i < w->image->count; i++) {
		if (w->image->items[i].type != NFT_MSG_NEWRULE)
			continue;
		key = nft_image_item_key(w->image, i);
		if (key != chain)
			position = 0;
		chain = key;
		if (position < UINT16_MAX)
			position++;
		w->position[i] = position;
	}
}

static int allocate(struct nft_rewrite *w)
{
	size_t count = w->image->count + 1;

	w->first_doubt = calloc(count, sizeof(*w->first_doubt));
	w->stop = calloc(count, sizeof(*w->stop));
	w->position = calloc(count, sizeof(*w->position));
	w->level = calloc(count, sizeof(*w->level));
	w->later = calloc(count, sizeof(*w->later));
	w->exprs = calloc(NFT_EXPR_LIMIT, sizeof(*w->exprs));
	return w->first_doubt && w->stop && w->position && w->level && w->later && w->exprs
		       ? 0
		       : -ENOMEM;
}

static int find_all(struct nft_rewrite *w, struct doubt_list *doubts)
{
	const struct nft_image *image = w->image;
	int r = 0;

	for (size_t i = 0; r == 0 && i < image->count; i++)
		if (image->items[i].type == NFT_MSG_NEWSET)
			r = add_set(w, i);
	for (size_t i = 0; r == 0 && i < image->count; i++) {
		if (image->items[i].type == NFT_MSG_NEWSETELEM)
			look_at_elements(w, i);
		if (image->items[i].type == NFT_MSG_NEWRULE)
			nft_walk_note_lookups(w, i);
	}
	place_rules(w);
	for (size_t i = 0; r == 0 && i < image->count; i++) {
		if (image->items[i].type != NFT_MSG_NEWRULE)
			continue;
		w->first_doubt[i] = (uint16_t)doubts->count;
		r = nft_walk_rule(w, i, doubts, NULL, NULL);
	}
	w->overflow = doubts->overflow;
	return r;
}

int nft_rewrite_find(struct nft_rewrite *w, const struct nft_image *image,
		     struct doubt_list *doubts)
{
	int r;

	*w = (struct nft_rewrite){.image = image};
	r = allocate(w);
	if (r == 0)
		r = find_all(w, doubts);
	if (r < 0)
		nft_rewrite_done(w);
	return r;
}

bool nft_rewrite_lower(struct nft_rewrite *w, size_t item, const char *why,
		       struct doubt_list *doubts)
{
	char text[sizeof(doubts->items[0].text)];
	struct nft_place place;

	if (w->level[item] == NFT_LEVEL_NOTHING)
		return false;
	if (w->level[item]++ != NFT_LEVEL_WHOLE)
		return true;
	nft_image_place(w->image, item, &place);
	snprintf(text, sizeof(text), _("%s %.40s %.50s, rule %u, which cannot be copied: %s"),
		 nft_family_name(place.family), place.table, place.chain, w->position[item], why);
	w->stop[item] = (uint16_t)doubts_add(doubts, DOUBT_STOP, text);
	/* a doubt that stands for more than itself: all loads must treat it so */
	w->overflow = doubts->overflow;
	return true;
}

void nft_rewrite_begin(struct nft_rewrite *w, const struct assignment *assignment)
{
	for (size_t i = 0; i < w->set_count; i++) {
		w->sets[i].used = false;
		w->sets[i].forced = 0;
	}
	for (size_t i = 0; i < w->feed_count; i++)
		if (w->feeds[i].set < w->set_count && assignment_has(assignment, w->feeds[i].doubt))
			w->sets[w->feeds[i].set].forced = w->feeds[i].deletes ? -1 : 1;
}

/* A hook with a priority that is one higher. */
static void put_later(struct buf *out, struct cur hook)
{
	size_t nest = nla_begin_nest(out, NFTA_CHAIN_HOOK);
	struct cur value;
	uint16_t type;

	while (nla_next(&hook, &type, &value))
		if (type == NFTA_HOOK_PRIORITY)
			nla_put_u32_be(out, type, (uint32_t)nla_number_be(value) + 1);
		else
			nft_attr_copy(out, value);
	nla_end_nest(out, nest);
}

struct cur nft_rewrite_attributes(const struct nft_rewrite *w, size_t item, struct buf *room)
{
	struct cur attributes = nft_image_attributes(w->image, item);
	struct cur left = attributes, value;
	uint16_t type;

	if (w->image->items[item].type != NFT_MSG_NEWCHAIN || !w->later[item])
		return attributes;
	buf_clear(room);
	while (nla_next(&left, &type, &value))
		if (type == NFTA_CHAIN_HOOK)
			put_later(room, value);
		else
			nft_attr_copy(room, value);
	return cur_init(room->data, room->len);
}

/* --- NFTA_RULE_COMPAT ----------------------------------------------------------------------------
 */

/*
 * xt matches ask which protocol the rule is for, and the kernel never dumps what it was told: it is
 * the constant that the rule compares the protocol with.
 */
static bool loads_protocol(uint8_t family, const struct nft_expr *expr)
{
	uint64_t base, offset, len;

	if (strcmp(expr->name, "meta") == 0)
		return nft_attr_number(expr->data, NFTA_META_KEY) ==
		       (family == NFPROTO_BRIDGE ? NFT_META_PROTOCOL : NFT_META_L4PROTO);
	if (strcmp(expr->name, "payload") != 0)
		return false;
	base = nft_attr_number(expr->data, NFTA_PAYLOAD_BASE);
	offset = nft_attr_number(expr->data, NFTA_PAYLOAD_OFFSET);
	len = nft_attr_number(expr->data, NFTA_PAYLOAD_LEN);
	if (family == NFPROTO_BRIDGE) /* the EtherType */
		return base == NFT_PAYLOAD_LL_HEADER && offset == 12 && len == 2;
	return base == NFT_PAYLOAD_NETWORK_HEADER && len == 1 &&
	       offset == (family == NFPROTO_IPV6 ? 6u : 9u);
}

/* The number as struct ipt_ip.proto, or struct ebt_entry.ethproto (network order), has it. */
static bool compared_protocol(const struct nft_expr *cmp, uint32_t *ret)
{
	uint8_t byte = 0;
	uint16_t word = 0;
	struct cur data, value;

	if (!nla_find(cmp->data, NFTA_CMP_DATA, &data) || !nla_find(data, NFTA_DATA_VALUE, &value))
		return false;
	if (value.left == sizeof(word)) {
		cur_read(&value, &word, sizeof(word));
		*ret = word;
		return true;
	}
	cur_read(&value, &byte, sizeof(byte));
	*ret = byte;
	return value.ok;
}

static bool find_protocol(uint8_t family, const struct nft_expr *exprs, int count, uint32_t *proto,
			  uint32_t *flags)
{
	uint64_t reg = 0, op;

	for (int i = 0; i < count; i++) {
		if (loads_protocol(family, &exprs[i]))
			reg = nft_attr_number(exprs[i].data,
					      NFTA_META_DREG); /* payload: the same */
		if (reg == 0 || strcmp(exprs[i].name, "cmp") != 0 ||
		    nft_attr_number(exprs[i].data, NFTA_CMP_SREG) != reg)
			continue;
		op = nft_attr_number(exprs[i].data, NFTA_CMP_OP);
		*flags = op == NFT_CMP_NEQ ? NFT_RULE_COMPAT_F_INV : 0;
		return (op == NFT_CMP_EQ || op == NFT_CMP_NEQ) &&
		       compared_protocol(&exprs[i], proto);
	}
	return false;
}

static void put_compat(const struct nft_rewrite *w, size_t item, struct buf *out)
{
	struct nft_expr *exprs = w->exprs;
	uint32_t proto = 0, flags = 0;
	bool xt = false;
	struct cur list;
	size_t nest;
	int count;

	if (!nla_find(nft_image_attributes(w->image, item), NFTA_RULE_EXPRESSIONS, &list))
		return;
	count = nft_exprs_decode(list, exprs);
	for (int i = 0; i < count; i++)
		xt |= strcmp(exprs[i].name, "match") == 0 || strcmp(exprs[i].name, "target") == 0;
	if (!xt || !find_protocol(w->image->items[item].family, exprs, count, &proto, &flags))
		return;
	nest = nla_begin_nest(out, NFTA_RULE_COMPAT);
	nla_put_u32_be(out, NFTA_RULE_COMPAT_PROTO, proto);
	nla_put_u32_be(out, NFTA_RULE_COMPAT_FLAGS, flags);
	nla_end_nest(out, nest);
}

void nft_rewrite_rule(struct nft_rewrite *w, size_t item, const struct assignment *assignment,
		      struct buf *out)
{
	size_t nest = nla_begin_nest(out, NFTA_RULE_EXPRESSIONS);

	nft_walk_rule(w, item, NULL, assignment, out);
	nla_end_nest(out, nest);
	put_compat(w, item, out);
}
