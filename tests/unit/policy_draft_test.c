/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_draft: what is open becomes a policy that has no errors. */
#include "base/mem.h"
#include "decide/policy_draft.h"
#include "model/services.h"
#include "policy_load_scene.h"
#include "scene.h"

/* A machine on which each row is reached as the test says. */
struct machine {
	struct snapshot s;
	struct services services;
	struct listener_list list;
	struct reach reach;
	struct reach_join join;
};

static int begin(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	scene_begin(&m->s);
	m->s.time_s = 1796083200; /* 2026-12-01 */
	m->reach.available = m->reach.complete = true;
	*state = m;
	return 0;
}

static int end(void **state)
{
	struct machine *m = *state;

	reach_join_done(&m->join);
	reach_done(&m->reach);
	listeners_done(&m->list);
	snapshot_done(&m->s);
	free(m);
	return 0;
}

static struct process_info *listen_on(struct machine *m, const char *program, const char *unit,
				      enum proto proto, uint16_t port, const char *address)
{
	uint32_t process = scene_process(&m->s, 100 + (uint32_t)m->s.process_count, program, 1);
	struct process_info *p = &m->s.processes[process];

	p->unit_str = unit[0] ? snapshot_add_text(&m->s, unit) : 0;
	p->container = SNAPSHOT_NONE;
	p->own_root = true;
	scene_socket(&m->s, proto, port, address);
	scene_hold(&m->s, process);
	return p;
}

/* Says that a class gets to the row; `sources` for a listed one. */
static void let_in(struct machine *m, struct port_row *row, enum source_class class,
		   const char *sources)
{
	struct reach_class *c = reach_add_class(&m->reach);
	struct reach_way *way;

	c->source_class = class;
	c->sources_str = strpool_add_text(&m->reach.strings, sources);
	assert_int_equal(mem_grow(&m->join.ways, &m->join.way_cap, m->join.way_count + 1,
				  sizeof(*m->join.ways)),
			 0);
	way = &m->join.ways[m->join.way_count];
	*way = (struct reach_way){.class = (uint32_t)m->reach.class_count - 1,
				  .verdict = VERDICT_ACCEPT};
	if (!row->reach.way_count++)
		row->reach.first_way = (uint32_t)m->join.way_count;
	m->join.way_count++;
	row->reach.looked = row->reach.reached = true;
	row->reach.state = PORT_OPEN;
	row->reach.widest = class;
}

static struct port_row *row_of(struct machine *m, uint16_t port)
{
	for (size_t i = 0; i < m->list.row_count; i++)
		if (m->list.rows[i].port == port)
			return &m->list.rows[i];
	fail_msg("no row of port %u", port);
	return NULL;
}

/* Each row is reached from the internet. */
static void open_all(struct machine *m)
{
	scene_build(&m->s, false, &m->list);
	for (size_t i = 0; i < m->list.row_count; i++)
		let_in(m, &m->list.rows[i], SOURCE_INTERNET, "");
}

static void draft(struct machine *m, struct buf *text)
{
	const struct draft_wish wish = {.snapshot = &m->s,
					.services = &m->services,
					.list = &m->list,
					.reach = &m->reach,
					.join = &m->join};
	struct policy_draft d;
	struct policy_scene scene = {0};
	const struct policy_facts facts = {0};
	size_t openings, comments;

	assert_int_equal(policy_draft_make(&wish, &d), 0);
	assert_int_equal(policy_draft_format(&d, &wish, text), 0);
	policy_draft_count(&d, &openings, &comments);
	scene_add(&scene, "a.yaml", buf_text(text));
	assert_int_equal(policy_review(&scene.p, &facts, &scene.problems), 0);
	assert_no_problem(&scene);
	assert_int_equal(scene.p.opening_count, openings);
	scene_done(&scene);
	policy_draft_done(&d);
}

static void assert_has(const struct buf *text, const char *part)
{
	if (!strstr(buf_text(text), part))
		fail_msg("'%s' is not in:\n%s", part, buf_text(text));
}

static void assert_has_not(const struct buf *text, const char *part)
{
	if (strstr(buf_text(text), part))
		fail_msg("'%s' is in:\n%s", part, buf_text(text));
}

