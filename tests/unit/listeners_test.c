/* SPDX-License-Identifier: GPL-2.0-or-later */
/* listeners: how sockets fold into rows, how far an address reaches, and who is named. */
#include "base/mem.h"
#include "decide/listeners.h"
#include "scene.h"
#include "unit.h"

static struct snapshot s;
static struct listener_list list;

static int begin(void **state)
{
	(void)state;
	scene_begin(&s);
	list = (struct listener_list){0};
	return 0;
}

static int end(void **state)
{
	(void)state;
	listeners_done(&list);
	listeners_done(&list);
	snapshot_done(&s);
	return 0;
}

static void test_nothing(void **state)
{
	(void)state;
	scene_build(&s, true, &list);
	assert_int_equal(list.row_count, 0);
	assert_int_equal(list.listener_count, 0);
	listeners_sort(&s, &list, ORDER_PORT);
}

static void test_both_families_are_one_row(void **state)
{
	uint32_t nginx = scene_process(&s, 10, "/usr/sbin/nginx", 5);

	(void)state;
	scene_socket(&s, PROTO_TCP, 80, "0.0.0.0");
	scene_hold(&s, nginx);
	scene_socket(&s, PROTO_TCP, 80, "::")->v6only = true;
	scene_hold(&s, nginx);
	scene_build(&s, false, &list);
	assert_int_equal(list.row_count, 1);
	assert_int_equal(list.listener_count, 2);
	assert_int_equal(list.rows[0].bound, BOUND_EVERYWHERE);
	assert_string_equal(bound_id(list.rows[0].bound), "everywhere");
	assert_int_equal(list.rows[0].families, FAMILY_IPV4 | FAMILY_IPV6);
	assert_int_equal(list.rows[0].listener_count, 2);
	assert_int_equal(row_owner(&s, &list, &list.rows[0])->pid, 10);
}

/* The families of a row are those of its widest addresses, not of what is beside them. */
static void test_families_of_the_widest(void **state)
{
	uint32_t p = scene_process(&s, 10, "/usr/sbin/nginx", 5);

	(void)state;
	scene_socket(&s, PROTO_TCP, 80, "127.0.0.1");
	scene_hold(&s, p);
	scene_socket(&s, PROTO_TCP, 80, "::")->v6only = true;
	scene_hold(&s, p);
	scene_build(&s, false, &list);
	assert_int_equal(list.row_count, 1);
	assert_int_equal(list.rows[0].bound, BOUND_EVERYWHERE);
	assert_int_equal(list.rows[0].families, FAMILY_IPV6);
	listeners_done(&list);
	s.sockets[0].address.bytes[0] = 10; /* and the other way about */
	s.sockets[0].address.bytes[3] = 5;
	s.sockets[1].address.bytes[15] = 1;
	scene_build(&s, false, &list);
	assert_int_equal(list.rows[0].bound, BOUND_NETWORK);
	assert_int_equal(list.rows[0].families, FAMILY_IPV4);
}

/* Asked for one family, a row's bound is that family's, however far the other one reaches. */
static void test_families_wanted(void **state)
{
	struct listener_options v6 = {.families = FAMILY_IPV6}, v4 = {.families = FAMILY_IPV4};
	uint32_t p = scene_process(&s, 10, "/usr/sbin/nginx", 5);

	(void)state;
	scene_socket(&s, PROTO_TCP, 80, "0.0.0.0");
	scene_hold(&s, p);
	scene_socket(&s, PROTO_TCP, 80, "::1");
	scene_hold(&s, p);
	scene_socket(&s, PROTO_TCP, 81, "::"); /* serves both */
	assert_int_equal(listeners_build(&s, &v6, &list), 0);
	assert_int_equal(list.row_count, 2);
	assert_int_equal(list.listener_count, 2);
	assert_int_equal(list.rows[0].port, 81);
	assert_int_equal(list.rows[1].bound, BOUND_HOST);
	listeners_done(&list);
	assert_int_equal(listeners_build(&s, &v4, &list), 0);
	assert_int_equal(list.row_count, 2);
	assert_int_equal(list.listener_count, 2);
	assert_int_equal(list.rows[0].bound, BOUND_EVERYWHERE);
	assert_int_equal(list.rows[1].families, FAMILY_IPV4 | FAMILY_IPV6);
}

