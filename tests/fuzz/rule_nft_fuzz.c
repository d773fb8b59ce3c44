/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_nft_fuzz: any bytes as a dump of nf_tables. Besides memory errors, it looks for points that
 * do not cover all ports, and for groups of sources whose address has another signature.
 */
#include "base/mem.h"
#include "observe/nft_image.h"
#include "observe/reach_points.h"
#include "observe/reach_sources.h"

#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { HEAD = 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Messages one after the other, as a socket gives them; what does not fit ends it. */
static void load(struct nft_image *image, const uint8_t *data, size_t size)
{
	buf_add(&image->bytes, data, size);
	for (size_t at = 0; at + HEAD <= size;) {
		struct nlmsghdr head;

		memcpy(&head, data + at, sizeof(head));
		if (head.nlmsg_len < HEAD || head.nlmsg_len > size - at)
			return;
		if (mem_grow(&image->items, &image->cap, image->count + 1, sizeof(*image->items)) <
		    0)
			abort();
		image->items[image->count++] =
			(struct nft_item){(uint8_t)head.nlmsg_type, data[at + sizeof(head)],
					  (uint32_t)at + HEAD, head.nlmsg_len - HEAD};
		at += NLMSG_ALIGN(head.nlmsg_len);
	}
}

static void check_points(const struct port_cuts *cuts)
{
	struct reach_points points;
	unsigned next = 1;

	if (reach_points_build(cuts, NULL, 0, false, &points) < 0)
		abort();
	for (size_t i = 0; i < points.count; i++) {
		if (points.items[i].first != next)
			abort();
		next = points.items[i].last + 1u;
	}
	if (next != 65536)
		abort();
	reach_points_done(&points);
}

static void check_sources(const struct rule_constants *c, uint8_t family)
{
	enum rule_field field = family == AF_INET ? RULE_SOURCE4 : RULE_SOURCE6;
	struct source_scope scope = {.family = family};
	struct reach_sources sources;

	if (reach_sources_build(c, &scope, &sources) < 0)
		abort();
	for (size_t i = 0; i < sources.count; i++) {
		uint8_t value[RULE_VALUE_SIZE] = {0};
		uint64_t signature;

		memcpy(value, sources.items[i].address.bytes, rule_field_width(field));
		if (c->fields[field].mask_count == 0 &&
		    (rule_constants_signature(c, field, value, &signature) < 0 ||
		     signature != sources.items[i].signature))
			abort();
	}
	reach_sources_done(&sources);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rule_constants constants = {0};
	struct nft_image image = {0};

	if (size == 0)
		return 0;
	load(&image, data, size);
	if (rule_constants_add_nft(&constants, &image, NULL, NULL) < 0)
		abort();
	if (!constants.destination_ports.opaque)
		check_points(&constants.destination_ports);
	check_sources(&constants, AF_INET);
	check_sources(&constants, AF_INET6);
	rule_constants_done(&constants);
	buf_done(&image.bytes);
	free(image.items);
	return 0;
}