static void test_units(void **state)
{
	struct machine *m = *state;
	struct buf text = {0};

	listen_on(m, "/usr/sbin/nginx", "nginx.service", PROTO_TCP, 80, "0.0.0.0");
	listen_on(m, "/usr/sbin/nginx", "nginx.service", PROTO_TCP, 443, "::");
	listen_on(m, "/usr/sbin/sshd", "ssh.service", PROTO_TCP, 22, "0.0.0.0");
	listen_on(m, "/usr/bin/thing", "session-3.scope", PROTO_TCP, 4000, "0.0.0.0");
	listen_on(m, "/usr/bin/other", "run-r12.service", PROTO_TCP, 4001, "0.0.0.0");
	open_all(m);
	draft(m, &text);
	assert_has(&text, "  protect: [22/tcp] #");
	assert_has(&text, "\n  - ports: [80/tcp, 443/tcp]\n    unit: nginx.service\n"
			  "    from: [internet]\n    why: \"was open on 2026-12-01\"\n");
	assert_has(&text, "\n  - ports: [4000/tcp]\n    program: /usr/bin/thing\n    user: root\n");
	assert_has(&text, "\n  - ports: [4001/tcp]\n    program: /usr/bin/other\n");
	assert_has(&text, "# 443/tcp: /usr/sbin/nginx, user root, unit nginx.service; reached");
	buf_done(&text);
}

/* What would not fit when it is there is not written. */
static void test_unit_of_a_user(void **state)
{
	struct machine *m = *state;
	struct buf text = {0};

	(void)state;
	listen_on(m, "/usr/bin/syncthing", "sync.service", PROTO_TCP, 4002, "0.0.0.0")
		->unit_of_user = true;
	open_all(m);
	draft(m, &text);
	assert_has(&text,
		   "\n  - ports: [4002/tcp]\n    program: /usr/bin/syncthing\n    user: root\n");
	assert_has(&text, "user root, unit sync.service; reached");
	assert_has_not(&text, "unit: sync");
	buf_done(&text);
}

static void test_risks(void **state)
{
	struct machine *m = *state;
	struct buf text = {0};

	listen_on(m, "/usr/bin/redis-server", "redis.service", PROTO_TCP, 7777, "0.0.0.0");
	listen_on(m, "/usr/bin/dockerd", "docker.service", PROTO_TCP, 2375, "0.0.0.0");
	listen_on(m, "/usr/sbin/nginx", "nginx.service", PROTO_TCP, 6379, "0.0.0.0");
	listen_on(m, "/tmp/x", "", PROTO_TCP, 4000, "0.0.0.0");
	listen_on(m, "/usr/bin/gone", "gone.service", PROTO_TCP, 4001, "0.0.0.0")->program_state =
		PROGRAM_DELETED;
	open_all(m);
	draft(m, &text);
	assert_has(&text, "\n#  - ports: [7777/tcp]\n");
	assert_has(&text, "\n#  - ports: [2375/tcp]\n");
	assert_has(&text, "(severity critical)");
	assert_has(&text, "\n  - ports: [6379/tcp]\n"); /* a web server on Redis' number */
	assert_has(&text, "\n#  - ports: [4000/tcp]\n");
	assert_has(&text, "\n#  - ports: [4001/tcp]\n");
	buf_done(&text);
}

static void test_sources(void **state)
{
	struct machine *m = *state;
	struct buf text = {0};

	for (uint16_t port = 4000; port < 4006; port++)
		listen_on(m, "/usr/bin/thing", "thing.service", PROTO_TCP, port, "0.0.0.0");
	scene_build(&m->s, false, &m->list);
	let_in(m, row_of(m, 4000), SOURCE_HOST, "");
	let_in(m, row_of(m, 4001), SOURCE_LISTED, "192.0.2.0/24, 2001:db8::/32");
	let_in(m, row_of(m, 4001), SOURCE_PRIVATE, "");
	let_in(m, row_of(m, 4002), SOURCE_LISTED, "@office (3 addresses)");
	let_in(m, row_of(m, 4003), SOURCE_LISTED, "@office, 192.0.2.1");
	let_in(m, row_of(m, 4004), SOURCE_LINK, "");
	row_of(m, 4005)->reach = (struct port_reach){.looked = true, .state = PORT_FILTERED};
	draft(m, &text);
	assert_has_not(&text, "4000/tcp");
	assert_has_not(&text, "4005/tcp");
	assert_has(&text, "from: [private, \"192.0.2.0/24\", \"2001:db8::/32\"]\n");
	assert_has(&text, "\n#  - ports: [4002/tcp]\n");
	assert_has(&text, "not written here: @office (3 addresses)");
	assert_has(&text, "\n  - ports: [4003/tcp]\n    unit: thing.service\n"
			  "    from: [\"192.0.2.1\"]\n");
	assert_has(&text, "from: [link]\n");
	buf_done(&text);
}