static void test_families(void **state)
{
	static const struct {
		const char *address;
		bool v6only;
		uint8_t families;
	} cases[] = {
		{"0.0.0.0", false, FAMILY_IPV4},
		{"10.0.0.5", false, FAMILY_IPV4},
		{"::", false, FAMILY_IPV4 | FAMILY_IPV6},
		{"::", true, FAMILY_IPV6},
		{"::1", false, FAMILY_IPV6},
		{"fd00::5", false, FAMILY_IPV6},
		{"::ffff:10.0.0.5", false, FAMILY_IPV4},
		{"::ffff:0.0.0.0", false, FAMILY_IPV4},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		scene_socket(&s, PROTO_TCP, (uint16_t)(100 + i), cases[i].address)->v6only =
			cases[i].v6only;
	scene_build(&s, false, &list);
	listeners_sort(&s, &list, ORDER_PORT);
	assert_int_equal(list.row_count, ARRAY_LEN(cases));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(list.rows[i].families, cases[i].families);
}

static void test_reuseport(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		struct socket_info *socket = scene_socket(&s, PROTO_TCP, 80, "0.0.0.0");

		socket->backlog_used = 1 + i;
		socket->backlog_limit = i == 2 ? 511 : 128;
		socket->drops = 10;
		scene_hold(&s, scene_process(&s, 10 + i, "/usr/sbin/nginx", 50 - i));
	}
	scene_build(&s, false, &list);
	assert_int_equal(list.row_count, 1);
	assert_int_equal(list.listener_count, 1);
	assert_int_equal(list.listeners[0].socket_count, 4);
	assert_int_equal(list.listeners[0].process_count, 4);
	assert_int_equal(list.listeners[0].backlog_used, 10);
	assert_int_equal(list.listeners[0].backlog_limit, 511);
	assert_int_equal(list.listeners[0].drops, 40);
	/* the owner stands first, and nobody twice */
	assert_int_equal(list.process_indexes[list.listeners[0].first_process],
			 list.listeners[0].owner);
	assert_int_equal(list.process_index_count, 4);
	/* the oldest of all, whichever socket the kernel tells first */
	assert_int_equal(s.processes[list.listeners[0].owner].pid, 13);
}

static void test_two_programs_are_two_rows(void **state)
{
	uint32_t a = scene_process(&s, 10, "/usr/sbin/nginx", 5);
	uint32_t b = scene_process(&s, 11, "/usr/sbin/haproxy", 6);

	(void)state;
	scene_socket(&s, PROTO_TCP, 80, "10.0.0.5");
	scene_hold(&s, a);
	scene_socket(&s, PROTO_TCP, 80, "127.0.0.1");
	scene_hold(&s, b);
	scene_build(&s, false, &list);
	assert_int_equal(list.row_count, 2);
	assert_int_equal(row_owner(&s, &list, &list.rows[0])->pid, 10); /* the most exposed */
	assert_int_equal(row_owner(&s, &list, &list.rows[1])->pid, 11);
	assert_int_equal(list.rows[0].bound, BOUND_NETWORK);
	assert_int_equal(list.rows[1].bound, BOUND_HOST);
}

/* What makes another owner, beside the program: unit, container, user, namespace, protocol. */
static void test_what_makes_another_row(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		uint32_t p = scene_process(&s, 10 + i, "/usr/bin/app", 5 + i);
		struct socket_info *socket =
			scene_socket(&s, i == 5 ? PROTO_UDP : PROTO_TCP, 80, "0.0.0.0");

		scene_hold(&s, p);
		if (i == 1)
			s.processes[p].unit_str = snapshot_add_text(&s, "b.service");
		if (i == 2)
			s.processes[p].container = 0;
		if (i == 3)
			s.processes[p].uid = 33;
		if (i == 4)
			socket->netns = 1;
	}
	snapshot_add_container(&s);
	snapshot_add_netns(&s);
	scene_build(&s, false, &list);
	assert_int_equal(list.row_count, 6);
}

