/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_walk: one pass over a rule. It follows which registers hold something that the twin cannot
 * know (a taint), since such a load says nothing until a comparison uses it: the comparison is the
 * doubt, and the load is not. Trusts no byte of the rule; an unknown expression ends in a STOP.
 */
#include "observe/nft_walk.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/nft_emit.h"
#include "observe/nft_walk_inner.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

/* --- each kind of expression ---------------------------------------------------------------------
 */

static void walk_breaking_load(struct nft_walk *k, const struct nft_row *row,
			       const struct nft_expr *expr, enum doubt_kind kind, const char *word,
			       uint32_t slots)
{
	/* the load is left out: its doubt says for all comparisons with it whether they hold */
	nft_walk_doubt(k, kind, word);
	nft_walk_taint(k, row, expr, slots, (struct nft_taint){.state = DECIDED, .word = word});
}

static void walk_meta(struct nft_walk *k, const struct nft_row *row, const struct nft_expr *expr)
{
	uint32_t key = (uint32_t)nft_attr_number(expr->data, NFTA_META_KEY);
	const struct nft_meta_row *meta = nft_row_find_meta(key);
	enum nft_treat treat = meta ? meta->treat : TREAT_UNMIRRORED;
	enum doubt_kind kind = treat == TREAT_RATE ? DOUBT_RATE : DOUBT_UNMIRRORED;
	const char *word = meta ? meta->word : "meta";
	uint32_t slots = meta ? meta->slots : 4;

	if (nft_walk_has(expr, NFTA_META_SREG)) {
		if (nft_walk_is_meta_effect(expr))
			nft_walk_emit(k, expr);
		return;
	}
	k->w->clock |=
		key == NFT_META_TIME_NS || key == NFT_META_TIME_DAY || key == NFT_META_TIME_HOUR;
	if (treat == TREAT_PLAIN) {
		nft_walk_emit(k, expr);
		nft_walk_clean(k, row, expr, slots * 4);
	} else if (!meta || meta->breaks) {
		walk_breaking_load(k, row, expr, kind, word, slots);
	} else {
		nft_walk_emit(k, expr);
		nft_walk_taint(k, row, expr, slots,
			       (struct nft_taint){.state = OPEN, .kind = kind, .word = word});
	}
}

static void walk_chance(struct nft_walk *k, const struct nft_row *row, const struct nft_expr *expr)
{
	bool hash = strcmp(expr->name, "hash") == 0;
	uint64_t type = nft_attr_number(expr->data, NFTA_HASH_TYPE);
	struct nft_taint taint = {
		.state = OPEN, .kind = DOUBT_RATE, .word = hash ? "hash" : "numgen"};

	nft_walk_emit(k, expr);
	if (hash && type == NFT_HASH_JENKINS && nft_walk_has(expr, NFTA_HASH_SEED)) {
		nft_walk_clean(k, row, expr, 4);
		return;
	}
	taint.modulus =
		(uint32_t)nft_attr_number(expr->data, hash ? NFTA_HASH_MODULUS : NFTA_NG_MODULUS);
	taint.offset =
		(uint32_t)nft_attr_number(expr->data, hash ? NFTA_HASH_OFFSET : NFTA_NG_OFFSET);
	nft_walk_taint(k, row, expr, 1, taint);
}

