/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan_targets, scan_range, scan_ports, probe_scope: what a person writes for addresses, networks,
 * ports and the scope. */
#include "decide/scan_ports.h"
#include "decide/scan_targets.h"
#include "unit.h"

#include <sys/socket.h>

static struct address parse(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

static struct network network(const char *text)
{
	struct network n;
	struct err e;

	assert_int_equal(network_parse(text, &n, &e), 0);
	return n;
}

static void networks(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *said;
	} wrong[] = {
		{"10.0.0.1/8", -EINVAL, "10.0.0.0/8"},
		{"10.0.0.0/33", -EINVAL, "no network"},
		{"10.0.0", -EINVAL, "no network"},
		{"10.0.0.0/", -EINVAL, "no network"},
		{"2001:db8::1/32", -EINVAL, "2001:db8::/32"},
		{"::/129", -EINVAL, "no network"},
		{"10.0.0.1-20", -ENOENT, ""},
		{"web.example.org", -ENOENT, ""},
		{"web/24", -EINVAL, "no network"},
		{"dead.beef", -ENOENT, ""},
		{"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", -EINVAL, "no network"},
	};

	(void)state;
	assert_int_equal(network("10.0.0.0/8").bits, 8);
	assert_int_equal(network("192.0.2.7").bits, 32);
	assert_int_equal(network("2001:db8::/32").bits, 32);
	assert_int_equal(network("::1").bits, 128);
	assert_int_equal(network("0.0.0.0/0").bits, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct network n = {.bits = 77};
		struct err e = {0};

		assert_int_equal(network_parse(wrong[i].text, &n, &e), wrong[i].code);
		assert_non_null(strstr(e.msg, wrong[i].said));
		assert_int_equal(n.bits, 77);
	}
}

static void a_scope(void **state)
{
	static const char text[] = "# ours\n\n10.0.0.0/8 Ana\n\t2001:db8::/32\tBo, 2026 \r\n"
				   "192.0.2.7 # Cy\nlast";
	struct address in = parse("10.255.0.1"), six = parse("2001:db8::7"),
		       one = parse("192.0.2.7"), out = parse("192.0.2.8"),
		       other = parse("11.0.0.0");
	struct probe_scope s;
	struct err e;

	(void)state;
	assert_int_equal(probe_scope_parse(&s, "f", text, strlen(text) - 4, &e), 0);
	assert_int_equal(s.count, 3);
	assert_true(probe_scope_has(&s, &in) && probe_scope_has(&s, &six) &&
		    probe_scope_has(&s, &one));
	assert_false(probe_scope_has(&s, &out) || probe_scope_has(&s, &other));
	probe_scope_done(&s);
	assert_int_equal(probe_scope_parse(&s, "f", text, strlen(text), &e), -EINVAL);
	assert_non_null(strstr(e.msg, "f:6: "));
	probe_scope_done(&s);
}

/* Nobody is in the scope by accident: who authorised it has to be said. */
static void a_scope_without_a_note_is_none(void **state)
{
	static const char *const texts[] = {"10.0.0.0/8", "10.0.0.0/8 \t", "10.0.0.0/8 #",
					    "10.0.0.0/8 x\n192.0.2.7\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct probe_scope s;
		struct err e = {0};

		assert_int_equal(probe_scope_parse(&s, "f", texts[i], strlen(texts[i]), &e),
				 -EINVAL);
		assert_non_null(strstr(e.msg, "who authorised"));
		probe_scope_done(&s);
	}
}

static void a_scope_has_a_limit(void **state)
{
	char *text = malloc(SCOPE_FILE_LIMIT);
	struct probe_scope s;
	struct err e = {0};
	size_t len = 0;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i <= SCOPE_NETWORK_LIMIT; i++)
		len += (size_t)snprintf(text + len, 32, "10.0.%d.%d x\n", i / 256, i % 256);
	assert_int_equal(probe_scope_parse(&s, "f", text, len, &e), -EINVAL);
	probe_scope_done(&s);
	free(text);
}

