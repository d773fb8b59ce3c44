/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_match: openings made by hand, and whom they let in; one port after the other and all at
 * once say the same.
 */
#include "policy_scene.h"

static enum policy_answer ask(const struct policy *p, const struct policy_links *links,
			      const char *ifname, const char *source, const char *port,
			      uint32_t *opening)
{
	struct err e;
	struct port_range range;
	struct policy_packet packet = {.ifname = ifname, .source = scene_address(source)};

	assert_int_equal(port_range_parse(port, &range, &e), 0);
	packet.proto = range.proto;
	packet.port = range.first;
	return policy_match(p, links, &packet, SCENE_NOW, opening);
}

static void openings_let_in_what_they_name(void **state)
{
	static const struct given openings[] = {
		{.ports = "443/tcp 8000-8010/tcp", .from = "internet"},
		{.ports = "22/tcp", .from = "10.0.0.0/8 2001:db8::/32"},
		{.ports = "53/udp", .from = "private"},
		{.ports = "631/tcp", .from = "link"},
		{.ports = "25/tcp", .from = "host"},
		{.ports = "80/tcp", .from = "internet", .interfaces = "eth1 br-*"},
	};
	static const struct {
		const char *ifname, *source, *port;
		enum policy_answer answer;
		uint32_t opening;
	} cases[] = {
		{"eth0", "8.8.8.8", "443/tcp", POLICY_OPEN, 0},
		{"eth0", "8.8.8.8", "443/udp", POLICY_CLOSED, POLICY_NO_OPENING},
		{"eth0", "2001::1", "8010/tcp", POLICY_OPEN, 0},
		{"eth0", "8.8.8.8", "8011/tcp", POLICY_CLOSED, POLICY_NO_OPENING},
		{"eth0", "10.255.0.1", "22/tcp", POLICY_OPEN, 1},
		{"eth0", "11.0.0.0", "22/tcp", POLICY_CLOSED, POLICY_NO_OPENING},
		{"eth0", "2001:db8:ffff::", "22/tcp", POLICY_OPEN, 1},
		{"eth0", "100.64.0.1", "53/udp", POLICY_OPEN, 2},
		{"eth0", "fd00::1", "53/udp", POLICY_OPEN, 2},
		{"eth0", "169.254.1.1", "53/udp", POLICY_CLOSED, POLICY_NO_OPENING},
		{"eth0", "192.0.2.9", "631/tcp", POLICY_OPEN, 3},
		{"eth1", "192.0.2.9", "631/tcp", POLICY_CLOSED, POLICY_NO_OPENING},
		{"eth1", "169.254.1.1", "631/tcp", POLICY_OPEN, 3},
		{"eth1", "0.0.0.0", "631/tcp", POLICY_OPEN, 3},
		{"eth0", "fe80::1", "631/tcp", POLICY_OPEN, 3},
		{"eth0", "192.0.2.9", "25/tcp", POLICY_CLOSED, POLICY_NO_OPENING},
		{"lo", "192.0.2.9", "25/tcp", POLICY_OPEN, POLICY_NO_OPENING},
		{"eth1", "8.8.8.8", "80/tcp", POLICY_OPEN, 5},
		{"br-1", "8.8.8.8", "80/tcp", POLICY_OPEN, 5},
		{"eth10", "8.8.8.8", "80/tcp", POLICY_CLOSED, POLICY_NO_OPENING},
	};
	struct policy p = {0};
	struct policy_links links = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(openings); i++)
		scene_open(&p, &openings[i]);
	scene_link(&links, "eth0", "192.0.2.0/24");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t opening = 77;

		assert_int_equal(
			ask(&p, &links, cases[i].ifname, cases[i].source, cases[i].port, &opening),
			cases[i].answer);
		assert_int_equal(opening, cases[i].opening);
	}
	policy_done(&p);
	policy_links_done(&links);
}

