/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rt_image: recorded messages made canonical, cut off everywhere and damaged; and what two images
 * that differ are said to differ in.
 */
#include "base/map.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/rt_image.h"
#include "observe/twin_compare.h"
#include "observe/twin_report.h"
#include "unit.h"

#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

static struct recorded_list messages;

static int load(void **state)
{
	(void)state;
	recorded_load(&messages, "rt_image.hex");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	recorded_done(&messages);
	return 0;
}

enum { NOT_AN_ITEM = RT_KIND_COUNT };

static unsigned kind_of(const struct recorded *m)
{
	static const char *const names[] = {"address", "nexthop", "route", "rule", "link"};

	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (strncmp(m->name, names[i], strlen(names[i])) == 0)
			return i;
	fail();
	return NOT_AN_ITEM;
}

/* Appends one item to the image; the bytes end where their memory ends. */
static int add_one(struct rt_image *image, enum rt_kind kind, const void *bytes, size_t len,
		   uint32_t which)
{
	void *copy = unit_copy(bytes, len);
	size_t before = image->bytes.len;
	struct rt_item item = {0};
	int r = rt_canonical(kind, copy, len, which, &image->bytes, &item);

	free(copy);
	assert_false(image->bytes.failed);
	assert_true(r == 0 || r == 1 || r == RT_TENTATIVE || r == -EBADMSG);
	if (r != 0) {
		assert_int_equal(image->bytes.len, before);
		return r;
	}
	assert_int_equal(item.offset % 4, 0);
	assert_int_equal(item.offset + item.len, image->bytes.len);
	item.hash = map_mix(map_hash_bytes(image->bytes.data + item.offset, item.len), kind);
	assert_int_equal(
		mem_grow(&image->items, &image->cap, image->count + 1, sizeof(*image->items)), 0);
	image->items[image->count++] = item;
	return 0;
}

/* As rt_image_read does: every item of the message. */
static int add(struct rt_image *image, enum rt_kind kind, const void *bytes, size_t len)
{
	int first = add_one(image, kind, bytes, len, 0);

	for (uint32_t which = 1; first == 0; which++) {
		int r = add_one(image, kind, bytes, len, which);

		assert_true(which < 100 && r <= 1);
		if (r != 0)
			return first;
	}
	return first;
}

static void add_recorded(struct rt_image *image, const char *name)
{
	const struct recorded *m = recorded_find(&messages, name);

	assert_int_equal(add(image, (enum rt_kind)kind_of(m), m->bytes, m->len), 0);
}

static void expect_text(const char *name, const char *expected)
{
	struct rt_image image = {0};
	char text[RT_TEXT_SIZE];

	add_recorded(&image, name);
	rt_image_describe(&image, &image.items[0], text);
	assert_string_equal(text, expected);
	rt_image_done(&image);
}

static void test_words(void **state)
{
	(void)state;
	expect_text("address-1", "address 127.0.0.1/8");
	expect_text("address-6", "address 10.8.0.2/32"); /* the peer's */
	expect_text("address-7", "address fd00:5::1/128");
	expect_text("nexthop-4", "nexthop 7");
	expect_text("route-2", "route 10.11.0.0/16 in table 100");
	expect_text("route-4", "route 10.40.0.0/16 in table 1000");
	expect_text("route-24", "route fd99::/64 in table 254");
	expect_text("rule-1", "routing rule with priority 0");
	expect_text("rule-3", "routing rule with priority 60");
}

static struct cur attributes_of(const struct rt_image *image, size_t head)
{
	return cur_init(image->bytes.data + image->items[0].offset + head,
			image->items[0].len - head);
}

static bool has(const struct rt_image *image, size_t head, uint16_t type)
{
	struct cur value;

	return nla_find(attributes_of(image, head), type, &value);
}

