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
#include "observe/nft_attr.h"
#include "observe/nft_rows.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_set.h>
#include <stdio.h>
#include <string.h>

enum {
	SLOTS = 16,	 /* registers of 4 bytes */
	CHANCE_BITS = 6, /* of a number by chance that a map is asked with: 64 outcomes */
	SNAPLEN = 128,	 /* bytes of a packet that a recorder tells */
	SOURCE_MAC = 6,	 /* offset in an Ethernet header */
	SOURCE_MAC_END = 12,
	IPSET = 1u << 31, /* a feed's set is the index of an ipset */
};

/* A register that the twin cannot fill as the machine would. */
struct taint {
	enum { CLEAN, OPEN, DECIDED } state; /* DECIDED: a doubt was asked for already */
	enum doubt_kind kind;
	const char *word;
	uint32_t modulus, offset; /* a number by chance; 0: any other */
};

struct walk {
	struct nft_rewrite *w;
	size_t item;
	uint8_t family;
	struct nft_expr *exprs;
	size_t count, effects; /* effects: expressions up to the last that has one */
	struct taint slots[SLOTS];
	struct doubt_list *found;
	const struct assignment *assignment;
	struct buf *out;
	size_t next; /* doubt, when loading */
	bool tail;   /* behind the last effect: nothing depends on a doubt any more */
	bool ended;
	bool failed;
};

/* --- writing expressions -------------------------------------------------------------------------
 */

/*
 * As the kernel dumps it, so that the two can be compared: without NLA_F_NESTED, and below with the
 * attributes in its order.
 */
static size_t begin_nest(struct buf *b, uint16_t attribute)
{
	size_t at = b->len;

	nla_put(b, attribute, "", 0);
	return at;
}

static size_t begin_expr(struct buf *b, const char *name, size_t *data)
{
	size_t element = begin_nest(b, NFTA_LIST_ELEM);

	nla_put_text(b, NFTA_EXPR_NAME, name);
	*data = begin_nest(b, NFTA_EXPR_DATA);
	return element;
}

static void end_expr(struct buf *b, size_t element, size_t data)
{
	nla_end_nest(b, data);
	nla_end_nest(b, element);
}

static void put_value(struct buf *b, uint16_t attribute, uint32_t value)
{
	size_t nest = begin_nest(b, attribute);

	nla_put(b, NFTA_DATA_VALUE, &value, sizeof(value)); /* a register: host order */
	nla_end_nest(b, nest);
}

static void put_immediate(struct buf *b, uint32_t reg, uint32_t value)
{
	size_t data, element = begin_expr(b, "immediate", &data);

	nla_put_u32_be(b, NFTA_IMMEDIATE_DREG, reg);
	put_value(b, NFTA_IMMEDIATE_DATA, value);
	end_expr(b, element, data);
}

