/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests for reach_ties: what is asked for a source, by what rules say of it and of ports.
 */
#include "observe/reach_ties.h"

#include "rule_image.h"

enum { GROUP = 100, TIED = 4000, LISTENS = 8080 };

static struct rule_constants constants;
static struct reach_points points;
static struct reach_ties ties;
static struct reach_ties_sources sources;
static struct reach_ask_list asks;

static int reset(void **state)
{
	(void)state;
	reach_ties_done(&ties);
	reach_ties_sources_done(&sources);
	reach_points_done(&points);
	rule_constants_done(&constants);
	free(asks.items);
	asks = (struct reach_ask_list){0};
	return 0;
}

static void add_source(const char *text, unsigned bits, uint64_t group)
{
	uint8_t bytes[RULE_VALUE_SIZE] = {0};

	assert_int_equal(inet_pton(AF_INET, text, bytes), 1);
	assert_int_equal(rule_constants_add_prefix(&constants, RULE_SOURCE4, bytes, bits, group),
			 0);
}

/* `ip saddr GROUP tcp dport TIED`, and a listener. */
static void add_rule(void)
{
	struct rule_cut cut = {.need = GROUP,
			       .first = TIED,
			       .last = TIED,
			       .families = 3,
			       .protos = 1 << PROTO_TCP};
	struct rule_tie tie = {
		.group = GROUP, .first = TIED, .last = TIED, .protos = 1 << PROTO_TCP};

	add_source("10.1.0.0", 16, GROUP);
	assert_int_equal(rule_constants_cut_some(&constants, &cut), 0);
	assert_int_equal(rule_constants_tie(&constants, &tie), 0);
}

/* Source 0 is in no group, source 1 in GROUP. */
static void begin(void)
{
	static const uint16_t alone[] = {LISTENS};
	const struct address list[] = {{AF_INET, {8, 8, 8, 8}}, {AF_INET, {10, 1, 2, 3}}};

	assert_int_equal(reach_points_build(&constants.destination_ports, alone, 1, false, &points),
			 0);
	assert_int_equal(reach_ties_begin(&ties, &constants, &points, alone, 1), 0);
	assert_int_equal(reach_ties_look(&ties, list, 2, &sources), 0);
}

/* The first ports of what is asked, up to a 0. */
static void check(size_t source, uint32_t reference, enum proto proto, const unsigned *expected)
{
	struct reach_tie_question q = {&sources, AF_INET, proto, source, reference};
	struct reach_asks got;

	assert_int_equal(reach_ties_ask(&ties, &q, &asks, &got), 0);
	for (uint32_t i = 0; i < got.count; i++)
		assert_int_equal(points.items[asks.items[got.first + i].first].first, expected[i]);
	assert_int_equal(expected[got.count], 0);
}

static void test_tied(void **state)
{
	(void)state;
	add_rule();
	begin();
	/* the port of the rule is no border for who is not in the group */
	check(0, REACH_NO_SOURCE, PROTO_TCP, (unsigned[]){1, LISTENS, LISTENS + 1, 0});
	check(1, REACH_NO_SOURCE, PROTO_TCP,
	      (unsigned[]){1, TIED, TIED + 1, LISTENS, LISTENS + 1, 0});
	check(1, 0, PROTO_TCP, (unsigned[]){TIED, 0});
	check(1, 0, PROTO_UDP, (unsigned[]){0});
	check(0, 0, PROTO_TCP, (unsigned[]){0});
}

static void test_group_without_ties(void **state)
{
	(void)state;
	add_rule();
	add_source("10.1.2.0", 24, GROUP + 1); /* such as a route's */
	begin();
	check(1, 0, PROTO_TCP, (unsigned[]){1, TIED, TIED + 1, LISTENS, LISTENS + 1, 0});
}

static void test_moved_ports(void **state)
{
	struct rule_tie moved = {
		.group = RULE_MOVED, .first = 22, .last = 22, .protos = 1 << PROTO_TCP};

	(void)state;
	add_rule();
	rule_constants_cut_ports(&constants.destination_ports, 22, 22);
	assert_int_equal(rule_constants_tie(&constants, &moved), 0);
	begin();
	check(1, 0, PROTO_TCP, (unsigned[]){22, TIED, 0});
	check(0, 0, PROTO_TCP, (unsigned[]){0});
}

/* Where packets are rewritten, or groups are not all there is, everything is asked. */
static void test_nothing_known(void **state)
{
	static const unsigned all[] = {1, TIED, TIED + 1, LISTENS, LISTENS + 1, 0};

	(void)state;
	add_rule();
	constants.ties.off = true;
	begin();
	assert_true(sources.unknown);
	check(1, 0, PROTO_UDP, all);
	reset(NULL);
	add_rule();
	rule_constants_make_opaque(&constants, RULE_SOURCE4, "a hash");
	begin();
	check(1, 0, PROTO_UDP, all);
}

/* The points of an ask and its end are what it answers for: together, all or those that differ. */
static void test_ends(void **state)
{
	struct reach_tie_question q = {&sources, AF_INET, PROTO_TCP, 1, REACH_NO_SOURCE};
	struct reach_asks got;
	uint32_t at = 0;

	(void)state;
	add_rule();
	begin();
	assert_int_equal(reach_ties_ask(&ties, &q, &asks, &got), 0);
	for (uint32_t i = 0; i < got.count; i++) {
		assert_int_equal(asks.items[i].first, at);
		at = asks.items[i].end;
	}
	assert_int_equal(at, points.count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_tied, reset),
		cmocka_unit_test_teardown(test_group_without_ties, reset),
		cmocka_unit_test_teardown(test_moved_ports, reset),
		cmocka_unit_test_teardown(test_nothing_known, reset),
		cmocka_unit_test_teardown(test_ends, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
