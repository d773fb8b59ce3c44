/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard_rules_json: comes back as it was, and nothing odd is taken. */
#include "base/mem.h"
#include "enforce/guard_rules_json.h"
#include "unit.h"

#include <time.h>

static const char good[] =
	"{\"schema\":\"portero.guard-rules/1\",\"mode\":\"enforce\",\"loopback\":true,"
	"\"ephemeral\":false,\"owners\":[{\"program\":\"/usr/sbin/ngi\\\"nx\xc3\xb1\",\"unit\":"
	"\"nginx.service\"},{\"until\":1800000000,\"user\":\"33\",\"container\":\"shop\"},{}],"
	"\"grants\":"
	"[[\"80/tcp\",0],[\"8000-8010/tcp\",1],[\"1-65535/udp\",2]]}";

static int parse(const char *text, size_t len, struct guard_rules *ret)
{
	char *copy = unit_copy(text, len);
	int r = guard_rules_parse(copy, len, ret);

	free(copy);
	return r;
}

static void test_good(void **state)
{
	struct guard_rules r = {0};
	char *again;

	(void)state;
	assert_int_equal(parse(good, strlen(good), &r), 0);
	assert_int_equal(r.mode, GUARD_ENFORCE);
	assert_true(r.loopback);
	assert_false(r.ephemeral);
	assert_int_equal(r.owner_count, 3);
	assert_string_equal(guard_rules_text(&r, r.owners[0].program_str),
			    "/usr/sbin/ngi\"nx\xc3\xb1");
	assert_string_equal(guard_rules_text(&r, r.owners[0].unit_str), "nginx.service");
	assert_int_equal(r.owners[0].user_str, 0);
	assert_string_equal(guard_rules_text(&r, r.owners[1].user_str), "33");
	assert_int_equal(r.owners[0].until_s, 0);
	assert_int_equal(r.owners[1].until_s, 1800000000);
	assert_string_equal(guard_rules_text(&r, r.owners[1].container_str), "shop");
	assert_true(guard_owner_is_anybody(&r.owners[2]));
	assert_int_equal(r.grant_count, 3);
	assert_true(port_range_has(&r.grants[1].ports, 8010, PROTO_TCP));
	assert_false(port_range_has(&r.grants[1].ports, 8010, PROTO_UDP));
	assert_int_equal(r.grants[1].owner, 1);
	again = guard_rules_format(&r);
	assert_string_equal(again, good);
	free(again);
	guard_rules_done(&r);
}

static void test_empty(void **state)
{
	struct guard_rules r = {0}, again = {0};
	char *text = guard_rules_format(&r);

	(void)state;
	assert_string_equal(text, "{\"schema\":\"portero.guard-rules/1\",\"mode\":\"off\","
				  "\"loopback\":false,\"ephemeral\":false,\"owners\":[],"
				  "\"grants\":[]}");
	assert_int_equal(parse(text, strlen(text), &again), 0);
	assert_int_equal(again.owner_count + again.grant_count, 0);
	free(text);
	guard_rules_done(&again);
}

/* Every part of it from its beginning, and every part to its end. */
static void test_truncated(void **state)
{
	struct guard_rules r;

	(void)state;
	for (size_t len = 0; len < strlen(good); len++) {
		assert_int_equal(parse(good, len, &r), -EBADMSG);
		assert_int_equal(parse(good + strlen(good) - len, len, &r), -EBADMSG);
	}
}

#define HEAD	     "{\"schema\":\"portero.guard-rules/1\",\"mode\":\"off\","
#define FLAGS	     "\"loopback\":true,\"ephemeral\":true,"
#define OWNERS(list) HEAD FLAGS "\"owners\":[" list "],\"grants\":[]}"
#define GRANTS(list) HEAD FLAGS "\"owners\":[{}],\"grants\":[" list "]}"

