/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests for rule_constants with dumps that a kernel gave for real rulesets
 * (data/constants/record.py), and with messages made by hand for what no tool makes.
 */
#include "rule_image.h"

#include "base/nla.h"
#include "observe/reach_sources.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <time.h>

static struct rule_constants constants;

static int reset(void **state)
{
	(void)state;
	rule_constants_done(&constants);
	return 0;
}

static void check_sources(const char *a, const char *b, bool alike)
{
	bool same = signature_of(&constants, true, a) == signature_of(&constants, true, b);

	if (same != alike)
		fail_msg("%s and %s: alike %d, expected %d", a, b, same, alike);
}

static void check_cuts(const struct port_cuts *ports, const unsigned *cuts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!port_is_cut(ports, cuts[i]))
			fail_msg("no cut before %u", cuts[i]);
	if (port_cut_count(ports) != count)
		for (unsigned p = 0; p < 65536; p++)
			if (port_is_cut(ports, p))
				print_message("cut before %u\n", p);
	assert_int_equal(port_cut_count(ports), count);
}

static void check_no_opaque(void)
{
	for (int i = 0; i < RULE_FIELD_COUNT; i++)
		if (constants.fields[i].opaque)
			fail_msg("field %d: %s", i,
				 rule_constants_text(&constants, constants.fields[i].why_str));
	if (constants.destination_ports.opaque)
		fail_msg("ports: %s",
			 rule_constants_text(&constants, constants.destination_ports.why_str));
	assert_false(constants.source_ports.opaque);
}

static void test_hand_ports(void **state)
{
	static const unsigned cuts[] = {
		22,   23,   24,	  80,	81,   111,  112,  443,	444,  2049,  2050, 2222,
		2223, 5000, 5011, 5020, 5021, 6000, 6001, 6011, 7000, 7010,  7011, 7777,
		7778, 8000, 8101, 8443, 8444, 9000, 9001, 9002, 9003, 60000,
	};
	static const unsigned source_cuts[] = {53, 54};

	(void)state;
	constants_from_nft(&constants, "constants/hand.nft", NULL);
	check_no_opaque();
	assert_true(constants.uses_fib);
	check_cuts(&constants.destination_ports, cuts, ARRAY_LEN(cuts));
	check_cuts(&constants.source_ports, source_cuts, ARRAY_LEN(source_cuts));
}

static void test_hand_sources(void **state)
{
	(void)state;
	constants_from_nft(&constants, "constants/hand.nft", NULL);
	check_sources("8.8.8.8", "9.8.8.7", true);
	/* the blocklist is one group, with sharp ends */
	check_sources("10.1.0.0", "10.1.255.255", true);
	check_sources("10.1.0.0", "192.0.2.7", true);
	check_sources("10.1.0.0", "198.51.100.0", true);
	check_sources("10.0.255.255", "10.1.0.0", false);
	check_sources("10.2.0.0", "10.1.255.255", false);
	check_sources("198.51.100.10", "8.8.8.8", true);
	check_sources("10.9.9.8", "10.1.2.3", false);
	/* concatenations: by the rest of the key */
	check_sources("10.2.2.2", "10.2.2.3", true);
	check_sources("10.2.2.2", "10.2.2.4", false);
	check_sources("10.3.0.0", "10.3.255.255", true);
	check_sources("10.3.0.0", "10.4.0.1", false);
	check_sources("10.4.0.1", "8.8.8.8", false);
	/* a map: by what it says */
	check_sources("10.5.0.1", "10.5.0.2", true);
	check_sources("10.5.0.1", "10.5.0.3", false);
	check_sources("172.20.0.0", "172.23.255.255", true);
	check_sources("172.19.255.255", "172.20.0.0", false);
	check_sources("172.30.1.0", "172.30.1.10", true); /* >= and <= are one range */
	check_sources("172.30.1.1", "172.30.1.10", false);
	/* nobody looks into that set */
	check_sources("10.250.0.1", "8.8.8.8", true);
	check_sources("2a00:1::1", "2a00:1:ffff:ffff::", true);
	check_sources("2a00:1::1", "2a00:2::1", false);
	/* a scattered mask */
	check_sources("8.8.8.9", "8.8.8.8", false);
	check_sources("8.8.8.9", "8.8.7.9", true);
	assert_int_equal(constants.fields[RULE_SOURCE4].mask_count, 1);
}

