/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_emit: writes the expressions that rewritten rules have and the machine's had not, each as one
 * NFTA_LIST_ELEM, in the form in which the kernel dumps them. Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/cur.h"

#include <stddef.h>
#include <stdint.h>

/* A number into a register. */
void nft_emit_immediate(struct buf *b, uint32_t reg, uint32_t value);
void nft_emit_drop(struct buf *b);
/* A comparison that never holds; what NFT_REG_1 had is lost. */
void nft_emit_never(struct buf *b);
/* Loads the state of the connection, for its side effect: the kernel tracks connections then. What
 * NFT_REG_1 had is lost. */
void nft_emit_tracking(struct buf *b);
/* `log group 2 prefix "D<doubt>"`: tells that a packet met the doubt, and changes nothing. */
void nft_emit_recorder(struct buf *b, size_t doubt);
/* Holds for packets whose register is in the set (its name, as it was dumped). */
void nft_emit_lookup(struct buf *b, struct cur set, uint32_t reg);