static void test_same_owner_two_processes_one_row(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		scene_socket(&s, PROTO_TCP, 80, i ? "127.0.0.1" : "10.0.0.5");
		scene_hold(&s, scene_process(&s, 10 + i, "/usr/bin/app", 5 + i));
	}
	scene_build(&s, false, &list);
	assert_int_equal(list.row_count, 1);
	assert_int_equal(list.listener_count, 2);
	assert_int_equal(list.rows[0].bound, BOUND_NETWORK); /* the widest of them */
}

struct bound_case {
	const char *address;
	uint32_t ifindex;
	enum bound bound;
	bool absent;
	uint32_t network; /* index in the scene's addresses */
};

static const struct bound_case bounds[] = {
	{"0.0.0.0", 0, BOUND_EVERYWHERE, false, SNAPSHOT_NONE},
	{"::", 0, BOUND_EVERYWHERE, false, SNAPSHOT_NONE},
	{"127.0.0.1", 0, BOUND_HOST, false, 0},
	{"127.9.9.9", 0, BOUND_HOST, false, 0},
	{"::1", 0, BOUND_HOST, false, 1},
	{"::ffff:127.0.0.1", 0, BOUND_HOST, false, 0},
	{"10.0.0.5", 0, BOUND_NETWORK, false, 2},
	{"fd00::5", 0, BOUND_NETWORK, false, 3},
	{"::ffff:10.0.0.5", 0, BOUND_NETWORK, false, 2},
	{"0.0.0.0", SCENE_ETH, BOUND_NETWORK, false, SNAPSHOT_NONE},
	{"::", SCENE_ETH, BOUND_NETWORK, false, SNAPSHOT_NONE},
	{"0.0.0.0", SCENE_LOOPBACK, BOUND_HOST, false, SNAPSHOT_NONE},
	{"10.0.0.5", SCENE_LOOPBACK, BOUND_HOST, true, SNAPSHOT_NONE},
	{"0.0.0.0", 77, BOUND_NETWORK, false, SNAPSHOT_NONE}, /* an interface that has gone */
	{"10.0.0.9", 0, BOUND_NETWORK, true, 2},
	{"10.0.0.255", 0, BOUND_NETWORK, false, 2}, /* broadcast: every host has it */
	{"10.0.1.5", 0, BOUND_NETWORK, true, SNAPSHOT_NONE},
	{"fd00::9", 0, BOUND_NETWORK, true, 3},
	{"239.1.1.1", 0, BOUND_NETWORK, false, SNAPSHOT_NONE},
	{"ff02::fb", 0, BOUND_NETWORK, false, SNAPSHOT_NONE},
};

static void test_bound(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
		scene_socket(&s, PROTO_UDP, (uint16_t)(100 + i), bounds[i].address)->ifindex =
			bounds[i].ifindex;
	scene_build(&s, false, &list);
	listeners_sort(&s, &list, ORDER_PORT);
	assert_int_equal(list.row_count, ARRAY_LEN(bounds));
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		const struct listener *l = &list.listeners[list.rows[i].first_listener];

		assert_int_equal(l->port, 100 + i);
		assert_int_equal(l->bound, bounds[i].bound);
		assert_int_equal(l->absent, bounds[i].absent);
		assert_int_equal(l->network, bounds[i].network);
		assert_int_equal(list.rows[i].bound, l->bound);
	}
}

