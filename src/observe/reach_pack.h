/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_pack: a struct reach as bytes and back, for the cache. Pure. The bytes are in the machine's
 * own order and for this very version of portero; what is read back is trusted no more than any
 * other file: all counts, indexes, kinds and strings are looked at.
 */
#pragma once

#include "base/buf.h"
#include "model/reach.h"

#include <stddef.h>
#include <stdint.h>

enum { REACH_PACK_LIMIT = 8 << 20 }; /* bytes: more is not kept */

/* By which a damaged file is told: of all that follows it. */
uint64_t reach_pack_sum(const void *bytes, size_t len);
/* Appends *r, under its key, without `filtered` and generation. *out may have failed after it. */
void reach_pack(const struct reach *r, uint64_t key, struct buf *out);
/*
 * Fills *ret (zeroed before; to be ended with reach_done() in every case) from bytes[0..len). 0;
 * -EBADMSG: they are no answers, or not those of the key; -ENOMEM.
 */
int reach_unpack(const void *bytes, size_t len, uint64_t key, struct reach *ret);
