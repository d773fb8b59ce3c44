/* SPDX-License-Identifier: GPL-2.0-or-later */
/* filter: each condition by itself, together, and what is no filter. */
#include "base/mem.h"
#include "decide/filter.h"
#include "model/services.h"
#include "scene.h"
#include "unit.h"

static struct snapshot s;
static struct listener_list list;
static struct filter f;

static uint32_t add(enum proto proto, uint16_t port, const char *address, const char *program,
		    const char *unit, const char *user, uint32_t uid)
{
	uint32_t p = scene_process(&s, 100 + port, program, port);

	s.processes[p].unit_str = snapshot_add_text(&s, unit);
	s.processes[p].user_str = snapshot_add_text(&s, user);
	s.processes[p].uid = uid;
	scene_socket(&s, proto, port, address);
	scene_hold(&s, p);
	return p;
}

static int begin(void **state)
{
	struct container_info *c;
	uint32_t p;

	(void)state;
	f = (struct filter){0};
	scene_begin(&s);
	add(PROTO_TCP, 80, "0.0.0.0", "/usr/sbin/nginx", "nginx.service", "www-data", 33);
	p = add(PROTO_TCP, 22, "10.0.0.5", "/usr/sbin/sshd", "ssh.service", "root", 0);
	s.processes[p].package_str = snapshot_add_text(&s, "openssh-server");
	add(PROTO_UDP, 53, "::1", "/usr/sbin/unbound", "unbound.service", "unbound", 110);
	add(PROTO_TCP, 9000, "127.0.0.1", "/usr/sbin/php-fpm8.2", "php8.2-fpm.service", "www-data",
	    33);
	p = add(PROTO_TCP, 8080, "0.0.0.0", "/app/server", "docker-1.scope", "1000", 1000);
	c = snapshot_add_container(&s);
	c->name_str = snapshot_add_text(&s, "web");
	c->id_str = snapshot_add_text(&s, "3f4e8d");
	s.processes[p].container = 0;
	p = add(PROTO_TCP, 631, "127.0.0.1", "/usr/lib/systemd/systemd", "init.scope", "root", 0);
	s.processes[p].is_manager = true;
	scene_activate(&s, "cups.socket", "cups.service", "/usr/sbin/print-daemon");
	scene_socket(&s, PROTO_UDP, 51820, "::"); /* nobody's */
	s.sockets[s.socket_count - 1].user_str = snapshot_add_text(&s, "nobody");
	s.sockets[s.socket_count - 1].uid = 65534;
	scene_build(&s, true, &list);
	return 0;
}

static int end(void **state)
{
	(void)state;
	listeners_done(&list);
	snapshot_done(&s);
	return 0;
}

/* Applies the filter, expects these ports (0 ends them, any order), and begins anew. */
static void expect_ports(const uint16_t *ports)
{
	size_t count = 0;

	filter_apply(&f, &s, NULL, &list);
	for (; ports[count]; count++) {
		bool found = false;

		for (size_t i = 0; i < list.row_count; i++)
			found |= list.rows[i].port == ports[count];
		if (!found)
			fail_msg("port %u was dropped", ports[count]);
	}
	assert_int_equal(list.row_count, count);
	listeners_done(&list);
	scene_build(&s, true, &list);
	f = (struct filter){0};
}

#define PORTS(...) ((const uint16_t[]){__VA_ARGS__, 0})
#define NO_PORTS   ((const uint16_t[]){0})

static void word(const char *text)
{
	struct err e = {0};

	assert_int_equal(filter_add_word(&f, text, &e), 0);
}

static void test_no_condition(void **state)
{
	(void)state;
	expect_ports(PORTS(80, 22, 53, 9000, 8080, 631, 51820));
}

static void test_ports(void **state)
{
	(void)state;
	word("80");
	expect_ports(PORTS(80));
	word("80/udp");
	expect_ports(NO_PORTS);
	word("1-1024/tcp");
	expect_ports(PORTS(80, 22, 631));
	word("1-1024");
	word("8080/tcp");
	expect_ports(PORTS(80, 22, 53, 631, 8080)); /* one or the other */
	word("1");
	expect_ports(NO_PORTS);
}