static void put_drop(struct buf *b)
{
	size_t data, element = begin_expr(b, "immediate", &data), nest, verdict;

	nla_put_u32_be(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	nest = begin_nest(b, NFTA_IMMEDIATE_DATA);
	verdict = begin_nest(b, NFTA_DATA_VERDICT);
	nla_put_u32_be(b, NFTA_VERDICT_CODE, NF_DROP);
	nla_end_nest(b, verdict);
	nla_end_nest(b, nest);
	end_expr(b, element, data);
}

/* A comparison that never holds: what the register had is of no use any more. */
static void put_never(struct buf *b)
{
	size_t data, element;

	put_immediate(b, NFT_REG_1, 0);
	element = begin_expr(b, "cmp", &data);
	nla_put_u32_be(b, NFTA_CMP_SREG, NFT_REG_1);
	nla_put_u32_be(b, NFTA_CMP_OP, NFT_CMP_EQ);
	put_value(b, NFTA_CMP_DATA, 1);
	end_expr(b, element, data);
}

static void put_recorder(struct buf *b, size_t doubt)
{
	size_t data, element = begin_expr(b, "log", &data);
	char prefix[16];

	snprintf(prefix, sizeof(prefix), "D%zu", doubt);
	nla_put_text(b, NFTA_LOG_PREFIX, prefix);
	nla_put_u16_be(b, NFTA_LOG_GROUP, GROUP_RECORDER);
	nla_put_u32_be(b, NFTA_LOG_SNAPLEN, SNAPLEN);
	end_expr(b, element, data);
}

static void emit(struct walk *k, const struct nft_expr *expr)
{
	if (k->out)
		nft_attr_copy(k->out, expr->whole);
}

static void emit_never(struct walk *k)
{
	if (k->out)
		put_never(k->out);
	k->ended = k->ended || k->out; /* nothing behind it is ever asked */
}

/* --- doubts --------------------------------------------------------------------------------------
 */

static void tell(const struct walk *k, const char *word, char *text, size_t size)
{
	struct nft_place place;

	nft_image_place(k->w->image, k->item, &place);
	snprintf(text, size, _("%s in %s %.40s %.60s, rule %u"), word,
		 nft_family_name(place.family), place.table, place.chain, k->w->position[k->item]);
}

static size_t add_doubt(struct walk *k, enum doubt_kind kind, const char *word)
{
	char text[sizeof(k->found->items[0].text)];

	tell(k, word, text, sizeof(text));
	return doubts_add(k->found, kind, text);
}

static void stop_with(struct walk *k, size_t doubt)
{
	if (k->out) {
		put_recorder(k->out, doubt);
		put_drop(k->out);
	}
	k->ended = true;
}

/* Asks a doubt, and returns its bit. Past the end of the list it is a STOP. */
static bool ask(struct walk *k, enum doubt_kind kind, const char *word, size_t *ret)
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
			stop_with(k, doubt);
		else if (k->out)
			put_recorder(k->out, doubt);
	}
	if (ret)
		*ret = doubt;
	return !k->found && assignment_has(k->assignment, doubt);
}

static void stop(struct walk *k, const char *word)
{
	ask(k, DOUBT_STOP, word, NULL);
}

/* A doubt in the place of an expression that has no other meaning than to hold or not. */
static void doubt(struct walk *k, enum doubt_kind kind, const char *word)
{
	if (!ask(k, kind, word, NULL) && !k->ended)
		emit_never(k);
}

/* --- registers -----------------------------------------------------------------------------------
 */

static int slot_of(uint32_t reg)
{
	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return (int)(reg - NFT_REG_1) * 4;
	if (reg >= NFT_REG32_00 && reg < NFT_REG32_00 + SLOTS)
		return (int)(reg - NFT_REG32_00);
	return -1;
}

/* The name that the kernel gives it in dumps. */
static uint32_t register_of(uint32_t slot)
{
	return slot % 4 == 0 ? NFT_REG_1 + slot / 4 : NFT_REG32_00 + slot;
}

static void set_slots(struct walk *k, uint32_t reg, uint32_t slots, struct taint taint)
{
	int first = slot_of(reg);

	for (int i = first; first >= 0 && i < SLOTS && (uint32_t)(i - first) < slots; i++)
		k->slots[i] = taint;
}

/* How many registers of 4 bytes an expression reads from one that it names. */
static uint32_t read_slots(const struct walk *k, const struct nft_row *row,
			   const struct nft_expr *expr, const struct nft_set_info *set)
{
	uint32_t len = row->len ? (uint32_t)nft_attr_number(expr->data, row->len) : 4;

	if (set)
		len = set->key_len;
	else if (strcmp(row->name, "nat") == 0)
		len = 16;
	(void)k;
	return len > SLOTS * 4 ? SLOTS : (len + 3) / 4;
}

/* The first tainted register among those that the expression reads; NULL: none. */
static struct taint *find_taint(struct walk *k, const struct nft_row *row,
				const struct nft_expr *expr, const struct nft_set_info *set)
{
	uint32_t slots = read_slots(k, row, expr, set);
	struct cur value;

	for (size_t i = 0; i < ARRAY_LEN(row->sregs) && row->sregs[i]; i++) {
		int first;

		if (!nla_find(expr->data, row->sregs[i], &value))
			continue;
		first = slot_of((uint32_t)nla_number_be(value));
		for (int s = first; first >= 0 && s < SLOTS && (uint32_t)(s - first) < slots; s++)
			if (k->slots[s].state != CLEAN)
				return &k->slots[s];
	}
	return NULL;
}

