/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xt_table: kinds that stand in the table, kinds that the parameters decide, and parameters that
 * are cut off: never PLAIN where they would have to be looked at.
 */
#include "base/mem.h"
#include "observe/xt_table.h"
#include "unit.h"

#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_policy.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_set.h>

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(xt_match_kind("tcp", 0, NULL, 0), XT_PLAIN);
	assert_int_equal(xt_match_kind("limit", 0, NULL, 0), XT_RATE);
	assert_int_equal(xt_match_kind("owner", 1, NULL, 0), XT_UNMIRRORED);
	assert_int_equal(xt_match_kind("nobody", 0, NULL, 0), XT_STOP);
	assert_int_equal(xt_target_kind("REJECT", 0, NULL, 0), XT_PLAIN);
	assert_int_equal(xt_target_kind("LOG", 0, NULL, 0), XT_STRIP);
	assert_int_equal(xt_target_kind("NFQUEUE", 3, NULL, 0), XT_STOP);
	assert_int_equal(xt_target_kind("nobody", 0, NULL, 0), XT_STOP);
	assert_true(xt_match_find("time")->clock);
	assert_null(xt_match_find("TCP"));
	/* a target is no match */
	assert_null(xt_match_find("REJECT"));
}

/* The kind with these bytes, which must not be PLAIN when one of them is missing. */
static enum xt_kind kind_of(const char *name, uint8_t revision, const void *info, size_t len)
{
	for (size_t part = 0; part < 2; part++) {
		void *copy = unit_copy(info, part);

		assert_int_not_equal(xt_match_kind(name, revision, copy, part), XT_PLAIN);
		free(copy);
	}
	return xt_match_kind(name, revision, info, len);
}

static void test_recent(void **state)
{
	struct xt_recent_mtinfo_v1 info = {.check_set = XT_RECENT_SET};

	(void)state;
	assert_int_equal(kind_of("recent", 1, &info, sizeof(info)), XT_PLAIN);
	info.invert = 1;
	assert_int_equal(kind_of("recent", 0, &info, sizeof(info)), XT_PLAIN);
	info.check_set = XT_RECENT_UPDATE | XT_RECENT_TTL;
	assert_int_equal(kind_of("recent", 1, &info, sizeof(info)), XT_RATE);
	info.check_set = XT_RECENT_REMOVE;
	assert_int_equal(kind_of("recent", 1, &info, sizeof(info)), XT_RATE);
}

static void test_set(void **state)
{
	struct xt_set_info_match_v4 info = {.match_set = {.index = 7}};
	uint16_t sets[3];

	(void)state;
	assert_int_equal(kind_of("set", 4, &info, sizeof(info)), XT_PLAIN);
	assert_int_equal(xt_match_sets("set", 4, &info, sizeof(info), sets), 1);
	assert_int_equal(sets[0], 7);
	info.packets.op = IPSET_COUNTER_GT;
	assert_int_equal(kind_of("set", 4, &info, sizeof(info)), XT_RATE);
	assert_int_equal(kind_of("set", 5, &info, sizeof(info)), XT_RATE);
}

static void test_policy(void **state)
{
	struct xt_policy_info policy = {.flags = XT_POLICY_MATCH_IN};

	(void)state;
	assert_int_equal(kind_of("policy", 0, &policy, sizeof(policy)), XT_PLAIN);
	policy.flags = XT_POLICY_MATCH_OUT;
	assert_int_equal(kind_of("policy", 0, &policy, sizeof(policy)), XT_UNMIRRORED);
}

/* Bytes of a packet that its sender chooses. */
static void test_any_bytes(void **state)
{
	static const char *const names[] = {"bpf", "string", "u32"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(kind_of(names[i], 1, "12345678", 8), XT_UNMIRRORED);
}

static void test_set_target(void **state)
{
	struct xt_set_info_target_v3 info = {
		.add_set = {.index = 3},
		.del_set = {.index = IPSET_INVALID_ID},
		.map_set = {.index = IPSET_INVALID_ID},
	};
	uint16_t sets[3];

	(void)state;
	assert_int_equal(xt_target_kind("SET", 3, &info, sizeof(info)), XT_STRIP);
	assert_int_equal(xt_target_kind("SET", 3, &info, sizeof(info) - 1), XT_STOP);
	assert_int_equal(xt_target_changed_sets("SET", 3, &info, sizeof(info), sets), 1);
	assert_int_equal(sets[0], 3);
	info.map_set.index = 4;
	assert_int_equal(xt_target_kind("SET", 3, &info, sizeof(info)), XT_PLAIN);
	assert_true(xt_target_quiet("SET", 3, &info, sizeof(info)));
	assert_int_equal(info.add_set.index, IPSET_INVALID_ID);
	assert_int_equal(info.map_set.index, 4);
}

static void test_ct_target(void **state)
{
	struct xt_ct_target_info_v1 info = {.zone = 5, .helper = "ftp", .timeout = "t"};

	(void)state;
	assert_false(xt_target_quiet("CT", 2, &info, 8));
	assert_true(xt_target_quiet("CT", 2, &info, sizeof(info)));
	assert_int_equal(info.zone, 5);
	assert_int_equal(info.helper[0], 0);
	assert_int_equal(info.timeout[0], 0);
	assert_false(xt_target_quiet("CT", 2, &info, sizeof(info)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	  cmocka_unit_test(test_recent),
		cmocka_unit_test(test_set),	  cmocka_unit_test(test_policy),
		cmocka_unit_test(test_any_bytes), cmocka_unit_test(test_set_target),
		cmocka_unit_test(test_ct_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
