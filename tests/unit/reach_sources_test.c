/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests for reach_sources: groups of sources, addresses and interfaces, and merged classes. What
 * the sweep says of a piece is compared with what rule_constants_signature() says of its addresses.
 */
#include "observe/reach_sources.h"

#include "observe/source_sweep.h"
#include "rule_image.h"

#include <time.h>

static struct rule_constants constants;
static struct reach_sources sources;

static int reset(void **state)
{
	(void)state;
	rule_constants_done(&constants);
	reach_sources_done(&sources);
	return 0;
}

static struct address address_of(const char *text)
{
	struct address a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	assert_int_equal(inet_pton(a.family, text, a.bytes), 1);
	return a;
}

static struct reach_prefix prefix_of(const char *text, unsigned bits)
{
	return (struct reach_prefix){address_of(text), (uint8_t)bits};
}

static void add_source(const char *text, unsigned bits, uint64_t group)
{
	struct address a = address_of(text);

	assert_int_equal(rule_constants_add_prefix(
				 &constants, a.family == AF_INET ? RULE_SOURCE4 : RULE_SOURCE6,
				 a.bytes, bits, group),
			 0);
}

static const struct source_group *find_group(enum source_class class, const char *block,
					     const char *text)
{
	for (size_t i = 0; i < sources.count; i++) {
		const struct source_group *g = &sources.items[i];

		if (g->source_class == class &&
		    strcmp(reach_sources_text(&sources, g->block_str), block) == 0 &&
		    strcmp(reach_sources_text(&sources, g->text_str), text) == 0)
			return g;
	}
	for (size_t i = 0; i < sources.count; i++)
		print_message("%d '%s' '%s'\n", sources.items[i].source_class,
			      reach_sources_text(&sources, sources.items[i].block_str),
			      reach_sources_text(&sources, sources.items[i].text_str));
	fail_msg("no group of class %d in '%s' is '%s'", class, block, text);
	return NULL;
}

static void build(uint8_t family)
{
	struct reach_prefix links[] = {prefix_of("192.168.7.0", 24), prefix_of("2a00:9::", 64)};
	struct reach_prefix elsewhere[] = {prefix_of("172.17.0.0", 16)};
	struct address locals[] = {address_of("192.168.7.1"), address_of("10.0.0.0"),
				   address_of("fe80::1"), address_of("2a00:9::1")};
	struct source_scope scope = {family, links, 2, elsewhere, 1, locals, 4, 0};

	assert_int_equal(reach_sources_build(&constants, &scope, &sources), 0);
}

static void check_address(const struct source_group *g, const char *expected)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(&g->address, text);
	assert_string_equal(text, expected);
}

static void test_no_conditions(void **state)
{
	(void)state;
	build(AF_INET);
	assert_true(sources.complete);
	assert_int_equal(sources.count, 6);
	check_address(find_group(SOURCE_INTERNET, "", ""), "11.0.0.1");
	check_address(find_group(SOURCE_LINK, "192.168.7.0/24", ""), "192.168.7.3");
	check_address(find_group(SOURCE_PRIVATE, "10.0.0.0/8", ""), "10.0.0.2");
	find_group(SOURCE_PRIVATE, "192.168.0.0/16", "");
	find_group(SOURCE_PRIVATE, "172.16.0.0/12", "");
	find_group(SOURCE_PRIVATE, "100.64.0.0/10", "");
	/* no broadcasts, nothing of ours */
	assert_true(find_group(SOURCE_LINK, "192.168.7.0/24", "")->size == 253);
	assert_true(find_group(SOURCE_PRIVATE, "172.16.0.0/12", "")->size == 15 * 65536);
}

static void test_no_conditions_v6(void **state)
{
	(void)state;
	build(AF_INET6);
	assert_int_equal(sources.count, 4);
	find_group(SOURCE_INTERNET, "", "");
	find_group(SOURCE_PRIVATE, "fc00::/7", "");
	find_group(SOURCE_LINK, "fe80::/10", "");
	check_address(find_group(SOURCE_LINK, "2a00:9::/64", ""), "2a00:9::3");
}

