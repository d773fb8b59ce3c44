/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_blocks: what can never be a source, the private blocks, and what the scope says, ranked.
 * Blocks of RFC 6890 that should be nobody's (192.0.2.0/24, 240.0.0.0/4) are the internet's: the
 * kernel takes them as any other, and so does a rule that lets them in.
 */
#include "observe/source_blocks.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What decides when blocks overlap: more specific networks before wider ones, and what can never be
 * a source before all. */
enum rank {
	RANK_INTERNET,
	RANK_PRIVATE,
	RANK_NETWORK, /* + 2 * bits (+ 1: the interface's own) */
	RANK_NEVER = 1000,
};

struct known_block {
	const char *prefix;
	uint8_t bits;
	uint16_t rank;
	bool excluded;
	enum source_class source_class;
};

static const struct known_block blocks4[] = {
	{"0.0.0.0", 0, RANK_INTERNET, false, SOURCE_INTERNET},
	{"10.0.0.0", 8, RANK_PRIVATE, false, SOURCE_PRIVATE},
	{"172.16.0.0", 12, RANK_PRIVATE, false, SOURCE_PRIVATE},
	{"192.168.0.0", 16, RANK_PRIVATE, false, SOURCE_PRIVATE},
	{"100.64.0.0", 10, RANK_PRIVATE, false, SOURCE_PRIVATE},
	{"0.0.0.0", 8, RANK_NEVER, true, 0},
	{"127.0.0.0", 8, RANK_NEVER, true, 0},
	{"224.0.0.0", 4, RANK_NEVER, true, 0}, /* multicast */
	{"255.255.255.255", 32, RANK_NEVER, true, 0},
};

static const struct known_block blocks6[] = {
	{"2000::", 3, RANK_INTERNET, false, SOURCE_INTERNET},
	{"fc00::", 7, RANK_PRIVATE, false, SOURCE_PRIVATE},
	{"fe80::", 10, RANK_NETWORK + 257, false, SOURCE_LINK},
	{"::", 127, RANK_NEVER, true, 0}, /* unspecified and loopback */
	{"ff00::", 8, RANK_NEVER, true, 0},
};

static int add_block(struct source_blocks *b, struct reach_prefix prefix, struct source_block with)
{
	uint8_t last[16];

	if (prefix.bits > b->width * 8)
		prefix.bits = (uint8_t)(b->width * 8);
	prefix.address = address_network(&prefix.address, prefix.bits);
	memcpy(last, prefix.address.bytes, sizeof(last));
	for (unsigned i = prefix.bits; i < b->width * 8; i++)
		last[i / 8] |= (uint8_t)(0x80 >> i % 8);
	if (mem_grow(&b->items, &b->cap, b->count + 1, sizeof(with)) < 0)
		return -ENOMEM;
	with.prefix = prefix;
	with.first = number_from_bytes(prefix.address.bytes, b->width);
	with.last = number_from_bytes(last, b->width);
	b->items[b->count++] = with;
	return 0;
}

static int add_known(struct source_blocks *b, const struct known_block *known)
{
	struct reach_prefix prefix = {.address.family = b->family, .bits = known->bits};
	struct source_block with = {.excluded = known->excluded,
				    .source_class = known->source_class,
				    .rank = known->rank};

	if (inet_pton(b->family, known->prefix, prefix.address.bytes) != 1)
		return -EINVAL;
	return add_block(b, prefix, with);
}

static int add_never(struct source_blocks *b, const struct address *address)
{
	struct reach_prefix prefix = {*address, (uint8_t)(b->width * 8)};

	return add_block(b, prefix, (struct source_block){.excluded = true, .rank = RANK_NEVER});
}

/* The first and last address of a network are nobody's: the kernel takes them for broadcasts in
 * IPv4, and in IPv6 the first is the routers' (RFC 4291, 2.6.1). */
static int add_borders(struct source_blocks *b, struct source_block block)
{
	struct address address = {.family = b->family};
	unsigned width_bits = (unsigned)b->width * 8;

	if (block.prefix.bits + 2u > width_bits)
		return 0;
	number_to_bytes(block.first, address.bytes, b->width);
	if (add_never(b, &address) < 0)
		return -ENOMEM;
	number_to_bytes(block.last, address.bytes, b->width);
	return b->family == AF_INET ? add_never(b, &address) : 0;
}

static int add_networks(struct source_blocks *b, const struct reach_prefix *list, size_t count,
			bool own)
{
	for (size_t i = 0; i < count; i++) {
		struct source_block with = {.elsewhere = !own,
					    .source_class = SOURCE_LINK,
					    .rank = RANK_NETWORK + 2u * list[i].bits + own};

		/* fe80::/10 is there already, and has no other side */
		if (list[i].address.family != b->family || address_is_link_local(&list[i].address))
			continue;
		if (add_block(b, list[i], with) < 0 ||
		    (own && add_borders(b, b->items[b->count - 1]) < 0))
			return -ENOMEM;
	}
	return 0;
}

int source_blocks_build(struct source_blocks *b, const struct source_scope *scope)
{
	bool v4 = scope->family == AF_INET;
	const struct known_block *known = v4 ? blocks4 : blocks6;
	size_t count = v4 ? ARRAY_LEN(blocks4) : ARRAY_LEN(blocks6);

	*b = (struct source_blocks){.family = scope->family, .width = v4 ? 4 : 16};
	for (size_t i = 0; i < count; i++)
		if (add_known(b, &known[i]) < 0)
			return -ENOMEM;
	if (add_networks(b, scope->links, scope->link_count, true) < 0 ||
	    add_networks(b, scope->elsewhere, scope->elsewhere_count, false) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < scope->local_count; i++)
		if (scope->locals[i].family == b->family && add_never(b, &scope->locals[i]) < 0)
			return -ENOMEM;
	return 0;
}

void source_blocks_done(struct source_blocks *b)
{
	free(b->items);
	*b = (struct source_blocks){0};
}
