/* SPDX-License-Identifier: GPL-2.0-or-later */
/* map, strpool: against a sorted array, and with texts whose hashes are the same. */
#include "base/map.h"
#include "unit.h"

enum { KEY_COUNT = 100000 };

struct pair {
	uint64_t key;
	uint32_t value, order;
};

static int compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* Keys of all kinds: any, small ones, ones that differ in their high bits only, and repeated. */
static uint64_t make_key(uint64_t *seed, unsigned kind)
{
	uint64_t r = unit_random(seed);

	switch (kind % 4) {
	case 0:
		return r;
	case 1:
		return r % 20000;
	case 2:
		return r << 48;
	default:
		return r % 3 == 0 ? 0 : UINT64_MAX - r % 500;
	}
}

static void test_like_a_sorted_array(void **state)
{
	struct pair *pairs = calloc(KEY_COUNT, sizeof(*pairs));
	struct map m = {0};
	uint64_t seed = 20240229;
	size_t distinct = 0;
	uint32_t got;

	(void)state;
	assert_non_null(pairs);
	assert_false(map_get(&m, 0, &got));
	for (uint32_t i = 0; i < KEY_COUNT; i++) {
		pairs[i] = (struct pair){make_key(&seed, i), (uint32_t)unit_random(&seed), i};
		if (pairs[i].value == UINT32_MAX)
			pairs[i].value--;
		assert_int_equal(map_set(&m, pairs[i].key, pairs[i].value), 0);
	}
	qsort(pairs, KEY_COUNT, sizeof(*pairs), compare_pairs);
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (i + 1 < KEY_COUNT && pairs[i + 1].key == pairs[i].key)
			continue; /* replaced later */
		distinct++;
		assert_true(map_get(&m, pairs[i].key, &got));
		assert_int_equal(got, pairs[i].value);
	}
	assert_int_equal(m.count, distinct);
	for (size_t i = 0; i < KEY_COUNT; i++) {
		struct pair wanted = {.key = unit_random(&seed)};
		uint32_t untouched = 12345;

		if (map_get(&m, wanted.key, &untouched))
			continue; /* one in 2^47 */
		assert_int_equal(untouched, 12345);
	}
	map_done(&m);
	map_done(&m);
	free(pairs);
}

static void test_extreme_values(void **state)
{
	struct map m = {0};
	uint32_t got = 7;

	(void)state;
	assert_int_equal(map_set(&m, 0, 0), 0);
	assert_int_equal(map_set(&m, UINT64_MAX, UINT32_MAX - 1), 0);
	assert_true(map_get(&m, 0, &got));
	assert_int_equal(got, 0);
	assert_true(map_get(&m, UINT64_MAX, &got));
	assert_int_equal(got, UINT32_MAX - 1);
	assert_false(map_get(&m, 1, &got));
	assert_int_equal(m.count, 2);
	map_done(&m);
}

/* Pairs of small numbers, as they are mixed into keys here, must not fall together. */
static void test_mix(void **state)
{
	struct map m = {0};
	uint32_t ignored;

	(void)state;
	for (uint64_t a = 0; a < 300; a++) {
		for (uint64_t b = 0; b < 300; b++) {
			assert_false(map_get(&m, map_mix(a, b), &ignored));
			assert_int_equal(map_set(&m, map_mix(a, b), 0), 0);
		}
	}
	map_done(&m);
}

static void test_pool(void **state)
{
	struct strpool p = {0};
	uint32_t offsets[2000];
	char text[32];

	(void)state;
	assert_string_equal(strpool_get(&p, 0), "");
	assert_string_equal(strpool_get(&p, 1000), "");
	assert_int_equal(strpool_add_text(&p, ""), 0);
	for (uint32_t i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "text %u", i);
		offsets[i] = strpool_add_text(&p, text);
		assert_int_not_equal(offsets[i], 0);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "text %u", i);
		assert_string_equal(strpool_get(&p, offsets[i]), text);
		assert_int_equal(strpool_add_text(&p, text), offsets[i]); /* one copy of each */
	}
	assert_string_equal(strpool_get(&p, 0), "");
	strpool_done(&p);
	strpool_done(&p);
}

static void test_pool_lengths(void **state)
{
	struct strpool p = {0};
	uint32_t abc = strpool_add(&p, "abcdef", 3), abcdef = strpool_add(&p, "abcdef", 6);

	(void)state;
	assert_string_equal(strpool_get(&p, abc), "abc");
	assert_string_equal(strpool_get(&p, abcdef), "abcdef");
	assert_int_not_equal(abc, abcdef);
	assert_int_equal(strpool_add_text(&p, "abc"), abc);
	assert_int_equal(strpool_add(&p, "anything", 0), 0);
	strpool_done(&p);
}

/* Two texts that 64-bit FNV-1a really cannot tell apart. */
static void test_pool_real_collision(void **state)
{
	static const char one[] = "8yn0iYCKYHlIj4-BwPqk", two[] = "GReLUrM4wMqfg9yzV3KQ";
	struct strpool p = {0};
	uint32_t first, second;

	(void)state;
	assert_int_equal(map_hash_bytes(one, strlen(one)), map_hash_bytes(two, strlen(two)));
	first = strpool_add_text(&p, one);
	second = strpool_add_text(&p, two);
	assert_int_not_equal(first, second);
	assert_string_equal(strpool_get(&p, first), one);
	assert_string_equal(strpool_get(&p, second), two);
	assert_int_equal(strpool_add_text(&p, one), first);
	assert_int_equal(strpool_add_text(&p, two), second);
	strpool_done(&p);
}

/* A row of hashes that are all taken by other texts. */
static void test_pool_made_collisions(void **state)
{
	struct strpool p = {0};
	uint32_t other = strpool_add_text(&p, "other"), offset;
	uint64_t hash = map_hash_bytes("wanted", 6);

	(void)state;
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(map_set(&p.by_hash, hash + i, other), 0);
	offset = strpool_add_text(&p, "wanted");
	assert_int_not_equal(offset, other);
	assert_string_equal(strpool_get(&p, offset), "wanted");
	assert_int_equal(strpool_add_text(&p, "wanted"), offset);
	assert_string_equal(strpool_get(&p, other), "other");
	strpool_done(&p);
}

static void test_pool_without_memory(void **state)
{
	struct strpool p = {0};
	uint32_t known = strpool_add_text(&p, "known");

	(void)state;
	p.bytes.failed = true;
	assert_int_equal(strpool_add_text(&p, "new"), 0);
	assert_int_equal(strpool_add_text(&p, "new"), 0);
	assert_string_equal(strpool_get(&p, known), "known");
	strpool_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_a_sorted_array),
		cmocka_unit_test(test_extreme_values),
		cmocka_unit_test(test_mix),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_pool_lengths),
		cmocka_unit_test(test_pool_real_collision),
		cmocka_unit_test(test_pool_made_collisions),
		cmocka_unit_test(test_pool_without_memory),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