/* What a load writes is known again. */
static void clean_target(struct walk *k, const struct nft_row *row, const struct nft_expr *expr,
			 uint32_t len)
{
	struct cur value;

	if (row->dreg && nla_find(expr->data, row->dreg, &value))
		set_slots(k, (uint32_t)nla_number_be(value), (len + 3) / 4, (struct taint){CLEAN});
}

static void taint_target(struct walk *k, const struct nft_row *row, const struct nft_expr *expr,
			 uint32_t slots, struct taint taint)
{
	set_slots(k, (uint32_t)nft_attr_number(expr->data, row->dreg), slots, taint);
}

/*
 * A number by chance becomes one that the assignment chooses, bit by bit: each outcome of a small
 * map can be had.
 */
static bool choose_number(struct walk *k, struct taint *taint)
{
	uint32_t number = 0, bits = 0;

	if (taint->state != OPEN || taint->modulus == 0)
		return false;
	while (bits < 32 && (taint->modulus - 1) >> bits)
		bits++;
	if (bits > CHANCE_BITS)
		return false;
	for (uint32_t i = 0; i < bits && !k->ended; i++)
		number |= (uint32_t)ask(k, taint->kind, taint->word, NULL) << i;
	if (k->out && !k->ended)
		put_immediate(k->out, register_of((uint32_t)(taint - k->slots)),
			      taint->offset + number % taint->modulus);
	*taint = (struct taint){CLEAN};
	return true;
}

/* --- what an expression is -----------------------------------------------------------------------
 */

