/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener_notes: each note stands exactly when it should. Every case begins with a listener about
 * which nothing is to be said, and changes one thing.
 */
#include "base/mem.h"
#include "decide/listener_notes.h"
#include "model/registry.h"
#include "model/services.h"
#include "scene.h"
#include "unit.h"

static struct snapshot s;
static struct listener_list list;
static uint32_t owner;

static int end(void **state)
{
	(void)state;
	listeners_done(&list);
	snapshot_done(&s);
	return 0;
}

/* nginx on 80/tcp of every address: nothing to say. */
static int begin(void **state)
{
	(void)state;
	scene_begin(&s);
	list = (struct listener_list){0};
	owner = scene_process(&s, 10, "/usr/sbin/nginx", 5);
	scene_socket(&s, PROTO_TCP, 80, "0.0.0.0");
	scene_hold(&s, owner);
	return 0;
}

static void expect_notes(uint32_t notes)
{
	listeners_done(&list);
	scene_build(&s, true, &list);
	assert_int_equal(list.row_count, 1);
	if (list.rows[0].notes != notes)
		for (int i = 0; i < NOTE_COUNT; i++)
			if ((list.rows[0].notes ^ notes) & 1u << i)
				print_error("differs: %s\n", note_id((enum note)i));
	assert_int_equal(list.rows[0].notes, notes);
}

#define BIT(note) (1u << (note))

static void use_udp(uint16_t port)
{
	s.sockets[0].proto = PROTO_UDP;
	s.sockets[0].port = port;
}

static void set_program(const char *path)
{
	s.processes[owner].program_str = snapshot_add_text(&s, path);
}

static void test_nothing_to_say(void **state)
{
	(void)state;
	expect_notes(0);
}

static void test_hidden(void **state)
{
	(void)state;
	s.sockets[0].views = VIEW_FILES;
	expect_notes(0); /* seen once: it may have come meanwhile */
	s.sockets[0].alone_twice = true;
	expect_notes(BIT(NOTE_HIDDEN));
	s.sockets[0].views = VIEW_KERNEL | VIEW_FILES;
	expect_notes(0);
}

static void test_no_process(void **state)
{
	(void)state;
	s.sockets[0].holder_count = 0;
	s.sockets[0].views = VIEW_KERNEL;
	expect_notes(0);
	s.sockets[0].alone_twice = true;
	expect_notes(BIT(NOTE_NO_PROCESS));
	s.saw_all_processes = false; /* then it is not known that nobody has it */
	expect_notes(BIT(NOTE_OWNER_UNREADABLE));
	s.sockets[0].alone_twice = false;
	expect_notes(BIT(NOTE_OWNER_UNREADABLE));
}

