/* SPDX-License-Identifier: GPL-2.0-or-later */
/* snapshot: appending, gaps, look-ups, and that running out of memory is never forgotten. */
#include "model/snapshot.h"
#include "unit.h"

static void test_append(void **state)
{
	struct snapshot s = {0};

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		struct socket_info *socket = snapshot_add_socket(&s);

		assert_non_null(socket);
		assert_int_equal(socket->inode, 0); /* zeroed */
		assert_int_equal(socket->holder_count, 0);
		memset(socket, 0xff, sizeof(*socket));
		socket->inode = i;
	}
	assert_int_equal(s.socket_count, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(s.sockets[i].inode, i);
	s.socket_count = 500; /* taken back, and appended again: zeroed again */
	assert_int_equal(snapshot_add_socket(&s)->ifindex, 0);
	assert_false(s.out_of_memory);
	snapshot_done(&s);
	assert_int_equal(s.socket_count, 0);
	assert_null(s.sockets);
	snapshot_done(&s);
}

static void test_every_array(void **state)
{
	struct snapshot s = {0};

	(void)state;
	assert_non_null(snapshot_add_holder(&s));
	assert_int_equal(snapshot_add_process(&s)->container, SNAPSHOT_NONE);
	assert_non_null(snapshot_add_container(&s));
	assert_int_equal(snapshot_add_netns(&s)->container, SNAPSHOT_NONE);
	assert_non_null(snapshot_add_address(&s));
	assert_non_null(snapshot_add_interface(&s));
	assert_non_null(snapshot_add_activation(&s));
	assert_non_null(snapshot_add_connection(&s));
	assert_int_equal(s.holder_count, 1);
	assert_int_equal(s.process_count, 1);
	assert_int_equal(s.container_count, 1);
	assert_int_equal(s.netns_count, 1);
	assert_int_equal(s.address_count, 1);
	assert_int_equal(s.interface_count, 1);
	assert_int_equal(s.activation_count, 1);
	assert_int_equal(s.connection_count, 1);
	assert_true(snapshot_is_complete(&s));
	snapshot_done(&s);
}

/* A gap in the details leaves the answer who listens as it is. */
static void test_gap_in_the_details(void **state)
{
	struct snapshot s = {0};

	(void)state;
	snapshot_add_gap(&s, GAP_DETAILS, "addresses", "no netlink", "");
	assert_false(snapshot_is_complete(&s));
	assert_true(snapshot_has_all_listeners(&s));
	assert_true(snapshot_has_all_owners(&s));
	snapshot_done(&s);
}

static void test_gaps(void **state)
{
	struct snapshot s = {0};

	(void)state;
	assert_true(snapshot_is_complete(&s));
	assert_true(snapshot_has_all_listeners(&s));
	snapshot_add_gap(&s, GAP_OWNERS, "owners", "not root", "sudo");
	assert_false(snapshot_is_complete(&s));
	assert_true(snapshot_has_all_listeners(&s));
	snapshot_add_gap(&s, GAP_OWNERS, "owners", "not root", "something else");
	assert_int_equal(s.gap_count, 1); /* said once */
	assert_false(snapshot_has_all_owners(&s));
	snapshot_add_gap(&s, GAP_OWNERS, "owners", "no BPF", "sudo");
	assert_true(snapshot_has_all_listeners(&s));
	snapshot_add_gap(&s, GAP_LISTENERS, "listeners", "not root", "sudo");
	assert_int_equal(s.gap_count, 3);
	assert_false(snapshot_has_all_listeners(&s));
	assert_string_equal(snapshot_text(&s, s.gaps[0].what_str), "owners");
	assert_string_equal(snapshot_text(&s, s.gaps[0].why_str), "not root");
	assert_string_equal(snapshot_text(&s, s.gaps[0].remedy_str), "sudo");
	snapshot_done(&s);
}

static void test_out_of_memory(void **state)
{
	struct snapshot s = {0};
	/* as if there were so many already that one more cannot be counted */
	size_t real_cap, real_count;

	(void)state;
	assert_non_null(snapshot_add_socket(&s));
	real_cap = s.socket_cap;
	real_count = s.socket_count;
	s.socket_cap = s.socket_count = SIZE_MAX / 2;
	assert_null(snapshot_add_socket(&s));
	assert_int_equal(s.socket_count, SIZE_MAX / 2);
	s.socket_cap = real_cap;
	s.socket_count = real_count;
	assert_true(s.out_of_memory);
	assert_false(snapshot_is_complete(&s));
	assert_false(snapshot_has_all_listeners(&s));
	assert_non_null(snapshot_add_socket(&s));
	assert_true(s.out_of_memory); /* it stays so */
	snapshot_done(&s);
}

/* A text that could not be kept would show as "not known". */
static void test_out_of_memory_for_texts(void **state)
{
	struct snapshot s = {0};

	(void)state;
	assert_int_not_equal(snapshot_add_text(&s, "first"), 0);
	assert_int_equal(snapshot_add_text(&s, ""), 0);
	assert_true(snapshot_is_complete(&s));
	s.strings.bytes.failed = true; /* what an allocation that failed leaves behind */
	assert_int_equal(snapshot_add_text(&s, "second"), 0);
	assert_false(snapshot_is_complete(&s));
	snapshot_done(&s);
}

static void test_lookups(void **state)
{
	struct snapshot s = {0};

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		struct interface_info *info = snapshot_add_interface(&s);
		char name[16];

		info->netns = i / 2;
		info->ifindex = 1 + i % 2;
		snprintf(name, sizeof(name), "if%u", i);
		info->name_str = snapshot_add_text(&s, name);
	}
	assert_string_equal(snapshot_interface_name(&s, 0, 1), "if0");
	assert_string_equal(snapshot_interface_name(&s, 1, 1), "if2");
	assert_string_equal(snapshot_interface_name(&s, 1, 2), "if3");
	assert_null(snapshot_interface_name(&s, 2, 1));
	assert_null(snapshot_interface_name(&s, 0, 3));
	snapshot_add_activation(&s)->socket = 5;
	assert_ptr_equal(snapshot_activation(&s, 5), &s.activations[0]);
	assert_null(snapshot_activation(&s, 0));
	snapshot_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_every_array),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_gap_in_the_details),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_out_of_memory_for_texts),
		cmocka_unit_test(test_lookups),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
