/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_attr: tables of attributes, and readers of what is nested in them. Runs in portero itself;
 * trusts nothing of what the kernel dumped beyond its alignment.
 */
#include "observe/nft_attr.h"
#include "base/map.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#define BIT(n) (1u << (n))

/* Newer than the headers of Debian 12: Linux 6.16 tells of a set's backend and size. */
enum { SET_TYPE = 19, SET_COUNT = 20 };

/*
 * sent: what NEW... needs. noise: what is neither sent nor compared. An attribute that is in
 * neither is not known here: it is not sent, but compared, so that its loss is seen.
 */
struct message_row {
	uint8_t type;
	uint32_t sent, noise;
};

static const struct message_row message_rows[] = {
	{NFT_MSG_NEWTABLE, BIT(NFTA_TABLE_NAME) | BIT(NFTA_TABLE_FLAGS) | BIT(NFTA_TABLE_USERDATA),
	 BIT(NFTA_TABLE_USE) | BIT(NFTA_TABLE_HANDLE) | BIT(NFTA_TABLE_PAD) |
		 BIT(NFTA_TABLE_OWNER)},
	{NFT_MSG_NEWCHAIN,
	 BIT(NFTA_CHAIN_TABLE) | BIT(NFTA_CHAIN_NAME) | BIT(NFTA_CHAIN_HOOK) |
		 BIT(NFTA_CHAIN_POLICY) | BIT(NFTA_CHAIN_TYPE) | BIT(NFTA_CHAIN_FLAGS) |
		 BIT(NFTA_CHAIN_USERDATA),
	 BIT(NFTA_CHAIN_HANDLE) | BIT(NFTA_CHAIN_USE) | BIT(NFTA_CHAIN_COUNTERS) |
		 BIT(NFTA_CHAIN_PAD) | BIT(NFTA_CHAIN_ID)},
	{NFT_MSG_NEWOBJ,
	 BIT(NFTA_OBJ_TABLE) | BIT(NFTA_OBJ_NAME) | BIT(NFTA_OBJ_TYPE) | BIT(NFTA_OBJ_DATA) |
		 BIT(NFTA_OBJ_USERDATA),
	 BIT(NFTA_OBJ_USE) | BIT(NFTA_OBJ_HANDLE) | BIT(NFTA_OBJ_PAD)},
	/* never sent: see flow_offload in nft_rewrite */
	{NFT_MSG_NEWFLOWTABLE, 0,
	 BIT(NFTA_FLOWTABLE_USE) | BIT(NFTA_FLOWTABLE_HANDLE) | BIT(NFTA_FLOWTABLE_PAD)},
	/* a set's expressions are stateful ones for its elements: see nft_rewrite */
	{NFT_MSG_NEWSET,
	 BIT(NFTA_SET_TABLE) | BIT(NFTA_SET_NAME) | BIT(NFTA_SET_FLAGS) | BIT(NFTA_SET_KEY_TYPE) |
		 BIT(NFTA_SET_KEY_LEN) | BIT(NFTA_SET_DATA_TYPE) | BIT(NFTA_SET_DATA_LEN) |
		 BIT(NFTA_SET_POLICY) | BIT(NFTA_SET_DESC) | BIT(NFTA_SET_TIMEOUT) |
		 BIT(NFTA_SET_GC_INTERVAL) | BIT(NFTA_SET_USERDATA) | BIT(NFTA_SET_OBJ_TYPE),
	 BIT(NFTA_SET_ID) | BIT(NFTA_SET_PAD) | BIT(NFTA_SET_HANDLE) | BIT(NFTA_SET_EXPR) |
		 BIT(NFTA_SET_EXPRESSIONS) | BIT(SET_TYPE) | BIT(SET_COUNT)},
	{NFT_MSG_NEWSETELEM,
	 BIT(NFTA_SET_ELEM_LIST_TABLE) | BIT(NFTA_SET_ELEM_LIST_SET) |
		 BIT(NFTA_SET_ELEM_LIST_ELEMENTS),
	 BIT(NFTA_SET_ELEM_LIST_SET_ID)},
	{NFT_MSG_NEWRULE,
	 BIT(NFTA_RULE_TABLE) | BIT(NFTA_RULE_CHAIN) | BIT(NFTA_RULE_EXPRESSIONS) |
		 BIT(NFTA_RULE_USERDATA),
	 BIT(NFTA_RULE_HANDLE) | BIT(NFTA_RULE_COMPAT) | BIT(NFTA_RULE_POSITION) |
		 BIT(NFTA_RULE_PAD) | BIT(NFTA_RULE_ID) | BIT(NFTA_RULE_POSITION_ID)},
};