static void test_containers(void **state)
{
	struct machine *m = *state;
	struct process_info *p;
	struct container_info *c;
	struct buf text = {0};

	c = snapshot_add_container(&m->s);
	c->runtime_str = snapshot_add_text(&m->s, "docker");
	c->name_str = snapshot_add_text(&m->s, "web");
	p = listen_on(m, "/usr/sbin/nginx", "docker.service", PROTO_TCP, 8000, "0.0.0.0");
	p->container = 0;
	p->own_root = false;
	scene_build(&m->s, false, &m->list);
	m->list.rows[0].published = true;
	m->list.rows[0].last_port = 8010;
	let_in(m, &m->list.rows[0], SOURCE_INTERNET, "");
	draft(m, &text);
	assert_has(&text,
		   "\n  - ports: [8000-8010/tcp]\n    container: web\n    from: [internet]\n");
	assert_has(&text, "container web");
	buf_done(&text);
}

static void test_two_owners(void **state)
{
	struct machine *m = *state;
	struct buf text = {0};

	listen_on(m, "/usr/bin/one", "one.service", PROTO_TCP, 4000, "10.0.0.5");
	listen_on(m, "/usr/bin/two", "two.service", PROTO_TCP, 4000, "0.0.0.0");
	listen_on(m, "/usr/bin/three", "three.service", PROTO_UDP, 4000, "0.0.0.0");
	open_all(m);
	draft(m, &text);
	assert_has(&text, "# 4000/tcp: /usr/bin/one");
	assert_has(&text, "# 4000/tcp: /usr/bin/two");
	assert_has(&text, "\n  - ports: [4000/tcp]\n    from: [internet]\n");
	assert_has(&text, "\n  - ports: [4000/udp]\n    unit: three.service\n");
	buf_done(&text);
}

static void test_unknown(void **state)
{
	struct machine *m = *state;
	struct buf text = {0};

	listen_on(m, "/usr/bin/one", "one.service", PROTO_TCP, 4000, "0.0.0.0");
	listen_on(m, "/usr/bin/two", "two.service", PROTO_TCP, 4001, "127.0.0.1");
	listen_on(m, "/usr/bin/two", "two.service", PROTO_TCP, 4002, "0.0.0.0");
	scene_build(&m->s, false, &m->list);
	let_in(m, row_of(m, 4002), SOURCE_LINK, "");
	row_of(m, 4002)->reach.wider_unknown = true;
	row_of(m, 4002)->reach.why_str = strpool_add_text(&m->reach.strings, "a queue\nof #");
	draft(m, &text);
	assert_has(&text, "\n#  - ports: [4000/tcp]\n");
	assert_has(&text, "who can reach it is not known");
	assert_has_not(&text, "4001/tcp");
	assert_has(&text, "\n  - ports: [4002/tcp]\n    unit: two.service\n    from: [link]\n");
	assert_has(&text, "that is not known: a queue\\x0aof #");
	buf_done(&text);
}

/* Names that are not UTF-8, or would be something else in YAML. */
static void test_names(void **state)
{
	static const char *const names[] = {
		"/a: b", "/\xff", "/\xe2\x80\xae", "/a\nb", "/\"", "/#", "/~",
		"/a\\",	 "/'",	  "/{}",	   "/\x7f", "/-",  "/&a"};
	struct machine *m = *state;
	struct buf text = {0};

	for (uint16_t i = 0; i < ARRAY_LEN(names); i++)
		listen_on(m, names[i], "", PROTO_TCP, (uint16_t)(4000 + i), "0.0.0.0");
	open_all(m);
	draft(m, &text);
	assert_has(&text, "program: \"/a: b\"\n");
	assert_has(&text, "program: \"/\\U0000202e\"\n");
	assert_has(&text, "program: \"/a\\\\\"\n");
	buf_done(&text);
}

#define MACHINE_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(test_unit_of_a_user), MACHINE_TEST(test_units),
		MACHINE_TEST(test_risks),	   MACHINE_TEST(test_sources),
		MACHINE_TEST(test_containers),	   MACHINE_TEST(test_two_owners),
		MACHINE_TEST(test_unknown),	   MACHINE_TEST(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