static struct nft_set_info *find_set(const struct walk *k, const struct nft_expr *expr,
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

static struct nft_set_info *set_of(const struct walk *k, const struct nft_expr *expr)
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

static bool has(const struct nft_expr *expr, uint16_t attribute)
{
	struct cur value;

	return nla_find(expr->data, attribute, &value);
}

static void xt_name(const struct nft_expr *expr, char name[NFT_NAME_SIZE])
{
	nft_attr_name(expr->data, NFTA_MATCH_NAME, name); /* NFTA_TARGET_NAME is the same */
}

static enum nft_treat target_treat(const struct nft_expr *expr)
{
	char name[NFT_NAME_SIZE];
	const struct xt_row *row;

	xt_name(expr, name);
	row = xt_row_find_target(name);
	return row ? row->treat : TREAT_STOP;
}

/* Of a key that is set: does anything that a rule can ask follow from it? */
static bool is_meta_effect(const struct nft_expr *expr)
{
	uint32_t key = (uint32_t)nft_attr_number(expr->data, NFTA_META_KEY);

	return has(expr, NFTA_META_SREG) && key != NFT_META_NFTRACE && key != NFT_META_SECMARK;
}

static bool is_ct_effect(const struct nft_expr *expr)
{
	uint32_t key = (uint32_t)nft_attr_number(expr->data, NFTA_CT_KEY);

	return has(expr, NFTA_CT_SREG) && key != NFT_CT_SECMARK && key != NFT_CT_EVENTMASK;
}

static bool is_feed(const struct walk *k, const struct nft_expr *expr)
{
	const struct nft_set_info *set = set_of(k, expr);

	return set && set->looked_up;
}

static bool is_effect(const struct walk *k, const struct nft_expr *expr)
{
	const struct nft_row *row = nft_row_find(expr->name);
	struct cur dreg;

	if (!row || row->traits & TRAIT_EFFECT)
		return true;
	switch (row->treat) {
	case TREAT_TARGET:
		return target_treat(expr) != TREAT_STRIP;
	case TREAT_KEYED:
		return is_meta_effect(expr);
	case TREAT_FEED:
		return is_feed(k, expr);
	case TREAT_LOOKUP:
		return nla_find(expr->data, NFTA_LOOKUP_DREG, &dreg) &&
		       nla_number_be(dreg) == NFT_REG_VERDICT;
	case TREAT_OBJECT: /* helpers, timeouts, expectations, synproxy, or a map to any of them */
		return !has(expr, NFTA_OBJREF_IMM_TYPE) ||
		       nft_attr_number(expr->data, NFTA_OBJREF_IMM_TYPE) == NFT_OBJECT_SYNPROXY;
	case TREAT_UNMIRRORED:
		return strcmp(expr->name, "tproxy") == 0;
	default:
		break;
	}
	if (strcmp(expr->name, "immediate") == 0)
		return verdict_code(expr) != NFT_CONTINUE;
	if (strcmp(expr->name, "ct") == 0)
		return is_ct_effect(expr);
	if (strcmp(expr->name, "payload") == 0)
		return has(expr, NFTA_PAYLOAD_SREG);
	return strcmp(expr->name, "exthdr") == 0 && !has(expr, NFTA_EXTHDR_DREG);
}

/* Might the kernel have refused the rule for this expression's sake? */
static bool is_risky(const struct walk *k, const struct nft_expr *expr)
{
	const struct nft_row *row = nft_row_find(expr->name);
	const struct nft_set_info *set = set_of(k, expr);
	int32_t code = verdict_code(expr);

	return !row || row->traits & TRAIT_RISKY || code == NFT_JUMP || code == NFT_GOTO ||
	       (row->treat == TREAT_LOOKUP && (!set || set->refused));
}

/* --- each kind of expression ---------------------------------------------------------------------
 */

static void walk_breaking_load(struct walk *k, const struct nft_row *row,
			       const struct nft_expr *expr, enum doubt_kind kind, const char *word,
			       uint32_t slots)
{
	/* the load is left out: its doubt says for all comparisons with it whether they hold */
	doubt(k, kind, word);
	taint_target(k, row, expr, slots, (struct taint){.state = DECIDED, .word = word});
}

static void walk_meta(struct walk *k, const struct nft_row *row, const struct nft_expr *expr)
{
	uint32_t key = (uint32_t)nft_attr_number(expr->data, NFTA_META_KEY);
	const struct nft_meta_row *meta = nft_row_find_meta(key);
	enum nft_treat treat = meta ? meta->treat : TREAT_UNMIRRORED;
	enum doubt_kind kind = treat == TREAT_RATE ? DOUBT_RATE : DOUBT_UNMIRRORED;
	const char *word = meta ? meta->word : "meta";
	uint32_t slots = meta ? meta->slots : 4;

	if (has(expr, NFTA_META_SREG)) {
		if (is_meta_effect(expr))
			emit(k, expr);
		return;
	}
	if (treat == TREAT_PLAIN) {
		emit(k, expr);
		clean_target(k, row, expr, slots * 4);
	} else if (!meta || meta->breaks) {
		walk_breaking_load(k, row, expr, kind, word, slots);
	} else {
		emit(k, expr);
		taint_target(k, row, expr, slots,
			     (struct taint){.state = OPEN, .kind = kind, .word = word});
	}
}

static void walk_chance(struct walk *k, const struct nft_row *row, const struct nft_expr *expr)
{
	bool hash = strcmp(expr->name, "hash") == 0;
	uint64_t type = nft_attr_number(expr->data, NFTA_HASH_TYPE);
	struct taint taint = {.state = OPEN, .kind = DOUBT_RATE, .word = hash ? "hash" : "numgen"};

	emit(k, expr);
	if (hash && type == NFT_HASH_JENKINS && has(expr, NFTA_HASH_SEED)) {
		clean_target(k, row, expr, 4);
		return;
	}
	taint.modulus =
		(uint32_t)nft_attr_number(expr->data, hash ? NFTA_HASH_MODULUS : NFTA_NG_MODULUS);
	taint.offset =
		(uint32_t)nft_attr_number(expr->data, hash ? NFTA_HASH_OFFSET : NFTA_NG_OFFSET);
	taint_target(k, row, expr, 1, taint);
}

/* The lookup alone, without what an object or an element's own limit would say to it. */
static void emit_lookup(struct walk *k, const struct nft_expr *expr, uint16_t name, uint16_t sreg)
{
	size_t data, element;
	struct cur set = cur_init("", 0);

	if (!k->out)
		return;
	nla_find(expr->data, name, &set);
	element = begin_expr(k->out, "lookup", &data);
	nla_put(k->out, NFTA_LOOKUP_SET, set.at, set.left);
	nla_put_u32_be(k->out, NFTA_LOOKUP_SREG, (uint32_t)nft_attr_number(expr->data, sreg));
	nla_put_u32_be(k->out, NFTA_LOOKUP_FLAGS, 0);
	end_expr(k->out, element, data);
}

static void walk_lookup(struct walk *k, const struct nft_row *row, const struct nft_expr *expr)
{
	struct nft_set_info *set = set_of(k, expr);
	bool inverted = nft_attr_number(expr->data, NFTA_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV;
	bool map = has(expr, NFTA_LOOKUP_DREG);

	if (map)
		clean_target(k, row, expr, 16 * 4 - 1); /* whatever it is, it comes from the map */
	if (!set) {
		emit(k, expr);
		return;
	}
	if (set->forced && !(map && set->forced > 0)) {
		k->next += set->stateful && !inverted; /* a doubt that this load does not ask */
		if ((set->forced > 0) == inverted)
			emit_never(k);
		return;
	}
	set->used = true;
	if (!set->stateful || inverted) {
		emit(k, expr);
	} else if (map) {
		doubt(k, DOUBT_RATE, _("limit of a set's element"));
		if (!k->ended)
			emit(k, expr);
	} else {
		emit(k, expr);
		doubt(k, DOUBT_RATE, _("limit of a set's element"));
	}
}

static void walk_object(struct walk *k, const struct nft_expr *expr)
{
	struct nft_set_info *set = set_of(k, expr);
	bool map = has(expr, NFTA_OBJREF_SET_NAME);
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
		stop(k, "synproxy");
		return;
	case NFT_OBJECT_SECMARK:
		break;
	default:
		if (set)
			set->used = true;
		emit(k, expr);
		return;
	}
	if (map) {
		/* without the object, but only for what the map has */
		emit_lookup(k, expr, NFTA_OBJREF_SET_NAME, NFTA_OBJREF_SET_SREG);
		if (set)
			set->used = true;
	}
	if (word)
		doubt(k, DOUBT_RATE, word);
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

static void add_feed(struct walk *k, uint32_t set, bool deletes)
{
	struct nft_rewrite *w = k->w;
	size_t index;

	ask(k, DOUBT_RATE, _("what is added to a set"), &index);
	if (!k->found)
		return;
	if (mem_grow(&w->feeds, &w->feed_cap, w->feed_count + 1, sizeof(*w->feeds)) < 0) {
		k->failed = true;
		return;
	}
	w->feeds[w->feed_count++] =
		(struct nft_feed){.set = set, .doubt = (uint16_t)index, .deletes = deletes};
}

static void walk_dynset(struct walk *k, const struct nft_expr *expr)
{
	const struct nft_set_info *set = set_of(k, expr);
	bool inverted = nft_attr_number(expr->data, NFTA_DYNSET_FLAGS) & NFT_DYNSET_F_INV;
	bool deletes = nft_attr_number(expr->data, NFTA_DYNSET_OP) == NFT_DYNSET_OP_DELETE;
	char word[NFT_NAME_SIZE];

	if (set && set->looked_up) {
		if (has(expr, NFTA_DYNSET_SREG_DATA)) {
			stop(k, _("what is added to a map"));
			return;
		}
		add_feed(k, (uint32_t)(set - k->w->sets), deletes);
	}
	if (k->ended)
		return;
	nested_word(expr, word);
	if (word[0])
		doubt(k, DOUBT_RATE, word);
	else if (inverted && !deletes)
		emit_never(k);
}

/* --- xtables -------------------------------------------------------------------------------------
 */

static void walk_recent(struct walk *k, const struct nft_expr *expr)
{
	struct xt_recent_mtinfo info = {0};
	struct cur value = {.ok = true};

	nla_find(expr->data, NFTA_MATCH_INFO, &value);
	cur_read(&value, &info, sizeof(info)); /* revision 1 has more behind it */
	if (!value.ok || (info.check_set & (XT_RECENT_CHECK | XT_RECENT_UPDATE | XT_RECENT_REMOVE)))
		doubt(k, DOUBT_RATE, "recent");
	else if (info.invert)
		emit_never(k); /* --set: always holds, and so its inversion never does */
}

/* How a doubt about what an ipset is fed decides a match with it: 0: not at all. */
static int forced_ipset(const struct walk *k, uint16_t index)
{
	for (size_t i = 0; k->assignment && i < k->w->feed_count; i++) {
		const struct nft_feed *feed = &k->w->feeds[i];

		if (feed->set == (IPSET | index) && assignment_has(k->assignment, feed->doubt))
			return feed->deletes ? -1 : 1;
	}
	return 0;
}

static void walk_ipset(struct walk *k, const struct nft_expr *expr)
{
	uint64_t revision = nft_attr_number(expr->data, NFTA_MATCH_REV);
	struct xt_set_info_match_v4 info = {0};
	struct xt_set_info_match_v3 old = {0};
	struct cur value = {.ok = true}, whole;
	bool counted = false;
	int forced;

	nla_find(expr->data, NFTA_MATCH_INFO, &value);
	whole = value;
	cur_read(&whole, &info.match_set, sizeof(info.match_set)); /* first in all revisions */
	if (revision == 3) {
		cur_read(&value, &old, sizeof(old));
		counted = old.packets.op || old.bytes.op;
	} else if (revision >= 4) {
		struct xt_set_info_match_v4 counters;

		cur_read(&value, &counters, sizeof(counters));
		counted = counters.packets.op || counters.bytes.op;
	}
	forced = revision > 0 ? forced_ipset(k, info.match_set.index) : 0;
	if (forced) {
		k->next += counted;
		if ((forced > 0) == !!(info.match_set.flags & IPSET_INV_MATCH))
			emit_never(k);
		return;
	}
	emit(k, expr);
	if (counted)
		doubt(k, DOUBT_RATE, _("counters of an ipset"));
}

static void walk_match(struct walk *k, const struct nft_expr *expr)
{
	char name[NFT_NAME_SIZE];
	const struct xt_row *row;

	xt_name(expr, name);
	row = xt_row_find_match(name);
	switch (row ? row->treat : TREAT_UNMIRRORED) {
	case TREAT_PLAIN:
		emit(k, expr);
		break;
	case TREAT_RECENT:
		walk_recent(k, expr);
		break;
	case TREAT_IPSET:
		walk_ipset(k, expr);
		break;
	case TREAT_RATE:
		doubt(k, DOUBT_RATE, name);
		break;
	default:
		doubt(k, DOUBT_UNMIRRORED, name);
		break;
	}
}

/* Sets --add-set or --del-set name what rules of this or a later packet ask: all may. */
static void walk_ipset_target(struct walk *k, const struct nft_expr *expr)
{
	struct xt_set_info_target_v1 info = {0};
	struct cur value = {.ok = true};

	nla_find(expr->data, NFTA_TARGET_INFO, &value);
	cur_read(&value, &info, sizeof(info)); /* first in revisions 1 to 3 */
	if (nft_attr_number(expr->data, NFTA_TARGET_REV) == 0 || !value.ok) {
		stop(k, "SET");
		return;
	}
	if (info.add_set.index != IPSET_INVALID_ID)
		add_feed(k, IPSET | info.add_set.index, false);
	if (info.del_set.index != IPSET_INVALID_ID && !k->ended)
		add_feed(k, IPSET | info.del_set.index, true);
}

static void walk_target(struct walk *k, const struct nft_expr *expr)
{
	char name[NFT_NAME_SIZE];

	xt_name(expr, name);
	switch (target_treat(expr)) {
	case TREAT_PLAIN:
		emit(k, expr);
		break;
	case TREAT_STRIP:
		break;
	case TREAT_UNMIRRORED:
		doubt(k, DOUBT_UNMIRRORED, name);
		break;
	case TREAT_FEED:
		walk_ipset_target(k, expr);
		break;
	default:
		stop(k, name);
		break;
	}
}

/* --- the pass ------------------------------------------------------------------------------------
 */

/*
 * `iiftype ether`, which nft puts before every look at an Ethernet header: Ethernet is a TAP in the
 * twin, all else is a TUN, so that this one constant means the same there.
 */
static bool is_mirrored_type(const struct taint *taint, const struct nft_expr *expr)
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
static bool walk_tainted(struct walk *k, const struct nft_row *row, const struct nft_expr *expr)
{
	struct nft_set_info *set = set_of(k, expr);
	struct taint *taint = find_taint(k, row, expr, set), kept;
	bool compares = row->traits & TRAIT_COMPARES ||
			(row->treat == TREAT_LOOKUP && !has(expr, NFTA_LOOKUP_DREG));

	if (!taint || row->treat == TREAT_FEED)
		return false;
	kept = *taint;
	if (row->traits & TRAIT_TRANSFORMS && row->treat == TREAT_PLAIN) {
		if (kept.state == OPEN)
			emit(k, expr);
		kept.modulus = 0;
		taint_target(k, row, expr, read_slots(k, row, expr, NULL), kept);
		return true;
	}
	if (compares) {
		if (is_mirrored_type(&kept, expr))
			emit(k, expr);
		else if (kept.state == OPEN)
			doubt(k, kept.kind, kept.word);
		return true;
	}
	while (taint && !k->ended) {
		if (!choose_number(k, taint))
			stop(k, kept.word);
		taint = find_taint(k, row, expr, set);
	}
	return k->ended;
}

static void walk_plain(struct walk *k, const struct nft_row *row, const struct nft_expr *expr)
{
	uint64_t offset = nft_attr_number(expr->data, NFTA_PAYLOAD_OFFSET);
	uint64_t len = row->len ? nft_attr_number(expr->data, row->len) : 16;

	if (strcmp(expr->name, "ct") == 0 && has(expr, NFTA_CT_SREG) && !is_ct_effect(expr))
		return;
	emit(k, expr);
	if (strcmp(expr->name, "payload") == 0 && !has(expr, NFTA_PAYLOAD_SREG) &&
	    nft_attr_number(expr->data, NFTA_PAYLOAD_BASE) == NFT_PAYLOAD_LL_HEADER &&
	    offset < SOURCE_MAC_END && offset + len > SOURCE_MAC)
		taint_target(k, row, expr, (uint32_t)(len + 3) / 4,
			     (struct taint){OPEN, DOUBT_UNMIRRORED, "ether saddr", 0, 0});
	else
		clean_target(k, row, expr, (uint32_t)(len > SLOTS * 4 ? SLOTS * 4 : len));
}

static void walk_expr(struct walk *k, const struct nft_expr *expr)
{
	const struct nft_row *row = nft_row_find(expr->name);

	if (!row) {
		stop(k, expr->name);
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
		emit_never(k);
		break;
	case TREAT_RATE:
		doubt(k, DOUBT_RATE, row->name);
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
		walk_match(k, expr);
		break;
	case TREAT_TARGET:
		walk_target(k, expr);
		break;
	default:
		stop(k, row->name);
		break;
	}
}

static int decode(struct walk *k)
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
	for (size_t i = 0; i < k->count; i++)
		if (is_effect(k, &k->exprs[i]))
			k->effects = i + 1;
	return 0;
}

/* Behind the last effect no doubt is asked: that of the limit of a mere log, say. */
static void walk_all(struct walk *k)
{
	uint8_t level = k->w->level[k->item];

	for (size_t i = 0; i < k->count && !k->ended; i++) {
		k->tail = i >= k->effects;
		if (level == NFT_LEVEL_PLAIN && is_risky(k, &k->exprs[i])) {
			if (!k->tail)
				stop_with(k, k->w->stop[k->item]);
			return;
		}
		walk_expr(k, &k->exprs[i]);
	}
}

int nft_walk_rule(struct nft_rewrite *w, size_t item, struct doubt_list *found,
		  const struct assignment *assignment, struct buf *out)
{
	struct walk k = {.w = w,
			 .item = item,
			 .exprs = w->exprs,
			 .found = found,
			 .assignment = assignment,
			 .out = out};

	k.next = w->first_doubt[item];
	if (decode(&k) < 0)
		stop(&k, _("expressions that cannot be read"));
	else if (w->level[item] != NFT_LEVEL_NOTHING)
		walk_all(&k);
	else if (k.effects > 0)
		stop_with(&k, w->stop[item]);
	return k.failed ? -ENOMEM : 0;
}

void nft_walk_note_lookups(struct nft_rewrite *w, size_t item)
{
	struct walk k = {.w = w, .item = item, .exprs = w->exprs};

	if (decode(&k) < 0)
		return;
	for (size_t i = 0; i < k.count; i++) {
		struct nft_set_info *set = set_of(&k, &k.exprs[i]);

		if (set && strcmp(k.exprs[i].name, "dynset") != 0)
			set->looked_up = true;
	}
}