static void test_names(void **state)
{
	static const struct {
		const char *word;
		uint16_t port;
	} cases[] = {
		{"nginx", 80},

		{"nginx.service", 80},
		{"http", 80},
		{"ssh", 22},
		{"sshd", 22},
		{"openssh-server", 22},
		{"domain", 53},
		{"web", 8080},
		{"3f4e8d", 8080},
		{"server", 8080},
		{"cups", 631},
		{"print-daemon", 631},
		{"cups.socket", 631},
		{"php-fpm8.2", 9000},

		{"php8.2-fpm.service", 9000},
	};
	static const char *const none[] = {"ngin", "nginxx", "NGINX", "sbin/nginx", "nginx.socket",
					   "usr",  "we",     "0x50",  "root"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		word(cases[i].word);
		expect_ports(PORTS(cases[i].port));
	}
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		word(none[i]);
		expect_ports(NO_PORTS);
	}
	word("nginx");
	word("sshd");
	expect_ports(PORTS(80, 22));
}

/* The site may show another name of a number than the one that is typed. */
static void test_all_names_of_a_service(void **state)
{
	static const char text[] = "imap2 143/tcp imap-old\nhttp 80/tcp www";
	static const char *const names[] = {"imap2", "imap", "imap-old"};
	struct services services = {0};

	(void)state;
	scene_socket(&s, PROTO_TCP, 143, "10.0.0.5");
	assert_int_equal(services_parse(&services, text, sizeof(text) - 1), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		listeners_done(&list);
		scene_build(&s, true, &list);
		f = (struct filter){0};
		word(names[i]);
		filter_apply(&f, &s, &services, &list);
		assert_int_equal(list.row_count, 1);
		assert_int_equal(list.rows[0].port, 143);
	}
	services_done(&services);
}

/* A program by its whole path. */
static void test_paths(void **state)
{
	(void)state;
	word("/usr/sbin/nginx");
	expect_ports(PORTS(80));
	word("/usr/sbin/print-daemon");
	expect_ports(PORTS(631));
	word("/sbin/nginx");
	expect_ports(NO_PORTS);
}

static void test_ports_and_names(void **state)
{
	(void)state;
	word("1-1024/tcp");
	word("8080");
	word("nginx");
	word("web");
	expect_ports(PORTS(80, 8080));
	word("22");
	word("nginx");
	expect_ports(NO_PORTS);
}

static void user(uint32_t uid)
{
	f.only_user = true;
	f.uid = uid;
}

static void test_user(void **state)
{
	(void)state;
	user(33);
	expect_ports(PORTS(80, 9000));
	user(1000);
	expect_ports(PORTS(8080));
	user(65534); /* a socket without a process has an owner too */
	expect_ports(PORTS(51820));
	user(0);
	expect_ports(PORTS(22, 631));
	user(UINT32_MAX); /* not a number that any user has */
	expect_ports(NO_PORTS);
}

/* A worker that gave up root still has the socket. */
static void test_user_of_any_process(void **state)
{
	uint32_t worker = scene_process(&s, 4000, "/usr/sbin/sshd", 4000);
	uint32_t master = scene_process(&s, 3000, "/usr/sbin/sshd", 3000);

	(void)state;
	s.processes[worker].uid = 74;
	scene_socket(&s, PROTO_TCP, 2222, "10.0.0.5");
	scene_hold(&s, master);
	scene_hold(&s, worker);
	listeners_done(&list);
	scene_build(&s, true, &list);
	user(74);
	expect_ports(PORTS(2222));
	user(0);
	expect_ports(PORTS(22, 631, 2222));
}

static void test_unit(void **state)
{
	(void)state;
	f.unit = "nginx";
	expect_ports(PORTS(80));
	f.unit = "nginx.service";
	expect_ports(PORTS(80));
	f.unit = "nginx.socket";
	expect_ports(NO_PORTS);
	f.unit = "ngin";
	expect_ports(NO_PORTS);
	f.unit = "cups"; /* systemd listens for it */
	expect_ports(PORTS(631));
	f.unit = "cups.socket";
	expect_ports(PORTS(631));
	f.unit = "cups.service";
	expect_ports(PORTS(631));
	f.unit = "/usr/sbin/nginx";
	expect_ports(NO_PORTS);
	f.unit = "print-daemon"; /* a program, no unit */
	expect_ports(NO_PORTS);
	f.unit = "php8.2-fpm.service";
	expect_ports(PORTS(9000));
}