static void test_states_are_left_out(void **state)
{
	struct rt_image image = {0};
	struct ifaddrmsg address;
	struct rtmsg route;

	(void)state;
	add_recorded(&image, "address-10"); /* fd00::7, nodad: permanent */
	memcpy(&address, image.bytes.data, sizeof(address));
	assert_int_equal(address.ifa_flags, 0);
	assert_false(has(&image, sizeof(address), IFA_CACHEINFO));
	assert_true(has(&image, sizeof(address), IFA_ADDRESS));
	rt_image_done(&image);

	add_recorded(&image, "route-12"); /* nhid 7: its hops are told along, and may not be sent */
	memcpy(&route, image.bytes.data, sizeof(route));
	assert_false(has(&image, sizeof(route), RTA_MULTIPATH));
	assert_true(has(&image, sizeof(route), RTA_NH_ID));
	rt_image_done(&image);

	add_recorded(&image, "route-20"); /* an IPv6 one has RTA_CACHEINFO */
	assert_false(has(&image, sizeof(route), RTA_CACHEINFO));
	assert_int_equal(image.items[0].ifindex, 3); /* connected: it stays as it is */
	rt_image_done(&image);
}

static void test_rule_zero_keeps_its_priority(void **state)
{
	const struct recorded *m = recorded_find(&messages, "rule-1");
	struct cur recorded = cur_init(m->bytes, m->len), value;
	struct rt_image image = {0};

	(void)state;
	cur_take(&recorded, sizeof(struct fib_rule_hdr));
	assert_false(nla_find(recorded, FRA_PRIORITY, &value)); /* as the kernel tells it */
	add_recorded(&image, "rule-1");
	assert_true(
		nla_find(attributes_of(&image, sizeof(struct fib_rule_hdr)), FRA_PRIORITY, &value));
	assert_int_equal(value.left, 4);
	assert_memory_equal(value.at, "\0\0\0\0", 4);
	rt_image_done(&image);
}

static void test_hops_lose_their_state(void **state)
{
	struct rtmsg head = {.rtm_family = AF_INET, .rtm_flags = RTNH_F_LINKDOWN | RTNH_F_ONLINK};
	struct rtnexthop hops[2] = {
		{.rtnh_len = 8, .rtnh_flags = RTNH_F_DEAD | RTNH_F_ONLINK, .rtnh_ifindex = 2},
		{.rtnh_len = 8, .rtnh_flags = RTNH_F_LINKDOWN, .rtnh_ifindex = 3},
	};
	struct rt_image image = {0};
	struct buf message = {0};
	struct rtnexthop got[2];
	struct cur value;

	(void)state;
	buf_add(&message, &head, sizeof(head));
	nla_put(&message, RTA_MULTIPATH, hops, sizeof(hops));
	assert_int_equal(add(&image, RT_ROUTE, message.data, message.len), 0);
	memcpy(&head, image.bytes.data, sizeof(head));
	assert_int_equal(head.rtm_flags, RTNH_F_ONLINK);
	assert_true(nla_find(attributes_of(&image, sizeof(head)), RTA_MULTIPATH, &value));
	assert_int_equal(value.left, sizeof(got));
	memcpy(got, value.at, sizeof(got));
	assert_int_equal(got[0].rtnh_flags, RTNH_F_ONLINK);
	assert_int_equal(got[1].rtnh_flags, 0);
	rt_image_done(&image);
	buf_done(&message);
}

