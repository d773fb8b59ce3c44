/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_verify: what a twin says, against the policy: nothing that is undeclared may get in, and
 * nothing that is declared may be closed by portero itself.
 */
#include "decide/policy_verify.h"
#include "policy_scene.h"
#include "scene.h"

static struct snapshot s;
static struct policy p;
static struct policy_links links;
static struct policy_verify v;

static int begin(void **state)
{
	(void)state;
	scene_begin(&s);
	scene_open(&p, &(struct given){.ports = "443/tcp", .from = "internet"});
	scene_open(&p, &(struct given){.ports = "22/tcp",
				       .from = "10.0.0.0/8",
				       .rate_count = 5,
				       .rate_seconds = 60});
	p.file_count = 1;
	v = (struct policy_verify){
		.policy = &p, .links = &links, .snapshot = &s, .now_s = SCENE_NOW};
	assert_int_equal(policy_verify_begin(&v), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	policy_verify_done(&v);
	policy_links_done(&links);
	policy_done(&p);
	snapshot_done(&s);
	return 0;
}

static struct flow flow_of(const char *source, uint32_t ifindex, enum proto proto)
{
	return (struct flow){.ifindex = ifindex,
			     .proto = proto,
			     .source = scene_address(source),
			     .destination =
				     scene_address(strchr(source, ':') ? "fd00::5" : "10.0.0.5")};
}

static void ask(const struct flow *f, uint16_t port, enum verdict without, enum verdict with)
{
	struct policy_question q = {.flow = f, .port = port, .verdict = without};

	policy_verify_restart(&v);
	assert_int_equal(policy_verify_without(&v, &q), 0);
	q.verdict = with;
	assert_int_equal(policy_verify_with(&v, &q), 0);
}

static void test_what_is_right(void **state)
{
	struct flow far = flow_of("8.8.8.8", SCENE_ETH, PROTO_TCP);
	struct flow near = flow_of("10.9.9.9", SCENE_ETH, PROTO_TCP);
	static const struct {
		bool near;
		uint16_t port;
		enum verdict without, with;
		bool holds;
	} rows[] = {
		{false, 443, VERDICT_ACCEPT, VERDICT_ACCEPT, true},
		{false, 443, VERDICT_ACCEPT, VERDICT_DROP, false},
		{false, 443, VERDICT_DROP, VERDICT_DROP, true},
		{false, 443, VERDICT_DROP, VERDICT_ACCEPT, false},
		{false, 443, VERDICT_UNKNOWN, VERDICT_ACCEPT, true},
		{false, 80, VERDICT_ACCEPT, VERDICT_DROP, true},
		{false, 80, VERDICT_ACCEPT, VERDICT_REJECT, true},
		{false, 80, VERDICT_ACCEPT, VERDICT_ACCEPT, false},
		{false, 80, VERDICT_ACCEPT, VERDICT_RATE_LIMITED, false},
		{false, 80, VERDICT_DROP, VERDICT_DROP, true},
		{false, 22, VERDICT_ACCEPT, VERDICT_RATE_LIMITED, false},
		{true, 22, VERDICT_ACCEPT, VERDICT_RATE_LIMITED, true},
		{true, 22, VERDICT_ACCEPT, VERDICT_DROP, false},
		{true, 22, VERDICT_REJECT, VERDICT_REJECT, true},
		/* others drop it, and above the rate it is refused before it gets to them */
		{true, 22, VERDICT_DROP, VERDICT_REJECT, true},
		{true, 22, VERDICT_DROP, VERDICT_RATE_LIMITED, false},
		{false, 443, VERDICT_DROP, VERDICT_REJECT, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ask(rows[i].near ? &near : &far, rows[i].port, rows[i].without, rows[i].with);
		if (policy_verify_holds(&v) != rows[i].holds)
			fail_msg("row %zu", i);
		assert_int_equal(v.difference_count, !rows[i].holds);
	}
}

/* What should be kept out, and cannot be told of, is counted, and is no success by itself. */
static void test_unknown(void **state)
{
	struct flow far = flow_of("8.8.8.8", SCENE_ETH, PROTO_TCP);

	(void)state;
	ask(&far, 80, VERDICT_UNKNOWN, VERDICT_UNKNOWN);
	assert_int_equal(v.unknown, 1);
	assert_int_equal(v.difference_count, 0);
	ask(&far, 443, VERDICT_UNKNOWN, VERDICT_UNKNOWN);
	assert_int_equal(v.unknown, 0);
	/* declared, and kept out: by whom? */
	ask(&far, 443, VERDICT_UNKNOWN, VERDICT_DROP);
	assert_int_equal(v.unknown, 1);
	assert_int_equal(v.difference_count, 0);
}

/* Why, in the words of the look that does not know, and how many are so for that reason. */
static void test_reasons(void **state)
{
	struct flow far = flow_of("8.8.8.8", SCENE_ETH, PROTO_TCP);
	static const struct {
		uint16_t port;
		const char *without, *with; /* NULL: it is dropped */
	} asked[] = {{80, "queue", "queue"}, {443, "chance", NULL}, {81, "queue", "queue"},
		     {82, NULL, "chance"},   {83, NULL, "time"},    {443, "queue", "queue"}};
	struct policy_question q = {.flow = &far};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		q.port = asked[i].port;
		q.why = asked[i].without;
		q.verdict = q.why ? VERDICT_UNKNOWN : VERDICT_DROP;
		assert_int_equal(policy_verify_without(&v, &q), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		q.port = asked[i].port;
		q.why = asked[i].with;
		q.verdict = q.why ? VERDICT_UNKNOWN : VERDICT_DROP;
		assert_int_equal(policy_verify_with(&v, &q), 0);
	}
	assert_int_equal(v.unknown, 5);
	assert_int_equal(v.unsure_count, 3);
	assert_string_equal(strpool_get(&v.texts, v.unsure[0].why_str), "queue");
	assert_int_equal(v.unsure[0].count, 2);
	assert_int_equal(v.unsure[0].first.port, 80);
	assert_string_equal(strpool_get(&v.texts, v.unsure[1].why_str), "chance");
	assert_int_equal(v.unsure[1].count, 2);
	assert_int_equal(v.unsure[1].first.port, 443);
	assert_string_equal(strpool_get(&v.texts, v.unsure[2].why_str), "time");
	policy_verify_restart(&v);
	assert_int_equal(v.unsure_count, 0);
}

/* Reasons that have no room are counted all the same. */
static void test_more_reasons_than_are_kept(void **state)
{
	struct flow far = flow_of("8.8.8.8", SCENE_ETH, PROTO_TCP);
	struct policy_question q = {.flow = &far, .verdict = VERDICT_UNKNOWN};
	char why[8];

	(void)state;
	q.why = why;
	for (int pass = 0; pass < 2; pass++)
		for (q.port = 1; q.port <= 2 * POLICY_UNSURE_LIMIT; q.port++) {
			snprintf(why, sizeof(why), "%u", q.port);
			assert_int_equal(
				(pass ? policy_verify_with : policy_verify_without)(&v, &q), 0);
		}
	assert_int_equal(v.unknown, 2 * POLICY_UNSURE_LIMIT);
	assert_int_equal(v.unsure_count, POLICY_UNSURE_LIMIT);
	assert_int_equal(v.unsure[POLICY_UNSURE_LIMIT - 1].first.port, POLICY_UNSURE_LIMIT);
	assert_int_equal(v.unsure[POLICY_UNSURE_LIMIT - 1].count, 1);
}

static void test_not_its_business(void **state)
{
	struct flow own = flow_of("10.0.0.5", 0, PROTO_TCP);
	struct flow dhcp = flow_of("8.8.8.8", SCENE_ETH, PROTO_UDP);
	struct flow through = flow_of("8.8.8.8", SCENE_ETH, PROTO_TCP);
	struct policy_question q = {
		.flow = &through, .behind = true, .port = 80, .verdict = VERDICT_ACCEPT};

	(void)state;
	ask(&own, 80, VERDICT_ACCEPT, VERDICT_ACCEPT);
	assert_true(policy_verify_holds(&v));
	ask(&own, 80, VERDICT_ACCEPT, VERDICT_DROP);
	assert_false(policy_verify_holds(&v));
	dhcp.source_port = 67;
	ask(&dhcp, 68, VERDICT_ACCEPT, VERDICT_ACCEPT);
	assert_true(policy_verify_holds(&v));
	ask(&dhcp, 69, VERDICT_ACCEPT, VERDICT_ACCEPT);
	assert_false(policy_verify_holds(&v));
	policy_verify_restart(&v);
	assert_int_equal(policy_verify_without(&v, &q), 0);
	assert_int_equal(policy_verify_with(&v, &q), 0);
	assert_true(policy_verify_holds(&v));
	/* ... unless NAT takes it in: then the port that it gets to is the machine's */
	policy_verify_restart(&v);
	q.taken = true;
	q.arrival_port = 6379;
	assert_int_equal(policy_verify_without(&v, &q), 0);
	assert_int_equal(policy_verify_with(&v, &q), 0);
	assert_false(policy_verify_holds(&v));
	policy_verify_restart(&v);
	q.arrival_port = 443;
	assert_int_equal(policy_verify_without(&v, &q), 0);
	assert_int_equal(policy_verify_with(&v, &q), 0);
	assert_true(policy_verify_holds(&v));
}

/* Another packet than before proves nothing; nor does one less, or one more. */
static void test_diverged(void **state)
{
	struct flow far = flow_of("8.8.8.8", SCENE_ETH, PROTO_TCP);
	struct flow other = flow_of("8.8.8.9", SCENE_ETH, PROTO_TCP);
	struct policy_question q = {.flow = &far, .port = 443, .verdict = VERDICT_ACCEPT};

	(void)state;
	assert_int_equal(policy_verify_without(&v, &q), 0);
	assert_false(policy_verify_holds(&v));
	q.flow = &other;
	assert_int_equal(policy_verify_with(&v, &q), 0);
	assert_true(v.diverged);
	assert_false(policy_verify_holds(&v));
	ask(&far, 443, VERDICT_ACCEPT, VERDICT_ACCEPT);
	q.flow = &far;
	assert_int_equal(policy_verify_with(&v, &q), 0);
	assert_false(policy_verify_holds(&v));
}

static void test_blocked_by_others(void **state)
{
	struct flow far = flow_of("8.8.8.8", SCENE_ETH, PROTO_TCP);
	struct policy_question q = {.flow = &far, .port = 443, .verdict = VERDICT_DROP};

	(void)state;
	ask(&far, 443, VERDICT_DROP, VERDICT_DROP);
	assert_int_equal(v.blocked[0].wanted, POLICY_OPEN);
	assert_int_equal(v.blocked[0].port, 443);
	assert_int_equal(v.let_in[0], 0);
	assert_int_equal(v.blocked[1].wanted, POLICY_CLOSED);
	/* not by rules: no answer leads back */
	policy_verify_restart(&v);
	assert_int_equal(v.blocked[0].wanted, POLICY_CLOSED);
	q.unanswered = true;
	assert_int_equal(policy_verify_without(&v, &q), 0);
	assert_int_equal(policy_verify_with(&v, &q), 0);
	assert_int_equal(v.blocked[0].wanted, POLICY_CLOSED);
	ask(&far, 443, VERDICT_ACCEPT, VERDICT_ACCEPT);
	assert_int_equal(v.let_in[0], 1);
}

static void test_observing(void **state)
{
	struct flow far = flow_of("8.8.8.8", SCENE_ETH, PROTO_TCP);

	(void)state;
	p.settings.undeclared = UNDECLARED_OBSERVE;
	ask(&far, 80, VERDICT_ACCEPT, VERDICT_ACCEPT);
	assert_true(policy_verify_holds(&v));
	ask(&far, 80, VERDICT_ACCEPT, VERDICT_DROP);
	assert_false(policy_verify_holds(&v));
}

static void test_more_than_are_kept(void **state)
{
	struct flow far = flow_of("8.8.8.8", SCENE_ETH, PROTO_TCP);
	struct policy_question q = {.flow = &far, .verdict = VERDICT_ACCEPT};

	(void)state;
	for (q.port = 1; q.port <= 100; q.port++)
		assert_int_equal(policy_verify_without(&v, &q), 0);
	for (q.port = 1; q.port <= 100; q.port++)
		assert_int_equal(policy_verify_with(&v, &q), 0);
	assert_int_equal(v.difference_count, 100);
	assert_int_equal(v.differences[POLICY_DIFFERENCE_LIMIT - 1].port, POLICY_DIFFERENCE_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_right, begin, end),
		cmocka_unit_test_setup_teardown(test_unknown, begin, end),
		cmocka_unit_test_setup_teardown(test_reasons, begin, end),
		cmocka_unit_test_setup_teardown(test_more_reasons_than_are_kept, begin, end),
		cmocka_unit_test_setup_teardown(test_not_its_business, begin, end),
		cmocka_unit_test_setup_teardown(test_diverged, begin, end),
		cmocka_unit_test_setup_teardown(test_blocked_by_others, begin, end),
		cmocka_unit_test_setup_teardown(test_observing, begin, end),
		cmocka_unit_test_setup_teardown(test_more_than_are_kept, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