/* What expressions and objects count or remember, by name: not part of what a rule says. */
struct state_row {
	const char *name;
	uint32_t noise;
};

static const struct state_row state_rows[] = {
	{"counter", BIT(NFTA_COUNTER_BYTES) | BIT(NFTA_COUNTER_PACKETS) | BIT(NFTA_COUNTER_PAD)},
	{"quota", BIT(NFTA_QUOTA_CONSUMED) | BIT(NFTA_QUOTA_PAD)},
	{"last", BIT(NFTA_LAST_SET) | BIT(NFTA_LAST_MSECS) | BIT(NFTA_LAST_PAD)},
};

static const struct message_row *find_message(uint8_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(message_rows); i++)
		if (message_rows[i].type == type)
			return &message_rows[i];
	return NULL;
}

static bool has_bit(uint32_t bits, uint16_t attribute)
{
	return attribute < 32 && bits >> attribute & 1;
}

bool nft_attr_sent(uint8_t type, uint16_t attribute)
{
	const struct message_row *row = find_message(type);

	return row && has_bit(row->sent, attribute);
}

uint32_t nft_attr_flags_mask(uint8_t type, uint16_t attribute)
{
	/* without the owner, which is a process, and its `persist` */
	if (type == NFT_MSG_NEWTABLE && attribute == NFTA_TABLE_FLAGS)
		return NFT_TABLE_F_DORMANT;
	/* without the binding of `jump { }` (an ordinary chain means the same) and offload */
	if (type == NFT_MSG_NEWCHAIN && attribute == NFTA_CHAIN_FLAGS)
		return NFT_CHAIN_BASE;
	return UINT32_MAX;
}

void nft_attr_copy(struct buf *b, struct cur value)
{
	static const char zeroes[NLA_ALIGNTO];
	size_t len = value.left + NLA_HDRLEN;

	buf_add(b, value.at - NLA_HDRLEN, len);
	buf_add(b, zeroes, NLA_ALIGN(len) - len);
}

uint64_t nft_attr_number(struct cur attributes, uint16_t type)
{
	struct cur value;

	return nla_find(attributes, type, &value) ? nla_number_be(value) : 0;
}

bool nft_attr_name(struct cur attributes, uint16_t type, char name[NFT_NAME_SIZE])
{
	struct cur value;

	name[0] = '\0';
	return nla_find(attributes, type, &value) && nla_string(value, name, NFT_NAME_SIZE);
}

bool nft_expr_decode(struct cur whole, struct nft_expr *expr)
{
	struct cur name;

	*expr = (struct nft_expr){.whole = whole, .data = {.ok = true}};
	nla_find(whole, NFTA_EXPR_DATA, &expr->data);
	return nla_find(whole, NFTA_EXPR_NAME, &name) &&
	       nla_string(name, expr->name, sizeof(expr->name));
}

int nft_exprs_decode(struct cur list, struct nft_expr *exprs)
{
	struct cur each;
	uint16_t type;
	int count = 0;

	while (nla_next(&list, &type, &each)) {
		if (type != NFTA_LIST_ELEM)
			continue;
		if (count == NFT_EXPR_LIMIT)
			return -E2BIG;
		if (!nft_expr_decode(each, &exprs[count++]))
			return -EBADMSG;
	}
	return list.ok ? count : -EBADMSG;
}

/* --- hashes --------------------------------------------------------------------------------------
 */

static uint64_t hash_attribute(uint64_t hash, uint16_t type, struct cur value)
{
	return map_mix(map_mix(hash, type), map_hash_bytes(value.at, value.left));
}

static uint64_t hash_without(uint64_t hash, struct cur attributes, uint32_t noise)
{
	struct cur value;
	uint16_t type;

	while (nla_next(&attributes, &type, &value))
		if (!has_bit(noise, type))
			hash = hash_attribute(hash, type, value);
	return hash;
}

