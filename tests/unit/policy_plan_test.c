/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_plan, policy_rows: what becomes of each port, and whether it is meant to be open.
 */
#include "decide/policy_plan.h"
#include "policy_scene.h"
#include "scene.h"

enum { WEB_PORT = 443, REDIS_PORT = 6379 };

struct side {
	struct listener_list list;
	struct reach reach;
	struct reach_join join;
};

static struct snapshot s;
static struct policy p;
static struct side before, after;
static struct plan plan;

static int begin(void **state)
{
	(void)state;
	scene_begin(&s);
	p.file_count = 1;
	before.reach = (struct reach){.available = true, .complete = true};
	after.reach = (struct reach){.available = true, .complete = true};
	return 0;
}

static void side_done(struct side *side)
{
	reach_join_done(&side->join);
	reach_done(&side->reach);
	listeners_done(&side->list);
}

static int end(void **state)
{
	(void)state;
	policy_plan_done(&plan);
	side_done(&before);
	side_done(&after);
	policy_done(&p);
	snapshot_done(&s);
	return 0;
}

static uint32_t listen_on(uint16_t port, const char *address)
{
	uint32_t process = scene_process(&s, 10 + (uint32_t)s.process_count, "/usr/sbin/server", 5);

	scene_socket(&s, PROTO_TCP, port, address);
	scene_hold(&s, process);
	return process;
}

/* Sources that get one verdict at every port. */
static struct reach_class *add(struct side *side, enum source_class class, const char *sources,
			       enum verdict verdict)
{
	struct reach_class *c = reach_add_class(&side->reach);

	*reach_add_interval(&side->reach) =
		(struct reach_interval){.first = 1, .last = 65535, .verdict = verdict};
	*c = (struct reach_class){
		.source_class = class,
		.within = SOURCE_PRIVATE,
		.ifindex = SCENE_ETH,
		.proto = PROTO_TCP,
		.destination = scene_address("10.0.0.5"),
		.sources_str = sources ? strpool_add_text(&side->reach.strings, sources) : 0,
		.first_interval = (uint32_t)side->reach.interval_count - 1,
		.interval_count = 1,
	};
	return c;
}

static void join(struct side *side)
{
	scene_build(&s, false, &side->list);
	assert_int_equal(reach_join(&s, &side->reach, &side->list, &side->join), 0);
}

static const struct plan_row *build(void)
{
	const struct plan_side sides[2] = {{&before.list, &before.reach, &before.join},
					   {&after.list, &after.reach, &after.join}};

	join(&before);
	join(&after);
	assert_int_equal(policy_plan_build(&p, &s, &sides[0], &sides[1], SCENE_NOW, &plan), 0);
	assert_int_equal(plan.row_count, s.socket_count);
	return &plan.rows[0];
}

static void test_closes(void **state)
{
	const struct plan_row *row;

	(void)state;
	listen_on(REDIS_PORT, "0.0.0.0");
	add(&before, SOURCE_INTERNET, NULL, VERDICT_ACCEPT);
	add(&before, SOURCE_PRIVATE, NULL, VERDICT_ACCEPT);
	add(&after, SOURCE_INTERNET, NULL, VERDICT_DROP);
	add(&after, SOURCE_PRIVATE, NULL, VERDICT_DROP);
	row = build();
	assert_int_equal(row->kind, PLAN_CLOSES);
	assert_int_equal(row->declared, DECLARED_NO);
	assert_int_equal(row->lost_count, 2);
	assert_int_equal(row->gained_count, 0);
	assert_int_equal(row->families, FAMILY_IPV4);
	assert_false(policy_plan_is_empty(&plan));
}

/* Once rules mention 10.0.0.0/8, it is told apart from the other private networks. */
static void test_the_same_in_parts(void **state)
{
	(void)state;
	listen_on(WEB_PORT, "0.0.0.0");
	add(&before, SOURCE_INTERNET, NULL, VERDICT_ACCEPT);
	add(&before, SOURCE_PRIVATE, NULL, VERDICT_ACCEPT);
	add(&after, SOURCE_INTERNET, NULL, VERDICT_ACCEPT);
	add(&after, SOURCE_PRIVATE, "10.0.0.0/8", VERDICT_ACCEPT);
	add(&after, SOURCE_PRIVATE, "172.16.0.0/12, 192.168.0.0/16", VERDICT_ACCEPT);
	add(&after, SOURCE_LISTED, "10.9.0.0/16", VERDICT_ACCEPT);
	assert_int_equal(build()->kind, PLAN_STAYS);
	assert_int_equal(plan.rows[0].families, 0);
	assert_true(policy_plan_is_empty(&plan));
}