/* Another namespace's address is not ours, and its interfaces have numbers of their own. */
static void test_bound_of_other_namespace(void **state)
{
	struct interface_info *info;

	(void)state;
	snapshot_add_netns(&s);
	info = snapshot_add_interface(&s);
	info->netns = 1;
	info->ifindex = SCENE_LOOPBACK;
	info->loopback = false;
	scene_socket(&s, PROTO_TCP, 80, "10.0.0.5")->netns = 1;
	scene_socket(&s, PROTO_TCP, 81, "0.0.0.0")->netns = 1;
	s.sockets[1].ifindex = SCENE_LOOPBACK;
	scene_build(&s, false, &list);
	listeners_sort(&s, &list, ORDER_PORT);
	assert_true(list.listeners[list.rows[0].first_listener].absent);
	assert_int_equal(list.rows[1].bound, BOUND_NETWORK);
}

/* An address that lo has beside 127/8: Linux answers for it on every interface. */
static void test_address_on_loopback_interface(void **state)
{
	struct interface_address *a = snapshot_add_address(&s);

	(void)state;
	a->address = (struct address){AF_INET, {192, 0, 2, 1}};
	a->prefix_len = 32;
	a->ifindex = SCENE_LOOPBACK;
	a->loopback = true;
	scene_socket(&s, PROTO_TCP, 80, "192.0.2.1");
	scene_build(&s, false, &list);
	assert_int_equal(list.listeners[0].bound, BOUND_NETWORK);
	assert_false(list.listeners[0].absent);
}

static void expect_owner(uint32_t process)
{
	scene_build(&s, false, &list);
	assert_int_equal(list.listener_count, 1);
	assert_int_equal(list.listeners[0].owner, process);
	assert_int_equal(list.process_indexes[0], process);
}

static void test_owner_is_parent_of_workers(void **state)
{
	uint32_t worker = scene_process(&s, 11, "/usr/sbin/nginx", 20);
	uint32_t parent = scene_process(&s, 90, "/usr/sbin/nginx", 10);
	uint32_t other = scene_process(&s, 12, "/usr/sbin/nginx", 30);

	(void)state;
	scene_socket(&s, PROTO_TCP, 80, "0.0.0.0");
	scene_hold(&s, worker);
	scene_hold(&s, parent);
	scene_hold(&s, other);
	expect_owner(parent);
	assert_int_equal(list.listeners[0].process_count, 3);
}

static void test_owner_of_equal_start_is_lower_pid(void **state)
{
	uint32_t second = scene_process(&s, 12, "/usr/sbin/nginx", 20);
	uint32_t first = scene_process(&s, 11, "/usr/sbin/nginx", 20);

	(void)state;
	scene_socket(&s, PROTO_TCP, 80, "0.0.0.0");
	scene_hold(&s, second);
	scene_hold(&s, first);
	expect_owner(first);
}

static void test_owner_is_service_not_systemd(void **state)
{
	uint32_t systemd = scene_process(&s, 1, "/usr/lib/systemd/systemd", 1);
	uint32_t sshd = scene_process(&s, 500, "/usr/sbin/sshd", 900);

	(void)state;
	s.processes[systemd].is_manager = true;
	scene_socket(&s, PROTO_TCP, 22, "0.0.0.0");
	scene_activate(&s, "ssh.socket", "ssh.service", "/usr/sbin/sshd");
	scene_hold(&s, systemd);
	scene_hold(&s, sshd);
	expect_owner(sshd);
	assert_int_equal(list.listeners[0].activation, 0);
}

static void test_systemd_alone(void **state)
{
	uint32_t systemd = scene_process(&s, 1, "/usr/lib/systemd/systemd", 1);

	(void)state;
	s.processes[systemd].is_manager = true;
	for (uint32_t i = 0; i < 2; i++) { /* of two services: not one row */
		scene_socket(&s, PROTO_TCP, 22, i ? "127.0.0.1" : "10.0.0.5");
		scene_activate(&s, i ? "b.socket" : "a.socket", i ? "b.service" : "a.service", "");
		scene_hold(&s, systemd);
	}
	scene_build(&s, false, &list);
	assert_int_equal(list.row_count, 2);
	assert_int_equal(list.listeners[0].owner, systemd);
}

