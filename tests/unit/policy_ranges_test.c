/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_ranges: for each number, the list of its segment has just the targets whose ranges hold
 * it.
 */
#include "base/mem.h"
#include "decide/policy_prefixes.h"
#include "decide/policy_ranges.h"
#include "policy_scene.h"

static void note_targets(const struct policy_ranges *r, uint32_t list, bool *found)
{
	int depth = 0;

	for (; list; list = r->lists[list].rest) {
		assert_true(r->lists[list].rest < list && r->lists[list].count > 0);
		assert_true(depth++ <= RANGES_DEPTH);
		for (uint32_t i = 0; i < r->lists[list].count; i++)
			found[r->targets[r->lists[list].first + i]] = true;
	}
}

static void ports_lead_to_all_their_targets(void **state)
{
	enum { TARGETS = 30, PORTS = 200 };
	uint64_t seed = 4711;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct policy_ranges r = {0};
		bool expected[PORTS][TARGETS] = {0}, found[PORTS][TARGETS] = {0};
		uint32_t targets = 1 + (uint32_t)(unit_random(&seed) % TARGETS), behind = 0;

		for (uint32_t i = 0; i < targets * 2; i++) {
			uint32_t first = (uint32_t)(unit_random(&seed) % PORTS);
			uint32_t last = first + (uint32_t)(unit_random(&seed) % (PORTS - first));
			uint32_t base = round % 2 ? 65536 - PORTS : 0;

			assert_int_equal(policy_ranges_add_ports(&r, (uint16_t)(first + base),
								 (uint16_t)(last + base),
								 i % targets),
					 0);
			for (uint32_t port = first; port <= last; port++)
				expected[port][i % targets] = true;
		}
		assert_int_equal(policy_ranges_cut(&r), 0);
		for (size_t i = 0; i < r.segment_count; i++) {
			const struct range_segment *s = &r.segments[i];

			assert_true(range_first_port(s) >= behind || i == 0);
			assert_true(range_first_port(s) <= range_last_port(s));
			behind = range_last_port(s) + 1u;
			for (uint32_t port = range_first_port(s); port <= range_last_port(s);
			     port++)
				note_targets(&r, s->list,
					     found[port - (round % 2 ? 65536 - PORTS : 0)]);
		}
		assert_memory_equal(expected, found, sizeof(found));
		policy_ranges_done(&r);
	}
}

static void add_network(struct policy_ranges *r, const char *text, uint32_t target)
{
	struct address network;
	uint8_t len;

	scene_network(text, &network, &len);
	assert_int_equal(policy_ranges_add_network(r, &network, len, target), 0);
}

static void assert_segment(const struct policy_ranges *r, size_t i, int family, const char *first,
			   const char *last)
{
	struct address a = range_first_address(&r->segments[i], family);
	struct address b = range_last_address(&r->segments[i], family);
	char text[ADDRESS_TEXT_SIZE];

	address_format(&a, text);
	assert_string_equal(text, first);
	address_format(&b, text);
	assert_string_equal(text, last);
}

static void addresses_are_numbers(void **state)
{
	struct policy_ranges v4 = {0}, v6 = {0};

	(void)state;
	add_network(&v4, "10.0.0.0/8", 1);
	add_network(&v4, "10.1.0.0/16", 2);
	add_network(&v4, "255.255.255.255", 1);
	assert_int_equal(policy_ranges_cut(&v4), 0);
	assert_int_equal(v4.segment_count, 4);
	assert_segment(&v4, 0, AF_INET, "10.0.0.0", "10.0.255.255");
	assert_segment(&v4, 1, AF_INET, "10.1.0.0", "10.1.255.255");
	assert_segment(&v4, 2, AF_INET, "10.2.0.0", "10.255.255.255");
	assert_segment(&v4, 3, AF_INET, "255.255.255.255", "255.255.255.255");
	add_network(&v6, "::/0", 1);
	add_network(&v6, "2001:db8:ffff:ffff::/64", 2);
	assert_int_equal(policy_ranges_cut(&v6), 0);
	assert_int_equal(v6.segment_count, 3);
	assert_segment(&v6, 0, AF_INET6, "::", "2001:db8:ffff:fffe:ffff:ffff:ffff:ffff");
	assert_segment(&v6, 2, AF_INET6, "2001:db9::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	policy_ranges_done(&v4);
	policy_ranges_done(&v6);
}

/* n ranges inside each other have n segments of up to n targets: 50 million in all. */
static void nested_ranges_stay_small(void **state)
{
	struct policy_ranges r = {0};

	(void)state;
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(
			policy_ranges_add_ports(&r, (uint16_t)(1 + i), (uint16_t)(65535 - i), i),
			0);
	assert_int_equal(policy_ranges_cut(&r), 0);
	assert_int_equal(r.segment_count, 19999);
	assert_true(r.target_count < 10000 * 80);
	policy_ranges_done(&r);
}

static void prefixes_inside_others_go(void **state)
{
	static const char *const given[] = {"10.1.0.0/16", "8.8.8.8", "10.0.0.0/8", "fd00::/64",
					    "fd00::/8",	   "8.8.8.8", "10.1.0.0/24"};
	static const char *const kept[] = {"8.8.8.8", "10.0.0.0", "fd00::"};
	struct prefixes list = {0};
	struct prefix_store store = {0};
	uint32_t number;
	bool is_new;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(given); i++) {
		struct address network;
		uint8_t len;

		scene_network(given[i], &network, &len);
		assert_int_equal(prefixes_add(&list, 0, &network, len), 0);
	}
	prefixes_tidy(&list);
	assert_int_equal(list.count, ARRAY_LEN(kept));
	for (size_t i = 0; i < list.count; i++) {
		char text[ADDRESS_TEXT_SIZE];

		address_format(&list.items[i].network, text);
		assert_string_equal(text, kept[i]);
	}
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i <= list.count; i++) {
			assert_int_equal(prefix_store_add(&store, list.items, i, &number, &is_new),
					 0);
			assert_int_equal(number, i);
			assert_int_equal(is_new, !again);
		}
	}
	prefix_store_done(&store);
	prefixes_done(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_lead_to_all_their_targets),
		cmocka_unit_test(addresses_are_numbers),
		cmocka_unit_test(nested_ranges_stay_small),
		cmocka_unit_test(prefixes_inside_others_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
