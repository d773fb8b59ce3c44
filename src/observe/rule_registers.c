/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_registers: see the header. What is loaded, copied, masked and swapped is followed byte by
 * byte, as nft loads 3 bytes for a /24 and both addresses at once when it can.
 */
#include "observe/rule_registers.h"

#include "base/i18n.h"
#include "base/mem.h"

#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <string.h>

/* The fields by their origins. */
static const struct {
	enum rule_origin origin;
	size_t width;	    /* in IPv6; of addresses */
	enum rule_field v4; /* of addresses: see collect_field() */
} known_fields[] = {
	{ORIGIN_SOURCE, 16, RULE_SOURCE4},   {ORIGIN_DESTINATION, 16, RULE_DESTINATION4},
	{ORIGIN_SOURCE_PORT, 2, 0},	     {ORIGIN_DESTINATION_PORT, 2, 0},
	{ORIGIN_IIFNAME, 16, RULE_IIFNAME},  {ORIGIN_IIF, 4, RULE_IIF},
	{ORIGIN_IIFGROUP, 4, RULE_IIFGROUP}, {ORIGIN_IIFTYPE, 4, RULE_IIFTYPE},
	{ORIGIN_IIFKIND, 16, RULE_IIFKIND},
};

int registers_offset(uint64_t nft_register)
{
	if (nft_register >= NFT_REG_1 && nft_register <= NFT_REG_4)
		return (int)(nft_register - NFT_REG_1) * NFT_REG_SIZE;
	if (nft_register >= NFT_REG32_00 && nft_register <= NFT_REG32_15)
		return (int)(nft_register - NFT_REG32_00) * NFT_REG32_SIZE;
	return -1;
}

/* How many of `len` bytes at `at` there are. */
static size_t clip(int at, size_t len)
{
	size_t room;

	if (at < 0)
		return 0;
	room = REGISTER_BYTES - (size_t)at;
	return len < room ? len : room;
}

void registers_clear(struct registers *r, int at, size_t len)
{
	len = clip(at, len);
	for (size_t i = 0; i < len; i++)
		r->bytes[(size_t)at + i] = (struct register_byte){0};
}

void registers_set_constant(struct registers *r, int at, struct cur value)
{
	size_t len = clip(at, value.left);

	for (size_t i = 0; i < len; i++)
		r->bytes[(size_t)at + i] =
			(struct register_byte){.flip = value.at[i], .is_constant = true};
}

static struct register_byte loaded(unsigned v4, unsigned v6)
{
	return (struct register_byte){.origin = {(uint8_t)v4, (uint8_t)v6}, .mask = 0xff};
}

void registers_load(struct registers *r, int at, enum rule_origin origin, size_t len)
{
	len = clip(at, len);
	for (size_t i = 0; i < len; i++)
		r->bytes[(size_t)at + i] =
			loaded((unsigned)origin + (unsigned)i, (unsigned)origin + (unsigned)i);
}

static bool is_little_endian(void)
{
	return htobe16(1) != 1;
}

void registers_load_number(struct registers *r, int at, enum rule_origin origin, size_t len)
{
	registers_load(r, at, origin, len);
	if (is_little_endian())
		registers_swap(r, at, at, len, len);
}

/* --- payload -----------------------------------------------------------------------------------
 */

static unsigned transport_origin(uint64_t offset, uint16_t l4proto)
{
	bool has_ports = l4proto > 255 || l4proto == IPPROTO_TCP || l4proto == IPPROTO_UDP ||
			 l4proto == IPPROTO_UDPLITE || l4proto == IPPROTO_SCTP ||
			 l4proto == IPPROTO_DCCP;

	if (!has_ports)
		return ORIGIN_NONE;
	if (offset < 4)
		return ORIGIN_SOURCE_PORT + (unsigned)offset;
	/* checksums depend on ports and addresses; sequence numbers and payload may, too: they
	 * are the asker's. Flags, window, length and options do not. */
	if (l4proto == IPPROTO_TCP)
		return offset < 8 || offset == 16 || offset == 17 ? ORIGIN_TAINTED : ORIGIN_NONE;
	if (l4proto == IPPROTO_UDP)
		return offset < 6 ? ORIGIN_NONE : ORIGIN_TAINTED;
	return ORIGIN_TAINTED;
}

static unsigned network_origin(uint64_t offset, bool v6, uint16_t l4proto)
{
	uint64_t source = v6 ? 8 : 12, width = v6 ? 16 : 4, head = v6 ? 40 : 20;

	if (offset >= head)
		return transport_origin(offset - head, l4proto);
	if (offset >= source + width)
		return ORIGIN_DESTINATION + (unsigned)(offset - source - width);
	if (offset >= source)
		return ORIGIN_SOURCE + (unsigned)(offset - source);
	if (offset == (v6 ? 6 : 9))
		return ORIGIN_L4PROTO;
	return !v6 && (offset == 10 || offset == 11) ? ORIGIN_TAINTED : ORIGIN_NONE;
}