static void test_nobody(void **state)
{
	(void)state;
	scene_socket(&s, PROTO_UDP, 51820, "0.0.0.0");
	scene_build(&s, false, &list);
	assert_int_equal(list.listeners[0].owner, SNAPSHOT_NONE);
	assert_int_equal(list.listeners[0].process_count, 0);
	assert_null(row_owner(&s, &list, &list.rows[0]));
}

static void test_clients_and_others_are_left_out(void **state)
{
	(void)state;
	scene_socket(&s, PROTO_UDP, 40000, "0.0.0.0")->kind = SOCKET_CLIENT;
	scene_socket(&s, PROTO_TCP, 1, "0.0.0.0")->kind = SOCKET_RAW;
	scene_socket(&s, PROTO_TCP, 2, "0.0.0.0")->kind = SOCKET_PACKET;
	scene_socket(&s, PROTO_TCP, 3, "0.0.0.0")->kind = SOCKET_VSOCK;
	scene_socket(&s, PROTO_TCP, 80, "0.0.0.0");
	scene_build(&s, false, &list);
	assert_int_equal(list.row_count, 1);
	assert_int_equal(list.rows[0].port, 80);
	listeners_done(&list);
	scene_build(&s, true, &list);
	assert_int_equal(list.row_count, 2);
}

static void expect_order(enum row_order order, const uint16_t *ports)
{
	listeners_sort(&s, &list, order);
	for (size_t i = 0; i < list.row_count; i++)
		assert_int_equal(list.rows[i].port, ports[i]);
}

static void test_orders(void **state)
{
	static const struct {
		uint16_t port;
		const char *address, *program, *user;
		uint32_t netns;
	} rows[] = {
		{5, "127.0.0.1", "/b", "root", 0}, {4, "0.0.0.0", "/c", "alice", 0},
		{3, "10.0.0.5", "/a", "zoe", 0},   {2, "0.0.0.0", "/a", "root", 0},
		{6, "127.0.0.1", "/a", "root", 0}, {1, "0.0.0.0", "/a", "alice", 1},
	};

	(void)state;
	snapshot_add_netns(&s);
	for (uint32_t i = 0; i < 6; i++) {
		uint32_t p = scene_process(&s, 10 + i, rows[i].program, i);

		s.processes[p].user_str = snapshot_add_text(&s, rows[i].user);
		scene_socket(&s, PROTO_TCP, rows[i].port, rows[i].address)->netns = rows[i].netns;
		scene_hold(&s, p);
	}
	scene_build(&s, false, &list);
	assert_int_equal(list.row_count, 6);
	/* our own namespace comes first in every order */
	expect_order(ORDER_PROGRAM, (const uint16_t[]){2, 3, 6, 5, 4, 1});
	expect_order(ORDER_EXPOSURE, (const uint16_t[]){2, 4, 3, 5, 6, 1});
	expect_order(ORDER_PORT, (const uint16_t[]){2, 3, 4, 5, 6, 1});
	expect_order(ORDER_USER, (const uint16_t[]){4, 2, 5, 6, 3, 1});
	for (int i = 0; i < ORDER_COUNT; i++)
		assert_non_null(row_order_name((enum row_order)i));
}

