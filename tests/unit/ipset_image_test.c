/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipset_image: recorded messages are decoded; the fingerprint sees what matters and only that; cut
 * off at every byte and damaged, messages are refused or decoded, never read past.
 */
#include "base/map.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/ipset_image.h"
#include "unit.h"

#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

static struct recorded_list recorded;

static int load(void **state)
{
	(void)state;
	recorded_load(&recorded, "ipset.hex");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	recorded_done(&recorded);
	return 0;
}

static void take_all(struct ipset_image *image)
{
	memset(image, 0, sizeof(*image));
	for (size_t i = 0; i < recorded.count; i++)
		assert_int_equal(
			ipset_image_take(image, recorded.items[i].bytes, recorded.items[i].len), 0);
}

static const struct ipset_set *named(const struct ipset_image *image, const char *name)
{
	for (size_t i = 0; i < image->count; i++)
		if (strcmp(image->sets[i].name, name) == 0)
			return &image->sets[i];
	fail_msg("no set %s", name);
	return NULL;
}

static void test_recorded(void **state)
{
	struct ipset_image cleanup_call(ipset_image_done) image;
	const struct ipset_set *set;

	(void)state;
	take_all(&image);
	assert_int_equal(image.count, 14);
	set = named(&image, "a");
	assert_string_equal(set->type, "hash:ip");
	assert_int_equal(set->index, 1);
	assert_int_equal(set->family, 2);
	assert_int_equal(set->element_count, 2);
	set = named(&image, "b");
	assert_int_equal(set->family, 10);
	assert_int_equal(set->index, 4); /* two gaps before it */
	assert_int_equal(named(&image, "c")->element_count, 21);
	assert_int_equal(named(&image, "l")->element_count, 3);
	assert_int_equal(named(&image, "s")->element_count, 0);
}

/* --- fingerprints ------------------------------------------------------------------------------
 */

struct element {
	uint32_t address;
	uint32_t timeout; /* 0: for ever */
	uint64_t packets;
};

static size_t begin_message(struct buf *b, const char *name)
{
	struct nfgenmsg family = {.nfgen_family = 2};
	size_t message = nla_begin_message(b, 0, 0, &family, sizeof(family));

	nla_put_text(b, IPSET_ATTR_SETNAME, name);
	return message;
}

static void put_elements(struct buf *b, const struct element *elements, size_t count)
{
	size_t all = nla_begin_nest(b, IPSET_ATTR_ADT);

	for (size_t i = 0; i < count; i++) {
		size_t one = nla_begin_nest(b, IPSET_ATTR_DATA), ip;

		ip = nla_begin_nest(b, IPSET_ATTR_IP);
		nla_put_u32_be(b, IPSET_ATTR_IPADDR_IPV4, elements[i].address);
		nla_end_nest(b, ip);
		nla_put_u32_be(b, IPSET_ATTR_TIMEOUT, elements[i].timeout);
		nla_put_u64_be(b, IPSET_ATTR_PACKETS, elements[i].packets);
		nla_end_nest(b, one);
	}
	nla_end_nest(b, all);
}

static int take(struct ipset_image *image, struct buf *b)
{
	int r = ipset_image_take(image, b->data + sizeof(struct nlmsghdr),
				 b->len - sizeof(struct nlmsghdr));

	buf_clear(b);
	return r;
}

/* A set whose elements come in two messages, as those of a large one do. */
static uint64_t fingerprint_of(const char *type, uint32_t hashsize, uint32_t maxelem,
			       const struct element elements[2])
{
	struct ipset_image cleanup_call(ipset_image_done) image = {0};
	struct buf cleanup_call(buf_done) b = {0};
	size_t message = begin_message(&b, "set"), nest;
	uint16_t index = 0;

	nla_put_text(&b, IPSET_ATTR_TYPENAME, type);
	nla_put(&b, IPSET_ATTR_INDEX, &index, sizeof(index));
	nest = nla_begin_nest(&b, IPSET_ATTR_DATA);
	nla_put_u32_be(&b, IPSET_ATTR_HASHSIZE, hashsize);
	nla_put_u32_be(&b, IPSET_ATTR_MAXELEM, maxelem);
	nla_put_u32_be(&b, IPSET_ATTR_MEMSIZE, hashsize * 8);
	nla_end_nest(&b, nest);
	put_elements(&b, elements, 1);
	nla_end_message(&b, message);
	assert_int_equal(take(&image, &b), 0);
	message = begin_message(&b, "set");
	put_elements(&b, elements + 1, 1);
	nla_end_message(&b, message);
	assert_int_equal(take(&image, &b), 0);
	assert_int_equal(image.count, 1);
	assert_int_equal(image.sets[0].element_count, 2);
	return ipset_image_fingerprint(&image);
}

