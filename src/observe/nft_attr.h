/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_attr: what nf_tables messages are made of: which attributes of an object are sent again and
 * which only tell of counters and handles; the expressions of a rule; and a hash of what matters.
 * Pure. All bytes may be anything: every read is through base/nla.
 */
#pragma once

#include "base/buf.h"
#include "base/nla.h"

#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NFT_EXPR_LIMIT = 128, /* expressions of a rule: NFT_RULE_MAXEXPRS of the kernel */
	NFT_NAME_SIZE = 256,  /* NFT_NAME_MAXLEN, with its NUL */
};

/* One expression: its name, its own attributes, and the whole of NFTA_EXPR_* as it was dumped. */
struct nft_expr {
	char name[32];
	struct cur data, whole;
};

/* Is the attribute of this kind of message (NFT_MSG_NEW...) sent when the object is made again? */
bool nft_attr_sent(uint8_t type, uint16_t attribute);
/* The bits of its flags that are sent, for tables and chains; UINT32_MAX for all others. */
uint32_t nft_attr_flags_mask(uint8_t type, uint16_t attribute);

/* Appends the attribute as it was, header and padding included. */
void nft_attr_copy(struct buf *b, struct cur value);
/* A number in attribute `type`, or 0. */
uint64_t nft_attr_number(struct cur attributes, uint16_t type);
/* A name in attribute `type`; false (and "") when there is none, or it is too long. */
bool nft_attr_name(struct cur attributes, uint16_t type, char name[NFT_NAME_SIZE]);

/*
 * The expressions of a list (NFTA_RULE_EXPRESSIONS, ..._EXPRESSIONS) into `exprs` of NFT_EXPR_LIMIT
 * items: their count, or -EBADMSG (damaged) or -E2BIG.
 */
int nft_exprs_decode(struct cur list, struct nft_expr *exprs);
/* One expression, from within NFTA_LIST_ELEM or ..._EXPR; false when it has no name. */
bool nft_expr_decode(struct cur whole, struct nft_expr *expr);

/*
 * A hash of what an object says, without handles, counters, use and expiration. Of set elements:
 * the sum over the elements of the message, so that their order does not count. `timed` counts the
 * elements that are left out because they expire, which may happen at any time. With NULL, they are
 * counted in, and so are the limits and quotas of sets and elements, which a twin does not get.
 */
uint64_t nft_attr_hash(uint8_t type, struct cur attributes, size_t *timed);
/* The same of a list of expressions. */
uint64_t nft_exprs_hash(struct cur list);