/* What is sorted by is what the table shows: names without folders, what systemd will start. */
static void test_order_is_by_what_is_shown(void **state)
{
	uint32_t p = scene_process(&s, 10, "/usr/sbin/nginx", 1);

	(void)state;
	scene_socket(&s, PROTO_TCP, 1, "0.0.0.0");
	scene_hold(&s, p);
	p = scene_process(&s, 11, "/usr/bin/redis", 2);
	scene_socket(&s, PROTO_TCP, 2, "0.0.0.0");
	scene_hold(&s, p);
	p = scene_process(&s, 1, "/usr/lib/systemd/systemd", 0);
	s.processes[p].is_manager = true;
	scene_socket(&s, PROTO_TCP, 3, "0.0.0.0");
	scene_activate(&s, "cups.socket", "cups.service", "/usr/sbin/cupsd");
	scene_hold(&s, p);
	p = scene_process(&s, 12, "", 3); /* its executable could not be read */
	s.processes[p].program_str = 0;
	s.processes[p].comm_str = snapshot_add_text(&s, "postgres");
	scene_socket(&s, PROTO_TCP, 4, "0.0.0.0");
	scene_hold(&s, p);
	scene_build(&s, false, &list);
	expect_order(ORDER_PROGRAM, (const uint16_t[]){3, 1, 4, 2});
}

/* Without an owner the user is the socket's. */
static void test_order_of_users_without_owner(void **state)
{
	(void)state;
	scene_socket(&s, PROTO_TCP, 1, "0.0.0.0")->user_str = snapshot_add_text(&s, "zoe");
	scene_socket(&s, PROTO_TCP, 2, "0.0.0.0")->user_str = snapshot_add_text(&s, "alice");
	scene_build(&s, false, &list);
	expect_order(ORDER_USER, (const uint16_t[]){2, 1});
}

static void test_protocols_of_one_port(void **state)
{
	(void)state;
	scene_socket(&s, PROTO_UDP, 53, "0.0.0.0");
	scene_socket(&s, PROTO_TCP, 53, "0.0.0.0");
	scene_build(&s, false, &list);
	assert_int_equal(list.row_count, 2);
	assert_int_equal(list.rows[0].proto, PROTO_TCP);
	assert_int_equal(list.rows[1].proto, PROTO_UDP);
}

/* The sockets in any order: the same rows. */
static void test_order_of_sockets_does_not_matter(void **state)
{
	uint32_t p = scene_process(&s, 10, "/a", 1);

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t n = i * 77 % 200;

		scene_socket(&s, n & 1 ? PROTO_UDP : PROTO_TCP, (uint16_t)(100 + n / 4),
			     n & 2 ? "127.0.0.1" : "0.0.0.0");
		scene_hold(&s, p);
	}
	scene_build(&s, false, &list);
	assert_int_equal(list.row_count, 100);
	assert_int_equal(list.listener_count, 200);
	for (size_t i = 0; i < list.row_count; i++) {
		const struct port_row *row = &list.rows[i];

		assert_int_equal(row->port, 100 + i / 2);
		assert_int_equal(row->bound, BOUND_EVERYWHERE);
		assert_int_equal(row->listener_count, 2);
		for (uint32_t k = 0; k < 2; k++) {
			const struct listener *l = &list.listeners[row->first_listener + k];

			assert_int_equal(l->port, row->port);
			assert_int_equal(l->proto, row->proto);
			assert_int_equal(l->process_count, 1);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing),
		TEST(test_both_families_are_one_row),
		TEST(test_families),
		TEST(test_families_of_the_widest),
		TEST(test_families_wanted),
		TEST(test_reuseport),
		TEST(test_two_programs_are_two_rows),
		TEST(test_what_makes_another_row),
		TEST(test_same_owner_two_processes_one_row),
		TEST(test_bound),
		TEST(test_bound_of_other_namespace),
		TEST(test_address_on_loopback_interface),
		TEST(test_owner_is_parent_of_workers),
		TEST(test_owner_of_equal_start_is_lower_pid),
		TEST(test_owner_is_service_not_systemd),
		TEST(test_systemd_alone),
		TEST(test_nobody),
		TEST(test_clients_and_others_are_left_out),
		TEST(test_orders),
		TEST(test_order_is_by_what_is_shown),
		TEST(test_order_of_users_without_owner),
		TEST(test_protocols_of_one_port),
		TEST(test_order_of_sockets_does_not_matter),
	};

	return cmocka_run_group_tests_name("listeners", tests, NULL, NULL);
}