/* Two routes by two routers, and one of two hops, are the same items. */
static void test_hops_of_ipv6(void **state)
{
	struct rtmsg head = {.rtm_family = AF_INET6, .rtm_table = RT_TABLE_MAIN};
	struct {
		struct rtnexthop hop;
		struct nlattr gateway;
		uint8_t address[16];
	} hops[2] = {0};
	struct rt_image apart = {0}, together = {0};
	struct buf message = {0};

	(void)state;
	for (int i = 0; i < 2; i++) {
		hops[i].hop = (struct rtnexthop){.rtnh_len = sizeof(hops[i]), .rtnh_ifindex = 2};
		hops[i].gateway = (struct nlattr){.nla_len = 20, .nla_type = RTA_GATEWAY};
		hops[i].address[15] = (uint8_t)i;
		buf_clear(&message);
		buf_add(&message, &head, sizeof(head));
		nla_put(&message, RTA_GATEWAY, hops[i].address, 16);
		nla_put_u32(&message, RTA_OIF, 2);
		nla_put(&message, RTA_CACHEINFO, hops, 32);
		nla_put_u8(&message, RTA_PREF, 0);
		assert_int_equal(add(&apart, RT_ROUTE, message.data, message.len), 0);
	}
	buf_clear(&message);
	buf_add(&message, &head, sizeof(head));
	nla_put(&message, RTA_MULTIPATH, hops, sizeof(hops));
	nla_put_u8(&message, RTA_PREF, 0);
	assert_int_equal(add(&together, RT_ROUTE, message.data, message.len), 0);
	assert_int_equal(apart.count, 2);
	assert_int_equal(together.count, 2);
	assert_true(rt_image_hash(&apart) == rt_image_hash(&together));
	rt_image_done(&apart);
	rt_image_done(&together);
	buf_done(&message);
}

static int add_address6(struct rt_image *image, uint32_t flags)
{
	struct ifaddrmsg head = {.ifa_family = AF_INET6, .ifa_prefixlen = 64, .ifa_index = 2};
	static const uint8_t bytes[16] = {0xfd};
	struct buf message = {0};
	int r;

	buf_add(&message, &head, sizeof(head));
	nla_put(&message, IFA_ADDRESS, bytes, sizeof(bytes));
	nla_put_u32(&message, IFA_FLAGS, flags);
	r = add(image, RT_ADDRESS, message.data, message.len);
	buf_done(&message);
	return r;
}

static void test_addresses_in_use(void **state)
{
	struct rt_image image = {0};

	(void)state;
	assert_int_equal(add_address6(&image, IFA_F_PERMANENT), 0);
	assert_int_equal(add_address6(&image, IFA_F_TENTATIVE), RT_TENTATIVE);
	assert_int_equal(add_address6(&image, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC), 0);
	assert_int_equal(add_address6(&image, IFA_F_DADFAILED | IFA_F_TENTATIVE), 1);
	assert_int_equal(add_address6(&image, IFA_F_MANAGETEMPADDR | IFA_F_DEPRECATED), 0);
	assert_int_equal(add_address6(&image, IFA_F_NOPREFIXROUTE), 0);
	assert_int_equal(image.count, 4);
	/* how it came into being is no difference; whether it has a route is one */
	assert_true(image.items[0].hash == image.items[1].hash);
	assert_true(image.items[0].hash == image.items[2].hash);
	assert_true(image.items[0].hash != image.items[3].hash);
	rt_image_done(&image);
}

static void test_what_is_not_kept(void **state)
{
	struct rtmsg cached = {.rtm_family = AF_INET, .rtm_flags = RTM_F_CLONED},
		     multicast = {.rtm_family = 128}, mpls = {.rtm_family = AF_MPLS};
	struct rt_image image = {0};

	(void)state;
	assert_int_equal(add(&image, RT_ROUTE, &cached, sizeof(cached)), 1);
	assert_int_equal(add(&image, RT_ROUTE, &multicast, sizeof(multicast)), 1);
	assert_int_equal(add(&image, RT_ROUTE, &mpls, sizeof(mpls)), 1);
	rt_image_done(&image);
}