static void targets(void **state)
{
	struct network n = network("10.0.0.254/31"), all = network("10.0.0.0/15"),
		       six = network("2001:db8::/126"), most = network("10.0.0.0/16"),
		       half = network("10.0.128.0/17");
	struct address again = parse("10.0.0.255");
	struct scan_targets t = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(scan_targets_add_network(&t, &n, &e), 0);
	assert_int_equal(scan_targets_add(&t, &again, &e), 0);
	assert_int_equal(t.count, 2);
	assert_true(address_equal(&t.items[1], &again));
	assert_int_equal(scan_targets_add_network(&t, &six, &e), 0);
	assert_int_equal(t.count, 6);
	assert_int_equal(t.items[5].bytes[15], 3);
	assert_int_equal(scan_targets_add_network(&t, &all, &e), -E2BIG);
	assert_int_equal(scan_targets_add_network(&t, &most, &e), -E2BIG);
	scan_targets_exclude(&t, &half);
	scan_targets_exclude(&t, &six);
	again = parse("10.0.0.7");
	n = network("10.0.0.7");
	scan_targets_exclude(&t, &n);
	scan_targets_settle(&t);
	assert_int_equal(t.count, 32767);
	for (size_t i = 0; i < t.count; i++)
		assert_false(address_equal(&t.items[i], &again));
	scan_targets_done(&t);
	assert_int_equal(scan_targets_add_network(&t, &most, &e), 0);
	assert_int_equal(t.count, SCAN_TARGET_LIMIT);
	scan_targets_done(&t);
}

/* nmap's: each of the four numbers may be a range or a list. */
static void ranges(void **state)
{
	static const struct {
		const char *text;
		int code;
		uint64_t count;
		const char *first, *last;
	} cases[] = {
		{"10.0.0-3.1,5", 0, 8, "10.0.0.1", "10.0.3.5"},
		{"192.168.1.20-", 0, 236, "192.168.1.20", "192.168.1.255"},
		{"192.168.1.-20", 0, 21, "192.168.1.0", "192.168.1.20"},
		{"192.168.*.1", 0, 256, "192.168.0.1", "192.168.255.1"},
		{"-.-.-.-", 0, UINT64_C(1) << 32, "0.0.0.0", "255.255.255.255"},
		{"10.0.0.9,1-3,2,7", 0, 5, "10.0.0.1", "10.0.0.9"},
		{"10.0.0.1", -ENOENT, 0, NULL, NULL},
		{"web-1.example.org", -ENOENT, 0, NULL, NULL},
		{"2001:db8::1-5", -ENOENT, 0, NULL, NULL},
		{"10.0.0-3", -EINVAL, 0, NULL, NULL},
		{"10.0.0-3.1.2", -EINVAL, 0, NULL, NULL},
		{"10.0.0.5-3", -EINVAL, 0, NULL, NULL},
		{"10.0.0.1-256", -EINVAL, 0, NULL, NULL},
		{"10.0.0.1,", -EINVAL, 0, NULL, NULL},
		{"10.0.0.,1", -EINVAL, 0, NULL, NULL},
		{"10..0.1-2", -EINVAL, 0, NULL, NULL},
		{"10.0.0.1--2", -EINVAL, 0, NULL, NULL},
		{"10.0.0.**", -EINVAL, 0, NULL, NULL},
		{"10.0.0.1-3/24", -EINVAL, 0, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scan_range r;
		struct address a;
		struct err e = {0};

		if (scan_range_parse(cases[i].text, &r, &e) != cases[i].code)
			fail_msg("%s", cases[i].text);
		assert_int_equal(cases[i].code == -EINVAL, e.msg[0] != '\0');
		if (cases[i].code < 0)
			continue;
		assert_int_equal(scan_range_count(&r), cases[i].count);
		a = scan_range_at(&r, 0);
		assert_true(scan_range_has(&r, &a));
		assert_memory_equal(a.bytes, parse(cases[i].first).bytes, 4);
		a = scan_range_at(&r, cases[i].count - 1);
		assert_memory_equal(a.bytes, parse(cases[i].last).bytes, 4);
		a.family = AF_INET6;
		assert_false(scan_range_has(&r, &a));
	}
}

static void targets_of_ranges(void **state)
{
	struct scan_targets t = {0};
	struct scan_range some, most, out;
	struct err e = {0};

	(void)state;
	assert_int_equal(scan_range_parse("10.0.0-3.1,5", &some, &e), 0);
	assert_int_equal(scan_range_parse("10.0-1.*.*", &most, &e), 0);
	assert_int_equal(scan_range_parse("*.*.1-2.5", &out, &e), 0);
	assert_int_equal(scan_targets_add_range(&t, &some, &e), 0);
	assert_int_equal(scan_targets_add_range(&t, &some, &e), 0);
	assert_int_equal(t.count, 8);
	assert_int_equal(scan_targets_add_range(&t, &most, &e), -E2BIG);
	scan_targets_exclude_range(&t, &out);
	scan_targets_settle(&t);
	assert_int_equal(t.count, 6);
	scan_targets_done(&t);
}

static void ports(void **state)
{
	static const struct {
		const char *text;
		int count;
		uint16_t first, last;
	} cases[] = {
		{"22", 1, 22, 22},
		{"-", 65535, 1, 65535},
		{"-1024", 1024, 1, 1024},
		{"60000-", 5536, 60000, 65535},
		{"443,22,80-81,80", 4, 22, 443},
		{"1-65535", 65535, 1, 65535},
		{"0", -EINVAL, 0, 0},
		{"65536", -EINVAL, 0, 0},
		{"", -EINVAL, 0, 0},
		{"22,", -EINVAL, 0, 0},
		{",22", -EINVAL, 0, 0},
		{"9-8", -EINVAL, 0, 0},
		{"1--2", -EINVAL, 0, 0},
		{"http", -EINVAL, 0, 0},
		{"22/tcp", -EINVAL, 0, 0},
		{"0-5", -EINVAL, 0, 0},
		{" 22", -EINVAL, 0, 0},
	};
	uint16_t *list = malloc(65535 * sizeof(*list));

	(void)state;
	assert_non_null(list);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = {0};

		assert_int_equal(scan_ports_parse(cases[i].text, list, &e), cases[i].count);
		if (cases[i].count < 0) {
			assert_non_null(strstr(e.msg, "22,80,8000-8100"));
			continue;
		}
		assert_int_equal(list[0], cases[i].first);
		assert_int_equal(list[cases[i].count - 1], cases[i].last);
	}
	free(list);
}

