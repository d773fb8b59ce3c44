/* SPDX-License-Identifier: GPL-2.0-or-later */
/* interfaces: recorded links and addresses, decoded exactly, cut off everywhere and damaged. */
#include "base/mem.h"
#include "base/nla.h"
#include "observe/interfaces.h"
#include "unit.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

static struct recorded_list messages;

static int load(void **state)
{
	(void)state;
	recorded_load(&messages, "rtnetlink.hex");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	recorded_done(&messages);
	return 0;
}

static int decode_address(const void *bytes, size_t len, struct interface_address *ret)
{
	void *copy = unit_copy(bytes, len);
	struct interface_address got, before;
	int r;

	memset(&got, 0xa5, sizeof(got));
	before = got;
	r = interfaces_decode_address(copy, len, &got);
	free(copy);
	if (r == 0)
		*ret = got;
	else
		assert_memory_equal(&got, &before, sizeof(got));
	assert_true(r == 0 || r == -EBADMSG);
	return r;
}

static int decode_link(const void *bytes, size_t len, struct interface_info *ret, char name[16])
{
	void *copy = unit_copy(bytes, len);
	struct interface_info got, before;
	int r;

	memset(&got, 0xa5, sizeof(got));
	before = got;
	memset(name, 'x', 16);
	r = interfaces_decode_link(copy, len, &got, name);
	free(copy);
	if (r == 0)
		*ret = got;
	else
		assert_memory_equal(&got, &before, sizeof(got));
	assert_true(r == 0 || r == -EBADMSG);
	assert_non_null(memchr(name, '\0', 16)); /* a string, whatever came */
	return r;
}

static void test_recorded_links(void **state)
{
	static const struct {
		const char *message, *name;
		bool loopback;
	} cases[] = {
		{"link-1", "lo", true},
		{"link-2", "a-long-name-15c", false}, /* the longest there can be */
		{"link-3", "v0", false},
		{"link-4", "tun0", false},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct recorded *m = recorded_find(&messages, cases[i].message);
		struct interface_info info;
		char name[16];

		assert_int_equal(decode_link(m->bytes, m->len, &info, name), 0);
		assert_int_equal(info.ifindex, i + 1);
		assert_int_equal(info.loopback, cases[i].loopback);
		assert_string_equal(name, cases[i].name);
	}
}

/* A link with IFLA_LINKINFO of that kind and, if `type`, that attribute in its data. */
static struct interface_info link_of(const char *kind, uint16_t type, const void *value, size_t len)
{
	struct buf message = {0};
	struct ifinfomsg m = {.ifi_index = 5};
	struct interface_info info;
	char name[16];
	size_t nest, data;

	buf_add(&message, &m, sizeof(m));
	nla_put_u32(&message, IFLA_LINK, 8);
	nla_put_u32(&message, IFLA_MASTER, 9);
	nla_put_u32(&message, IFLA_LINK_NETNSID, 3);
	nest = nla_begin_nest(&message, IFLA_LINKINFO);
	nla_put_text(&message, IFLA_INFO_KIND, kind);
	if (type) {
		data = nla_begin_nest(&message, IFLA_INFO_DATA);
		nla_put(&message, type, value, len);
		nla_end_nest(&message, data);
	}
	nla_end_nest(&message, nest);
	for (size_t cut = 0; cut < message.len; cut++) /* no more than what is there is read */
		decode_link(message.data, cut, &info, name);
	assert_int_equal(decode_link(message.data, message.len, &info, name), 0);
	buf_done(&message);
	return info;
}

static void test_links_of_kinds(void **state)
{
	static const uint32_t modes[] = {MACVLAN_MODE_PRIVATE, MACVLAN_MODE_VEPA,
					 MACVLAN_MODE_BRIDGE, MACVLAN_MODE_PASSTHRU};
	static const uint16_t flags[] = {0, IPVLAN_F_PRIVATE, IPVLAN_F_VEPA};
	struct interface_info info = link_of("veth", 0, NULL, 0);

	(void)state;
	assert_int_equal(info.kind, LINK_PAIR);
	assert_int_equal(info.link, 8);
	assert_int_equal(info.master, 9);
	assert_int_equal(info.link_nsid, 3);
	assert_int_equal(link_of("netkit", 0, NULL, 0).kind, LINK_PAIR);
	assert_int_equal(link_of("bridge", 0, NULL, 0).kind, LINK_BRIDGE);
	assert_int_equal(link_of("vlan", 0, NULL, 0).kind, LINK_OTHER);
	assert_int_equal(link_of("a-kind-of-which-nobody-heard", 0, NULL, 0).kind, LINK_OTHER);
	assert_int_equal(link_of("macvlan", 0, NULL, 0).kind, LINK_OTHER);
	assert_int_equal(link_of("ipvlan", 0, NULL, 0).kind, LINK_OTHER);
	assert_int_equal(link_of("ipvlan", IFLA_IPVLAN_FLAGS, flags, 1).kind, LINK_OTHER);
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		assert_int_equal(link_of("macvlan", IFLA_MACVLAN_MODE, &modes[i], 4).kind,
				 modes[i] == MACVLAN_MODE_BRIDGE ? LINK_MACVLAN : LINK_OTHER);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		assert_int_equal(link_of("ipvlan", IFLA_IPVLAN_FLAGS, &flags[i], 2).kind,
				 flags[i] == 0 ? LINK_IPVLAN : LINK_OTHER);
}

