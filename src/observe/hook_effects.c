/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hook_effects: careful both ways: an expression that is not known changes something, and a base
 * chain is held to reach every chain of its table that is none itself.
 */
#include "observe/hook_effects.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/legacy_walk.h"
#include "observe/nft_attr.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <string.h>

/* Expressions that only look, and the attribute by which some of them write (0: none do). */
static const struct looking {
	const char *name;
	uint16_t writes;
} looking[] = {
	{"bitwise", 0},
	{"byteorder", 0},
	{"cmp", 0},
	{"connlimit", 0},
	{"counter", 0},
	{"ct", NFTA_CT_SREG},
	{"exthdr", NFTA_EXTHDR_SREG},
	{"fib", 0},
	{"hash", 0},
	{"inner", 0},
	{"last", 0},
	{"limit", 0},
	{"log", 0},
	{"match", 0},
	{"meta", NFTA_META_SREG},
	{"numgen", 0},
	{"osf", 0},
	{"payload", NFTA_PAYLOAD_SREG},
	{"quota", 0},
	{"range", 0},
	{"rt", 0},
	{"socket", 0},
	{"tunnel", 0},
	{"xfrm", 0},
};

/* Targets of xtables after which the packet goes on as before. */
static const char *const silent[] = {"AUDIT", "LOG", "NFLOG", "TRACE", "ULOG"};

bool hook_effects_collide(unsigned a, unsigned b)
{
	if (!a || !b)
		return false;
	return ((a | b) & HOOK_CHANGES) || ((a | b) & HOOK_DROPS && (a | b) & HOOK_REFUSES);
}

static unsigned of_target(const char *name)
{
	if (strcmp(name, "REJECT") == 0)
		return HOOK_REFUSES;
	for (size_t i = 0; i < ARRAY_LEN(silent); i++)
		if (strcmp(name, silent[i]) == 0)
			return 0;
	return HOOK_CHANGES;
}

/* --- nf_tables ----------------------------------------------------------------------------------
 */

static unsigned of_immediate(const struct nft_expr *expr)
{
	struct cur data, verdict, code;
	uint32_t number;

	if (nft_attr_number(expr->data, NFTA_IMMEDIATE_DREG) != NFT_REG_VERDICT)
		return 0;
	if (!nla_find(expr->data, NFTA_IMMEDIATE_DATA, &data) ||
	    !nla_find(data, NFTA_DATA_VERDICT, &verdict) ||
	    !nla_find(verdict, NFTA_VERDICT_CODE, &code))
		return HOOK_CHANGES;
	number = (uint32_t)nla_number_be(code);
	if (number == NF_DROP)
		return HOOK_DROPS;
	/* jumps, and `return`, are negative */
	return number == NF_ACCEPT || (int32_t)number < 0 ? 0 : HOOK_CHANGES;
}

static unsigned of_expression(const struct nft_expr *expr)
{
	char name[NFT_NAME_SIZE];
	struct cur value;

	if (strcmp(expr->name, "immediate") == 0)
		return of_immediate(expr);
	if (strcmp(expr->name, "reject") == 0)
		return HOOK_REFUSES;
	/* a map of verdicts, which cannot have `reject` */
	if (strcmp(expr->name, "lookup") == 0)
		return nla_find(expr->data, NFTA_LOOKUP_DREG, &value) &&
				       nla_number_be(value) == NFT_REG_VERDICT
			       ? HOOK_DROPS
			       : 0;
	/* sets are of their table alone */
	if (strcmp(expr->name, "dynset") == 0)
		return 0;
	if (strcmp(expr->name, "target") == 0)
		return nft_attr_name(expr->data, NFTA_TARGET_NAME, name) ? of_target(name)
									 : HOOK_CHANGES;
	for (size_t i = 0; i < ARRAY_LEN(looking); i++)
		if (strcmp(expr->name, looking[i].name) == 0)
			return looking[i].writes && nla_find(expr->data, looking[i].writes, &value)
				       ? HOOK_CHANGES
				       : 0;
	return HOOK_CHANGES;
}