static void test_links(void **state)
{
	const struct recorded *lo = recorded_find(&messages, "link-1"),
			      *veth = recorded_find(&messages, "link-3"),
			      *bridge = recorded_find(&messages, "link-5"),
			      *tun = recorded_find(&messages, "link-6");
	struct rt_link link;

	(void)state;
	assert_int_equal(rt_decode_link(lo->bytes, lo->len, &link), 0);
	assert_string_equal(link.name, "lo");
	assert_int_equal(link.flags, IFF_UP | IFF_LOWER_UP | IFF_LOOPBACK);
	assert_int_equal(link.mtu, 65536);
	assert_int_equal(rt_decode_link(veth->bytes, veth->len, &link), 0);
	assert_string_equal(link.kind, "veth");
	assert_memory_equal(link.mac, "\x02\x11\x22\x33\x44\x55", 6);
	assert_true(link.conf4_count > IPV4_DEVCONF_RP_FILTER);
	assert_int_equal(link.conf4[IPV4_DEVCONF_RP_FILTER - 1], 1);
	assert_int_equal(rt_decode_link(bridge->bytes, bridge->len, &link), 0);
	assert_string_equal(link.kind, "bridge");
	assert_int_equal(rt_decode_link(tun->bytes, tun->len, &link), 0);
	assert_int_equal(link.type, ARPHRD_NONE);
	assert_false(link.flags & IFF_LOWER_UP);
}

static void test_truncations(void **state)
{
	struct rt_image image = {0};
	struct rt_link link;

	(void)state;
	for (size_t i = 0; i < messages.count; i++) {
		const struct recorded *m = &messages.items[i];
		unsigned kind = kind_of(m);

		for (size_t len = 0; len < m->len; len++) {
			void *copy = unit_copy(m->bytes, len);

			if (kind == NOT_AN_ITEM)
				rt_decode_link(copy, len, &link);
			else
				add(&image, (enum rt_kind)kind, copy, len);
			if (len < 8 && kind == NOT_AN_ITEM)
				assert_int_equal(rt_decode_link(copy, len, &link), -EBADMSG);
			free(copy);
			rt_image_done(&image);
		}
	}
}

static void test_random_damage(void **state)
{
	uint64_t seed = 815;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		const struct recorded *m = &messages.items[round % messages.count];
		uint8_t *copy = unit_copy(m->bytes, m->len);
		struct rt_image image = {0};
		struct rt_link link;

		for (unsigned i = 0; i < 1 + round % 5; i++) {
			uint64_t r = unit_random(&seed);

			copy[(r >> 8) % (m->len < 120 ? m->len : 120)] = (uint8_t)r;
		}
		if (kind_of(m) != NOT_AN_ITEM)
			add(&image, (enum rt_kind)kind_of(m), copy, m->len);
		else if (rt_decode_link(copy, m->len, &link) == 0)
			assert_non_null(memchr(link.name, '\0', sizeof(link.name)));
		free(copy);
		rt_image_done(&image);
	}
}

/* --- comparing -----------------------------------------------------------------------------------
 */

static void add_all(struct rt_image *image, const char *but)
{
	for (size_t i = 0; i < messages.count; i++) {
		const struct recorded *m = &messages.items[i];

		if (but && strcmp(m->name, but) == 0)
			continue;
		if (kind_of(m) != NOT_AN_ITEM) {
			add_recorded(image, m->name);
			continue;
		}
		assert_int_equal(mem_grow(&image->links, &image->link_cap, image->link_count + 1,
					  sizeof(*image->links)),
				 0);
		assert_int_equal(
			rt_decode_link(m->bytes, m->len, &image->links[image->link_count++]), 0);
	}
}

struct pair {
	struct rt_image host, twin;
	struct twin_report report;
};

static void pair_done(struct pair *p)
{
	rt_image_done(&p->host);
	rt_image_done(&p->twin);
	twin_report_done(&p->report);
}

static void compare(struct pair *p)
{
	assert_int_equal(twin_compare_images(&p->host, &p->twin, &p->report), 0);
}

