/* SPDX-License-Identifier: GPL-2.0-or-later */
/* port: what is a port and what is none, and what addresses mean. */
#include "base/mem.h"
#include "model/port.h"
#include "unit.h"

#include <arpa/inet.h>

struct range_case {
	const char *text;
	uint16_t first, last;
	int proto; /* -1: any */
};

static void test_good_ranges(void **state)
{
	static const struct range_case cases[] = {
		{"1", 1, 1, -1},
		{"53", 53, 53, -1},
		{"0053", 53, 53, -1},
		{"65535", 65535, 65535, -1},
		{"443/tcp", 443, 443, PROTO_TCP},
		{"53/UDP", 53, 53, PROTO_UDP},
		{"53/udp", 53, 53, PROTO_UDP},
		{"7/udplite", 7, 7, PROTO_UDPLITE},
		{"3868/sctp", 3868, 3868, PROTO_SCTP},
		{"5/dccp", 5, 5, PROTO_DCCP},
		{"1-1024", 1, 1024, -1},
		{"1-65535", 1, 65535, -1},
		{"80-80", 80, 80, -1},
		{"8000-8100/udp", 8000, 8100, PROTO_UDP},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct port_range range;
		struct err e = {0};

		assert_true(port_range_looks_like(cases[i].text));
		assert_int_equal(port_range_parse(cases[i].text, &range, &e), 0);
		assert_int_equal(range.first, cases[i].first);
		assert_int_equal(range.last, cases[i].last);
		assert_int_equal(range.any_proto, cases[i].proto < 0);
		if (cases[i].proto >= 0)
			assert_int_equal(range.proto, cases[i].proto);
		assert_int_equal(e.code, 0);
	}
}

static void test_bad_ranges(void **state)
{
	static const char *const bad[] = {
		"",	      "0",	 "65536",  "99999999999999999999",
		"-",	      "-1",	 "1-",	   "1-0",
		"0-1",	      "1-65536", "2-1",	   "1-2-3",
		"1--2",	      "/",	 "/tcp",   "1/",
		"1/tcp/udp",  "1/tcpx",	 "1/tc",   "1 ",
		" 1",	      "1 /tcp",	 "1/ tcp", "+1",
		"0x50",	      "1a",	 "nginx",  "1-2/",
		"65537",      "1/ip",	 "1,2",	   "18446744073709551697", /* 2^64 + 81 */
		"4294967377",						   /* 2^32 + 81 */
		"1/6",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct port_range range = {.first = 4711}, before = range;
		struct err e = {0};

		assert_int_equal(port_range_parse(bad[i], &range, &e), -EINVAL);
		assert_memory_equal(&range, &before, sizeof(range));
		assert_int_equal(e.code, -EINVAL);
		assert_non_null(strstr(e.msg, bad[i])); /* it says what */
	}
	assert_int_equal(port_range_parse("0", &(struct port_range){0}, NULL), -EINVAL);
}

static void test_reversed_range_is_corrected(void **state)
{
	struct port_range range;
	struct err e = {0};

	(void)state;
	assert_int_equal(port_range_parse("90-80/tcp", &range, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "80-90"));
}

