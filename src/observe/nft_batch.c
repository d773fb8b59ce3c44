/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/nft_batch.h"
#include "base/i18n.h"
#include "base/nl.h"
#include "base/nla.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>

static void bracket(struct buf *b, uint16_t type)
{
	struct nfgenmsg m = {.res_id = htons(NFNL_SUBSYS_NFTABLES)};

	nla_end_message(b, nla_begin_message(b, type, 0, &m, sizeof(m)));
}

void nft_batch_begin(struct buf *b)
{
	bracket(b, NFNL_MSG_BATCH_BEGIN);
}

void nft_batch_end(struct buf *b)
{
	bracket(b, NFNL_MSG_BATCH_END);
}

static size_t begin(struct buf *b, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nfgenmsg m = {.nfgen_family = family};

	return nla_begin_message(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &m,
				 sizeof(m));
}

void nft_batch_add_table(struct buf *b, uint8_t family, const char *table)
{
	size_t message = begin(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, family);

	nla_put_text(b, NFTA_TABLE_NAME, table);
	nla_end_message(b, message);
}

void nft_batch_delete_table(struct buf *b, uint8_t family, const char *table)
{
	size_t message = begin(b, NFT_MSG_DELTABLE, 0, family);

	nla_put_text(b, NFTA_TABLE_NAME, table);
	nla_end_message(b, message);
}

void nft_batch_add_chain(struct buf *b, const struct nft_batch_chain *chain)
{
	size_t message = begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, chain->family), hook;

	nla_put_text(b, NFTA_CHAIN_TABLE, chain->table);
	nla_put_text(b, NFTA_CHAIN_NAME, chain->name);
	hook = nla_begin_nest(b, NFTA_CHAIN_HOOK);
	nla_put_u32_be(b, NFTA_HOOK_HOOKNUM, chain->hook);
	nla_put_u32_be(b, NFTA_HOOK_PRIORITY, (uint32_t)chain->priority);
	if (chain->device)
		nla_put_text(b, NFTA_HOOK_DEV, chain->device);
	nla_end_nest(b, hook);
	nla_put_text(b, NFTA_CHAIN_TYPE, "filter");
	nla_put_u32_be(b, NFTA_CHAIN_POLICY, NF_ACCEPT);
	nla_end_message(b, message);
}

struct nft_batch_rule nft_batch_begin_rule(struct buf *b, const struct nft_batch_chain *chain)
{
	struct nft_batch_rule rule = {
		.message = begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, chain->family)};

	nla_put_text(b, NFTA_RULE_TABLE, chain->table);
	nla_put_text(b, NFTA_RULE_CHAIN, chain->name);
	rule.expressions = nla_begin_nest(b, NFTA_RULE_EXPRESSIONS);
	return rule;
}

void nft_batch_end_rule(struct buf *b, struct nft_batch_rule rule)
{
	nla_end_nest(b, rule.expressions);
	nla_end_message(b, rule.message);
}

struct expression {
	size_t element, data;
};

static struct expression begin_expression(struct buf *b, const char *name)
{
	struct expression x = {.element = nla_begin_nest(b, NFTA_LIST_ELEM)};

	nla_put_text(b, NFTA_EXPR_NAME, name);
	x.data = nla_begin_nest(b, NFTA_EXPR_DATA);
	return x;
}

static void end_expression(struct buf *b, struct expression x)
{
	nla_end_nest(b, x.data);
	nla_end_nest(b, x.element);
}

void nft_batch_log(struct buf *b, uint16_t group, const char *prefix, uint32_t snap_len)
{
	struct expression x = begin_expression(b, "log");

	nla_put_u16_be(b, NFTA_LOG_GROUP, group);
	nla_put_text(b, NFTA_LOG_PREFIX, prefix);
	nla_put_u32_be(b, NFTA_LOG_SNAPLEN, snap_len);
	end_expression(b, x);
}