static void test_fingerprint(void **state)
{
	const struct element two[2] = {{1, 30, 5}, {2, 0, 0}}, later[2] = {{1, 29, 6}, {2, 0, 9}},
			     swapped[2] = {{2, 0, 0}, {1, 30, 5}},
			     forever[2] = {{1, 0, 5}, {2, 0, 0}},
			     other[2] = {{1, 30, 5}, {3, 0, 0}};
	uint64_t first = fingerprint_of("hash:ip", 1024, 10, two);

	(void)state;
	assert_true(first == fingerprint_of("hash:ip", 1024, 10, later));
	assert_true(first == fingerprint_of("hash:ip", 2048, 10, two));
	assert_true(first == fingerprint_of("hash:ip", 1024, 10, swapped));
	assert_true(first != fingerprint_of("hash:ip", 1024, 11, two));
	assert_true(first != fingerprint_of("hash:net", 1024, 10, two));
	assert_true(first != fingerprint_of("hash:ip", 1024, 10, forever));
	assert_true(first != fingerprint_of("hash:ip", 1024, 10, other));
	/* sets in a list are asked in their order */
	assert_true(fingerprint_of("list:set", 0, 10, two) !=
		    fingerprint_of("list:set", 0, 10, swapped));
}

/* What the kernel tells without the flag that it wants to be told with. */
static void test_addresses_are_marked(void **state)
{
	struct ipset_image cleanup_call(ipset_image_done) image;
	size_t marked = 0;

	(void)state;
	take_all(&image);
	for (size_t i = 0; i < image.chunk_count; i++) {
		struct cur c = cur_init(image.bytes.data + image.chunks[i].offset,
					image.chunks[i].len),
			   element, ip;
		uint16_t type;

		while (nla_next(&c, &type, &element)) {
			assert_int_equal(type, IPSET_ATTR_DATA);
			if (!nla_find(element, IPSET_ATTR_IP, &ip))
				continue;
			memcpy(&type, ip.at + 2, sizeof(type));
			assert_true(type & NLA_F_NET_BYTEORDER);
			marked++;
		}
	}
	assert_true(marked >= 15);
}

/* --- damage ------------------------------------------------------------------------------------
 */

static int try_bytes(const void *bytes, size_t len)
{
	struct ipset_image cleanup_call(ipset_image_done) image = {0};
	void *copy = unit_copy(bytes, len);
	int r = ipset_image_take(&image, copy, len);

	free(copy);
	ipset_image_fingerprint(&image);
	return r;
}

static void test_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < recorded.count; i++)
		for (size_t len = 0; len < recorded.items[i].len; len++) {
			int r = try_bytes(recorded.items[i].bytes, len);

			assert_true(r == 0 || r == -EBADMSG);
		}
}

static void test_damaged(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (size_t i = 0; i < recorded.count; i++)
		for (int round = 0; round < 3000; round++) {
			const struct recorded *r = &recorded.items[i];
			uint8_t *bytes = unit_copy(r->bytes, r->len);

			for (int k = 0; k < 3; k++)
				bytes[unit_random(&seed) % r->len] = (uint8_t)unit_random(&seed);
			try_bytes(bytes, r->len);
			free(bytes);
		}
}

/* Elements of a set that was not announced. */
static void test_elements_of_nobody(void **state)
{
	const struct element one = {1, 0, 0};
	struct ipset_image cleanup_call(ipset_image_done) image;
	struct buf cleanup_call(buf_done) b = {0};
	size_t message;

	(void)state;
	take_all(&image);
	message = begin_message(&b, "other");
	put_elements(&b, &one, 1);
	nla_end_message(&b, message);
	assert_int_equal(take(&image, &b), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_fingerprint),
		cmocka_unit_test(test_addresses_are_marked),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_elements_of_nobody),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