static void test_each_loss_is_seen(void **state)
{
	(void)state;
	for (size_t i = 0; i < messages.count; i++) {
		const struct recorded *m = &messages.items[i];
		struct pair lost = {0}, surplus = {0};

		add_all(&lost.host, NULL);
		add_all(&lost.twin, m->name);
		compare(&lost);
		assert_int_equal(lost.report.count, 1); /* also for both hops of one route */
		assert_true(rt_image_hash(&lost.host) != rt_image_hash(&lost.twin));
		add_all(&surplus.host, m->name);
		add_all(&surplus.twin, NULL);
		compare(&surplus);
		/* an interface that the machine lacks is the kernel's own, and harmless */
		assert_int_equal(surplus.report.count, kind_of(m) != NOT_AN_ITEM);
		pair_done(&lost);
		pair_done(&surplus);
	}
}

static void test_no_difference(void **state)
{
	struct pair p = {0};

	(void)state;
	add_all(&p.host, NULL);
	add_all(&p.twin, NULL);
	compare(&p);
	assert_int_equal(p.report.count, 0);
	assert_true(rt_image_hash(&p.host) == rt_image_hash(&p.twin));
	pair_done(&p);
}

static void test_scopes(void **state)
{
	struct pair p = {0};

	(void)state;
	add_all(&p.host, NULL);
	add_all(&p.twin, "route-24");
	compare(&p);
	assert_null(twin_report_find(&p.report, AF_INET, 3));
	assert_non_null(twin_report_find(&p.report, AF_INET6, 3));
	pair_done(&p);

	p = (struct pair){0};
	add_all(&p.host, NULL);
	add_all(&p.twin, NULL);
	p.twin.links[2].flags &= ~(uint32_t)IFF_UP;
	compare(&p);
	assert_int_equal(p.report.count, 1);
	assert_string_equal(p.report.items[0].what, "interface ea");
	assert_non_null(twin_report_find(&p.report, AF_INET, 3));
	assert_null(twin_report_find(&p.report, AF_INET, 2));
	pair_done(&p);
}

static void test_order_of_rules(void **state)
{
	struct pair p = {0};

	(void)state;
	add_recorded(&p.host, "rule-4");
	add_recorded(&p.host, "rule-5");
	add_recorded(&p.twin, "rule-5");
	add_recorded(&p.twin, "rule-4");
	compare(&p);
	assert_int_equal(p.report.count, 1);
	assert_int_equal(p.report.items[0].scope, TWIN_FAMILY);
	assert_int_equal(p.report.items[0].family, AF_INET);
	pair_done(&p);
}

static void test_report_has_a_limit(void **state)
{
	struct twin_difference d = {.scope = TWIN_INTERFACE, .ifindex = 2};
	struct twin_report report = {0};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(d.what, sizeof(d.what), "%d", i % 500);
		twin_report_add(&report, &d);
	}
	assert_int_equal(report.count, TWIN_REPORT_LIMIT);
	/* what did not fit might have been about anything */
	assert_int_equal(report.items[TWIN_REPORT_LIMIT - 1].scope, TWIN_ALL);
	assert_non_null(twin_report_find(&report, AF_INET6, 77));
	twin_report_done(&report);
}

static void test_report_takes_each_once(void **state)
{
	struct twin_difference d = {.scope = TWIN_FAMILY, .family = AF_INET, .what = "x"};
	struct twin_report report = {0};

	(void)state;
	twin_report_add(&report, &d);
	twin_report_add(&report, &d);
	assert_int_equal(report.count, 1);
	d.family = AF_INET6;
	twin_report_add(&report, &d);
	assert_int_equal(report.count, 2);
	twin_report_done(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_states_are_left_out),
		cmocka_unit_test(test_rule_zero_keeps_its_priority),
		cmocka_unit_test(test_hops_lose_their_state),
		cmocka_unit_test(test_hops_of_ipv6),
		cmocka_unit_test(test_addresses_in_use),
		cmocka_unit_test(test_what_is_not_kept),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_random_damage),
		cmocka_unit_test(test_each_loss_is_seen),
		cmocka_unit_test(test_no_difference),
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_order_of_rules),
		cmocka_unit_test(test_report_has_a_limit),
		cmocka_unit_test(test_report_takes_each_once),
	};

	return cmocka_run_group_tests_name("rt_image", tests, load, unload);
}
