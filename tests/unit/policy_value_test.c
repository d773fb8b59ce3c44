/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_value: the single values of a policy, right and wrong. */
#include "base/mem.h"
#include "decide/policy_value.h"
#include "unit.h"

#include <sys/socket.h>

static void test_ports(void **state)
{
	struct port_range range = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(policy_value_ports("443/tcp", &range, &e), 0);
	assert_int_equal(range.first, 443);
	assert_false(range.any_proto);
	assert_int_equal(policy_value_ports("8000-8100/UDP", &range, &e), 0);
	assert_int_equal(range.last, 8100);
	assert_int_equal(policy_value_ports("53", &range, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "53/tcp or 53/udp"));
	assert_int_equal(policy_value_ports("ssh", &range, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "22/tcp"));
	assert_int_equal(policy_value_ports("ntp", &range, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "123/udp"));
	assert_int_equal(policy_value_ports("90-80/tcp", &range, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "80-90"));
	assert_int_equal(policy_value_ports("0/tcp", &range, &e), -EINVAL);
	assert_int_equal(policy_value_ports("65536/tcp", &range, &e), -EINVAL);
}

static void test_good_sources(void **state)
{
	static const struct {
		const char *text;
		enum source_class class;
		uint8_t family, first, len;
	} cases[] = {
		{"internet", SOURCE_INTERNET, 0, 0, 0},
		{"private", SOURCE_PRIVATE, 0, 0, 0},
		{"link", SOURCE_LINK, 0, 0, 0},
		{"host", SOURCE_HOST, 0, 0, 0},
		{"10.0.0.0/8", SOURCE_LISTED, AF_INET, 10, 8},
		{"192.0.2.17", SOURCE_LISTED, AF_INET, 192, 32},
		{"0.0.0.0/0", SOURCE_LISTED, AF_INET, 0, 0},
		{"::/0", SOURCE_LISTED, AF_INET6, 0, 0},
		{"2001:db8:1::/48", SOURCE_LISTED, AF_INET6, 0x20, 48},
		{"fe80::1", SOURCE_LISTED, AF_INET6, 0xfe, 128},
		{"::1", SOURCE_LISTED, AF_INET6, 0, 128},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct policy_source source = {.place = {1, 2, 3}};
		struct err e = {0};

		assert_int_equal(policy_value_source(cases[i].text, &source, &e), 0);
		assert_int_equal(source.class, cases[i].class);
		assert_int_equal(source.network.family, cases[i].family);
		assert_int_equal(source.network.bytes[0], cases[i].first);
		assert_int_equal(source.prefix_len, cases[i].len);
		assert_int_equal(source.place.column, 3);
	}
}

/* Each is wrong, and the sentence has this in it. */
struct bad_case {
	const char *text, *says;
};

static void test_bad_sources(void **state)
{
	static const struct bad_case cases[] = {
		{"10.0.0.1/8", "10.0.0.0/8?"},
		{"2001:db8::1/32", "2001:db8::/32?"},
		{"10.0.0.0/33", "0 to 32"},
		{"2001:db8::/129", "0 to 128"},
		{"10.0.0.0/", "0 to 32"},
		{"10.0.0.0/-1", "0 to 32"},
		{"10.0.0.0/255.0.0.0", "how many bits"},
		{"10.0.0.1-10.0.0.9", "as networks"},
		{"internett", "internet?"},
		{"any", "internet?"},
		{"0.0.0.0", "internet?"},
		{"::", "internet?"},
		{"lan", "link?"},
		{"localhost", "host?"},
		{"intranet", "private?"},
		{"fe80::1%eth0", "under interfaces"},
		{"example.org", "not looked up"},
		{"224.0.0.0/4", "multicast"},
		{"ff02::1", "multicast"},
		{"::ffff:10.0.0.1", "10.0.0.1"},
		{"010.0.0.1", "no source"},
		{"10.0.0", "no source"},
		{"", "no source"},
		{"/8", "no source"},
		{"1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19:20:21:22:23:24:25:26/8",
		 "no source"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct policy_source source = {0};
		struct err e = {0};

		assert_int_equal(policy_value_source(cases[i].text, &source, &e), -EINVAL);
		if (!strstr(e.msg, cases[i].says))
			fail_msg("%s: %s", cases[i].text, e.msg);
		assert_int_equal(source.class, 0);
	}
}

static void test_rates(void **state)
{
	static const struct bad_case bad[] = {
		{"10", "10/minute"},
		{"0/minute", "1 to 1000000"},
		{"1000001/day", "1 to 1000000"},
		{"10/minut", "minute?"},
		{"10/fortnight", "choose"},
		{"/minute", "no rate"},
		{"-1/hour", "no rate"},
		{"1 /hour", "no rate"},
		{"1/", "choose"},
	};
	uint32_t count = 0, seconds = 0;
	struct err e = {0};

	(void)state;
	assert_int_equal(policy_value_rate("10/minute", &count, &seconds, &e), 0);
	assert_int_equal(count, 10);
	assert_int_equal(seconds, 60);
	assert_int_equal(policy_value_rate("1000000/day", &count, &seconds, &e), 0);
	assert_int_equal(seconds, 86400);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(policy_value_rate(bad[i].text, &count, &seconds, &e), -EINVAL);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("%s: %s", bad[i].text, e.msg);
	}
	assert_int_equal(seconds, 86400);
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t time;
	} good[] = {
		{"2000-01-01T00:00:00Z", 946684800},
		{"2000-02-29", 951782400},
		{"2026-12-01T00:00:00Z", 1796083200},
		{"2026-12-01", 1796083200},
		{"2026-12-01t00:00:00z", 1796083200},
		{"2026-12-01 00:00:00Z", 1796083200},
		{"2026-12-01T02:00:00+02:00", 1796083200},
		{"2026-11-30T18:30:00-05:30", 1796083200},
		{"2026-12-01T00:00:00.999Z", 1796083200},
		{"2026-11-30T23:59:60Z", 1796083200},
		{"9999-12-31T23:59:59Z", 253402300799},
	};
	static const struct bad_case bad[] = {
		{"2026-12-01T00:00:00", "time zone"},
		{"2026-12-01T00:00:00X", "time zone"},
		{"2026-12-01T00:00:00+0200", "time zone"},
		{"2026-12-01T00:00:00Zx", "time zone"},
		{"2026-12-01T00:00", "no time"},
		{"2026-12-01T24:00:00Z", "no time"},
		{"2026-12-01T00:00:00.Z", "no time"},
		{"2026-12-01x", "no time"},
		{"2026-02-29", "28 days"},
		{"2100-02-29", "28 days"},
		{"2026-04-31", "30 days"},
		{"2026-13-01", "no time"},
		{"2026-00-01", "no time"},
		{"2026-01-00", "no time"},
		{"1999-12-31", "no time"},
		{"20261201", "no time"},
		{"tomorrow", "no time"},
		{"2h", "no time"},
		{"2026-12-1", "no time"},
		{"+026-12-01", "no time"},
	};
	int64_t time = 0;
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(policy_value_until(good[i].text, &time, &e), 0);
		assert_int_equal(time, good[i].time);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(policy_value_until(bad[i].text, &time, &e), -EINVAL);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("%s: %s", bad[i].text, e.msg);
	}
}