static void test_one_family(void **state)
{
	(void)state;
	listen_on(WEB_PORT, "::");
	add(&before, SOURCE_INTERNET, NULL, VERDICT_ACCEPT);
	add(&before, SOURCE_INTERNET, NULL, VERDICT_ACCEPT)->destination = scene_address("fd00::5");
	add(&after, SOURCE_INTERNET, NULL, VERDICT_ACCEPT);
	add(&after, SOURCE_INTERNET, NULL, VERDICT_DROP)->destination = scene_address("fd00::5");
	assert_int_equal(build()->kind, PLAN_NARROWS);
	assert_int_equal(plan.rows[0].families, FAMILY_IPV6);
}

static void test_narrows(void **state)
{
	const struct plan_row *row;

	(void)state;
	listen_on(WEB_PORT, "0.0.0.0");
	add(&before, SOURCE_INTERNET, NULL, VERDICT_ACCEPT);
	add(&before, SOURCE_PRIVATE, NULL, VERDICT_ACCEPT);
	add(&after, SOURCE_INTERNET, NULL, VERDICT_DROP);
	add(&after, SOURCE_PRIVATE, "10.0.0.0/8", VERDICT_ACCEPT);
	add(&after, SOURCE_PRIVATE, "192.168.0.0/16", VERDICT_DROP);
	row = build();
	assert_int_equal(row->kind, PLAN_NARROWS);
	assert_int_equal(row->lost_count, 2);
}

static void test_a_part_alone(void **state)
{
	(void)state;
	listen_on(WEB_PORT, "0.0.0.0");
	add(&before, SOURCE_INTERNET, NULL, VERDICT_ACCEPT);
	add(&before, SOURCE_PRIVATE, NULL, VERDICT_ACCEPT);
	add(&after, SOURCE_INTERNET, NULL, VERDICT_ACCEPT);
	add(&after, SOURCE_PRIVATE, NULL, VERDICT_ACCEPT);
	add(&after, SOURCE_LISTED, "10.9.0.0/16", VERDICT_DROP);
	assert_int_equal(build()->kind, PLAN_CHANGES);
	assert_int_equal(plan.rows[0].families, FAMILY_IPV4);
}

static void test_opens_and_widens(void **state)
{
	(void)state;
	listen_on(WEB_PORT, "0.0.0.0");
	add(&before, SOURCE_INTERNET, NULL, VERDICT_DROP);
	add(&before, SOURCE_PRIVATE, NULL, VERDICT_DROP);
	add(&after, SOURCE_INTERNET, NULL, VERDICT_DROP);
	add(&after, SOURCE_PRIVATE, NULL, VERDICT_ACCEPT);
	assert_int_equal(build()->kind, PLAN_OPENS);
	end(NULL);
	begin(NULL);
	listen_on(WEB_PORT, "0.0.0.0");
	add(&before, SOURCE_INTERNET, NULL, VERDICT_DROP);
	add(&before, SOURCE_PRIVATE, NULL, VERDICT_ACCEPT);
	add(&after, SOURCE_INTERNET, NULL, VERDICT_ACCEPT);
	add(&after, SOURCE_PRIVATE, NULL, VERDICT_ACCEPT);
	assert_int_equal(build()->kind, PLAN_WIDENS);
}

/* What may be open now counts as open: closing it is a change. */
static void test_unknown_before(void **state)
{
	const struct plan_row *row;

	(void)state;
	listen_on(WEB_PORT, "0.0.0.0");
	add(&before, SOURCE_INTERNET, NULL, VERDICT_UNKNOWN);
	add(&after, SOURCE_INTERNET, NULL, VERDICT_DROP);
	row = build();
	assert_int_equal(row->kind, PLAN_CLOSES);
	assert_true(row->maybe);
}

static enum declared declared_of(const struct policy *policy)
{
	uint32_t opening;

	listeners_done(&before.list);
	scene_build(&s, false, &before.list);
	return policy_row(policy, &s, &before.list, &before.list.rows[0], SCENE_NOW, &opening);
}