/* A route that leads elsewhere tells nobody apart; a rule about some of its network does. */
static void test_elsewhere(void **state)
{
	const struct source_group *g;
	uint8_t value[RULE_VALUE_SIZE] = {172, 17};

	(void)state;
	assert_int_equal(rule_constants_add_route(&constants, RULE_SOURCE4, value, 16, 77), 0);
	build(AF_INET);
	assert_int_equal(sources.count, 6);
	reach_sources_done(&sources);
	add_source("172.17.4.0", 24, 1);
	build(AF_INET);
	assert_int_equal(sources.count, 7);
	g = find_group(SOURCE_FORGED, "172.16.0.0/12", "172.17.4.0/24");
	check_address(g, "172.17.4.1");
	assert_int_equal(g->baseline,
			 find_group(SOURCE_PRIVATE, "172.16.0.0/12", "") - sources.items);
	reach_sources_done(&sources);
	/* what others get, too */
	add_source("172.18.0.0", 16, 1);
	build(AF_INET);
	assert_int_equal(sources.count, 7);
	find_group(SOURCE_LISTED, "172.16.0.0/12", "172.18.0.0/16");
	reach_sources_done(&sources);
	/* unless rules ask for the way to the sender */
	constants.asks_source_routes = true;
	build(AF_INET);
	assert_int_equal(sources.count, 9);
	find_group(SOURCE_FORGED, "172.16.0.0/12", "172.17.4.0/24");
}

/* Tunnels that have all of a block: of the internet, others still come in here. */
static void test_all_elsewhere(void **state)
{
	struct reach_prefix elsewhere[] = {prefix_of("0.0.0.0", 1), prefix_of("128.0.0.0", 1),
					   prefix_of("10.0.0.0", 8)};
	struct source_scope scope = {
		.family = AF_INET, .elsewhere = elsewhere, .elsewhere_count = 3};

	(void)state;
	add_source("10.1.0.0", 16, 1);
	assert_int_equal(reach_sources_build(&constants, &scope, &sources), 0);
	find_group(SOURCE_INTERNET, "", "");
	assert_int_equal(find_group(SOURCE_FORGED, "10.0.0.0/8", "10.1.0.0/16")->baseline,
			 find_group(SOURCE_INTERNET, "", "") - sources.items);
	for (size_t i = 0; i < sources.count; i++)
		assert_true(sources.items[i].source_class != SOURCE_PRIVATE ||
			    strcmp(reach_sources_text(&sources, sources.items[i].block_str),
				   "10.0.0.0/8") != 0);
}

static void test_listed(void **state)
{
	const struct source_group *g;

	(void)state;
	add_source("10.1.0.0", 16, 1);
	add_source("10.1.4.0", 24, 1); /* within: changes nothing */
	add_source("8.8.8.8", 32, 2);
	for (unsigned i = 0; i < 7; i++) {
		char text[32];

		snprintf(text, sizeof(text), "50.%u.0.0", i * 2);
		add_source(text, 16, 3);
	}
	build(AF_INET);
	assert_true(sources.complete);
	assert_int_equal(sources.count, 9);
	g = find_group(SOURCE_LISTED, "10.0.0.0/8", "10.1.0.0/16");
	check_address(g, "10.1.0.1");
	assert_int_equal(sources.items[g->baseline].source_class, SOURCE_PRIVATE);
	assert_true(g->size == 65536);
	check_address(find_group(SOURCE_LISTED, "", "8.8.8.8"), "8.8.8.8");
	find_group(SOURCE_LISTED, "",
		   "50.0.0.0/16, 50.2.0.0/16, 50.4.0.0/16, 50.6.0.0/16, 50.8.0.0/16 and 2 more");
}

/* What most of a block has is its baseline, whatever the rules say about it. */
static void test_dominant(void **state)
{
	(void)state;
	add_source("192.168.7.0", 25, 1);
	add_source("0.0.0.0", 0, 9);
	add_source("0.0.0.0", 1, 2);
	add_source("128.0.0.0", 2, 2);
	build(AF_INET);
	/* neither special blocks nor our own address are cut out of a text */
	find_group(SOURCE_LISTED, "",
		   "192.0.0.0/9, 192.128.0.0/11, 192.160.0.0/13, 192.168.0.0/22, 192.168.4.0/23 "
		   "and 18 more");
	find_group(SOURCE_LISTED, "192.168.7.0/24", "192.168.7.0/25");
	find_group(SOURCE_LINK, "192.168.7.0/24", "");
}