static void test_odd(void **state)
{
	static const char *const odd[] = {
		"",
		"{}",
		"[]",
		"null",
		"{\"schema\":\"portero.guard-rules/1\"}",
		" " GRANTS(""),
		GRANTS("") "\n",
		GRANTS("") "}",
		GRANTS("") "{}",
		"{\"schema\":\"portero.guard-rules/2\",\"mode\":\"off\"," FLAGS
		"\"owners\":[],\"grants\":[]}",
		"{\"schema\":1,\"mode\":\"off\"," FLAGS "\"owners\":[],\"grants\":[]}",
		"{\"schema\":\"portero.guard-rules/1\",\"mode\":\"on\"," FLAGS
		"\"owners\":[],\"grants\":[]}",
		"{\"schema\":\"portero.guard-rules/1\",\"mode\":2," FLAGS
		"\"owners\":[],\"grants\":[]}",
		HEAD "\"loopback\":1,\"ephemeral\":true,\"owners\":[],\"grants\":[]}",
		HEAD "\"loopback\":true,\"ephemeral\":null,\"owners\":[],\"grants\":[]}",
		HEAD "\"loopback\":true,\"owners\":[],\"grants\":[]}",
		HEAD FLAGS "\"owners\":[]}",
		HEAD FLAGS "\"grants\":[]}",
		HEAD FLAGS "\"owners\":{},\"grants\":[]}",
		HEAD FLAGS "\"owners\":[],\"grants\":{}}",
		HEAD FLAGS "\"owners\":[],\"grants\":[],\"more\":1}",
		HEAD FLAGS "\"owners\":[],\"grants\":[],\"grants\":[]}",
		HEAD FLAGS "\"owners\":[],\"grants\":[[\"1/tcp\",0]]}",
		OWNERS("[]"),
		OWNERS("null"),
		OWNERS("\"/a\""),
		OWNERS("{\"program\":\"\"}"),
		OWNERS("{\"program\":\"a\"}"),
		OWNERS("{\"program\":1}"),
		OWNERS("{\"program\":null}"),
		OWNERS("{\"program\":\"/a\\u0000b\"}"),
		OWNERS("{\"program\":\"/a\xff\"}"),
		OWNERS("{\"program\":\"/a\",\"program\":\"/a\"}"),
		OWNERS("{\"unit\":\"\"}"),
		OWNERS("{\"unit\":[\"a.service\"]}"),
		OWNERS("{\"user\":33}"),
		OWNERS("{\"container\":{}}"),
		OWNERS("{\"group\":\"x\"}"),
		OWNERS("{\"user\":\"x\",\"group\":\"x\"}"),
		GRANTS("{}"),
		GRANTS("\"1/tcp\""),
		GRANTS("[]"),
		GRANTS("[\"1/tcp\"]"),
		GRANTS("[\"1/tcp\",0,0]"),
		GRANTS("[\"1/tcp\",1]"),
		GRANTS("[\"1/tcp\",-1]"),
		GRANTS("[\"1/tcp\",4294967296]"),
		GRANTS("[\"1/tcp\",0.0]"),
		GRANTS("[\"1/tcp\",\"0\"]"),
		GRANTS("[1,0]"),
		GRANTS("[\"1\",0]"),
		GRANTS("[\"/tcp\",0]"),
		GRANTS("[\"0/tcp\",0]"),
		GRANTS("[\"65536/tcp\",0]"),
		GRANTS("[\"01/tcp\",0]"),
		GRANTS("[\"1/TCP\",0]"),
		GRANTS("[\"1/sctp\",0]"),
		GRANTS("[\"1/udplite\",0]"),
		GRANTS("[\"1-1/tcp\",0]"),
		GRANTS("[\"2-1/tcp\",0]"),
		GRANTS("[\" 1/tcp\",0]"),
		GRANTS("[\"1/tcp,2/tcp\",0]"),
	};
	struct guard_rules r;

	(void)state;
	assert_int_equal(parse(GRANTS(" [\"1/tcp\", 0] "), strlen(GRANTS(" [\"1/tcp\", 0] ")), &r),
			 0);
	guard_rules_done(&r);
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		if (parse(odd[i], strlen(odd[i]), &r) != -EBADMSG)
			fail_msg("taken: %s", odd[i]);
}

/* One byte after the other is another one: it is refused, or comes back as what it says now. */
static void test_changed(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (size_t i = 0; i < strlen(good) * 20; i++) {
		char *copy = unit_copy(good, strlen(good)), *text;
		struct guard_rules r = {0};

		copy[i / 20] = (char)unit_random(&seed);
		if (guard_rules_parse(copy, strlen(good), &r) == 0) {
			text = guard_rules_format(&r);
			assert_non_null(text);
			free(text);
			guard_rules_done(&r);
		}
		free(copy);
	}
}

static void add_name(struct guard_rules *r, size_t len, uint32_t *ret)
{
	char text[2 * GUARD_RULES_NAME_LIMIT];

	memset(text, 'a', len);
	*ret = strpool_add(&r->strings, text, len);
	assert_int_not_equal(*ret, 0);
}

static void test_limits(void **state)
{
	struct guard_rules r = {0}, again = {0};
	char *text;

	(void)state;
	add_name(&r, GUARD_RULES_NAME_LIMIT, &guard_rules_add_owner(&r)->unit_str);
	text = guard_rules_format(&r);
	assert_int_equal(guard_rules_parse(text, strlen(text), &again), 0);
	guard_rules_done(&again);
	free(text);
	add_name(&r, GUARD_RULES_NAME_LIMIT + 1, &guard_rules_add_owner(&r)->unit_str);
	text = guard_rules_format(&r);
	assert_int_equal(guard_rules_parse(text, strlen(text), &again), -EBADMSG);
	free(text);
	guard_rules_done(&r);
}

/* As many as a policy names, and one more than all owners that may be made of it. */
static void test_large(void **state)
{
	struct guard_rules r = {0}, again = {0};
	struct timespec begin, end;
	char *text;

	(void)state;
	for (size_t i = 0; i < POLICY_OPENING_LIMIT; i++) {
		char name[32];

		snprintf(name, sizeof(name), "u%zu.service", i);
		guard_rules_add_owner(&r)->unit_str = strpool_add_text(&r.strings, name);
	}
	for (size_t i = 0; i < POLICY_SOURCE_LIMIT; i++)
		*guard_rules_add_grant(&r) = (struct guard_grant){
			{.first = (uint16_t)(i % 65535 + 1), .last = 65535, .proto = PROTO_UDP},
			(uint32_t)(i % POLICY_OPENING_LIMIT)};
	clock_gettime(CLOCK_MONOTONIC, &begin);
	text = guard_rules_format(&r);
	assert_non_null(text);
	assert_int_equal(guard_rules_parse(text, strlen(text), &again), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - begin.tv_sec < 10); /* it takes 0.2 s */
	assert_int_equal(again.owner_count, r.owner_count);
	assert_int_equal(again.grant_count, r.grant_count);
	assert_memory_equal(again.grants, r.grants, r.grant_count * sizeof(*r.grants));
	guard_rules_done(&again);
	free(text);
	r.grant_count = 1;
	while (r.owner_count <= GUARD_RULES_OWNER_LIMIT)
		guard_rules_add_owner(&r);
	text = guard_rules_format(&r);
	assert_int_equal(guard_rules_parse(text, strlen(text), &again), -EBADMSG);
	free(text);
	guard_rules_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	  cmocka_unit_test(test_empty),
		cmocka_unit_test(test_truncated), cmocka_unit_test(test_odd),
		cmocka_unit_test(test_changed),	  cmocka_unit_test(test_limits),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
