/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nla: netlink attributes: reading them from untrusted bytes with a cursor, and building messages
 * in a buffer. No product knowledge. (libmnl's own readers trust their input.)
 */
#pragma once

#include "base/buf.h"
#include "base/cur.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The next attribute of c: its type without the flag bits (NLA_TYPE_MASK), and a cursor over its
 * value. False at the end, or when it runs past the end (then c->ok is false too).
 */
bool nla_next(struct cur *c, uint16_t *type, struct cur *value);
/* The first attribute of that type in `attributes` (a copy: nothing moves); false: there is none.
 */
bool nla_find(struct cur attributes, uint16_t type, struct cur *value);
/* A big-endian number of up to 8 bytes, as nf_tables and ipset have them; 0 when it is longer. */
uint64_t nla_number_be(struct cur value);
/* A string that may lack its NUL, into `text` of `size` bytes; false when it does not fit. */
bool nla_string(struct cur value, char *text, size_t size);

/* --- building: messages one after the other in a struct buf, aligned to 4 bytes --------------- */

/*
 * Begins a netlink message with an extra header of `extra_len` bytes, and returns its offset in b
 * for nla_end(). b->failed tells at the end whether there was memory for all of it.
 */
size_t nla_begin_message(struct buf *b, uint16_t type, uint16_t flags, const void *extra,
			 size_t extra_len);
void nla_put(struct buf *b, uint16_t type, const void *value, size_t len);
void nla_put_u8(struct buf *b, uint16_t type, uint8_t value);
void nla_put_u16_be(struct buf *b, uint16_t type, uint16_t value);
void nla_put_u32_be(struct buf *b, uint16_t type, uint32_t value);
void nla_put_u64_be(struct buf *b, uint16_t type, uint64_t value);
void nla_put_u32(struct buf *b, uint16_t type, uint32_t value); /* host order, as rtnetlink has */
void nla_put_text(struct buf *b, uint16_t type, const char *text);
/* An attribute as it came, with its header, which begins at `start`; `value` is what nla_next()
 * told. */
void nla_put_raw(struct buf *b, const uint8_t *start, struct cur value);
/* Begins a nested attribute (NLA_F_NESTED); its offset is for nla_end_nest(). */
size_t nla_begin_nest(struct buf *b, uint16_t type);
void nla_end_nest(struct buf *b, size_t nest);
void nla_end_message(struct buf *b, size_t message);