static void test_hand_destinations(void **state)
{
	uint64_t plain;

	(void)state;
	constants_from_nft(&constants, "constants/hand.nft", NULL);
	plain = signature_of(&constants, false, "1.2.3.4");
	assert_int_equal(signature_of(&constants, false, "10.1.0.1"), plain);
	assert_int_not_equal(signature_of(&constants, false, "192.168.77.1"), plain);
	assert_int_not_equal(signature_of(&constants, false, "192.168.78.1"), plain);
	assert_int_not_equal(signature_of(&constants, false, "2a00:2::1"),
			     signature_of(&constants, false, "2a00:2::2"));
}

static void test_hand_labels(void **state)
{
	static const char *const names[] = {"@blocklist", "@single", "@six"};

	(void)state;
	constants_from_nft(&constants, "constants/hand.nft", NULL);
	assert_int_equal(constants.label_count, ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_string_equal(rule_constants_text(&constants, constants.labels[i].text_str),
				    names[i]);
}

static uint64_t interface(const char *name, uint32_t index, uint32_t group)
{
	struct reach_interface i = {.ifindex = index, .group = group, .type = 1};
	uint64_t signature;

	memcpy(i.name, name, strlen(name));
	assert_int_equal(reach_interface_signature(&constants, &i, &signature), 0);
	return signature;
}

static void test_hand_interfaces(void **state)
{
	uint64_t plain;

	(void)state;
	constants_from_nft(&constants, "constants/hand.nft", NULL);
	plain = interface("ens3", 2, 0);
	assert_int_equal(interface("ens4", 3, 0), plain);
	assert_int_not_equal(interface("eth0", 3, 0), plain);
	assert_int_equal(interface("eth0", 3, 0), interface("eth1", 4, 0));
	assert_int_not_equal(interface("wg0", 3, 0), plain);
	assert_int_not_equal(interface("br0", 3, 0), plain);
	assert_int_equal(interface("br01", 3, 0), plain);
	assert_int_not_equal(interface("ens4", 1, 0), plain);
	assert_int_not_equal(interface("ens4", 3, 7), plain);
}

static void test_opaque(void **state)
{
	(void)state;
	constants_from_nft(&constants, "constants/opaque_port_mask.nft", NULL);
	assert_true(constants.destination_ports.opaque);
	assert_non_null(strstr(rule_constants_text(&constants, constants.destination_ports.why_str),
			       "inet t c"));
	assert_false(constants.source_ports.opaque || is_opaque(&constants, RULE_SOURCE4));
	rule_constants_done(&constants);

	constants_from_nft(&constants, "constants/opaque_hash.nft", NULL);
	assert_true(is_opaque(&constants, RULE_SOURCE4));
	assert_false(is_opaque(&constants, RULE_SOURCE6) || constants.destination_ports.opaque);
	rule_constants_done(&constants);

	constants_from_nft(&constants, "constants/opaque_dnat_range.nft", NULL);
	assert_true(is_opaque(&constants, RULE_SOURCE4));
	assert_false(constants.destination_ports.opaque);
	rule_constants_done(&constants);

	constants_from_nft(&constants, "constants/opaque_netmap.nft", NULL);
	assert_true(is_opaque(&constants, RULE_DESTINATION4));
	assert_false(is_opaque(&constants, RULE_SOURCE4));
}

/* --- x_tables ----------------------------------------------------------------------------------
 */

static struct ipset_message messages[16];
static struct ipset_messages ipsets;
static char *ipset_bytes;

static int load_ipsets(void **state)
{
	size_t len;

	(void)state;
	ipset_bytes = unit_read_data("constants/xt.ipset", &len);
	ipsets_load(messages, ARRAY_LEN(messages), &ipsets, ipset_bytes, len);
	return ipsets.count == 4 ? 0 : -1;
}

static int unload_ipsets(void **state)
{
	(void)state;
	free(ipset_bytes);
	return 0;
}

/* The same rules by iptables-nft and by iptables-legacy: the same constants. */
static void check_xt(void)
{
	static const unsigned cuts[] = {
		22,  23,   24,	 25,   26,   80,   81,	 99,   100,  443,
		444, 1000, 1011, 1024, 5555, 5556, 8080, 8081, 8082,
	};
	static const unsigned source_cuts[] = {53, 54, 67, 68, 69};

	check_no_opaque();
	assert_true(constants.uses_fib);
	check_cuts(&constants.destination_ports, cuts, ARRAY_LEN(cuts));
	check_cuts(&constants.source_ports, source_cuts, ARRAY_LEN(source_cuts));
	check_sources("10.20.0.0", "10.20.255.255", true);
	check_sources("10.20.0.0", "10.21.0.0", false);
	check_sources("10.30.0.1", "10.30.0.9", true);
	check_sources("10.30.0.1", "10.30.0.10", false);
	check_sources("10.6.0.0", "10.7.1.1", true);
	check_sources("10.6.0.0", "10.7.1.2", false);
	check_sources("10.8.0.1", "10.8.0.2", true);
	check_sources("10.8.0.1", "8.8.8.8", false);
	check_sources("10.9.0.1", "10.9.1.1", false);
	check_sources("10.9.0.1", "10.9.2.1", true);
	check_sources("10.10.0.1", "10.11.1.1", false); /* a nomatch of the same length */
	check_sources("10.40.0.1", "10.40.1.1", false);
	check_sources("10.50.3.7", "10.50.9.7", true);
	check_sources("10.50.0.0", "10.50.0.1", false);
	check_sources("2a00:3::1", "2a00:3:1::1", true);
	check_sources("2a00:3::1", "2a00:4::1", false);
	assert_int_not_equal(signature_of(&constants, false, "2a00:4::1"),
			     signature_of(&constants, false, "2a00:4::2"));
	assert_int_not_equal(interface("lo", 1, 0), interface("eth0", 2, 0));
	assert_int_equal(interface("eth1", 1, 0), interface("eth0", 2, 0));
	assert_int_equal(interface("lox", 1, 0), interface("ens3", 2, 0));
	assert_int_equal(constants.label_count, 1);
	assert_string_equal(rule_constants_text(&constants, constants.labels[0].text_str),
			    "pt_block");
}

static void test_xt_nft(void **state)
{
	(void)state;
	constants_from_nft(&constants, "constants/xt.nft", &ipsets);
	check_xt();
}

static void test_xt_legacy(void **state)
{
	char *v4, *v6;
	size_t len4, len6;

	(void)state;
	v4 = unit_read_data("constants/xt.ip", &len4);
	v6 = unit_read_data("constants/xt.ip6", &len6);
	assert_int_equal(rule_constants_add_legacy(&constants, AF_INET, v4, len4, &ipsets, NULL),
			 0);
	assert_int_equal(rule_constants_add_legacy(&constants, AF_INET6, v6, len6, NULL, NULL), 0);
	free(v4);
	free(v6);
	check_xt();
}

static void test_unknown_ipset(void **state)
{
	(void)state;
	constants_from_nft(&constants, "constants/xt.nft", NULL);
	assert_true(is_opaque(&constants, RULE_SOURCE4) && constants.destination_ports.opaque);
	assert_false(is_opaque(&constants, RULE_SOURCE6));
}

/* --- made by hand ------------------------------------------------------------------------------
 */

/* A rule in table `t`, chain `c` of a family, to which expressions are added. */
struct maker {
	struct nft_image image;
	size_t expressions, data, one;
};

static void begin_rule(struct maker *m)
{
	nla_put_text(&m->image.bytes, NFTA_RULE_TABLE, "t");
	nla_put_text(&m->image.bytes, NFTA_RULE_CHAIN, "c");
	m->expressions = nla_begin_nest(&m->image.bytes, NFTA_RULE_EXPRESSIONS);
}

static void begin_expression(struct maker *m, const char *name)
{
	m->one = nla_begin_nest(&m->image.bytes, NFTA_LIST_ELEM);
	nla_put_text(&m->image.bytes, NFTA_EXPR_NAME, name);
	m->data = nla_begin_nest(&m->image.bytes, NFTA_EXPR_DATA);
}

static void end_expression(struct maker *m)
{
	nla_end_nest(&m->image.bytes, m->data);
	nla_end_nest(&m->image.bytes, m->one);
}

static void put_data(struct maker *m, uint16_t type, const void *bytes, size_t len)
{
	size_t nest = nla_begin_nest(&m->image.bytes, type);

	nla_put(&m->image.bytes, NFTA_DATA_VALUE, bytes, len);
	nla_end_nest(&m->image.bytes, nest);
}

static void add_payload(struct maker *m, uint32_t base, uint32_t offset, uint32_t len)
{
	begin_expression(m, "payload");
	nla_put_u32_be(&m->image.bytes, NFTA_PAYLOAD_DREG, NFT_REG_1);
	nla_put_u32_be(&m->image.bytes, NFTA_PAYLOAD_BASE, base);
	nla_put_u32_be(&m->image.bytes, NFTA_PAYLOAD_OFFSET, offset);
	nla_put_u32_be(&m->image.bytes, NFTA_PAYLOAD_LEN, len);
	end_expression(m);
}

static void add_cmp(struct maker *m, uint32_t op, const void *bytes, size_t len)
{
	begin_expression(m, "cmp");
	nla_put_u32_be(&m->image.bytes, NFTA_CMP_SREG, NFT_REG_1);
	nla_put_u32_be(&m->image.bytes, NFTA_CMP_OP, op);
	put_data(m, NFTA_CMP_DATA, bytes, len);
	end_expression(m);
}

static void add_meta(struct maker *m, uint32_t key, uint16_t direction)
{
	begin_expression(m, "meta");
	nla_put_u32_be(&m->image.bytes, direction, NFT_REG_1);
	nla_put_u32_be(&m->image.bytes, NFTA_META_KEY, key);
	end_expression(m);
}

static void finish(struct maker *m, uint8_t family)
{
	nla_end_nest(&m->image.bytes, m->expressions);
	m->image.count = m->image.cap = 1;
	m->image.items = calloc(1, sizeof(*m->image.items));
	assert_non_null(m->image.items);
	*m->image.items =
		(struct nft_item){NFT_MSG_NEWRULE, family, 0, (uint32_t)m->image.bytes.len};
	assert_false(m->image.bytes.failed);
	assert_int_equal(rule_constants_add_nft(&constants, &m->image, NULL, NULL), 0);
	image_done(&m->image);
}

static void test_both_addresses_at_once(void **state)
{
	static const uint8_t both[] = {10, 0, 0, 1, 10, 0, 0, 2};
	struct maker m = {0};

	(void)state;
	begin_rule(&m);
	add_payload(&m, NFT_PAYLOAD_NETWORK_HEADER, 12, 8);
	add_cmp(&m, NFT_CMP_EQ, both, sizeof(both));
	finish(&m, NFPROTO_IPV4);
	check_no_opaque();
	check_sources("10.0.0.1", "10.0.0.2", false);
	check_sources("10.0.0.0", "10.0.0.2", true);
	assert_int_not_equal(signature_of(&constants, false, "10.0.0.2"),
			     signature_of(&constants, false, "10.0.0.1"));
	assert_int_equal(constants.fields[RULE_SOURCE6].range_count, 0);
	assert_int_equal(constants.fields[RULE_SOURCE6].mask_count, 0);
}

static void test_part_of_an_address(void **state)
{
	static const uint8_t three[] = {10, 0, 7};
	struct maker m = {0};

	(void)state;
	begin_rule(&m);
	add_payload(&m, NFT_PAYLOAD_NETWORK_HEADER, 12, 3);
	add_cmp(&m, NFT_CMP_GT, three, sizeof(three));
	finish(&m, NFPROTO_IPV4);
	check_no_opaque();
	check_sources("10.0.7.255", "10.0.8.0", false);
	check_sources("10.0.7.255", "0.0.0.0", true);
}

static void test_ports_from_network_header(void **state)
{
	static const uint8_t port[] = {0x1f, 0x90};
	static const unsigned cuts[] = {8080, 8081};
	struct maker m = {0};

	(void)state;
	begin_rule(&m);
	add_payload(&m, NFT_PAYLOAD_NETWORK_HEADER, 22, 2);
	add_cmp(&m, NFT_CMP_EQ, port, sizeof(port));
	finish(&m, NFPROTO_IPV4);
	check_no_opaque();
	check_cuts(&constants.destination_ports, cuts, ARRAY_LEN(cuts));
}

static void test_high_byte_of_a_port(void **state)
{
	static const uint8_t high[] = {0x12};
	static const unsigned cuts[] = {0x1200, 0x1300};
	struct maker m = {0};

	(void)state;
	begin_rule(&m);
	add_payload(&m, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 1);
	add_cmp(&m, NFT_CMP_EQ, high, sizeof(high));
	finish(&m, NFPROTO_INET);
	check_cuts(&constants.destination_ports, cuts, ARRAY_LEN(cuts));
	assert_false(constants.destination_ports.opaque);
}

/* A port that becomes a mark may be asked for anywhere. */
static void test_port_into_mark(void **state)
{
	struct maker m = {0};

	(void)state;
	begin_rule(&m);
	add_payload(&m, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
	add_meta(&m, NFT_META_MARK, NFTA_META_SREG);
	finish(&m, NFPROTO_INET);
	assert_true(constants.destination_ports.opaque);
	assert_false(constants.source_ports.opaque);
}

static void test_checksum(void **state)
{
	static const uint8_t sum[] = {1, 2}, tcp[] = {6};
	struct maker m = {0};

	(void)state;
	begin_rule(&m);
	add_meta(&m, NFT_META_L4PROTO, NFTA_META_DREG);
	add_cmp(&m, NFT_CMP_EQ, tcp, sizeof(tcp));
	add_payload(&m, NFT_PAYLOAD_TRANSPORT_HEADER, 16, 2);
	add_cmp(&m, NFT_CMP_EQ, sum, sizeof(sum));
	finish(&m, NFPROTO_INET);
	assert_true(constants.destination_ports.opaque && is_opaque(&constants, RULE_SOURCE6));
}

static void test_unknown_expression(void **state)
{
	struct maker m = {0};

	(void)state;
	begin_rule(&m);
	begin_expression(&m, "crystalball");
	end_expression(&m);
	finish(&m, NFPROTO_IPV4);
	assert_true(constants.destination_ports.opaque && is_opaque(&constants, RULE_SOURCE4));
	assert_false(is_opaque(&constants, RULE_SOURCE6));
	assert_non_null(
		strstr(rule_constants_text(&constants, constants.fields[RULE_SOURCE4].why_str),
		       "'crystalball'"));
}

static void test_unknown_match(void **state)
{
	struct maker m = {0};

	(void)state;
	begin_rule(&m);
	begin_expression(&m, "match");
	nla_put_text(&m.image.bytes, NFTA_MATCH_NAME, "oracle");
	nla_put_u32_be(&m.image.bytes, NFTA_MATCH_REV, 0);
	nla_put(&m.image.bytes, NFTA_MATCH_INFO, "12345678", 8);
	end_expression(&m);
	finish(&m, NFPROTO_IPV6);
	assert_true(constants.destination_ports.opaque && is_opaque(&constants, RULE_SOURCE6));
	assert_false(is_opaque(&constants, RULE_SOURCE4));
}

/* --- sets by hand ------------------------------------------------------------------------------
 */

static void put_item(struct nft_image *image, uint8_t type, size_t offset)
{
	assert_int_equal(
		mem_grow(&image->items, &image->cap, image->count + 1, sizeof(*image->items)), 0);
	image->items[image->count++] = (struct nft_item){type, NFPROTO_IPV4, (uint32_t)offset,
							 (uint32_t)(image->bytes.len - offset)};
}

static void put_set(struct nft_image *image, uint32_t flags, uint32_t key_len)
{
	size_t at;

	nla_put_text(&image->bytes, NFTA_TABLE_NAME, "t");
	put_item(image, NFT_MSG_NEWTABLE, 0);
	at = image->bytes.len;
	nla_put_text(&image->bytes, NFTA_SET_TABLE, "t");
	nla_put_text(&image->bytes, NFTA_SET_NAME, "s");
	nla_put_u32_be(&image->bytes, NFTA_SET_FLAGS, flags);
	nla_put_u32_be(&image->bytes, NFTA_SET_KEY_LEN, key_len);
	put_item(image, NFT_MSG_NEWSET, at);
}

static void put_element(struct nft_image *image, uint32_t key, uint32_t flags)
{
	size_t one = nla_begin_nest(&image->bytes, NFTA_LIST_ELEM);
	size_t nest = nla_begin_nest(&image->bytes, NFTA_SET_ELEM_KEY);

	nla_put_u32_be(&image->bytes, NFTA_DATA_VALUE, key);
	nla_end_nest(&image->bytes, nest);
	if (flags)
		nla_put_u32_be(&image->bytes, NFTA_SET_ELEM_FLAGS, flags);
	nla_end_nest(&image->bytes, one);
}

struct made_element {
	uint32_t key, flags;
};

static void put_elements(struct nft_image *image, const struct made_element *elements, size_t count)
{
	enum { PER_MESSAGE = 500 };

	for (size_t i = 0; i < count; i += PER_MESSAGE) {
		size_t at = image->bytes.len, list;

		nla_put_text(&image->bytes, NFTA_SET_ELEM_LIST_TABLE, "t");
		nla_put_text(&image->bytes, NFTA_SET_ELEM_LIST_SET, "s");
		list = nla_begin_nest(&image->bytes, NFTA_SET_ELEM_LIST_ELEMENTS);
		for (size_t j = i; j < count && j < i + PER_MESSAGE; j++)
			put_element(image, elements[j].key, elements[j].flags);
		nla_end_nest(&image->bytes, list);
		put_item(image, NFT_MSG_NEWSETELEM, at);
	}
}

/* `ip saddr @s` */
static void put_lookup_rule(struct nft_image *image)
{
	struct maker m = {.image = *image};
	size_t at = image->bytes.len;

	begin_rule(&m);
	add_payload(&m, NFT_PAYLOAD_NETWORK_HEADER, 12, 4);
	begin_expression(&m, "lookup");
	nla_put_text(&m.image.bytes, NFTA_LOOKUP_SET, "s");
	nla_put_u32_be(&m.image.bytes, NFTA_LOOKUP_SREG, NFT_REG_1);
	end_expression(&m);
	nla_end_nest(&m.image.bytes, m.expressions);
	*image = m.image;
	put_item(image, NFT_MSG_NEWRULE, at);
}

/* Borders in any order, intervals that touch, one without an end, the end at zero that nft puts. */
static void test_intervals(void **state)
{
	static const struct made_element elements[] = {
		{0x0a000010, 0}, {0x0a000020, NFT_SET_ELEM_INTERVAL_END},
		{0x0a000020, 0}, {0, NFT_SET_ELEM_INTERVAL_END},
		{0xdf000000, 0}, {0x0a000030, NFT_SET_ELEM_INTERVAL_END},
		{0x0a000008, 0}, {0x0a000009, NFT_SET_ELEM_INTERVAL_END},
	};
	struct nft_image image = {0};

	(void)state;
	put_set(&image, NFT_SET_INTERVAL, 4);
	put_elements(&image, elements, ARRAY_LEN(elements));
	put_lookup_rule(&image);
	assert_int_equal(rule_constants_add_nft(&constants, &image, NULL, NULL), 0);
	image_done(&image);
	check_no_opaque();
	check_sources("10.0.0.8", "10.0.0.9", false);
	check_sources("10.0.0.7", "10.0.0.9", true);
	check_sources("10.0.0.16", "10.0.0.8", true);
	check_sources("10.0.0.31", "10.0.0.32", true);
	check_sources("10.0.0.47", "10.0.0.48", false);
	check_sources("222.255.255.255", "0.0.0.0", true);
	check_sources("223.0.0.0", "255.255.255.255", true);
	check_sources("223.0.0.0", "10.0.0.8", true);
}

static void test_many_elements(void **state)
{
	enum { COUNT = 150000 };
	struct made_element *elements = calloc(COUNT, sizeof(*elements));
	struct nft_image image = {0};
	clock_t begin;

	(void)state;
	assert_non_null(elements);
	for (uint32_t i = 0; i < COUNT; i++) /* downwards, as an old kernel dumps them */
		elements[i] = (struct made_element){(COUNT - i) * 5,
						    i % 2 ? 0 : NFT_SET_ELEM_INTERVAL_END};
	put_set(&image, NFT_SET_INTERVAL, 4);
	put_elements(&image, elements, COUNT);
	for (int i = 0; i < 200; i++) /* many rules look into it, it is read once */
		put_lookup_rule(&image);
	assert_false(image.bytes.failed);
	begin = clock();
	assert_int_equal(rule_constants_add_nft(&constants, &image, NULL, NULL), 0);
	print_message("%d elements: %.1f ms of CPU\n", COUNT,
		      (double)(clock() - begin) * 1000 / CLOCKS_PER_SEC);
	assert_int_equal(constants.fields[RULE_SOURCE4].range_count, COUNT / 2);
	image_done(&image);
	free(elements);
}

/* --- damage ------------------------------------------------------------------------------------
 */

/* Every item cut at every length, in memory that ends there. Nothing may be read beyond. */
static void test_nft_truncations(void **state)
{
	size_t len;
	char *bytes = unit_read_data("constants/hand.nft", &len);
	struct nft_image all;

	(void)state;
	image_load(&all, bytes, len);
	for (size_t i = 0; i < all.count; i++) {
		for (uint32_t cut = 0; cut<all.items[i].len; cut += all.items[i].len> 400 ? 7 : 1) {
			struct nft_item item = all.items[i];
			struct nft_image one = {.items = &item, .count = 1};

			one.bytes.data = unit_copy(all.bytes.data + item.offset, cut);
			one.bytes.len = cut;
			item.offset = 0;
			item.len = cut;
			assert_int_equal(rule_constants_add_nft(&constants, &one, &ipsets, NULL),
					 0);
			free(one.bytes.data);
		}
	}
	image_done(&all);
	free(bytes);
}

static void test_legacy_truncations(void **state)
{
	size_t len;
	char *bytes = unit_read_data("constants/xt.ip", &len);

	(void)state;
	for (size_t cut = 0; cut < len; cut++) {
		char *copy = unit_copy(bytes, cut);

		rule_constants_done(&constants);
		assert_int_equal(
			rule_constants_add_legacy(&constants, AF_INET, copy, cut, &ipsets, NULL),
			0);
		free(copy);
	}
	free(bytes);
}

/* A table that ends in the middle of an entry is not taken for a whole one. */
static void test_legacy_cut_is_opaque(void **state)
{
	size_t len;
	char *bytes = unit_read_data("constants/xt.ip", &len);

	(void)state;
	assert_int_equal(
		rule_constants_add_legacy(&constants, AF_INET, bytes, len - 8, &ipsets, NULL), 0);
	assert_true(constants.destination_ports.opaque && is_opaque(&constants, RULE_SOURCE4));
	free(bytes);
}

static void test_ipset_truncations(void **state)
{
	struct ipset_message cut_messages[16];
	struct ipset_messages cut_sets = {cut_messages, ipsets.count};

	(void)state;
	for (size_t i = 0; i < ipsets.count; i++)
		for (size_t cut = 0; cut < ipsets.items[i].len; cut++) {
			char *copy = unit_copy(ipsets.items[i].bytes, cut);

			memcpy(cut_messages, messages, sizeof(cut_messages));
			cut_messages[i].bytes = copy;
			cut_messages[i].len = cut;
			rule_constants_done(&constants);
			constants_from_nft(&constants, "constants/xt.nft", &cut_sets);
			free(copy);
		}
}

/* Random bytes changed: no crash, and what is found can still be asked. */
static void test_damage(void **state)
{
	static const char *const files[] = {"constants/hand.nft", "constants/xt.nft"};
	uint64_t seed = 20;

	(void)state;
	for (size_t f = 0; f < ARRAY_LEN(files); f++) {
		size_t len;
		char *bytes = unit_read_data(files[f], &len);
		struct nft_image image;

		image_load(&image, bytes, len);
		for (int round = 0; round < 1500; round++) {
			memcpy(image.bytes.data, bytes, len);
			for (int i = 0; i < 4; i++)
				image.bytes.data[unit_random(&seed) % len] =
					(char)unit_random(&seed);
			rule_constants_done(&constants);
			assert_int_equal(rule_constants_add_nft(&constants, &image, &ipsets, NULL),
					 0);
			signature_of(&constants, true, "10.1.2.3");
		}
		image_done(&image);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_hand_ports, reset),
		cmocka_unit_test_teardown(test_hand_sources, reset),
		cmocka_unit_test_teardown(test_hand_destinations, reset),
		cmocka_unit_test_teardown(test_hand_labels, reset),
		cmocka_unit_test_teardown(test_hand_interfaces, reset),
		cmocka_unit_test_teardown(test_opaque, reset),
		cmocka_unit_test_teardown(test_xt_nft, reset),
		cmocka_unit_test_teardown(test_xt_legacy, reset),
		cmocka_unit_test_teardown(test_unknown_ipset, reset),
		cmocka_unit_test_teardown(test_both_addresses_at_once, reset),
		cmocka_unit_test_teardown(test_part_of_an_address, reset),
		cmocka_unit_test_teardown(test_ports_from_network_header, reset),
		cmocka_unit_test_teardown(test_high_byte_of_a_port, reset),
		cmocka_unit_test_teardown(test_port_into_mark, reset),
		cmocka_unit_test_teardown(test_checksum, reset),
		cmocka_unit_test_teardown(test_unknown_expression, reset),
		cmocka_unit_test_teardown(test_unknown_match, reset),
		cmocka_unit_test_teardown(test_intervals, reset),
		cmocka_unit_test_teardown(test_many_elements, reset),
		cmocka_unit_test_teardown(test_nft_truncations, reset),
		cmocka_unit_test_teardown(test_legacy_truncations, reset),
		cmocka_unit_test_teardown(test_legacy_cut_is_opaque, reset),
		cmocka_unit_test_teardown(test_ipset_truncations, reset),
		cmocka_unit_test_teardown(test_damage, reset),
	};

	return cmocka_run_group_tests_name("rule_constants", tests, load_ipsets, unload_ipsets);
}