/* Units whose own name has a dot: the suffix can be left out there too. */
static void test_unit_with_dot(void **state)
{
	(void)state;
	f.unit = "php8.2-fpm";
	expect_ports(PORTS(9000));
	word("php8.2-fpm");
	expect_ports(PORTS(9000));
}

/* But only the suffix: php8 is another unit. */
static void test_unit_up_to_a_dot_is_another(void **state)
{
	(void)state;
	f.unit = "php8";
	expect_ports(NO_PORTS);
	word("php8");
	expect_ports(NO_PORTS);
}

/* Two socket units of one service are one row: each of them finds it. */
static void test_unit_of_any_listener(void **state)
{
	(void)state;
	scene_socket(&s, PROTO_TCP, 631, "10.0.0.5");
	scene_activate(&s, "cups-lan.socket", "cups.service", "/usr/sbin/cupsd");
	scene_hold(&s, 5);
	listeners_done(&list);
	scene_build(&s, true, &list);
	f.unit = "cups.socket";
	expect_ports(PORTS(631));
	f.unit = "cups-lan.socket";
	expect_ports(PORTS(631));
	f.unit = "cups-wan.socket";
	expect_ports(NO_PORTS);
}

static void test_bound(void **state)
{
	(void)state;
	assert_int_equal(filter_set_bound(&f, "everywhere"), 0);
	expect_ports(PORTS(80, 8080, 51820));
	assert_int_equal(filter_set_bound(&f, "network"), 0);
	expect_ports(PORTS(22));
	assert_int_equal(filter_set_bound(&f, "this-machine"), 0);
	expect_ports(PORTS(53, 9000, 631));
	assert_int_equal(filter_set_bound(&f, "elsewhere"), -EINVAL);
	assert_int_equal(filter_set_bound(&f, ""), -EINVAL);
	assert_false(f.only_bound);
}

static void test_protocols(void **state)
{
	(void)state;
	f.protos = 1u << PROTO_UDP;
	expect_ports(PORTS(53, 51820));
	f.protos = 1u << PROTO_UDP | 1u << PROTO_TCP;
	expect_ports(PORTS(80, 22, 53, 9000, 8080, 631, 51820));
	f.protos = 1u << PROTO_SCTP;
	expect_ports(NO_PORTS);
}

static void test_all_kinds_together(void **state)
{
	(void)state;
	word("1-1024");
	word("nginx");
	user(33);
	f.unit = "nginx";
	f.protos = 1u << PROTO_TCP;
	filter_set_bound(&f, "everywhere");
	expect_ports(PORTS(80));
	word("nginx");
	user(0);
	expect_ports(NO_PORTS);
	word("nginx");
	filter_set_bound(&f, "network");
	expect_ports(NO_PORTS);
	f.unit = "nginx";
	f.protos = 1u << PROTO_UDP;
	expect_ports(NO_PORTS);
}

static void test_bad_words(void **state)
{
	static const char *const bad[] = {"",	 "0",	   "65536", "80-", "90-80", "80/foo",
					  "80/", "80,443", "*:80",  "tcp", "udp"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = {0};

		assert_int_equal(filter_add_word(&f, bad[i], &e), -EINVAL);
		assert_true(e.msg[0] != '\0');
	}
	assert_int_equal(f.range_count, 0);
	assert_int_equal(f.word_count, 0);
}

static void test_limit(void **state)
{
	struct err e = {0};

	(void)state;
	for (int i = 0; i < FILTER_WORD_LIMIT; i++)
		word(i & 1 ? "80" : "nginx");
	assert_int_equal(filter_add_word(&f, "one-more", &e), -E2BIG);
	assert_int_equal(filter_add_word(&f, "81", &e), -E2BIG);
	assert_int_equal(e.code, -E2BIG);
	expect_ports(PORTS(80));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_condition),
		TEST(test_ports),
		TEST(test_names),
		TEST(test_all_names_of_a_service),
		TEST(test_paths),
		TEST(test_ports_and_names),
		TEST(test_user),
		TEST(test_user_of_any_process),
		TEST(test_unit),
		TEST(test_unit_with_dot),
		TEST(test_unit_up_to_a_dot_is_another),
		TEST(test_unit_of_any_listener),
		TEST(test_bound),
		TEST(test_protocols),
		TEST(test_all_kinds_together),
		TEST(test_bad_words),
		TEST(test_limit),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