static unsigned payload_origin(uint64_t base, uint64_t offset, bool v6, uint16_t l4proto)
{
	enum { ETHERNET = 14 };

	switch (base) {
	case NFT_PAYLOAD_LL_HEADER:
		if (offset < ETHERNET)
			return offset >= 12 ? ORIGIN_ETHERTYPE + (unsigned)offset - 12
					    : ORIGIN_NONE;
		return network_origin(offset - ETHERNET, v6, l4proto);
	case NFT_PAYLOAD_NETWORK_HEADER:
		return network_origin(offset, v6, l4proto);
	case NFT_PAYLOAD_TRANSPORT_HEADER:
		return transport_origin(offset, l4proto);
	case NFT_PAYLOAD_INNER_HEADER:
		return l4proto == IPPROTO_TCP ? ORIGIN_NONE : ORIGIN_TAINTED;
	default:
		return ORIGIN_TAINTED;
	}
}

void registers_load_payload(struct registers *r, int at, uint64_t base, uint64_t offset,
			    uint64_t len)
{
	size_t count = clip(at, len < REGISTER_BYTES ? (size_t)len : REGISTER_BYTES);

	for (size_t i = 0; i < count; i++)
		r->bytes[(size_t)at + i] =
			loaded(payload_origin(base, offset + i, false, r->l4proto),
			       payload_origin(base, offset + i, true, r->l4proto));
}

/* --- what is done with them --------------------------------------------------------------------
 */

static bool is_tracked(const struct register_byte *b)
{
	return b->origin[0] != ORIGIN_NONE || b->origin[1] != ORIGIN_NONE;
}

static struct register_byte masked(struct register_byte b, uint8_t mask, uint8_t flip)
{
	b.mask &= mask;
	b.flip = (b.flip & mask) ^ flip;
	if (is_tracked(&b) && b.mask == 0)
		return (struct register_byte){.flip = b.flip, .is_constant = true};
	return b;
}

void registers_mask(struct registers *r, int from, int to, size_t len, struct cur mask,
		    struct cur flip)
{
	struct registers old = *r;
	size_t count = clip(from, len);

	if (to > from)
		count = clip(to, len);
	for (size_t i = 0; from >= 0 && to >= 0 && i < count; i++) {
		struct register_byte *b = &r->bytes[(size_t)to + i];

		*b = old.bytes[(size_t)from + i];
		if (i < mask.left && i < flip.left)
			*b = masked(*b, mask.at[i], flip.at[i]);
		else
			*b = loaded(ORIGIN_TAINTED, ORIGIN_TAINTED);
	}
}

void registers_swap(struct registers *r, int from, int to, size_t len, size_t size)
{
	struct registers old = *r;
	size_t count = clip(from > to ? from : to, len);

	if (from < 0 || to < 0 || size == 0)
		return;
	for (size_t i = 0; i < count; i++) {
		size_t number = i - i % size, other = number + size - 1 - i % size;

		if (!is_little_endian())
			other = i;
		/* a last, shorter number: the kernel would not take it */
		r->bytes[(size_t)to + i] = other < count ? old.bytes[(size_t)from + other]
							 : loaded(ORIGIN_TAINTED, ORIGIN_TAINTED);
	}
}

bool registers_are_constant(const struct registers *r, int at, size_t len)
{
	if (at < 0 || clip(at, len) < len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!r->bytes[(size_t)at + i].is_constant)
			return false;
	return true;
}

void registers_reject(struct rule_collector *k, const struct registers *r, int at, size_t len,
		      const char *what)
{
	struct key_layout layout;

	registers_layout(k, r, at, clip(at, len), &layout);
	if (layout.tainted)
		collect_opaque_all(k, what);
	for (size_t i = 0; i < layout.count; i++)
		key_field_reject(k, &layout.fields[i], what);
}

/* --- comparing ---------------------------------------------------------------------------------
 */

/* Where bytes of a field stand one after the other, unmasked, from its first on. */
static size_t find_prefix(const struct key_field *f)
{
	size_t prefix = 0;

	while (prefix < f->width && f->at[prefix] == f->at[0] + (int)prefix &&
	       f->mask[prefix] == 0xff && f->flip[prefix] == 0)
		prefix++;
	for (size_t i = prefix; i < f->width; i++)
		if (f->at[i] >= 0)
			return 0;
	return f->at[0] >= 0 ? prefix : 0;
}