static void ends_and_rates(void **state)
{
	static const struct given openings[] = {
		{.ports = "80/tcp", .from = "internet", .until_s = SCENE_NOW},
		{.ports = "81/tcp", .from = "internet", .until_s = SCENE_NOW + 1},
		{.ports = "82/tcp", .from = "internet", .rate_count = 5, .rate_seconds = 60},
		{.ports = "82/tcp", .from = "10.0.0.0/8"},
	};
	struct policy p = {0};
	struct policy_links links = {0};
	uint32_t opening;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(openings); i++)
		scene_open(&p, &openings[i]);
	assert_int_equal(ask(&p, &links, "eth0", "8.8.8.8", "80/tcp", NULL), POLICY_CLOSED);
	assert_int_equal(ask(&p, &links, "eth0", "8.8.8.8", "81/tcp", NULL), POLICY_OPEN);
	assert_int_equal(ask(&p, &links, "eth0", "8.8.8.8", "82/tcp", &opening), POLICY_RATED);
	assert_int_equal(opening, 2);
	assert_int_equal(ask(&p, &links, "eth0", "10.8.8.8", "82/tcp", &opening), POLICY_OPEN);
	assert_int_equal(opening, 3);
	policy_done(&p);
}

static void protected_ports_are_not_closed_by_accident(void **state)
{
	static const struct given openings[] = {
		{.ports = "22-25/tcp", .from = "10.0.0.0/8", .until_s = SCENE_NOW - 1},
	};
	struct policy p = {0};
	struct policy_links links = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(openings); i++)
		scene_open(&p, &openings[i]);
	scene_protect(&p, "22/tcp 443/tcp");
	assert_int_equal(ask(&p, &links, "eth0", "8.8.8.8", "443/tcp", NULL), POLICY_OPEN);
	assert_int_equal(ask(&p, &links, "eth0", "8.8.8.8", "22/tcp", NULL), POLICY_CLOSED);
	assert_int_equal(ask(&p, &links, "eth0", "10.0.0.1", "22/tcp", NULL), POLICY_OPEN);
	assert_int_equal(ask(&p, &links, "eth0", "10.0.0.1", "23/tcp", NULL), POLICY_CLOSED);
	policy_done(&p);
}

static void names_of_interfaces(void **state)
{
	(void)state;
	assert_true(policy_interface_matches("*", "eth0"));
	assert_true(policy_interface_matches("eth*", "eth"));
	assert_true(policy_interface_matches("eth0", "eth0"));
	assert_false(policy_interface_matches("eth0", "eth01"));
	assert_false(policy_interface_matches("eth*", "et"));
	assert_false(policy_interface_matches("", "eth0"));
	assert_false(policy_interface_matches("a\"b", "a\"b"));
	assert_false(policy_interface_is_possible("a b"));
	assert_false(policy_interface_is_possible("0123456789abcdef"));
	assert_true(policy_interface_is_possible("0123456789abcde"));
}

static struct interface_info *add_interface(struct snapshot *s, uint32_t netns, uint32_t ifindex,
					    const char *name, uint32_t master)
{
	struct interface_info *i = snapshot_add_interface(s);

	*i = (struct interface_info){.netns = netns, .ifindex = ifindex, .master = master};
	i->name_str = snapshot_add_text(s, name);
	return i;
}

static void add_address(struct snapshot *s, uint32_t netns, uint32_t ifindex, const char *name,
			const char *network)
{
	struct interface_address *a = snapshot_add_address(s);
	uint32_t name_str = snapshot_add_text(s, name);

	*a = (struct interface_address){.netns = netns, .ifindex = ifindex, .ifname_str = name_str};
	a->loopback = strcmp(name, "lo") == 0;
	scene_network(network, &a->address, &a->prefix_len);
}

static void links_of_a_snapshot(void **state)
{
	static const struct {
		const char *ifname, *network;
		uint8_t prefix_len;
	} expected[] = {{"eth0", "10.1.2.0", 24}, {"eth1", "fd00::", 64}, {"red", "fd00::", 64}};
	struct snapshot s = {0};
	struct policy_links links = {0};

	(void)state;
	add_interface(&s, 0, 2, "eth0", 0);
	add_interface(&s, 1, 9, "other", 0);
	add_interface(&s, 0, 3, "eth1", 9);
	add_interface(&s, 0, 9, "red", 0);
	add_address(&s, 0, 1, "lo", "127.0.0.1/8");
	add_address(&s, 0, 2, "eth0", "10.1.2.3/24");
	add_address(&s, 1, 2, "eth7", "10.7.2.3/24");
	add_address(&s, 0, 3, "eth1", "fd00::1/64");
	assert_int_equal(policy_links_take(&s, &links), 0);
	assert_int_equal(links.count, ARRAY_LEN(expected));
	for (size_t i = 0; i < links.count; i++) {
		struct address network = scene_address(expected[i].network);

		assert_string_equal(strpool_get(&links.strings, links.items[i].ifname_str),
				    expected[i].ifname);
		assert_true(address_equal(&links.items[i].network, &network));
		assert_int_equal(links.items[i].prefix_len, expected[i].prefix_len);
	}
	policy_links_done(&links);
	snapshot_done(&s);
}

