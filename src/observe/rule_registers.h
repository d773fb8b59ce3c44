/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_registers: the registers of nf_tables while a rule is read: for each byte, which byte of
 * which field of a packet it has, under which mask; or which constant. A part of rule_constants.
 *
 * A byte may be two things: what `payload network header +12` loads is an address in IPv4, and a
 * piece of one in IPv6, when a rule has not said which it is about.
 */
#pragma once

#include "observe/rule_collect.h"

enum { REGISTER_BYTES = 64 };

/* What a byte may be: the n-th byte of a field is the origin of that name plus n. */
enum rule_origin {
	ORIGIN_NONE = 0,
	ORIGIN_SOURCE = 1, /* 16 bytes: RULE_SOURCE4 or RULE_SOURCE6, by family */
	ORIGIN_DESTINATION = 17,
	ORIGIN_SOURCE_PORT = 33,
	ORIGIN_DESTINATION_PORT = 35,
	ORIGIN_IIFNAME = 37,
	ORIGIN_IIF = 53, /* big-endian */
	ORIGIN_IIFGROUP = 57,
	ORIGIN_IIFTYPE = 61, /* padded to 4 bytes */
	ORIGIN_IIFKIND = 65,
	ORIGIN_FIELDS_END = 81,
	/* not asked about, but they say what a rule is about */
	ORIGIN_NFPROTO = 81,
	ORIGIN_ETHERTYPE = 82,
	ORIGIN_L4PROTO = 84,
	ORIGIN_TAINTED = 85, /* made of ports and addresses in a way that is not understood */
};

struct register_byte {
	uint8_t origin[2]; /* in IPv4, in IPv6 */
	uint8_t mask;	   /* the register has (field & mask) ^ flip */
	uint8_t flip;
	bool is_constant; /* `flip` is its value */
};

struct registers {
	struct register_byte bytes[REGISTER_BYTES];
	uint16_t l4proto; /* that the rule asked for; 256: it did not */
};

/* The first byte of a register (NFT_REG_1..., NFT_REG32_00...), or -1. */
int registers_offset(uint64_t nft_register);
void registers_clear(struct registers *r, int at, size_t len);
void registers_set_constant(struct registers *r, int at, struct cur value);
/* Bytes at..at+len become those of the origin in both families. */
void registers_load(struct registers *r, int at, enum rule_origin origin, size_t len);
/* The same, for numbers that the kernel stores in host order. */
void registers_load_number(struct registers *r, int at, enum rule_origin origin, size_t len);
/* `base` is NFT_PAYLOAD_...; offset and length in bytes. */
void registers_load_payload(struct registers *r, int at, uint64_t base, uint64_t offset,
			    uint64_t len);
/* `and` and `flip` are as long as `len` asks, or the bytes become tainted. */
void registers_mask(struct registers *r, int from, int to, size_t len, struct cur mask,
		    struct cur flip);
/* Swaps the bytes of each number of `size` where the host is little-endian. */
void registers_swap(struct registers *r, int from, int to, size_t len, size_t size);
/* Something that is not understood was done with these bytes. */
void registers_reject(struct rule_collector *k, const struct registers *r, int at, size_t len,
		      const char *what);
bool registers_are_constant(const struct registers *r, int at, size_t len);

/* --- comparing ---------------------------------------------------------------------------------
 */

/* Where a key of `len` bytes has a field of the packet, in one family. */
struct key_field {
	bool is_port;
	struct port_cuts *ports;
	enum rule_field field;
	size_t width;		    /* of the field in bytes */
	int8_t at[RULE_VALUE_SIZE]; /* byte n of the field is byte at[n] of the key; -1: is not */
	uint8_t mask[RULE_VALUE_SIZE], flip[RULE_VALUE_SIZE];
	/* the first `prefix` bytes of the field stand one after the other, unmasked, and nothing
	 * else of it is there; 0: it is not so */
	size_t prefix;
};

enum { KEY_FIELD_LIMIT = 16 };
struct key_layout {
	struct key_field fields[KEY_FIELD_LIMIT];
	size_t count;
	bool tainted;
	size_t len;
};

/* Which fields the `len` bytes at `at` have, in all families that the rule is about. */
void registers_layout(struct rule_collector *k, const struct registers *r, int at, size_t len,
		      struct key_layout *ret);
uint64_t registers_layout_hash(const struct key_layout *layout);

/* The field equals that of the key; `group` 0: a constant of its own. */
void key_field_equals(struct rule_collector *k, const struct key_field *f, const uint8_t *key,
		      uint64_t group);
/* The field lies between those of two keys; only where f->prefix says that this can be told. */
void key_field_between(struct rule_collector *k, const struct key_field *f, const uint8_t *first,
		       const uint8_t *last, uint64_t group);
void key_field_reject(struct rule_collector *k, const struct key_field *f, const char *what);