static void test_labels(void **state)
{
	(void)state;
	constants_from_nft(&constants, "constants/hand.nft", NULL);
	build(AF_INET);
	assert_false(sources.complete); /* it has a scattered mask */
	find_group(SOURCE_LISTED, "10.0.0.0/8", "@blocklist (65536 addresses)");
	find_group(SOURCE_LISTED, "10.0.0.0/8", "@single (2 addresses)");
	find_group(SOURCE_LISTED, "10.0.0.0/8", "10.5.0.1, 10.5.0.2");
	reach_sources_done(&sources);
	build(AF_INET6);
	assert_true(sources.complete);
	find_group(SOURCE_LISTED, "", "@six (1 network)");
}

static void test_opaque(void **state)
{
	(void)state;
	rule_constants_make_opaque(&constants, RULE_SOURCE4, "a crystal ball decides");
	build(AF_INET);
	assert_false(sources.complete);
	assert_string_equal(reach_sources_text(&sources, sources.why_str),
			    "a crystal ball decides");
	reach_sources_done(&sources);
	build(AF_INET6);
	assert_true(sources.complete);
}

static void test_too_many(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		char text[32];

		snprintf(text, sizeof(text), "50.%u.%u.0", i / 250, i % 250);
		add_source(text, i == 9999 ? 24 : 32, 100 + i);
	}
	build(AF_INET);
	assert_int_equal(sources.count, REACH_SOURCE_LIMIT);
	assert_false(sources.complete);
	find_group(SOURCE_INTERNET, "", "");
	find_group(SOURCE_LISTED, "", "50.39.249.0/24"); /* the largest stay */
	assert_int_equal(sources.total, 10001 + 5);
	assert_false(sources.vague);
	reach_sources_limit(&sources, 8);
	assert_int_equal(sources.count, 8);
	assert_int_equal(sources.total, 10001 + 5);
	find_group(SOURCE_LISTED, "", "50.39.249.0/24");
	for (size_t i = 0; i < sources.count; i++)
		assert_int_not_equal(sources.items[sources.items[i].baseline].source_class,
				     SOURCE_LISTED);
}

/* --- against a look at single addresses --------------------------------------------------------
 */

static void random_conditions(uint64_t *seed, enum rule_field field, size_t count)
{
	size_t width = rule_field_width(field);

	for (size_t i = 0; i < count; i++) {
		uint8_t value[RULE_VALUE_SIZE] = {0}, last[RULE_VALUE_SIZE] = {0};
		uint64_t group = 1 + unit_random(seed) % 6;

		/* near one another, so that they overlap and touch */
		for (size_t b = 0; b < width; b++)
			value[b] = (uint8_t)(b == 0 || b == width - 1
						     ? unit_random(seed) % (b ? 7 : 256)
						     : unit_random(seed) % 2);
		memcpy(last, value, sizeof(last));
		last[width - 1] = (uint8_t)(last[width - 1] + unit_random(seed) % 4);
		if (unit_random(seed) % 2)
			assert_int_equal(
				rule_constants_add_range(&constants, field, value, last, group), 0);
		else
			assert_int_equal(rule_constants_add_prefix(
						 &constants, field, value,
						 (unsigned)(unit_random(seed) % (width * 8 + 1)),
						 group),
					 0);
	}
}

static void check_at(enum rule_field field, struct source_number at, uint64_t signature)
{
	uint8_t value[RULE_VALUE_SIZE] = {0};
	uint64_t direct;

	number_to_bytes(at, value, rule_field_width(field));
	assert_int_equal(rule_constants_signature(&constants, field, value, &direct), 0);
	assert_true(direct == signature);
}

static void check_sweep(enum rule_field field, uint64_t *seed)
{
	struct source_scope scope = {.family = field == RULE_SOURCE4 ? AF_INET : AF_INET6};
	struct source_blocks blocks;
	struct source_pieces pieces;

	assert_int_equal(source_blocks_build(&blocks, &scope), 0);
	assert_int_equal(source_sweep(&constants, field, &blocks, &pieces), 0);
	assert_true(pieces.count > 0);
	for (size_t i = 0; i < pieces.count; i++) {
		const struct source_piece *piece = &pieces.items[i];
		struct source_number within = piece->first;

		within.low += unit_random(seed) % 5;
		check_at(field, piece->first, piece->signature);
		check_at(field, piece->last, piece->signature);
		if (number_compare(within, piece->last) < 0)
			check_at(field, within, piece->signature);
		if (i > 0)
			assert_true(number_compare(pieces.items[i - 1].last, piece->first) < 0);
	}
	free(pieces.items);
	source_blocks_done(&blocks);
}

