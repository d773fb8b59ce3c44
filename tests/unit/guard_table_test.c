/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard_table: which rules each port has, and what there is no room for. */
#include "base/mem.h"
#include "enforce/guard_table.h"
#include "unit.h"

struct wanted {
	uint16_t first, last;
	enum proto proto;
	unsigned owner;
};

/* Owners 0..count-1 are users of these numbers; `anybody` (or none: count) is anybody. */
static int make(const struct wanted *wanted, size_t wanted_count, unsigned owners, unsigned anybody,
		struct guard_table *ret, struct err *e)
{
	struct guard_rule *keys cleanup_free = calloc(owners + 1, sizeof(*keys));
	struct guard_rules cleanup_call(guard_rules_done) r = {0};

	for (unsigned i = 0; i < owners; i++) {
		guard_rules_add_owner(&r)->user_str = i == anybody ? 0 : 1;
		keys[i] = (struct guard_rule){.wanted = GUARD_WANTS_USER, .uid = i};
	}
	for (size_t i = 0; i < wanted_count; i++)
		*guard_rules_add_grant(&r) =
			(struct guard_grant){.ports = {.first = wanted[i].first,
						       .last = wanted[i].last,
						       .proto = wanted[i].proto},
					     .owner = wanted[i].owner};
	return guard_table_make(&r, keys, ret, e);
}

/* "tcp 80: 0 1": the users whose port it is */
static void assert_users(const struct guard_table *t, unsigned port, enum guard_abi_proto proto,
			 const char *expected)
{
	uint32_t list = t->ports[port].who[proto];
	char text[256] = "";

	if (list == GUARD_ANYBODY) {
		assert_string_equal(expected, "anybody");
		return;
	}
	for (uint32_t i = 0; i < list >> 24; i++) {
		size_t len = strlen(text), at = (list & 0xffffff) + i;

		assert_true(at < t->rule_count);
		snprintf(text + len, sizeof(text) - len, "%s%u", i ? " " : "", t->rules[at].uid);
	}
	assert_string_equal(text, expected);
}

static void test_ranges(void **state)
{
	static const struct wanted wanted[] = {
		{80, 89, PROTO_TCP, 0}, {85, 95, PROTO_TCP, 1},	      {85, 86, PROTO_UDP, 1},
		{1, 1, PROTO_TCP, 2},	{65535, 65535, PROTO_TCP, 0}, {88, 88, PROTO_TCP, 3},
		{85, 87, PROTO_TCP, 0}, /* granted to it a second time */
	};
	struct guard_table cleanup_call(guard_table_done) t = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(make(wanted, ARRAY_LEN(wanted), 4, 3, &t, &e), 0);
	assert_users(&t, 0, GUARD_TCP, "");
	assert_users(&t, 1, GUARD_TCP, "2");
	assert_users(&t, 79, GUARD_TCP, "");
	assert_users(&t, 80, GUARD_TCP, "0");
	assert_users(&t, 84, GUARD_TCP, "0");
	assert_users(&t, 85, GUARD_TCP, "0 1");
	assert_users(&t, 87, GUARD_TCP, "0 1");
	assert_users(&t, 88, GUARD_TCP, "anybody");
	assert_users(&t, 89, GUARD_TCP, "0 1");
	assert_users(&t, 90, GUARD_TCP, "1");
	assert_users(&t, 95, GUARD_TCP, "1");
	assert_users(&t, 96, GUARD_TCP, "");
	assert_users(&t, 65535, GUARD_TCP, "0");
	assert_users(&t, 84, GUARD_UDP, "");
	assert_users(&t, 85, GUARD_UDP, "1");
	assert_users(&t, 88, GUARD_UDP, "");
}

/* The list of one owner alone is there once, however many ports it has. */
static void test_shared(void **state)
{
	struct wanted wanted[1000];
	struct guard_table cleanup_call(guard_table_done) t = {0};
	struct err e = {0};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(wanted); i++)
		wanted[i] = (struct wanted){(uint16_t)(2 * i + 1), (uint16_t)(2 * i + 1), PROTO_TCP,
					    i % 2};
	assert_int_equal(make(wanted, ARRAY_LEN(wanted), 2, 2, &t, &e), 0);
	assert_int_equal(t.rule_count, 2);
	assert_users(&t, 1997, GUARD_TCP, "0");
	assert_users(&t, 1999, GUARD_TCP, "1");
}

static void test_limit(void **state)
{
	struct wanted wanted[GUARD_LIST_LIMIT + 1];
	struct guard_table t = {0};
	struct err e = {0};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(wanted); i++)
		wanted[i] = (struct wanted){(uint16_t)(i + 1), 443, PROTO_TCP, i};
	assert_int_equal(make(wanted, GUARD_LIST_LIMIT, GUARD_LIST_LIMIT, GUARD_LIST_LIMIT, &t, &e),
			 0);
	assert_int_equal(t.ports[443].who[GUARD_TCP] >> 24, GUARD_LIST_LIMIT);
	guard_table_done(&t);
	assert_int_equal(
		make(wanted, ARRAY_LEN(wanted), ARRAY_LEN(wanted), ARRAY_LEN(wanted), &t, &e),
		-E2BIG);
	assert_non_null(strstr(e.msg, "of 65/tcp name more than 64 different owners"));
	assert_null(t.ports);
}

static void test_hashes(void **state)
{
	char name[GUARD_NAME_SIZE + 1];

	(void)state;
	assert_true(guard_table_hash_name("nginx.service") !=
		    guard_table_hash_name("nginx.servic"));
	memset(name, 'a', sizeof(name));
	name[GUARD_NAME_SIZE] = '\0';
	assert_int_equal(guard_table_hash_name(name), 0); /* too long: nobody's */
	name[GUARD_NAME_SIZE - 1] = '\0';
	assert_int_not_equal(guard_table_hash_name(name), 0);
	assert_int_not_equal(guard_table_hash_text(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
