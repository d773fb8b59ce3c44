/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_batch: builds the few nf_tables messages that portero's own tables in a twin are made of, as
 * one batch in a buffer for nl_send(). Families, hooks and types are the kernel's numbers.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nl;

void nft_batch_begin(struct buf *b);
void nft_batch_end(struct buf *b);
void nft_batch_add_table(struct buf *b, uint8_t family, const char *table);
/* Deletes it with all that is in it; the batch is refused when there is none. */
void nft_batch_delete_table(struct buf *b, uint8_t family, const char *table);

/* A base chain of type filter and policy accept. */
struct nft_batch_chain {
	uint8_t family;
	const char *table, *name;
	uint32_t hook;
	int32_t priority;
	const char *device; /* only for family NFPROTO_NETDEV; NULL otherwise */
};
void nft_batch_add_chain(struct buf *b, const struct nft_batch_chain *chain);

/* A rule at the end of the chain: begin, expressions, end. The token is for the end. */
struct nft_batch_rule {
	size_t message, expressions;
};
struct nft_batch_rule nft_batch_begin_rule(struct buf *b, const struct nft_batch_chain *chain);
void nft_batch_end_rule(struct buf *b, struct nft_batch_rule rule);
void nft_batch_log(struct buf *b, uint16_t group, const char *prefix, uint32_t snap_len);
/* The rule ends here unless the one byte at `offset` of the transport header, masked, is `value`.
 */
void nft_batch_match_transport(struct buf *b, uint32_t offset, uint8_t mask, uint8_t value);
/* ... unless meta `key` (of `len` bytes, in the machine's byte order) is, or is not, `value`. */
void nft_batch_match_meta(struct buf *b, uint32_t key, bool is, const void *value, size_t len);
void nft_batch_verdict(struct buf *b, uint32_t code); /* NF_DROP, NF_ACCEPT */
void nft_batch_trace(struct buf *b);		      /* meta nftrace set 1 */

/* Sends the batch. 0, or the negative errno of the first refusal, with a sentence that names
 * `what`. */
int nft_batch_send(struct nl *n, struct buf *b, const char *what, struct err *e);
