/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_image: recorded dumps (data/constants/record.py) as the structs that rule_constants reads,
 * and questions to what it found.
 */
#pragma once

#include "base/mem.h"
#include "observe/nft_image.h"
#include "observe/rule_constants.h"
#include "unit.h"

#include <arpa/inet.h>
#include <linux/netlink.h>

enum { NETFILTER_HEAD = 20 }; /* struct nlmsghdr and struct nfgenmsg */

/* The messages of `bytes`, which the image takes a copy of. */
static inline void image_load(struct nft_image *image, const char *bytes, size_t len)
{
	memset(image, 0, sizeof(*image));
	buf_add(&image->bytes, bytes, len);
	for (size_t at = 0; at + NETFILTER_HEAD <= len;) {
		struct nlmsghdr head;
		struct nft_item *item;

		memcpy(&head, bytes + at, sizeof(head));
		assert_true(head.nlmsg_len >= NETFILTER_HEAD && at + head.nlmsg_len <= len);
		assert_int_equal(mem_grow(&image->items, &image->cap, image->count + 1,
					  sizeof(*image->items)),
				 0);
		item = &image->items[image->count++];
		item->type = (uint8_t)head.nlmsg_type;
		item->family = (uint8_t)bytes[at + sizeof(head)];
		item->offset = (uint32_t)at + NETFILTER_HEAD;
		item->len = head.nlmsg_len - NETFILTER_HEAD;
		at += NLMSG_ALIGN(head.nlmsg_len);
	}
}

static inline void image_done(struct nft_image *image)
{
	buf_done(&image->bytes);
	free(image->items);
	memset(image, 0, sizeof(*image));
}

/* The same for ipsets; the bytes must stay. */
static inline void ipsets_load(struct ipset_message *items, size_t limit,
			       struct ipset_messages *ret, const char *bytes, size_t len)
{
	ret->items = items;
	ret->count = 0;
	for (size_t at = 0; at + NETFILTER_HEAD <= len;) {
		struct nlmsghdr head;

		memcpy(&head, bytes + at, sizeof(head));
		assert_true(head.nlmsg_len >= NETFILTER_HEAD && at + head.nlmsg_len <= len);
		assert_true(ret->count < limit);
		items[ret->count++] = (struct ipset_message){(uint16_t)head.nlmsg_seq,
							     bytes + at + NETFILTER_HEAD,
							     head.nlmsg_len - NETFILTER_HEAD};
		at += NLMSG_ALIGN(head.nlmsg_len);
	}
}

static inline void constants_from_nft(struct rule_constants *c, const char *name,
				      const struct ipset_messages *ipsets)
{
	struct nft_image image;
	size_t len;
	char *bytes = unit_read_data(name, &len);

	image_load(&image, bytes, len);
	assert_true(image.count > 0);
	assert_int_equal(rule_constants_add_nft(c, &image, ipsets, NULL), 0);
	image_done(&image);
	free(bytes);
}

static inline bool port_is_cut(const struct port_cuts *ports, unsigned port)
{
	return ports->cut[port / 64] >> (port % 64) & 1;
}

static inline size_t port_cut_count(const struct port_cuts *ports)
{
	size_t count = 0;

	for (size_t i = 0; i < RULE_PORT_WORDS; i++)
		count += (size_t)__builtin_popcountll(ports->cut[i]);
	return count;
}

/* The signature of an address as source or destination, by its form. */
static inline uint64_t signature_of(const struct rule_constants *c, bool source, const char *text)
{
	uint8_t value[RULE_VALUE_SIZE] = {0};
	uint64_t signature;
	bool v6 = strchr(text, ':');

	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, text, value), 1);
	assert_int_equal(rule_constants_signature(c,
						  source ? v6 ? RULE_SOURCE6 : RULE_SOURCE4
						  : v6	 ? RULE_DESTINATION6
							 : RULE_DESTINATION4,
						  value, &signature),
			 0);
	return signature;
}

static inline bool is_opaque(const struct rule_constants *c, enum rule_field field)
{
	return c->fields[field].opaque;
}