/* The field that known_fields[which] is in one family, if any of its bytes are in the key. */
static bool find_field(struct rule_collector *k, const struct register_byte *key, size_t len,
		       size_t which, unsigned family, struct key_field *f)
{
	unsigned origin = known_fields[which].origin;
	bool found = false;

	memset(f, 0, sizeof(*f));
	memset(f->at, -1, sizeof(f->at));
	f->width = known_fields[which].width;
	f->is_port = f->width == 2;
	f->field = known_fields[which].v4;
	if (f->is_port)
		f->ports = origin == ORIGIN_SOURCE_PORT ? &k->out->source_ports
							: &k->out->destination_ports;
	else if (origin <= ORIGIN_DESTINATION)
		f->field = collect_field(f->field, family);
	if (!f->is_port)
		f->width = rule_field_width(f->field);
	for (size_t i = 0; i < len; i++) {
		unsigned n = key[i].origin[family == FAMILY6] - origin;

		if (key[i].origin[family == FAMILY6] < origin || n >= f->width)
			continue;
		f->at[n] = (int8_t)i;
		f->mask[n] = key[i].mask;
		f->flip[n] = key[i].flip;
		found = true;
	}
	f->prefix = find_prefix(f);
	return found;
}

static bool same_field(const struct key_field *a, const struct key_field *b)
{
	return a->is_port == b->is_port && a->ports == b->ports && a->field == b->field &&
	       memcmp(a->at, b->at, sizeof(a->at)) == 0 &&
	       memcmp(a->mask, b->mask, sizeof(a->mask)) == 0;
}

static void add_field(struct key_layout *layout, const struct key_field *f)
{
	for (size_t i = 0; i < layout->count; i++)
		if (same_field(&layout->fields[i], f))
			return; /* the same in both families */
	if (layout->count < KEY_FIELD_LIMIT)
		layout->fields[layout->count++] = *f;
	else
		layout->tainted = true;
}

void registers_layout(struct rule_collector *k, const struct registers *r, int at, size_t len,
		      struct key_layout *ret)
{
	const struct register_byte *key = &r->bytes[at < 0 ? 0 : at];

	*ret = (struct key_layout){.len = clip(at, len)};
	for (unsigned family = FAMILY4; family <= FAMILY6; family++) {
		if (!(k->families & family))
			continue;
		for (size_t i = 0; i < ret->len; i++)
			if (key[i].origin[family == FAMILY6] == ORIGIN_TAINTED)
				ret->tainted = true;
		for (size_t which = 0; which < ARRAY_LEN(known_fields); which++) {
			struct key_field f;

			if (find_field(k, key, ret->len, which, family, &f))
				add_field(ret, &f);
		}
	}
}

uint64_t registers_layout_hash(const struct key_layout *layout)
{
	uint64_t hash = layout->tainted;

	for (size_t i = 0; i < layout->count; i++) {
		const struct key_field *f = &layout->fields[i];

		hash = map_mix(hash, f->is_port ? (uintptr_t)f->ports : f->field);
		hash = map_mix(hash, map_hash_bytes(f->at, sizeof(f->at)));
		hash = map_mix(hash, map_hash_bytes(f->mask, sizeof(f->mask)));
		hash = map_mix(hash, map_hash_bytes(f->flip, sizeof(f->flip)));
	}
	return hash;
}

void key_field_reject(struct rule_collector *k, const struct key_field *f, const char *what)
{
	if (f->is_port)
		collect_opaque_ports(k, f->ports, what);
	else
		collect_opaque(k, f->field, what);
}

static void cut(struct rule_collector *k, const struct key_field *f, const uint8_t first[2],
		const uint8_t last[2])
{
	collect_ports(k, f->ports, (uint16_t)(first[0] << 8 | first[1]),
		      (uint16_t)(last[0] << 8 | last[1]));
}

void key_field_equals(struct rule_collector *k, const struct key_field *f, const uint8_t *key,
		      uint64_t group)
{
	uint8_t mask[RULE_VALUE_SIZE] = {0}, value[RULE_VALUE_SIZE] = {0}, last[2];

	for (size_t i = 0; i < f->width; i++) {
		if (f->at[i] < 0)
			continue;
		mask[i] = f->mask[i];
		value[i] = (key[f->at[i]] ^ f->flip[i]) & mask[i];
	}
	if (!f->is_port) {
		collect_masked(k, f->field, mask, value, group);
		return;
	}
	for (int i = 15; i > 0; i--) {
		unsigned bits = (unsigned)mask[0] << 8 | mask[1];

		if (!(bits >> i & 1) && bits >> (i - 1) & 1) {
			key_field_reject(k, f, _("ports are compared under a mask"));
			return;
		}
	}
	last[0] = value[0] | (uint8_t)~mask[0];
	last[1] = value[1] | (uint8_t)~mask[1];
	cut(k, f, value, last);
}

void key_field_between(struct rule_collector *k, const struct key_field *f, const uint8_t *first,
		       const uint8_t *last, uint64_t group)
{
	uint8_t from[RULE_VALUE_SIZE] = {0}, to[RULE_VALUE_SIZE] = {0};

	if (f->prefix == 0) {
		key_field_reject(k, f, _("a part of it is compared with a range"));
		return;
	}
	memset(to, 0xff, f->width);
	memcpy(from, first + f->at[0], f->prefix);
	memcpy(to, last + f->at[0], f->prefix);
	if (f->is_port)
		cut(k, f, from, to);
	else
		collect_range(k, f->field, from, to,
			      group ? group : collect_constant_group(f->field, from, to));
}