static void walk_lookup(struct nft_walk *k, const struct nft_row *row, const struct nft_expr *expr)
{
	struct nft_set_info *set = nft_walk_set_of(k, expr);
	bool inverted = nft_attr_number(expr->data, NFTA_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV;
	bool map = nft_walk_has(expr, NFTA_LOOKUP_DREG);

	if (map)
		nft_walk_clean(k, row, expr,
			       16 * 4 - 1); /* whatever it is, it comes from the map */
	if (!set) {
		nft_walk_emit(k, expr);
		return;
	}
	if (set->forced && !(map && set->forced > 0)) {
		k->next += set->stateful && !inverted; /* a doubt that this load does not ask */
		if ((set->forced > 0) == inverted)
			nft_walk_never(k);
		return;
	}
	set->used = true;
	if (!set->stateful || inverted) {
		nft_walk_emit(k, expr);
	} else if (map) {
		nft_walk_doubt(k, DOUBT_RATE, _("limit of a set's element"));
		if (!k->ended)
			nft_walk_emit(k, expr);
	} else {
		nft_walk_emit(k, expr);
		nft_walk_doubt(k, DOUBT_RATE, _("limit of a set's element"));
	}
}

/* Whether a map of objects has the key, without what its object would say. */
static void emit_guard(struct nft_walk *k, const struct nft_expr *expr)
{
	struct cur set = cur_init("", 0);

	nla_find(expr->data, NFTA_OBJREF_SET_NAME, &set);
	if (k->out)
		nft_emit_lookup(k->out, set,
				(uint32_t)nft_attr_number(expr->data, NFTA_OBJREF_SET_SREG));
}

static void walk_object(struct nft_walk *k, const struct nft_expr *expr)
{
	struct nft_set_info *set = nft_walk_set_of(k, expr);
	bool map = nft_walk_has(expr, NFTA_OBJREF_SET_NAME);
	uint32_t type = set ? set->object_type
			    : (uint32_t)nft_attr_number(expr->data, NFTA_OBJREF_IMM_TYPE);
	const char *word = NULL;

	switch (type) {
	case NFT_OBJECT_LIMIT:
		word = "limit";
		break;
	case NFT_OBJECT_QUOTA:
		word = "quota";
		break;
	case NFT_OBJECT_CONNLIMIT:
		word = "ct count";
		break;
	case NFT_OBJECT_SYNPROXY:
		nft_walk_stop(k, "synproxy");
		return;
	case NFT_OBJECT_SECMARK:
		break;
	default:
		if (set)
			set->used = true;
		nft_walk_emit(k, expr);
		return;
	}
	if (map) {
		/* without the object, but only for what the map has */
		emit_guard(k, expr);
		if (set)
			set->used = true;
	}
	if (word)
		nft_walk_doubt(k, DOUBT_RATE, word);
}

/* The first expression within a dynset that can stop it; "" none. */
static void nested_word(const struct nft_expr *expr, char word[NFT_NAME_SIZE])
{
	struct cur list = expr->data, each;
	struct nft_expr nested;
	uint16_t type;

	word[0] = '\0';
	if (nla_find(expr->data, NFTA_DYNSET_EXPR, &each) && nft_expr_decode(each, &nested) &&
	    strcmp(nested.name, "counter") != 0 && strcmp(nested.name, "last") != 0)
		snprintf(word, NFT_NAME_SIZE, "%s", nested.name);
	if (!nla_find(expr->data, NFTA_DYNSET_EXPRESSIONS, &list))
		return;
	while (nla_next(&list, &type, &each))
		if (nft_expr_decode(each, &nested) && strcmp(nested.name, "counter") != 0 &&
		    strcmp(nested.name, "last") != 0)
			snprintf(word, NFT_NAME_SIZE, "%s", nested.name);
}

static void walk_dynset(struct nft_walk *k, const struct nft_expr *expr)
{
	const struct nft_set_info *set = nft_walk_set_of(k, expr);
	bool inverted = nft_attr_number(expr->data, NFTA_DYNSET_FLAGS) & NFT_DYNSET_F_INV;
	bool deletes = nft_attr_number(expr->data, NFTA_DYNSET_OP) == NFT_DYNSET_OP_DELETE;
	char word[NFT_NAME_SIZE];

	if (set && set->looked_up) {
		if (nft_walk_has(expr, NFTA_DYNSET_SREG_DATA)) {
			nft_walk_stop(k, _("what is added to a map"));
			return;
		}
		nft_walk_feed(k, (uint32_t)(set - k->w->sets), deletes);
	}
	if (k->ended)
		return;
	nested_word(expr, word);
	if (word[0])
		nft_walk_doubt(k, DOUBT_RATE, word);
	else if (inverted && !deletes)
		nft_walk_never(k);
}

/* --- the pass ------------------------------------------------------------------------------------
 */

/*
 * `iiftype ether`, which nft puts before every look at an Ethernet header: Ethernet is a TAP in the
 * twin, all else is a TUN, so that this one constant means the same there.
 */
static bool is_mirrored_type(const struct nft_taint *taint, const struct nft_expr *expr)
{
	uint16_t type = 0;
	struct cur data, value;

	if (taint->word != nft_row_find_meta(NFT_META_IIFTYPE)->word &&
	    taint->word != nft_row_find_meta(NFT_META_OIFTYPE)->word)
		return false;
	if (strcmp(expr->name, "cmp") != 0 || !nla_find(expr->data, NFTA_CMP_DATA, &data) ||
	    !nla_find(data, NFTA_DATA_VALUE, &value) || value.left != sizeof(type))
		return false;
	cur_read(&value, &type, sizeof(type));
	return type == ARPHRD_ETHER;
}

/* An expression that reads a register which the twin cannot fill. False: it does not matter. */
static bool walk_tainted(struct nft_walk *k, const struct nft_row *row, const struct nft_expr *expr)
{
	struct nft_set_info *set = nft_walk_set_of(k, expr);
	struct nft_taint *taint = nft_walk_find_taint(k, row, expr, set), kept;
	bool compares = row->traits & TRAIT_COMPARES ||
			(row->treat == TREAT_LOOKUP && !nft_walk_has(expr, NFTA_LOOKUP_DREG));

	if (!taint || row->treat == TREAT_FEED)
		return false;
	kept = *taint;
	if (row->traits & TRAIT_TRANSFORMS && row->treat == TREAT_PLAIN) {
		if (kept.state == OPEN)
			nft_walk_emit(k, expr);
		kept.modulus = 0;
		nft_walk_taint(k, row, expr, nft_walk_read_slots(row, expr, NULL), kept);
		return true;
	}
	if (compares) {
		if (is_mirrored_type(&kept, expr))
			nft_walk_emit(k, expr);
		else if (kept.state == OPEN)
			nft_walk_doubt(k, kept.kind, kept.word);
		return true;
	}
	while (taint && !k->ended) {
		if (!nft_walk_choose(k, taint))
			nft_walk_stop(k, kept.word);
		taint = nft_walk_find_taint(k, row, expr, set);
	}
	return k->ended;
}

static void walk_plain(struct nft_walk *k, const struct nft_row *row, const struct nft_expr *expr)
{
	uint64_t len = row->len ? nft_attr_number(expr->data, row->len) : 16;
	const char *word = nft_walk_senders_own(k, expr);

	if (strcmp(expr->name, "ct") == 0 && nft_walk_has(expr, NFTA_CT_SREG) &&
	    !nft_walk_is_ct_effect(expr))
		return;
	nft_walk_emit(k, expr);
	if (word)
		nft_walk_taint(k, row, expr, (uint32_t)(len + 3) / 4,
			       (struct nft_taint){OPEN, DOUBT_UNMIRRORED, word, 0, 0});
	else
		nft_walk_clean(k, row, expr,
			       (uint32_t)(len > NFT_WALK_SLOTS * 4 ? NFT_WALK_SLOTS * 4 : len));
}

static void walk_expr(struct nft_walk *k, const struct nft_expr *expr)
{
	const struct nft_row *row = nft_row_find(expr->name);

	if (!row) {
		nft_walk_stop(k, expr->name);
		return;
	}
	if (walk_tainted(k, row, expr))
		return;
	switch (row->treat) {
	case TREAT_PLAIN:
		walk_plain(k, row, expr);
		break;
	case TREAT_STRIP:
		break;
	case TREAT_NEVER:
		nft_walk_never(k);
		break;
	case TREAT_RATE:
		nft_walk_doubt(k, DOUBT_RATE, row->name);
		break;
	case TREAT_UNMIRRORED:
		walk_breaking_load(k, row, expr, DOUBT_UNMIRRORED, row->name, 4);
		break;
	case TREAT_KEYED:
		walk_meta(k, row, expr);
		break;
	case TREAT_CHANCE:
		walk_chance(k, row, expr);
		break;
	case TREAT_LOOKUP:
		walk_lookup(k, row, expr);
		break;
	case TREAT_OBJECT:
		walk_object(k, expr);
		break;
	case TREAT_FEED:
		walk_dynset(k, expr);
		break;
	case TREAT_MATCH:
		nft_walk_match(k, expr);
		break;
	case TREAT_TARGET:
		nft_walk_target(k, expr);
		break;
	default:
		nft_walk_stop(k, row->name);
		break;
	}
}

static int decode(struct nft_walk *k)
{
	struct cur list;
	int count;

	k->family = k->w->image->items[k->item].family;
	if (!nla_find(nft_image_attributes(k->w->image, k->item), NFTA_RULE_EXPRESSIONS, &list))
		return 0; /* a rule without any does nothing */
	count = nft_exprs_decode(list, k->exprs);
	if (count < 0)
		return count;
	k->count = (size_t)count;
	k->version = k->family == NFPROTO_INET || k->family == NFPROTO_BRIDGE ||
				     k->family == NFPROTO_NETDEV
			     ? NFPROTO_UNSPEC
			     : k->family;
	for (size_t i = 0; i < k->count; i++)
		if (nft_walk_is_effect(k, &k->exprs[i]))
			k->effects = i + 1;
	return 0;
}

/* Behind the last effect no doubt is asked: that of the limit of a mere log, say. */
static void walk_all(struct nft_walk *k)
{
	uint8_t level = k->w->level[k->item];

	for (size_t i = 0; i < k->count && !k->ended; i++) {
		k->tail = i >= k->effects;
		if (level == NFT_LEVEL_PLAIN && nft_walk_is_risky(k, &k->exprs[i])) {
			if (!k->tail)
				nft_walk_stop_at(k, k->w->stop[k->item]);
			return;
		}
		nft_walk_note_version(k, i);
		walk_expr(k, &k->exprs[i]);
	}
}

int nft_walk_rule(struct nft_rewrite *w, size_t item, struct doubt_list *found,
		  const struct assignment *assignment, struct buf *out)
{
	struct nft_walk k = {.w = w,
			     .item = item,
			     .exprs = w->exprs,
			     .found = found,
			     .assignment = assignment,
			     .out = out};

	k.next = w->first_doubt[item];
	if (decode(&k) < 0)
		nft_walk_stop(&k, _("expressions that cannot be read"));
	else if (w->level[item] != NFT_LEVEL_NOTHING)
		walk_all(&k);
	else if (k.effects > 0)
		nft_walk_stop_at(&k, w->stop[item]);
	return k.failed ? -ENOMEM : 0;
}

void nft_walk_note_lookups(struct nft_rewrite *w, size_t item)
{
	struct nft_walk k = {.w = w, .item = item, .exprs = w->exprs};

	if (decode(&k) < 0)
		return;
	for (size_t i = 0; i < k.count; i++) {
		struct nft_set_info *set = nft_walk_set_of(&k, &k.exprs[i]);

		if (set && strcmp(k.exprs[i].name, "dynset") != 0)
			set->looked_up = true;
	}
}
