/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_walk_state: the doubts of a rule, in their order, and which registers hold something that
 * the twin cannot know. Finding and loading go the same way here, so that they agree on numbers.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/nft_emit.h"
#include "observe/nft_walk_inner.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <stdio.h>
#include <string.h>

enum { CHANCE_BITS = 6 }; /* of a number by chance that a map is asked with: 64 outcomes */

void nft_walk_emit(struct nft_walk *k, const struct nft_expr *expr)
{
	if (k->out)
		nft_attr_copy(k->out, expr->whole);
}

/*
 * Does the rule make the kernel track connections? It does so from the day when such a rule is
 * loaded, and chains of NAT see tracked packets only.
 */
static bool is_tracking(const struct nft_expr *expr)
{
	static const char *const plain[] = {"nat", "masq", "redir", "ct", "connlimit"};
	static const char *const xt[] = {"DNAT",      "SNAT",	  "MASQUERADE", "REDIRECT",
					 "NETMAP",    "CT",	  "CONNMARK",	"conntrack",
					 "state",     "connmark", "helper",	"connlimit",
					 "connbytes", "connlabel"};
	char name[NFT_NAME_SIZE] = "";

	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (strcmp(expr->name, plain[i]) == 0)
			return true;
	/* of a match and a target, the first attribute is the name */
	if (strcmp(expr->name, "match") == 0 || strcmp(expr->name, "target") == 0)
		nft_attr_name(expr->data, NFTA_MATCH_NAME, name);
	for (size_t i = 0; i < ARRAY_LEN(xt); i++)
		if (strcmp(name, xt[i]) == 0)
			return true;
	return false;
}

/* Of what is left out of a rule, this must stay. */
static void keep_tracking(struct nft_walk *k)
{
	bool tracking = false;

	if (k->family != NFPROTO_IPV4 && k->family != NFPROTO_IPV6 && k->family != NFPROTO_INET)
		return;
	for (size_t i = 0; i < k->count && !tracking; i++)
		tracking = is_tracking(&k->exprs[i]);
	if (tracking)
		nft_emit_tracking(k->out);
}

void nft_walk_never(struct nft_walk *k)
{
	if (k->out) {
		nft_emit_never(k->out);
		keep_tracking(k);
	}
	k->ended = k->ended || k->out; /* nothing behind it is ever asked */
}

/* --- doubts -------------------------------------------------------------------------------------
 */

static void tell(const struct nft_walk *k, const char *word, char *text, size_t size)
{
	struct nft_place place;

	nft_image_place(k->w->image, k->item, &place);
	snprintf(text, size, _("%s in %s %.40s %.60s, rule %u"), word,
		 nft_family_name(place.family), place.table, place.chain, k->w->position[k->item]);
}

static size_t add_doubt(struct nft_walk *k, enum doubt_kind kind, const char *word)
{
	char text[sizeof(k->found->items[0].text)];

	tell(k, word, text, sizeof(text));
	return doubts_add(k->found, kind, text);
}

void nft_walk_stop_at(struct nft_walk *k, size_t doubt)
{
	if (k->out) {
		nft_emit_recorder(k->out, doubt);
		nft_emit_drop(k->out);
		keep_tracking(k);
	}
	k->ended = true;
}

/* Asks a doubt, and returns its bit. Past the end of the list it is a STOP. */
bool nft_walk_ask(struct nft_walk *k, enum doubt_kind kind, const char *word, size_t *ret)
{
	size_t doubt;

	if (k->tail) {
		k->ended = true;
		return true;
	}
	if (k->found) {
		doubt = add_doubt(k, kind, word);
		k->ended = kind == DOUBT_STOP;
	} else {
		doubt = k->next < DOUBT_LIMIT ? k->next++ : DOUBT_LIMIT - 1;
		if (kind == DOUBT_STOP || (k->w->overflow && doubt == DOUBT_LIMIT - 1))
			nft_walk_stop_at(k, doubt);
		else if (k->out)
			nft_emit_recorder(k->out, doubt);
	}
	if (ret)
		*ret = doubt;
	return !k->found && assignment_has(k->assignment, doubt);
}

void nft_walk_stop(struct nft_walk *k, const char *word)
{
	nft_walk_ask(k, DOUBT_STOP, word, NULL);
}

/* A doubt in the place of an expression that has no other meaning than to hold or not. */
void nft_walk_doubt(struct nft_walk *k, enum doubt_kind kind, const char *word)
{
	if (!nft_walk_ask(k, kind, word, NULL) && !k->ended)
		nft_walk_never(k);
}