static void test_declared(void **state)
{
	uint32_t process = listen_on(WEB_PORT, "0.0.0.0");
	struct opening *o;

	(void)state;
	assert_int_equal(declared_of(&p), DECLARED_NO);
	scene_open(&p, &(struct given){.ports = "400-500/tcp", .from = "internet"});
	o = &p.openings[0];
	assert_int_equal(declared_of(&p), DECLARED_YES);
	o->program_str = strpool_add_text(&p.strings, "/usr/sbin/server");
	assert_int_equal(declared_of(&p), DECLARED_YES);
	o->program_str = strpool_add_text(&p.strings, "/usr/sbin/other");
	assert_int_equal(declared_of(&p), DECLARED_OTHER);
	o->program_str = 0;
	o->unit_str = strpool_add_text(&p.strings, "web.service");
	assert_int_equal(declared_of(&p), DECLARED_UNKNOWN);
	s.processes[process].cgroup_str = snapshot_add_text(&s, "/user.slice");
	assert_int_equal(declared_of(&p), DECLARED_OTHER);
	s.processes[process].unit_str = snapshot_add_text(&s, "web.service");
	assert_int_equal(declared_of(&p), DECLARED_YES);
	o->container_str = strpool_add_text(&p.strings, "web");
	assert_int_equal(declared_of(&p), DECLARED_OTHER);
	o->container_str = 0;
	o->until_s = SCENE_NOW;
	assert_int_equal(declared_of(&p), DECLARED_NO);
	scene_protect(&p, "443/tcp");
	assert_int_equal(declared_of(&p), DECLARED_YES);
	p.file_count = 0;
	assert_int_equal(declared_of(&p), DECLARED_NO_POLICY);
}

/* A user may call a unit of their own like one of the machine's. */
static void test_units_of_users(void **state)
{
	uint32_t index = listen_on(WEB_PORT, "0.0.0.0");
	struct process_info *process = &s.processes[index];
	struct opening *o;

	(void)state;
	scene_open(&p, &(struct given){.ports = "443/tcp", .from = "internet"});
	o = &p.openings[0];
	process->unit_str = snapshot_add_text(&s, "web.service");
	process->cgroup_str = snapshot_add_text(
		&s, "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service");
	process->unit_of_user = true;
	process->manager_uid = 1000;
	assert_int_equal(declared_of(&p), DECLARED_YES);
	o->unit_str = strpool_add_text(&p.strings, "web.service");
	assert_int_equal(declared_of(&p), DECLARED_OTHER);
	o->unit_str = strpool_add_text(&p.strings, "user@1001.service");
	assert_int_equal(declared_of(&p), DECLARED_OTHER);
	o->unit_str = strpool_add_text(&p.strings, "user@1000.service");
	assert_int_equal(declared_of(&p), DECLARED_YES);
	process->unit_str = snapshot_add_text(&s, "user@1001.service"); /* so it calls itself */
	assert_int_equal(declared_of(&p), DECLARED_YES);
	o->unit_str = strpool_add_text(&p.strings, "user@1001.service");
	assert_int_equal(declared_of(&p), DECLARED_OTHER);
	process->unit_of_user = false;
	assert_int_equal(declared_of(&p), DECLARED_YES);
}

/* A published range is as open as its least declared port. */
static void test_a_range_declared_in_part(void **state)
{
	(void)state;
	listen_on(WEB_PORT, "0.0.0.0");
	scene_open(&p, &(struct given){.ports = "443/tcp", .from = "internet"});
	assert_int_equal(declared_of(&p), DECLARED_YES);
	before.list.rows[0].last_port = WEB_PORT + 2;
	assert_int_equal(
		policy_row(&p, &s, &before.list, &before.list.rows[0], SCENE_NOW, &(uint32_t){0}),
		DECLARED_NO);
}

static void test_local_needs_no_opening(void **state)
{
	(void)state;
	listen_on(WEB_PORT, "127.0.0.1");
	assert_int_equal(declared_of(&p), DECLARED_LOCAL);
}

static void test_missing(void **state)
{
	(void)state;
	scene_open(&p, &(struct given){.ports = "80/tcp 443/tcp", .from = "internet"});
	scene_build(&s, false, &before.list);
	assert_true(policy_is_missing(&p, &p.openings[0], &before.list));
	listeners_done(&before.list);
	listen_on(WEB_PORT, "0.0.0.0");
	scene_build(&s, false, &before.list);
	assert_false(policy_is_missing(&p, &p.openings[0], &before.list));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_closes, begin, end),
		cmocka_unit_test_setup_teardown(test_the_same_in_parts, begin, end),
		cmocka_unit_test_setup_teardown(test_one_family, begin, end),
		cmocka_unit_test_setup_teardown(test_narrows, begin, end),
		cmocka_unit_test_setup_teardown(test_a_part_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_opens_and_widens, begin, end),
		cmocka_unit_test_setup_teardown(test_unknown_before, begin, end),
		cmocka_unit_test_setup_teardown(test_declared, begin, end),
		cmocka_unit_test_setup_teardown(test_units_of_users, begin, end),
		cmocka_unit_test_setup_teardown(test_a_range_declared_in_part, begin, end),
		cmocka_unit_test_setup_teardown(test_local_needs_no_opening, begin, end),
		cmocka_unit_test_setup_teardown(test_missing, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