static void all_ports_at_once(void **state)
{
	static const char *const sources[] = {"8.8.8.8",       "10.1.2.3", "192.168.7.7",
					      "2001:db8:1::1", "fe80::1",  "0.0.0.0"};
	static const char *const interfaces[] = {"eth0", "eth1", "br-1", "lo"};
	struct policy_answers *answers = calloc(1, sizeof(*answers));
	struct policy_links links = {0};
	struct policy_index index;
	uint64_t seed = 20261126;

	(void)state;
	scene_link(&links, "eth0", "192.168.7.0/24");
	for (int round = 0; round < 300; round++) {
		struct policy p = {0};
		struct policy_packet packet = {
			.ifname = interfaces[unit_random(&seed) % ARRAY_LEN(interfaces)],
			.source = scene_address(sources[unit_random(&seed) % ARRAY_LEN(sources)]),
			.proto = unit_random(&seed) % 2 ? PROTO_TCP : PROTO_UDP};

		scene_random(&p, &seed, (unsigned)(unit_random(&seed) % 20));
		assert_int_equal(policy_index_build(&p, &index), 0);
		assert_int_equal(policy_match_ports(&p, &links, &packet, SCENE_NOW, answers), 0);
		for (uint32_t port = 1; port < 65536; port += port == 80 ? 59900 : 1) {
			uint32_t opening;

			packet.port = (uint16_t)port;
			assert_int_equal(policy_match(&p, &links, &packet, SCENE_NOW, &opening),
					 answers->answer[port]);
			assert_int_equal(opening, answers->opening[port]);
			assert_int_equal(
				policy_match_indexed(&index, &links, &packet, SCENE_NOW, &opening),
				answers->answer[port]);
			assert_int_equal(opening, answers->opening[port]);
			if (port == 60010)
				port = 65500;
		}
		policy_index_done(&index);
		policy_done(&p);
	}
	policy_links_done(&links);
	free(answers);
}

/* More ranges over each other than there is room for: then all openings are looked at. */
static void an_index_that_would_be_too_large(void **state)
{
	struct policy p = {0};
	struct policy_links links = {0};
	struct policy_packet packet = {
		.ifname = "eth0", .source = scene_address("8.8.8.8"), .proto = PROTO_TCP};
	struct policy_index index;
	uint32_t opening;
	char ports[32];

	(void)state;
	for (int i = 0; i < 4000; i++) {
		snprintf(ports, sizeof(ports), "%d-%d/tcp", 1 + i, 60000 + i);
		scene_open(&p, &(struct given){.ports = ports, .from = "8.8.8.8/32"});
	}
	assert_int_equal(policy_index_build(&p, &index), 0);
	assert_true(policy_index_find(&index, 5, PROTO_TCP).all);
	assert_false(policy_index_find(&index, 5, PROTO_UDP).all);
	assert_int_equal(policy_index_find(&index, 5, PROTO_UDP).count, 0);
	packet.port = 63999;
	assert_int_equal(policy_match_indexed(&index, &links, &packet, SCENE_NOW, &opening),
			 POLICY_OPEN);
	assert_int_equal(opening, 3999);
	packet.port = 64000;
	assert_int_equal(policy_match_indexed(&index, &links, &packet, SCENE_NOW, &opening),
			 POLICY_CLOSED);
	policy_index_done(&index);
	policy_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openings_let_in_what_they_name),
		cmocka_unit_test(ends_and_rates),
		cmocka_unit_test(protected_ports_are_not_closed_by_accident),
		cmocka_unit_test(names_of_interfaces),
		cmocka_unit_test(links_of_a_snapshot),
		cmocka_unit_test(all_ports_at_once),
		cmocka_unit_test(an_index_that_would_be_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
