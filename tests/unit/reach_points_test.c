/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests for reach_points: intervals between cuts, against a look at every port.
 */
#include "observe/reach_points.h"

#include "unit.h"

/* In order, without a gap, each with a port of its own. */
static void check_cover(const struct reach_points *p)
{
	unsigned next = 1;

	for (size_t i = 0; i < p->count; i++) {
		assert_int_equal(p->items[i].first, next);
		assert_true(p->items[i].first <= p->items[i].port &&
			    p->items[i].port <= p->items[i].last);
		next = p->items[i].last + 1u;
	}
	assert_int_equal(next, 65536);
}

static void test_nothing(void **state)
{
	struct port_cuts cuts = {0};
	struct reach_points p;

	(void)state;
	assert_int_equal(reach_points_build(&cuts, NULL, 0, false, &p), 0);
	assert_int_equal(p.count, 1);
	assert_false(p.every);
	check_cover(&p);
	reach_points_done(&p);
}

static void test_borders(void **state)
{
	static const uint16_t alone[] = {0, 443, 65535};
	struct port_cuts cuts = {0};
	struct reach_points p;

	(void)state;
	rule_constants_cut_ports(&cuts, 0, 0);
	rule_constants_cut_ports(&cuts, 1, 1);
	rule_constants_cut_ports(&cuts, 22, 25);
	rule_constants_cut_ports(&cuts, 9, 8);
	rule_constants_cut_ports(&cuts, 60000, 65535);
	assert_int_equal(reach_points_build(&cuts, alone, 3, false, &p), 0);
	check_cover(&p);
	/* 1, 2-21, 22-25, 26-442, 443, 444-59999, 60000-65534, 65535 */
	assert_int_equal(p.count, 8);
	assert_int_equal(p.items[4].first, 443);
	assert_int_equal(p.items[4].last, 443);
	assert_int_equal(p.items[7].first, 65535);
	reach_points_done(&p);
}

static void test_every_port(void **state)
{
	struct port_cuts cuts = {0};
	struct reach_points p;

	(void)state;
	for (int i = 0; i < 2; i++) {
		cuts.opaque = i == 1;
		assert_int_equal(reach_points_build(&cuts, NULL, 0, i == 0, &p), 0);
		assert_int_equal(p.count, 65535);
		assert_true(p.every);
		check_cover(&p);
		reach_points_done(&p);
	}
}

/* Ports of one interval satisfy the same conditions. */
static void test_random_conditions(void **state)
{
	enum { CONDITIONS = 12 };
	uint64_t seed = 7;

	(void)state;
	for (int round = 0; round < 40; round++) {
		uint16_t first[CONDITIONS], last[CONDITIONS];
		struct port_cuts cuts = {0};
		struct reach_points p;

		for (int i = 0; i < CONDITIONS; i++) {
			first[i] = (uint16_t)unit_random(&seed);
			last[i] = (uint16_t)(first[i] + unit_random(&seed) % 300);
			rule_constants_cut_ports(&cuts, first[i], last[i]);
		}
		assert_int_equal(reach_points_build(&cuts, NULL, 0, false, &p), 0);
		check_cover(&p);
		for (size_t i = 0; i < p.count; i++)
			for (unsigned port = p.items[i].first; port <= p.items[i].last; port++)
				for (int c = 0; c < CONDITIONS; c++)
					if ((first[c] <= port && port <= last[c]) !=
					    (first[c] <= p.items[i].port &&
					     p.items[i].port <= last[c]))
						fail_msg("port %u is not as %u", port,
							 p.items[i].port);
		reach_points_done(&p);
	}
}

static bool same_letter(size_t first, size_t next, void *context)
{
	char *answers = context;

	return answers[first] == answers[next];
}

static void test_merge(void **state)
{
	char answers[] = "abbaab";
	struct port_cuts cuts = {0};
	struct reach_points p;
	struct reach_spans got = {0};
	const struct reach_span *spans;

	(void)state;
	rule_constants_cut_ports(&cuts, 10, 19);
	rule_constants_cut_ports(&cuts, 20, 29);
	rule_constants_cut_ports(&cuts, 40, 49);
	assert_int_equal(reach_points_build(&cuts, NULL, 0, false, &p), 0);
	assert_int_equal(p.count, 6);
	assert_int_equal(reach_points_merge(&p, same_letter, answers, &got), 0);
	spans = got.items;
	assert_int_equal(got.count, 4);
	assert_int_equal(spans[1].first, 10);
	assert_int_equal(spans[1].last, 29);
	assert_int_equal(spans[1].first_point, 1);
	assert_int_equal(spans[1].point_count, 2);
	assert_int_equal(spans[2].first, 30);
	assert_int_equal(spans[2].last, 49);
	assert_int_equal(spans[3].last, 65535);
	free(got.items);
	reach_points_done(&p);
}

/* Capital letters: each point differs from all others. */
static bool same_small_letter(size_t first, size_t next, void *context)
{
	char *answers = context;

	return answers[first] == answers[next] && answers[first] >= 'a';
}

/* A few changes give the same spans as looking at everything. */
static void test_merge_what_changed(void **state)
{
	enum { POINTS = 200, CHANGES = 8 };
	uint64_t seed = 20261126;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		char answers[POINTS + 1];
		bool plain[POINTS];
		struct reach_ask changes[CHANGES];
		struct port_cuts cuts = {0};
		struct reach_points p;
		struct reach_spans before = {0}, whole = {0}, got = {0};
		struct reach_spans_before how = {.plain = plain, .changes = changes};

		for (uint16_t i = 1; i < POINTS; i++)
			rule_constants_cut_ports(&cuts, (uint16_t)(i * 3), UINT16_MAX);
		assert_int_equal(reach_points_build(&cuts, NULL, 0, false, &p), 0);
		for (size_t i = 0; i < p.count; i++)
			answers[i] = i && unit_random(&seed) % 8 ? answers[i - 1]
								 : "abcD"[unit_random(&seed) % 4];
		assert_int_equal(reach_points_merge(&p, same_small_letter, answers, &before), 0);
		for (size_t i = 0; i < before.count; i++)
			plain[i] = answers[before.items[i].first_point] >= 'a';
		for (uint32_t at = (uint32_t)(unit_random(&seed) % 50);
		     at < p.count && how.change_count < CHANGES;
		     at += 1 + (uint32_t)(unit_random(&seed) % 40)) {
			uint32_t end = at + 1 + (uint32_t)(unit_random(&seed) % 5);

			end = end < p.count ? end : (uint32_t)p.count;
			changes[how.change_count++] = (struct reach_ask){at, end};
			memset(answers + at, "abcD"[unit_random(&seed) % 4], end - at);
			at = end - 1;
		}
		how.spans = before.items;
		how.count = before.count;
		assert_int_equal(reach_points_merge(&p, same_small_letter, answers, &whole), 0);
		assert_int_equal(
			reach_points_merge_changed(&p, &how, same_small_letter, answers, &got), 0);
		assert_int_equal(got.count, whole.count);
		assert_memory_equal(got.items, whole.items, got.count * sizeof(*got.items));
		free(before.items);
		free(whole.items);
		free(got.items);
		reach_points_done(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),	   cmocka_unit_test(test_borders),
		cmocka_unit_test(test_every_port), cmocka_unit_test(test_random_conditions),
		cmocka_unit_test(test_merge),	   cmocka_unit_test(test_merge_what_changed),
	};

	return cmocka_run_group_tests_name("reach_points", tests, NULL, NULL);
}