static void test_random_conditions(void **state)
{
	uint64_t seed = 99;

	(void)state;
	for (int round = 0; round < 300; round++) {
		random_conditions(&seed, RULE_SOURCE4, 1 + unit_random(&seed) % 30);
		random_conditions(&seed, RULE_SOURCE6, 1 + unit_random(&seed) % 30);
		check_sweep(RULE_SOURCE4, &seed);
		check_sweep(RULE_SOURCE6, &seed);
		build(AF_INET);
		for (size_t i = 0; i < sources.count; i++)
			check_at(RULE_SOURCE4, number_from_bytes(sources.items[i].address.bytes, 4),
				 sources.items[i].signature);
		reset(NULL);
	}
}

/* The prefixes of a text are, taken together, just the addresses of the group. */
static void test_text_is_exact(void **state)
{
	uint64_t seed = 5;

	(void)state;
	for (int round = 0; round < 200; round++) {
		unsigned first = unit_random(&seed) % 200, size = 1 + unit_random(&seed) % 50;
		struct address from = address_of("50.1.1.0"), to = from;
		double sum = 0;
		char *text, *rest = NULL;

		from.bytes[3] = (uint8_t)first;
		to.bytes[3] = (uint8_t)(first + size - 1);
		assert_int_equal(
			rule_constants_add_range(&constants, RULE_SOURCE4, from.bytes, to.bytes, 1),
			0);
		build(AF_INET);
		for (size_t i = 0; i < sources.count; i++) {
			if (sources.items[i].source_class != SOURCE_LISTED)
				continue;
			assert_true(sources.items[i].size == size);
			text = strdup(reach_sources_text(&sources, sources.items[i].text_str));
			if (strstr(text, "more"))
				sum = size;
			for (char *one = strtok_r(text, ", ", &rest); one && sum < size;
			     one = strtok_r(NULL, ", ", &rest)) {
				char *slash = strchr(one, '/');

				sum += slash ? (double)(1u << (32 - atoi(slash + 1))) : 1;
			}
			free(text);
			assert_true(sum == size);
		}
		reset(NULL);
	}
}

/* --- speed -------------------------------------------------------------------------------------
 */

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void test_large(void **state)
{
	uint64_t seed = 1;
	double begin, end;

	(void)state;
	for (unsigned i = 0; i < 150000; i++) {
		uint8_t value[RULE_VALUE_SIZE] = {0};
		uint32_t at = (uint32_t)unit_random(&seed);

		memcpy(value, &at, sizeof(at));
		rule_constants_add_prefix(&constants, RULE_SOURCE4, value, 32, 77);
	}
	begin = now_ms();
	build(AF_INET);
	end = now_ms();
	print_message("150,000 addresses: %.1f ms of CPU\n", end - begin);
	assert_true(end - begin < 5000);
	assert_true(sources.count <= 12);
}

/* --- destinations, classes ---------------------------------------------------------------------
 */

static void test_destinations(void **state)
{
	struct reach_destination list[] = {
		{address_of("127.0.0.1"), 1}, {address_of("10.0.0.1"), 2},
		{address_of("10.0.0.2"), 2},  {address_of("10.0.0.3"), 2},
		{address_of("10.0.1.1"), 3},  {address_of("10.0.1.2"), 3},
		{address_of("fe80::1"), 2},   {address_of("2a00::1"), 2},
		{address_of("2a00::2"), 2},
	};
	static const size_t expected[] = {0, 1, 2, 1, 4, 2, 6, 7, 7};
	size_t found[ARRAY_LEN(list)];
	struct address a = address_of("10.0.0.2"), b = address_of("10.0.1.2");

	(void)state;
	rule_constants_add_prefix(&constants, RULE_DESTINATION4, a.bytes, 32, 1);
	rule_constants_add_prefix(&constants, RULE_DESTINATION4, b.bytes, 32, 1);
	assert_int_equal(reach_destinations_group(&constants, list, ARRAY_LEN(list), found), 0);
	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		assert_int_equal(found[i], expected[i]);
	rule_constants_make_opaque(&constants, RULE_DESTINATION4, "?");
	assert_int_equal(reach_destinations_group(&constants, list, ARRAY_LEN(list), found), 0);
	assert_int_equal(found[3], 3);
	assert_int_equal(found[5], 5);
	assert_int_equal(found[8], 7);
}