void nft_walk_feed(struct nft_walk *k, uint32_t set, bool deletes)
{
	struct nft_rewrite *w = k->w;
	size_t index;

	nft_walk_ask(k, DOUBT_RATE, _("what is added to a set"), &index);
	if (!k->found)
		return;
	if (mem_grow(&w->feeds, &w->feed_cap, w->feed_count + 1, sizeof(*w->feeds)) < 0) {
		k->failed = true;
		return;
	}
	w->feeds[w->feed_count++] =
		(struct nft_feed){.set = set, .doubt = (uint16_t)index, .deletes = deletes};
}

/* --- registers -----------------------------------------------------------------------------------
 */

static int slot_of(uint32_t reg)
{
	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return (int)(reg - NFT_REG_1) * 4;
	if (reg >= NFT_REG32_00 && reg < NFT_REG32_00 + NFT_WALK_SLOTS)
		return (int)(reg - NFT_REG32_00);
	return -1;
}

/* The name that the kernel gives it in dumps. */
static uint32_t register_of(uint32_t slot)
{
	return slot % 4 == 0 ? NFT_REG_1 + slot / 4 : NFT_REG32_00 + slot;
}

static void set_slots(struct nft_walk *k, uint32_t reg, uint32_t slots, struct nft_taint taint)
{
	int first = slot_of(reg);

	for (int i = first; first >= 0 && i < NFT_WALK_SLOTS && (uint32_t)(i - first) < slots; i++)
		k->slots[i] = taint;
}

/* How many registers of 4 bytes an expression reads from one that it names. */
uint32_t nft_walk_read_slots(const struct nft_row *row, const struct nft_expr *expr,
			     const struct nft_set_info *set)
{
	uint32_t len = row->len ? (uint32_t)nft_attr_number(expr->data, row->len) : 4;

	if (set)
		len = set->key_len;
	else if (strcmp(row->name, "nat") == 0)
		len = 16;
	return len > NFT_WALK_SLOTS * 4 ? NFT_WALK_SLOTS : (len + 3) / 4;
}

/* The first tainted register among those that the expression reads; NULL: none. */
struct nft_taint *nft_walk_find_taint(struct nft_walk *k, const struct nft_row *row,
				      const struct nft_expr *expr, const struct nft_set_info *set)
{
	uint32_t slots = nft_walk_read_slots(row, expr, set);
	struct cur value;

	for (size_t i = 0; i < ARRAY_LEN(row->sregs) && row->sregs[i]; i++) {
		int first;

		if (!nla_find(expr->data, row->sregs[i], &value))
			continue;
		first = slot_of((uint32_t)nla_number_be(value));
		for (int s = first;
		     first >= 0 && s < NFT_WALK_SLOTS && (uint32_t)(s - first) < slots; s++)
			if (k->slots[s].state != CLEAN)
				return &k->slots[s];
	}
	return NULL;
}

/* What a load writes is known again. */
void nft_walk_clean(struct nft_walk *k, const struct nft_row *row, const struct nft_expr *expr,
		    uint32_t len)
{
	struct cur value;

	if (row->dreg && nla_find(expr->data, row->dreg, &value))
		set_slots(k, (uint32_t)nla_number_be(value), (len + 3) / 4,
			  (struct nft_taint){.state = CLEAN});
}

void nft_walk_taint(struct nft_walk *k, const struct nft_row *row, const struct nft_expr *expr,
		    uint32_t slots, struct nft_taint taint)
{
	set_slots(k, (uint32_t)nft_attr_number(expr->data, row->dreg), slots, taint);
}

/*
 * A number by chance becomes one that the assignment chooses, bit by bit: each outcome of a small
 * map can be had.
 */
bool nft_walk_choose(struct nft_walk *k, struct nft_taint *taint)
{
	uint32_t number = 0, bits = 0;

	if (taint->state != OPEN || taint->modulus == 0)
		return false;
	while (bits < 32 && (taint->modulus - 1) >> bits)
		bits++;
	if (bits > CHANCE_BITS)
		return false;
	for (uint32_t i = 0; i < bits && !k->ended; i++)
		number |= (uint32_t)nft_walk_ask(k, taint->kind, taint->word, NULL) << i;
	if (k->out && !k->ended)
		nft_emit_immediate(k->out, register_of((uint32_t)(taint - k->slots)),
				   taint->offset + number % taint->modulus);
	*taint = (struct nft_taint){.state = CLEAN};
	return true;
}

bool nft_walk_has(const struct nft_expr *expr, uint16_t attribute)
{
	struct cur value;

	return nla_find(expr->data, attribute, &value);
}