static uint32_t state_noise(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(state_rows); i++)
		if (strcmp(state_rows[i].name, name) == 0)
			return state_rows[i].noise;
	return 0;
}

static uint64_t hash_expr(uint64_t hash, struct cur whole)
{
	struct nft_expr expr;

	nft_expr_decode(whole, &expr);
	hash = map_mix(hash, map_hash_bytes(expr.name, strlen(expr.name)));
	return hash_without(hash, expr.data, state_noise(expr.name));
}

uint64_t nft_exprs_hash(struct cur list)
{
	uint64_t hash = 1;
	struct cur each;
	uint16_t type;

	while (nla_next(&list, &type, &each))
		hash = hash_expr(hash, each);
	return hash;
}

/* What a set or an element limits, in one attribute or as a list in another. */
static uint64_t hash_states(uint64_t hash, struct cur attributes, uint16_t one, uint16_t several)
{
	struct cur value;

	if (nla_find(attributes, one, &value))
		hash = hash_expr(hash, value);
	if (nla_find(attributes, several, &value))
		hash = map_mix(hash, nft_exprs_hash(value));
	return hash;
}

/* Elements: a sum, since their order is the kernel's. */
static uint64_t hash_elements(struct cur list, size_t *timed)
{
	const uint32_t noise = BIT(NFTA_SET_ELEM_EXPIRATION) | BIT(NFTA_SET_ELEM_PAD) |
			       BIT(NFTA_SET_ELEM_EXPR) | BIT(NFTA_SET_ELEM_EXPRESSIONS);
	uint64_t sum = 0, hash;
	struct cur each, value;
	uint16_t type;

	while (nla_next(&list, &type, &each)) {
		if (timed && nla_find(each, NFTA_SET_ELEM_EXPIRATION, &value)) {
			++*timed;
			continue;
		}
		hash = hash_without(2, each, noise);
		sum += timed ? hash
			     : hash_states(hash, each, NFTA_SET_ELEM_EXPR,
					   NFTA_SET_ELEM_EXPRESSIONS);
	}
	return sum;
}

static uint64_t hash_object_data(struct cur attributes, struct cur data)
{
	uint32_t noise = 0;

	switch (nft_attr_number(attributes, NFTA_OBJ_TYPE)) {
	case NFT_OBJECT_COUNTER:
		noise = state_noise("counter");
		break;
	case NFT_OBJECT_QUOTA:
		noise = state_noise("quota");
		break;
	default:
		break;
	}
	return hash_without(3, data, noise);
}

static uint64_t hash_flags(uint8_t type, uint16_t attribute, struct cur value)
{
	return nla_number_be(value) & nft_attr_flags_mask(type, attribute);
}

uint64_t nft_attr_hash(uint8_t type, struct cur attributes, size_t *timed)
{
	const struct message_row *row = find_message(type);
	struct cur rest = attributes, value;
	uint64_t hash = type, flags;
	uint16_t attribute;

	if (type == NFT_MSG_NEWSET && !timed)
		hash = hash_states(hash, attributes, NFTA_SET_EXPR, NFTA_SET_EXPRESSIONS);
	while (row && nla_next(&rest, &attribute, &value)) {
		if (has_bit(row->noise, attribute))
			continue;
		if (nft_attr_flags_mask(type, attribute) != UINT32_MAX) {
			flags = hash_flags(type, attribute, value);
			hash = flags ? map_mix(hash, map_mix(attribute, flags)) : hash;
		} else if (type == NFT_MSG_NEWRULE && attribute == NFTA_RULE_EXPRESSIONS) {
			hash = map_mix(hash, nft_exprs_hash(value));
		} else if (type == NFT_MSG_NEWOBJ && attribute == NFTA_OBJ_DATA) {
			hash = map_mix(hash, hash_object_data(attributes, value));
		} else if (type == NFT_MSG_NEWSETELEM) {
			if (attribute == NFTA_SET_ELEM_LIST_ELEMENTS)
				return hash_elements(value, timed);
		} else {
			hash = hash_attribute(hash, attribute, value);
		}
	}
	return hash;
}