static void ports_of_two_protocols(void **state)
{
	static const struct {
		const char *text;
		bool tcp, udp;
		int r;
		size_t tcp_count, udp_count;
	} cases[] = {
		{"53,80", true, true, 0, 2, 2},
		{"53,80", false, true, 0, 0, 2},
		{"53,U:161,162,T:1-3", true, true, 0, 4, 3},
		{"U:-", false, true, 0, 0, 65535},
		{"T:22,U:53", true, true, 0, 1, 1},
		{NULL, true, false, 0, 65535, 0},
		{"U:53", true, false, -EINVAL, 0, 0},
		{"T:53", false, true, -EINVAL, 0, 0},
		{"T:53", true, true, -EINVAL, 0, 0}, /* none of UDP */
		{"U:", false, true, -EINVAL, 0, 0},
		{"U:U:5", false, true, -EINVAL, 0, 0},
		{"U:5,", false, true, -EINVAL, 0, 0},
		{"S:5", true, true, -EINVAL, 0, 0},
		{"ssh,HTTP,U:snmp", true, true, 0, 2, 3}, /* both are registered for UDP, too */
		{"ssh", false, true, 0, 0, 1},
		{"imap*,80-81", true, false, 0, 5, 0},
		{"nonsense-no-one-has", true, true, -EINVAL, 0, 0},
		{"U:*", false, true, 0, 0, 0},
		{"ss[h]", true, false, -EINVAL, 0, 0},
		{"22/tcp", true, false, -EINVAL, 0, 0},
	};
	struct scan_ports *ports = malloc(sizeof(*ports));

	(void)state;
	assert_non_null(ports);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = {0};
		int r = scan_ports_parse_protos(cases[i].text, cases[i].tcp, cases[i].udp, NULL,
						ports, &e);

		if (r != cases[i].r)
			fail_msg("%s: %d", cases[i].text, r);
		assert_int_equal(r < 0, e.msg[0] != '\0');
		if (r < 0)
			continue;
		assert_int_equal(ports->tcp_count, cases[i].tcp_count);
		assert_true(ports->udp_count == cases[i].udp_count ||
			    (!cases[i].udp_count && ports->udp_count > 1000));
	}
	free(ports);
}

/* The site's own names, their other names, and the registry's, all count. */
static void ports_by_the_sites_names(void **state)
{
	static const char text[] = "ours 8080/tcp mine\nssh 2222/tcp\n";
	struct scan_ports *ports = malloc(sizeof(*ports));
	struct services names = {0};
	struct err e = {0};

	(void)state;
	assert_non_null(ports);
	assert_int_equal(services_parse(&names, text, sizeof(text) - 1), 0);
	assert_int_equal(scan_ports_parse_protos("mine,ssh", true, false, &names, ports, &e), 0);
	assert_int_equal(ports->tcp_count, 3);
	assert_int_equal(ports->tcp[0] + ports->tcp[1] + ports->tcp[2], 22 + 2222 + 8080);
	assert_int_equal(scan_ports_parse_protos("ours", false, true, &names, ports, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "UDP is called 'ours'"));
	services_done(&names);
	free(ports);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks),
		cmocka_unit_test(a_scope),
		cmocka_unit_test(a_scope_without_a_note_is_none),
		cmocka_unit_test(a_scope_has_a_limit),
		cmocka_unit_test(targets),
		cmocka_unit_test(ranges),
		cmocka_unit_test(targets_of_ranges),
		cmocka_unit_test(ports),
		cmocka_unit_test(ports_of_two_protocols),
		cmocka_unit_test(ports_by_the_sites_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