static void add_class(struct reach *r, enum source_class class, const char *text,
		      enum verdict first)
{
	struct reach_class *c = reach_add_class(r);
	struct reach_interval *one;

	c->source_class = class;
	c->ifindex = 2;
	c->destination = address_of("10.0.0.1");
	c->sources_str = strpool_add_text(&r->strings, text);
	c->first_interval = (uint32_t)r->interval_count;
	c->interval_count = 2;
	one = reach_add_interval(r);
	*one = (struct reach_interval){.first = 1, .last = 99, .verdict = first};
	one = reach_add_interval(r);
	*one = (struct reach_interval){.first = 100, .last = 65535, .verdict = VERDICT_DROP};
}

static void test_merge(void **state)
{
	static const uint32_t baselines[] = {0, 1, 2, 3, 1, 0, 0, 0};
	struct reach r = {0};

	(void)state;
	add_class(&r, SOURCE_INTERNET, "", VERDICT_DROP);
	add_class(&r, SOURCE_PRIVATE, "10.0.0.0/8", VERDICT_ACCEPT);
	add_class(&r, SOURCE_PRIVATE, "172.16.0.0/12", VERDICT_ACCEPT);
	add_class(&r, SOURCE_PRIVATE, "192.168.0.0/16", VERDICT_DROP);
	add_class(&r, SOURCE_LISTED, "10.1.0.0/16", VERDICT_ACCEPT); /* as its surroundings */
	add_class(&r, SOURCE_LISTED, "50.0.0.1", VERDICT_ACCEPT);
	add_class(&r, SOURCE_LISTED, "@x (3 addresses)", VERDICT_ACCEPT);
	add_class(&r, SOURCE_LISTED, "50.0.0.9", VERDICT_REJECT);
	assert_int_equal(reach_classes_merge(&r, baselines), 0);
	assert_int_equal(r.class_count, 5);
	assert_string_equal(reach_text(&r, r.classes[0].sources_str), "");
	assert_string_equal(reach_text(&r, r.classes[1].sources_str), "10.0.0.0/8, 172.16.0.0/12");
	assert_string_equal(reach_text(&r, r.classes[2].sources_str), "192.168.0.0/16");
	assert_string_equal(reach_text(&r, r.classes[3].sources_str), "50.0.0.1, @x (3 addresses)");
	assert_string_equal(reach_text(&r, r.classes[4].sources_str), "50.0.0.9");
	reach_done(&r);
}

static void test_merge_many(void **state)
{
	struct reach r = {0};
	const char *text;

	(void)state;
	for (int i = 0; i < 400; i++) {
		char name[32];

		snprintf(name, sizeof(name), "50.0.0.%d", i);
		add_class(&r, SOURCE_LISTED, name, VERDICT_ACCEPT);
	}
	assert_int_equal(reach_classes_merge(&r, NULL), 0);
	assert_int_equal(r.class_count, 1);
	text = reach_text(&r, r.classes[0].sources_str);
	assert_true(strlen(text) < 300);
	assert_string_equal(text + strlen(text) - 5, ", ...");
	reach_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_no_conditions, reset),
		cmocka_unit_test_teardown(test_no_conditions_v6, reset),
		cmocka_unit_test_teardown(test_elsewhere, reset),
		cmocka_unit_test_teardown(test_all_elsewhere, reset),
		cmocka_unit_test_teardown(test_listed, reset),
		cmocka_unit_test_teardown(test_dominant, reset),
		cmocka_unit_test_teardown(test_labels, reset),
		cmocka_unit_test_teardown(test_opaque, reset),
		cmocka_unit_test_teardown(test_too_many, reset),
		cmocka_unit_test_teardown(test_random_conditions, reset),
		cmocka_unit_test_teardown(test_text_is_exact, reset),
		cmocka_unit_test_teardown(test_large, reset),
		cmocka_unit_test_teardown(test_destinations, reset),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_merge_many),
	};

	return cmocka_run_group_tests_name("reach_sources", tests, NULL, NULL);
}