static void test_looks_like(void **state)
{
	static const char *const yes[] = {"1",
					  "0",
					  "99999",
					  "1-2",
					  "5-",
					  "80/tcp",
					  "80/foo",
					  "1-2-3/tcp",
					  "1,2",
					  "80,443/tcp",
					  "80/tcp,443/tcp",
					  ":80",
					  "*:80",
					  "127.0.0.1:80",
					  "[::]:80",
					  "[fe80::1]:80"};
	static const char *const no[] = {"",	 "nginx", "9p",	      "tcp", "3proxy",
					 "x/80", "80x",	  "1.2",      "a,b", "web:80",
					 "80:",	 ":",	  "fe80::1:x"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		assert_true(port_range_looks_like(yes[i]));
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_false(port_range_looks_like(no[i]));
}

/* The path of a program is no port. */
static void test_path_is_no_port(void **state)
{
	(void)state;
	assert_false(port_range_looks_like("/usr/sbin/nginx"));
	assert_false(port_range_looks_like("/tcp/x"));
}

static void test_range_has(void **state)
{
	struct port_range any = {.first = 10, .last = 20, .any_proto = true};
	struct port_range udp = {.first = 10, .last = 10, .proto = PROTO_UDP};

	(void)state;
	assert_false(port_range_has(&any, 9, PROTO_TCP));
	assert_true(port_range_has(&any, 10, PROTO_TCP));
	assert_true(port_range_has(&any, 20, PROTO_SCTP));
	assert_false(port_range_has(&any, 21, PROTO_TCP));
	assert_true(port_range_has(&udp, 10, PROTO_UDP));
	assert_false(port_range_has(&udp, 10, PROTO_UDPLITE));
	assert_false(port_range_has(&udp, 10, PROTO_TCP));
}

static void test_protocols(void **state)
{
	enum proto proto;

	(void)state;
	for (int i = 0; i < PROTO_COUNT; i++) {
		const char *name = proto_name((enum proto)i);

		assert_int_equal(proto_parse(name, strlen(name), &proto), 0);
		assert_int_equal(proto, i);
		assert_int_equal(proto_parse(name, strlen(name) - 1, &proto), -EINVAL);
	}
	assert_int_equal(proto_parse("udplitex", 3, &proto), 0);
	assert_int_equal(proto, PROTO_UDP);
	assert_int_equal(proto_parse("", 0, &proto), -EINVAL);
}

static void test_classes(void **state)
{
	static const struct {
		uint16_t port;
		const char *name;
	} cases[] = {
		{0, "system"},	 {1023, "system"},   {1024, "user"},
		{49151, "user"}, {49152, "dynamic"}, {65535, "dynamic"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(port_class_name(port_class(cases[i].port)), cases[i].name);
}

static struct address address(const char *text)
{
	struct address a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	assert_int_equal(inet_pton(a.family, text, a.bytes), 1);
	return a;
}

static void test_kinds_of_addresses(void **state)
{
	static const struct {
		const char *text;
		bool any, loopback, multicast, link_local;
	} cases[] = {
		{"0.0.0.0", true, false, false, false},
		{"::", true, false, false, false},
		{"127.0.0.1", false, true, false, false},
		{"127.255.255.254", false, true, false, false},
		{"126.255.255.255", false, false, false, false},
		{"128.0.0.1", false, false, false, false},
		{"::1", false, true, false, false},
		{"::2", false, false, false, false},
		{"1::1", false, false, false, false},
		{"::1:0:1", false, false, false, false},
		{"224.0.0.1", false, false, true, false},
		{"239.255.255.255", false, false, true, false},
		{"223.255.255.255", false, false, false, false},
		{"240.0.0.1", false, false, false, false},
		{"ff02::fb", false, false, true, false},
		{"fe80::1", false, false, false, true},
		{"febf::1", false, false, false, true},
		{"fec0::1", false, false, false, false},
		{"fd00::1", false, false, false, false},
		{"10.0.0.5", false, false, false, false},
		{"169.254.0.1", false, false, false, false},
		{"0.0.0.1", false, false, false, false},
		{"255.255.255.255", false, false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct address a = address(cases[i].text);

		assert_int_equal(address_is_any(&a), cases[i].any);
		assert_int_equal(address_is_loopback(&a), cases[i].loopback);
		assert_int_equal(address_is_multicast(&a), cases[i].multicast);
		assert_int_equal(address_is_link_local(&a), cases[i].link_local);
	}
}

static void test_format(void **state)
{
	static const char *const texts[] = {
		"0.0.0.0",
		"10.0.0.5",
		"255.255.255.255",
		"::",
		"::1",
		"fe80::1",
		"2001:db8::1:0:0:1",
		"1111:2222:3333:4444:5555:6666:7777:8888",
	};
	struct address none = {0};
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct address a = address(texts[i]);

		address_format(&a, text);
		assert_string_equal(text, texts[i]);
	}
	memset(&none.bytes, 0xff, sizeof(none.bytes));
	address_format(&none, text);
	assert_string_equal(text, "-");
	none.family = 99;
	address_format(&none, text);
	assert_string_equal(text, "-");
}

static void test_format_like_inet_ntop(void **state)
{
	char text[ADDRESS_TEXT_SIZE], wanted[ADDRESS_TEXT_SIZE];

	(void)state;
	for (int i = 0; i < 256; i++) {
		struct address a = {.family = AF_INET};

		for (int k = 0; k < 4; k++)
			a.bytes[k] = (uint8_t)(i * (k * 2 + 1));
		address_format(&a, text);
		inet_ntop(AF_INET, a.bytes, wanted, sizeof(wanted));
		assert_string_equal(text, wanted);
	}
}

static void test_equal(void **state)
{
	struct address a = address("10.0.0.1"), b = a, c = address("a00:1::");

	(void)state;
	b.bytes[9] = 77; /* IPv4 uses the first four bytes */
	assert_true(address_equal(&a, &b));
	b.bytes[3] = 2;
	assert_false(address_equal(&a, &b));
	assert_false(address_equal(&a, &c)); /* the same bytes, another family */
	a = address("fd00::1");
	b = address("fd00::2");
	assert_false(address_equal(&a, &b));
}

static void test_unmap(void **state)
{
	static const char *const no[] = {"::",		 "::1",		  "::10.0.0.1",
					 "::fffe:a00:1", "1::ffff:a00:1", "64:ff9b::a00:1",
					 "10.0.0.1"};
	struct address a = address("::ffff:10.0.0.1"), v4 = address("10.0.0.1"), before;

	(void)state;
	assert_true(address_unmap(&a));
	assert_memory_equal(&a, &v4, sizeof(a)); /* nothing is left of the IPv6 form */
	a = address("::ffff:0.0.0.0");
	assert_true(address_unmap(&a));
	assert_true(address_is_any(&a));
	for (size_t i = 0; i < ARRAY_LEN(no); i++) {
		a = before = address(no[i]);
		assert_false(address_unmap(&a));
		assert_memory_equal(&a, &before, sizeof(a));
	}
}

static void test_network(void **state)
{
	static const struct {
		const char *address;
		unsigned bits;
		const char *network;
	} cases[] = {
		{"10.1.2.3", 0, "0.0.0.0"},
		{"10.1.2.3", 8, "10.0.0.0"},
		{"10.255.2.3", 9, "10.128.0.0"},
		{"10.1.2.255", 31, "10.1.2.254"},
		{"10.1.2.3", 32, "10.1.2.3"},
		{"255.255.255.255", 1, "128.0.0.0"},
		{"2001:db8::ff", 64, "2001:db8::"},
		{"2001:db8::ff", 121, "2001:db8::80"},
		{"2001:db8::ff", 128, "2001:db8::ff"},
		{"ffff::1", 1, "8000::"},
		{"fd00::1", 0, "::"},
		{"fd00::1", 1000, "fd00::1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct address a = address(cases[i].address), wanted = address(cases[i].network);
		struct address got = address_network(&a, cases[i].bits);

		assert_true(address_equal(&got, &wanted));
		assert_true(address_in_network(&a, &wanted, cases[i].bits));
		/* another bit: in the network still when it is behind the prefix */
		for (unsigned bit = 0; bit < (a.family == AF_INET ? 32 : 128); bit++) {
			struct address other = a;

			other.bytes[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
			assert_int_equal(address_in_network(&other, &a, cases[i].bits),
					 bit >= cases[i].bits);
		}
	}
}

static void test_network_of_other_family(void **state)
{
	struct address a = address("10.1.2.3"), b = address("a01:203::");

	(void)state;
	assert_false(address_in_network(&a, &b, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_ranges),
		cmocka_unit_test(test_bad_ranges),
		cmocka_unit_test(test_reversed_range_is_corrected),
		cmocka_unit_test(test_looks_like),
		cmocka_unit_test(test_path_is_no_port),
		cmocka_unit_test(test_range_has),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_kinds_of_addresses),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_format_like_inet_ntop),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_unmap),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_network_of_other_family),
	};

	return cmocka_run_group_tests_name("port", tests, NULL, NULL);
}