static void test_program_states(void **state)
{
	static const struct {
		enum program_state state;
		uint32_t notes;
	} cases[] = {
		{PROGRAM_UNKNOWN, 0},
		{PROGRAM_THERE, 0},
		{PROGRAM_REPLACED, BIT(NOTE_PROGRAM_REPLACED)},
		{PROGRAM_DELETED, BIT(NOTE_PROGRAM_DELETED)},
		{PROGRAM_MEMORY, BIT(NOTE_PROGRAM_MEMORY)},
		{PROGRAM_KERNEL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		s.processes[owner].program_state = cases[i].state;
		expect_notes(cases[i].notes);
	}
}

static void test_poses_as_kernel(void **state)
{
	static const char *const poses[] = {"kworker/0:1", "[kthreadd]", "ksoftirqd/0",
					    "rcu_sched"};
	static const char *const honest[] = {"nginx", "worker", "my-kworker", "migrate",
					     "ksysguardd"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(poses); i++) {
		s.processes[owner].comm_str = snapshot_add_text(&s, poses[i]);
		expect_notes(BIT(NOTE_POSES_AS_KERNEL));
	}
	s.processes[owner].program_state = PROGRAM_KERNEL; /* a real one may be called so */
	expect_notes(0);
	s.processes[owner].program_state = PROGRAM_THERE;
	for (size_t i = 0; i < ARRAY_LEN(honest); i++) {
		s.processes[owner].comm_str = snapshot_add_text(&s, honest[i]);
		expect_notes(0);
	}
	s.processes[owner].argv_like_kernel = true;
	expect_notes(BIT(NOTE_POSES_AS_KERNEL));
}

static void test_fit_of_program(void **state)
{
	(void)state;
	s.sockets[0].port = 22;
	expect_notes(BIT(NOTE_OTHER_SERVICE));
	set_program("/tmp/.x/unheard-of");
	expect_notes(BIT(NOTE_STRANGER));
	set_program("/usr/sbin/sshd");
	expect_notes(0);
	set_program("/usr/sbin/haproxy"); /* may serve anything */
	expect_notes(0);
	s.processes[owner].program_str = 0; /* not seen: nothing is said */
	expect_notes(0);
}

static void test_unpackaged(void **state)
{
	(void)state;
	s.processes[owner].packaged = STATE_UNKNOWN;
	expect_notes(0);
	s.processes[owner].packaged = STATE_NO;
	expect_notes(BIT(NOTE_UNPACKAGED));
}

static void test_unassigned(void **state)
{
	struct registry_entry entry;
	uint16_t port = 1025;

	(void)state;
	set_program("/usr/bin/unheard-of");
	while (registry_find(port, PROTO_TCP, &entry))
		port++;
	s.sockets[0].port = port;
	expect_notes(BIT(NOTE_UNASSIGNED));
	s.sockets[0].port = 49152; /* nobody can have it assigned */
	expect_notes(0);
	s.sockets[0].port = 65535;
	expect_notes(0);
}

/* A number that the site itself gave a name is no unassigned one. */
static void test_unassigned_but_named_here(void **state)
{
	struct services services = {0};
	struct listener_options options = {.services = &services};
	struct registry_entry entry;
	uint16_t port = 1025;
	char text[64];

	(void)state;
	set_program("/usr/bin/unheard-of");
	while (registry_find(port, PROTO_TCP, &entry))
		port++;
	s.sockets[0].port = port;
	snprintf(text, sizeof(text), "ours %u/tcp\n", port);
	assert_int_equal(services_parse(&services, text, strlen(text)), 0);
	assert_int_equal(listeners_build(&s, &options, &list), 0);
	assert_int_equal(list.rows[0].notes, 0);
	assert_string_equal(listener_service_name(&services, port, PROTO_TCP), "ours");
	assert_null(listener_service_name(NULL, port, PROTO_TCP));
	assert_string_equal(listener_service_name(&services, 443, PROTO_TCP), "https");
	services_done(&services);
}

static void test_activation(void **state)
{
	(void)state;
	s.sockets[0].port = 22;
	set_program("/usr/lib/systemd/systemd");
	s.processes[owner].is_manager = true;
	scene_activate(&s, "ssh.socket", "ssh.service", "/usr/sbin/sshd");
	expect_notes(BIT(NOTE_ACTIVATION));
	/* what is wrong with systemd's file is not said at every port that it holds for others */
	s.processes[owner].packaged = STATE_NO;
	s.processes[owner].program_state = PROGRAM_REPLACED;
	expect_notes(BIT(NOTE_ACTIVATION));
	/* the program that will serve is the one that is compared with the number */
	s.activations[0].program_str = snapshot_add_text(&s, "/usr/sbin/nginx");
	expect_notes(BIT(NOTE_ACTIVATION) | BIT(NOTE_OTHER_SERVICE));
	s.activations[0].program_str = 0;
	expect_notes(BIT(NOTE_ACTIVATION));
}

static void test_shared(void **state)
{
	uint32_t other = scene_process(&s, 20, "/usr/sbin/nginx", 9);

	(void)state;
	scene_hold(&s, other);
	expect_notes(0); /* a worker */
	s.processes[other].program_str = snapshot_add_text(&s, "/bin/sh");
	expect_notes(BIT(NOTE_SHARED));
	s.processes[other].is_manager = true; /* systemd keeps the sockets of its services */
	expect_notes(0);
}

static void test_address_absent(void **state)
{
	(void)state;
	s.sockets[0].address.bytes[0] = 10; /* 10.0.0.0 */
	s.sockets[0].address.bytes[3] = 5;
	expect_notes(0);
	s.sockets[0].address.bytes[3] = 6;
	expect_notes(BIT(NOTE_ADDRESS_ABSENT));
}

static void test_maybe_client(void **state)
{
	(void)state;
	use_udp(40001);
	set_program("/usr/bin/unheard-of");
	expect_notes(BIT(NOTE_UNASSIGNED));
	s.sockets[0].explicit_bind = STATE_NO; /* then the number says nothing */
	expect_notes(BIT(NOTE_UDP_MAYBE_CLIENT));
	s.sockets[0].explicit_bind = STATE_UNKNOWN;
	expect_notes(BIT(NOTE_UDP_MAYBE_CLIENT));
	s.sockets[0].drops = 2;
	expect_notes(BIT(NOTE_UDP_MAYBE_CLIENT) | BIT(NOTE_DROPS));
	s.sockets[0].drops = 0;
	s.sockets[0].port = 1023; /* the kernel chooses none of those */
	listeners_done(&list);
	scene_build(&s, true, &list);
	assert_false(list.rows[0].notes & BIT(NOTE_UDP_MAYBE_CLIENT));
	s.sockets[0].port = 40001;
	s.sockets[0].holder_count = 0; /* the kernel's own are no clients */
	listeners_done(&list);
	scene_build(&s, true, &list);
	assert_false(list.rows[0].notes & BIT(NOTE_UDP_MAYBE_CLIENT));
	s.sockets[0].holder_count = 1;
	s.sockets[0].proto = PROTO_TCP;
	listeners_done(&list);
	scene_build(&s, true, &list);
	assert_false(list.rows[0].notes & BIT(NOTE_UDP_MAYBE_CLIENT));
}

static void test_backlog_full(void **state)
{
	(void)state;
	s.sockets[0].backlog_limit = 128;
	s.sockets[0].backlog_used = 128;
	expect_notes(0); /* Linux lets one more in than the limit says */
	s.sockets[0].backlog_used = 129;
	expect_notes(BIT(NOTE_BACKLOG_FULL));
	s.sockets[0].backlog_limit = 0; /* not known */
	expect_notes(0);
}

static void test_drops_and_mptcp(void **state)
{
	(void)state;
	s.sockets[0].drops = 1; /* of TCP: also attempts that were given up */
	expect_notes(0);
	s.sockets[0].mptcp = true;
	expect_notes(BIT(NOTE_MPTCP));
}

static void test_ids_and_texts(void **state)
{
	char brief[NOTE_TEXT_SIZE], whole[NOTE_TEXT_SIZE];

	(void)state;
	scene_activate(&s, "ssh.socket", "ssh.service", "/usr/sbin/sshd");
	s.sockets[0].drops = 3;
	s.sockets[0].port = 22;
	expect_notes(BIT(NOTE_ACTIVATION) | BIT(NOTE_OTHER_SERVICE));
	for (int i = 0; i < NOTE_COUNT; i++) {
		assert_non_null(note_id((enum note)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(note_id((enum note)i), note_id((enum note)k));
		note_format(&s, NULL, &list.listeners[0], (enum note)i, true, brief);
		note_format(&s, NULL, &list.listeners[0], (enum note)i, false, whole);
		assert_true(brief[0] && whole[0]);
		assert_true(strlen(brief) <= strlen(whole));
		if (note_brief((enum note)i))
			assert_string_equal(note_brief((enum note)i), brief);
	}
	note_format(&s, NULL, &list.listeners[0], NOTE_DROPS, true, brief);
	assert_string_equal(brief, "3 packets dropped");
	note_format(&s, NULL, &list.listeners[0], NOTE_ACTIVATION, true, brief);
	assert_string_equal(brief, "socket activation (ssh.socket)");
	note_format(&s, NULL, &list.listeners[0], NOTE_OTHER_SERVICE, true, brief);
	assert_string_equal(brief, "speaks http, not ssh");
}

/* Names as long as a process can make them: cut, never overrun. */
static void test_long_names(void **state)
{
	char path[4096], text[NOTE_TEXT_SIZE];

	(void)state;
	memset(path, 'n', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	set_program(path);
	s.sockets[0].port = 22;
	expect_notes(BIT(NOTE_STRANGER));
	for (int brief = 0; brief < 2; brief++) {
		note_format(&s, NULL, &list.listeners[0], NOTE_STRANGER, brief, text);
		assert_non_null(memchr(text, '\0', sizeof(text)));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_to_say),
		TEST(test_hidden),
		TEST(test_no_process),
		TEST(test_program_states),
		TEST(test_poses_as_kernel),
		TEST(test_fit_of_program),
		TEST(test_unpackaged),
		TEST(test_unassigned),
		TEST(test_unassigned_but_named_here),
		TEST(test_activation),
		TEST(test_shared),
		TEST(test_address_absent),
		TEST(test_maybe_client),
		TEST(test_backlog_full),
		TEST(test_drops_and_mptcp),
		TEST(test_ids_and_texts),
		TEST(test_long_names),
	};

	return cmocka_run_group_tests_name("listener_notes", tests, NULL, NULL);
}