void nft_batch_verdict(struct buf *b, uint32_t code)
{
	struct expression x = begin_expression(b, "immediate");
	size_t data, verdict;

	nla_put_u32_be(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nla_begin_nest(b, NFTA_IMMEDIATE_DATA);
	verdict = nla_begin_nest(b, NFTA_DATA_VERDICT);
	nla_put_u32_be(b, NFTA_VERDICT_CODE, code);
	nla_end_nest(b, verdict);
	nla_end_nest(b, data);
	end_expression(b, x);
}

static void put_data(struct buf *b, uint16_t type, const void *value, size_t len)
{
	size_t data = nla_begin_nest(b, type);

	nla_put(b, NFTA_DATA_VALUE, value, len);
	nla_end_nest(b, data);
}

static void add_compare(struct buf *b, uint32_t op, const void *value, size_t len)
{
	struct expression x = begin_expression(b, "cmp");

	nla_put_u32_be(b, NFTA_CMP_SREG, NFT_REG_1);
	nla_put_u32_be(b, NFTA_CMP_OP, op);
	put_data(b, NFTA_CMP_DATA, value, len);
	end_expression(b, x);
}

void nft_batch_match_transport(struct buf *b, uint32_t offset, uint8_t mask, uint8_t value)
{
	static const uint8_t none = 0;
	struct expression x = begin_expression(b, "payload");

	nla_put_u32_be(b, NFTA_PAYLOAD_DREG, NFT_REG_1);
	nla_put_u32_be(b, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	nla_put_u32_be(b, NFTA_PAYLOAD_OFFSET, offset);
	nla_put_u32_be(b, NFTA_PAYLOAD_LEN, 1);
	end_expression(b, x);
	x = begin_expression(b, "bitwise");
	nla_put_u32_be(b, NFTA_BITWISE_SREG, NFT_REG_1);
	nla_put_u32_be(b, NFTA_BITWISE_DREG, NFT_REG_1);
	nla_put_u32_be(b, NFTA_BITWISE_LEN, 1);
	put_data(b, NFTA_BITWISE_MASK, &mask, 1);
	put_data(b, NFTA_BITWISE_XOR, &none, 1);
	end_expression(b, x);
	add_compare(b, NFT_CMP_EQ, &value, 1);
}

void nft_batch_match_meta(struct buf *b, uint32_t key, bool is, const void *value, size_t len)
{
	struct expression x = begin_expression(b, "meta");

	nla_put_u32_be(b, NFTA_META_DREG, NFT_REG_1);
	nla_put_u32_be(b, NFTA_META_KEY, key);
	end_expression(b, x);
	add_compare(b, is ? NFT_CMP_EQ : NFT_CMP_NEQ, value, len);
}

void nft_batch_trace(struct buf *b)
{
	static const uint8_t one = 1;
	struct expression x = begin_expression(b, "immediate");
	size_t data;

	nla_put_u32_be(b, NFTA_IMMEDIATE_DREG, NFT_REG32_00);
	data = nla_begin_nest(b, NFTA_IMMEDIATE_DATA);
	nla_put(b, NFTA_DATA_VALUE, &one, sizeof(one));
	nla_end_nest(b, data);
	end_expression(b, x);
	x = begin_expression(b, "meta");
	nla_put_u32_be(b, NFTA_META_KEY, NFT_META_NFTRACE);
	nla_put_u32_be(b, NFTA_META_SREG, NFT_REG32_00);
	end_expression(b, x);
}

struct refusal {
	int error;
	char reason[256];
};

static void keep_first(size_t index, int error, const char *reason, void *context)
{
	struct refusal *kept = context;

	(void)index;
	if (kept->error)
		return;
	kept->error = error;
	snprintf(kept->reason, sizeof(kept->reason), "%s", reason);
}

int nft_batch_send(struct nl *n, struct buf *b, const char *what, struct err *e)
{
	struct refusal refusal = {0};
	int r = nl_send(n, b, keep_first, &refusal, e);

	if (r <= 0)
		return r;
	return err_set(e, -refusal.error, _("the kernel did not take %s: %s%s%s"), what,
		       strerror(refusal.error), refusal.reason[0] ? ": " : "", refusal.reason);
}