static void test_recorded_addresses(void **state)
{
	/* of a point-to-point link our own side, not the peer's */
	static const struct {
		const char *message, *address;
		uint32_t ifindex;
		uint8_t prefix_len;
	} cases[] = {
		{"address-0", "127.0.0.1", 1, 8},   {"address-1", "192.0.2.1", 1, 32},
		{"address-2", "10.9.8.7", 3, 24},   {"address-3", "10.9.9.1", 3, 32},
		{"address-4", "10.8.0.1", 4, 24},   {"address-5", "::1", 1, 128},
		{"address-7", "fd00:1::1", 3, 128}, {"address-8", "fd00::1", 3, 64},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct recorded *m = recorded_find(&messages, cases[i].message);
		struct interface_address a;
		char text[ADDRESS_TEXT_SIZE];

		assert_int_equal(decode_address(m->bytes, m->len, &a), 0);
		address_format(&a.address, text);
		assert_string_equal(text, cases[i].address);
		assert_int_equal(a.ifindex, cases[i].ifindex);
		assert_int_equal(a.prefix_len, cases[i].prefix_len);
	}
}

static void test_recorded_link_local(void **state)
{
	static const char *const names[] = {"address-6", "address-9", "address-10"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct recorded *m = recorded_find(&messages, names[i]);
		struct interface_address a;

		assert_int_equal(decode_address(m->bytes, m->len, &a), 0);
		assert_true(address_is_link_local(&a.address));
		assert_int_equal(a.prefix_len, 64);
	}
}

static void test_truncations(void **state)
{
	struct interface_address a;
	struct interface_info info;
	char name[16];

	(void)state;
	for (size_t i = 0; i < messages.count; i++) {
		const struct recorded *m = &messages.items[i];
		bool is_link = strncmp(m->name, "link", 4) == 0;

		for (size_t len = 0; len < m->len; len++) {
			int r = is_link ? decode_link(m->bytes, len, &info, name)
					: decode_address(m->bytes, len, &a);

			if (len < (is_link ? sizeof(struct ifinfomsg) : sizeof(struct ifaddrmsg)))
				assert_int_equal(r, -EBADMSG);
			/* an address that lacks its address is none */
			if (!is_link && len < sizeof(struct ifaddrmsg) + 8)
				assert_int_equal(r, -EBADMSG);
		}
	}
}

static void test_corrupted_lengths(void **state)
{
	struct interface_address a;
	struct interface_info info;
	char name[16];

	(void)state;
	for (size_t i = 0; i < messages.count; i++) {
		struct recorded *m = &messages.items[i];
		bool is_link = strncmp(m->name, "link", 4) == 0;
		size_t at = is_link ? sizeof(struct ifinfomsg) : sizeof(struct ifaddrmsg);

		while (at < m->len) {
			uint16_t good, bad;

			memcpy(&good, m->bytes + at, 2);
			for (unsigned len = 0; len < 70; len++) {
				int r;

				bad = (uint16_t)(len < 66 ? len : len << 10);
				memcpy(m->bytes + at, &bad, 2);
				r = is_link ? decode_link(m->bytes, m->len, &info, name)
					    : decode_address(m->bytes, m->len, &a);
				if (bad < sizeof(struct rtattr) || at + bad > m->len)
					assert_int_equal(r, -EBADMSG);
			}
			memcpy(m->bytes + at, &good, 2);
			at += RTA_ALIGN(good);
		}
	}
}

static void test_random_damage(void **state)
{
	uint64_t seed = 4711;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		const struct recorded *m = &messages.items[round % messages.count];
		uint8_t *copy = unit_copy(m->bytes, m->len);
		struct interface_address a;
		struct interface_info info;
		char name[16];

		for (unsigned i = 0; i < 1 + round % 5; i++) {
			uint64_t r = unit_random(&seed);

			copy[(r >> 8) % (m->len < 100 ? m->len : 100)] = (uint8_t)r;
		}
		if (decode_address(copy, m->len, &a) == 0)
			assert_true(a.prefix_len <= (a.address.family == AF_INET ? 32 : 128));
		if (decode_link(copy, m->len, &info, name) == 0)
			assert_true((int32_t)info.ifindex > 0);
		free(copy);
	}
}