static unsigned of_rule(struct cur attributes)
{
	struct nft_expr expr;
	struct cur list, whole;
	unsigned effects = 0;
	uint16_t type;

	if (!nla_find(attributes, NFTA_RULE_EXPRESSIONS, &list))
		return 0;
	while (nla_next(&list, &type, &whole))
		effects |= nft_expr_decode(whole, &expr) ? of_expression(&expr) : HOOK_CHANGES;
	return effects;
}

uint64_t hook_effects_table_key(const struct nft_image *image, size_t item)
{
	struct cur table = cur_init("", 0);

	nla_find(nft_image_attributes(image, item), 1, &table); /* NFTA_..._TABLE of all */
	return nft_image_key(NFT_MSG_NEWTABLE, image->items[item].family, table, table);
}

static int add_effects(struct map *map, uint64_t key, unsigned effects)
{
	uint32_t before = 0;

	if (map_get(map, key, &before) && (before | effects) == before)
		return 0;
	return map_set(map, key, before | effects);
}

static int take_rule(struct hook_effects *e, const struct nft_image *image, size_t item)
{
	uint64_t chain = nft_image_item_key(image, item);
	unsigned effects = of_rule(nft_image_attributes(image, item));
	uint32_t own;

	return map_get(&e->chains, chain, &own)
		       ? add_effects(&e->chains, chain, effects)
		       : add_effects(&e->tables, hook_effects_table_key(image, item), effects);
}

int hook_effects_find(const struct nft_image *image, struct hook_effects *ret)
{
	struct cur hook;
	int r = 0;

	*ret = (struct hook_effects){0};
	/* chains stand before rules */
	for (size_t i = 0; i < image->count && r == 0; i++) {
		if (image->items[i].type == NFT_MSG_NEWRULE)
			r = take_rule(ret, image, i);
		else if (image->items[i].type == NFT_MSG_NEWCHAIN &&
			 nla_find(nft_image_attributes(image, i), NFTA_CHAIN_HOOK, &hook))
			r = add_effects(&ret->chains, nft_image_item_key(image, i), 0);
	}
	return r;
}

void hook_effects_done(struct hook_effects *e)
{
	map_done(&e->chains);
	map_done(&e->tables);
}

unsigned hook_effects_of_chain(const struct hook_effects *e, const struct nft_image *image,
			       size_t item)
{
	uint32_t own = 0, shared = 0;
	struct cur policy;

	map_get(&e->chains, nft_image_item_key(image, item), &own);
	map_get(&e->tables, hook_effects_table_key(image, item), &shared);
	if (nla_find(nft_image_attributes(image, item), NFTA_CHAIN_POLICY, &policy) &&
	    nla_number_be(policy) == NF_DROP)
		own |= HOOK_DROPS;
	return own | shared;
}

/* --- iptables-legacy ----------------------------------------------------------------------------
 */

static unsigned of_entry(const uint8_t *blob, const struct legacy_entry *entry)
{
	struct legacy_extension target;

	if (entry->target == LEGACY_HEADER)
		return 0;
	if (entry->target == LEGACY_EXTENSION)
		return legacy_target_read(blob, entry, &target) ? of_target(target.name)
								: HOOK_CHANGES;
	if (entry->verdict == LEGACY_DROP)
		return HOOK_DROPS;
	return entry->verdict == LEGACY_QUEUE ? HOOK_CHANGES : 0;
}

unsigned hook_effects_of_legacy(const struct legacy_image *image, size_t table, uint32_t hook)
{
	const struct legacy_table *t = &image->tables[table];
	const uint8_t *blob = legacy_image_blob(image, t);
	struct legacy_walk cleanup_call(legacy_walk_done) walk = {0};
	unsigned effects = 0;

	if (legacy_walk_read(&walk, t, blob) < 0)
		return HOOK_CHANGES;
	for (size_t i = 0; i < walk.count; i++) {
		const struct legacy_entry *entry = &walk.entries[i];

		if (entry->chain < walk.chain_count && walk.chains[entry->chain].builtin &&
		    walk.chains[entry->chain].hook != hook)
			continue;
		effects |= of_entry(blob, entry);
	}
	return effects;
}