static void test_names(void **state)
{
	static const char *const good_interfaces[] = {"eth0", "veth*", "br-0123456789a",
						      "a",    "wg0.1", "eth0@x"};
	static const char *const bad_interfaces[] = {
		"",   "*",   "a*b",  "**",   "sixteen-letters-", "a/b", "a b", "a:b", ".",
		"..", "a\"", "a\tb", "a\x01"};
	static const char *const good_programs[] = {"/usr/sbin/nginx", "/a", "/opt/my app/x",
						    "/..a/b", "/a/..b"};
	static const char *const bad_programs[] = {
		"",  "nginx", "./nginx", "/usr//nginx", "/usr/./a", "/a/../b", "/a/",
		"/", "/a/..", "/a/.",	 "/.",		"/..",	    "/a\n"};
	static const char *const good_users[] = {"www-data", "33", "0", "2147483646"};
	static const char *const bad_users[] = {"", "a b", "a:b", "a/b", "4294967295"};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good_interfaces); i++)
		assert_int_equal(policy_value_interface(good_interfaces[i], &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad_interfaces); i++)
		assert_int_equal(policy_value_interface(bad_interfaces[i], &e), -EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(good_programs); i++)
		assert_int_equal(policy_value_program(good_programs[i], &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad_programs); i++)
		assert_int_equal(policy_value_program(bad_programs[i], &e), -EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(good_users); i++)
		assert_int_equal(policy_value_user(good_users[i], &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad_users); i++)
		assert_int_equal(policy_value_user(bad_users[i], &e), -EINVAL);
	assert_int_equal(policy_value_container("docker:web", &e), 0);
	assert_int_equal(policy_value_container("a b", &e), -EINVAL);
}

static void test_units(void **state)
{
	const char *suffix = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(policy_value_unit("nginx.service", &suffix, &e), 0);
	assert_string_equal(suffix, "");
	assert_int_equal(policy_value_unit("nginx", &suffix, &e), 0);
	assert_string_equal(suffix, ".service");
	assert_int_equal(policy_value_unit("php8.2-fpm", &suffix, &e), 0);
	assert_string_equal(suffix, ".service");
	assert_int_equal(policy_value_unit("user@1000.service", &suffix, &e), 0);
	assert_int_equal(policy_value_unit("ssh.socket", &suffix, &e), 0);
	assert_string_equal(suffix, "");
	assert_int_equal(policy_value_unit("nginx.sevice", &suffix, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "nginx.service?"));
	assert_int_equal(policy_value_unit("a b", &suffix, &e), -EINVAL);
	assert_int_equal(policy_value_unit("a/b.service", &suffix, &e), -EINVAL);
	assert_int_equal(policy_value_unit("ngin*", &suffix, &e), -EINVAL);
}

static void test_words(void **state)
{
	static const char *const words[] = {"drop", "reject", "observe"};
	struct err e = {0};
	size_t index = 9;

	(void)state;
	assert_int_equal(policy_value_word("reject", words, 3, &index, &e), 0);
	assert_int_equal(index, 1);
	assert_int_equal(policy_value_word("rejct", words, 3, &index, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "did you mean reject?"));
	assert_int_equal(policy_value_word("Drop", words, 3, &index, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "did you mean drop?"));
	assert_int_equal(policy_value_word("allow", words, 3, &index, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "drop, reject, observe"));
	assert_int_equal(index, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),	    cmocka_unit_test(test_good_sources),
		cmocka_unit_test(test_bad_sources), cmocka_unit_test(test_rates),
		cmocka_unit_test(test_times),	    cmocka_unit_test(test_names),
		cmocka_unit_test(test_units),	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
