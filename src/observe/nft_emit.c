/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_emit: a few expressions, byte by byte as the kernel itself would dump them, since the twin is
 * read back and compared. Trusts its callers; no input from outside but a set's name.
 */
#include "observe/nft_emit.h"
#include "base/nla.h"
#include "observe/doubts.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>

enum { SNAPLEN = 128 }; /* bytes of a packet that a recorder tells */

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

void nft_emit_immediate(struct buf *b, uint32_t reg, uint32_t value)
{
	size_t data, element = begin_expr(b, "immediate", &data);

	nla_put_u32_be(b, NFTA_IMMEDIATE_DREG, reg);
	put_value(b, NFTA_IMMEDIATE_DATA, value);
	end_expr(b, element, data);
}

void nft_emit_drop(struct buf *b)
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
void nft_emit_never(struct buf *b)
{
	size_t data, element;

	nft_emit_immediate(b, NFT_REG_1, 0);
	element = begin_expr(b, "cmp", &data);
	nla_put_u32_be(b, NFTA_CMP_SREG, NFT_REG_1);
	nla_put_u32_be(b, NFTA_CMP_OP, NFT_CMP_EQ);
	put_value(b, NFTA_CMP_DATA, 1);
	end_expr(b, element, data);
}

void nft_emit_tracking(struct buf *b)
{
	size_t data, element = begin_expr(b, "ct", &data);

	nla_put_u32_be(b, NFTA_CT_DREG, NFT_REG_1);
	nla_put_u32_be(b, NFTA_CT_KEY, NFT_CT_STATE);
	end_expr(b, element, data);
}

void nft_emit_recorder(struct buf *b, size_t doubt)
{
	size_t data, element = begin_expr(b, "log", &data);
	char prefix[16];

	snprintf(prefix, sizeof(prefix), "D%zu", doubt);
	nla_put_text(b, NFTA_LOG_PREFIX, prefix);
	nla_put_u16_be(b, NFTA_LOG_GROUP, GROUP_RECORDER);
	nla_put_u32_be(b, NFTA_LOG_SNAPLEN, SNAPLEN);
	end_expr(b, element, data);
}

void nft_emit_lookup(struct buf *b, struct cur set, uint32_t reg)
{
	size_t data, element = begin_expr(b, "lookup", &data);

	nla_put(b, NFTA_LOOKUP_SET, set.at, set.left);
	nla_put_u32_be(b, NFTA_LOOKUP_SREG, reg);
	nla_put_u32_be(b, NFTA_LOOKUP_FLAGS, 0);
	end_expr(b, element, data);
}