struct made {
	uint8_t bytes[256];
	size_t len;
};

static void put_attribute(struct made *m, uint16_t type, const void *value, size_t len)
{
	struct rtattr a = {.rta_len = (uint16_t)(sizeof(a) + len), .rta_type = type};

	memcpy(m->bytes + m->len, &a, sizeof(a));
	memcpy(m->bytes + m->len + sizeof(a), value, len);
	m->len += RTA_ALIGN(sizeof(a) + len);
}

static struct made begin_address(uint8_t family, uint8_t prefix_len)
{
	struct ifaddrmsg head = {.ifa_family = family, .ifa_prefixlen = prefix_len, .ifa_index = 2};
	struct made m = {.len = sizeof(head)};

	memcpy(m.bytes, &head, sizeof(head));
	return m;
}

static void test_made_addresses(void **state)
{
	static const uint8_t own[16] = {10, 0, 0, 1, 5}, peer[16] = {10, 0, 0, 2, 6};
	struct interface_address a;
	struct made m;

	(void)state;
	m = begin_address(AF_INET, 32); /* IFA_LOCAL wins in whatever order they come */
	put_attribute(&m, IFA_LOCAL, own, 4);
	put_attribute(&m, IFA_ADDRESS, peer, 4);
	assert_int_equal(decode_address(m.bytes, m.len, &a), 0);
	assert_int_equal(a.address.bytes[3], 1);
	m = begin_address(AF_INET, 32);
	put_attribute(&m, IFA_ADDRESS, peer, 4);
	put_attribute(&m, IFA_LOCAL, own, 4);
	assert_int_equal(decode_address(m.bytes, m.len, &a), 0);
	assert_int_equal(a.address.bytes[3], 1);

	m = begin_address(AF_INET, 33); /* a prefix that is longer than the address */
	put_attribute(&m, IFA_LOCAL, own, 4);
	assert_int_equal(decode_address(m.bytes, m.len, &a), -EBADMSG);
	m = begin_address(AF_INET6, 128);
	put_attribute(&m, IFA_ADDRESS, own, 16);
	assert_int_equal(decode_address(m.bytes, m.len, &a), 0);
	m = begin_address(AF_INET6, 129);
	put_attribute(&m, IFA_ADDRESS, own, 16);
	assert_int_equal(decode_address(m.bytes, m.len, &a), -EBADMSG);

	m = begin_address(AF_INET, 8); /* an address of the other family's size is none */
	put_attribute(&m, IFA_LOCAL, own, 16);
	assert_int_equal(decode_address(m.bytes, m.len, &a), -EBADMSG);
	m = begin_address(AF_INET6, 8);
	put_attribute(&m, IFA_ADDRESS, own, 4);
	assert_int_equal(decode_address(m.bytes, m.len, &a), -EBADMSG);
	m = begin_address(AF_INET, 8);
	assert_int_equal(decode_address(m.bytes, m.len, &a), -EBADMSG);
	m = begin_address(AF_UNIX, 8);
	put_attribute(&m, IFA_LOCAL, own, 4);
	assert_int_equal(decode_address(m.bytes, m.len, &a), -EBADMSG);
}

static void test_made_links(void **state)
{
	struct ifinfomsg head = {.ifi_index = 2};
	struct interface_info info;
	struct made m = {.len = sizeof(head)};
	char name[16];

	(void)state;
	memcpy(m.bytes, &head, sizeof(head));
	assert_int_equal(decode_link(m.bytes, m.len, &info, name), 0);
	assert_string_equal(name, "");
	put_attribute(&m, IFLA_IFNAME, "much-too-long-a-name", 21);
	assert_int_equal(decode_link(m.bytes, m.len, &info, name), 0);
	assert_string_equal(name, "much-too-long-a");
	m.len = sizeof(head);
	put_attribute(&m, IFLA_IFNAME, "eth0", 4); /* without its NUL */
	assert_int_equal(decode_link(m.bytes, m.len, &info, name), 0);
	assert_string_equal(name, "eth0");
	for (int index = -1; index < 1; index++) {
		head.ifi_index = index;
		memcpy(m.bytes, &head, sizeof(head));
		assert_int_equal(decode_link(m.bytes, m.len, &info, name), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded_links),
		cmocka_unit_test(test_links_of_kinds),
		cmocka_unit_test(test_recorded_addresses),
		cmocka_unit_test(test_recorded_link_local),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_corrupted_lengths),
		cmocka_unit_test(test_random_damage),
		cmocka_unit_test(test_made_addresses),
		cmocka_unit_test(test_made_links),
	};

	return cmocka_run_group_tests_name("interfaces", tests, load, unload);
}
