/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: which open ports are asked what speaks there, and when all is known.
 */
#include "model/scan.h"

#include "unit.h"

#include <string.h>

enum { MANY = 1000 };

static struct scan scan;

/* Three hosts; the second one answers on every port. */
static int set_up(void **state)
{
	const struct address hosts[3] = {{.family = 2, .bytes = {10, 0, 0, 1}},
					 {.family = 2, .bytes = {10, 0, 0, 2}},
					 {.family = 2, .bytes = {10, 0, 0, 3}}};
	uint16_t ports[MANY];
	int r;

	(void)state;
	for (int i = 0; i < MANY; i++)
		ports[i] = (uint16_t)(i + 1);
	r = scan_init(&scan, hosts, 3, ports, MANY);
	for (int i = 0; i < 3 && r == 0; i++)
		memset(scan.hosts[i].replies, i == 1 ? SCAN_SYN_ACK : SCAN_RST, MANY);
	scan.hosts[0].replies[21] = SCAN_SYN_ACK;
	scan.hosts[2].replies[0] = SCAN_SYN_ACK;
	scan.hosts[2].replies[MANY - 1] = SCAN_SYN_ACK;
	return r;
}

static int tear_down(void **state)
{
	(void)state;
	scan_done(&scan);
	return 0;
}

static void test_who_is_asked(void **state)
{
	(void)state;
	assert_int_equal(scan_add_services(&scan), 0);
	assert_int_equal(scan.service_count, 3);
	assert_int_equal(scan.services[1].host, 2);
	assert_int_equal(scan.services[2].port, MANY - 1);
	assert_ptr_equal(scan_find_service(&scan, 0, 21), &scan.services[0].found);
	assert_ptr_equal(scan_find_service(&scan, 2, MANY - 1), &scan.services[2].found);
	assert_null(scan_find_service(&scan, 1, 21));
	assert_null(scan_find_service(&scan, 0, 22));
	assert_int_equal(scan.services[0].found.end, SERVICE_UNASKED);
}

static void test_all_is_known(void **state)
{
	(void)state;
	assert_true(scan_is_complete(&scan)); /* nobody wanted services */
	assert_int_equal(scan_count_left_out(&scan, 1), 0);
	assert_int_equal(scan_add_services(&scan), 0);
	scan.wants_services = true;
	for (size_t i = 0; i < scan.service_count; i++)
		scan.services[i].found.end = SERVICE_SILENT;
	assert_int_equal(scan_count_left_out(&scan, 1), MANY);
	assert_false(scan_is_complete(&scan));
	memset(scan.hosts[1].replies, SCAN_RST, MANY);
	assert_true(scan_is_complete(&scan));
	for (int end = SERVICE_OUT_OF_TIME; end < SERVICE_END_COUNT; end++) {
		scan.services[2].found.end = (enum service_end)end;
		assert_false(scan_is_complete(&scan));
	}
}

/* 131 hosts with 501 open ports each are more than are asked. */
static void test_too_many(void **state)
{
	enum { HOSTS = 131, OPEN = 501 };
	struct address hosts[HOSTS] = {{0}};
	uint16_t ports[OPEN] = {0};
	struct scan s;

	(void)state;
	assert_int_equal(scan_init(&s, hosts, HOSTS, ports, OPEN), 0);
	s.wants_services = true;
	for (int i = 0; i < HOSTS; i++)
		memset(s.hosts[i].replies, SCAN_SYN_ACK, OPEN);
	assert_int_equal(scan_add_services(&s), 0);
	assert_int_equal(s.service_count, SCAN_SERVICE_LIMIT);
	assert_int_equal(scan_count_left_out(&s, HOSTS - 2), 0);
	assert_int_equal(scan_count_left_out(&s, HOSTS - 1), HOSTS * OPEN - SCAN_SERVICE_LIMIT);
	assert_non_null(scan_find_service(&s, HOSTS - 1, 0));
	assert_null(scan_find_service(&s, HOSTS - 1, OPEN - 1));
	scan_done(&s);
}

/* Of both protocols; what silence means is the protocol's. */
static void test_udp(void **state)
{
	const struct address host = {.family = 2, .bytes = {10, 0, 0, 1}};
	const uint16_t ports[] = {22, 53, 53, 161, 514};
	size_t counts[SCAN_STATE_COUNT];
	struct scan s;

	(void)state;
	assert_int_equal(scan_init_both(&s, &host, 1, ports, 2, 3), 0);
	assert_int_equal(scan_port_proto(&s, 1), PROTO_TCP);
	assert_int_equal(scan_port_proto(&s, 2), PROTO_UDP);
	s.hosts[0].replies[0] = SCAN_NO_REPLY;
	s.hosts[0].replies[1] = SCAN_RST;
	s.hosts[0].replies[2] = SCAN_UDP_ANSWER;
	s.hosts[0].replies[3] = SCAN_UDP_CLOSED;
	s.hosts[0].replies[4] = SCAN_UDP_SILENT;
	scan_count_states(&s, &s.hosts[0], counts);
	assert_int_equal(counts[SCAN_OPEN], 1);
	assert_int_equal(counts[SCAN_CLOSED], 2);
	assert_int_equal(counts[SCAN_FILTERED], 1);
	assert_int_equal(counts[SCAN_OPEN_FILTERED], 1);
	assert_string_equal(scan_state_name(SCAN_OPEN_FILTERED), "open|filtered");
	assert_int_equal(scan_add_services(&s), 0);
	assert_int_equal(s.service_count, 2);
	assert_int_equal(s.services[0].port, 2);
	assert_int_equal(s.services[1].port, 4); /* what is silent, when it is little */
	scan_drop_silent_services(&s);
	assert_int_equal(s.service_count, 1);
	assert_int_equal(s.services[0].port, 2);
	scan_done(&s);
}

/* Many silent UDP ports are not asked. */
static void test_much_silence(void **state)
{
	enum { COUNT = SCAN_SILENT_LIMIT + 2 };
	const struct address host = {.family = 2, .bytes = {10, 0, 0, 1}};
	uint16_t ports[COUNT];
	struct scan s;

	(void)state;
	for (uint16_t i = 0; i < COUNT; i++)
		ports[i] = (uint16_t)(i + 1);
	assert_int_equal(scan_init_both(&s, &host, 1, ports, 0, COUNT), 0);
	memset(s.hosts[0].replies, SCAN_UDP_SILENT, COUNT);
	s.hosts[0].replies[3] = SCAN_UDP_ANSWER;
	assert_int_equal(scan_add_services(&s), 0);
	assert_int_equal(s.service_count, 1);
	assert_int_equal(s.services[0].port, 3);
	scan_done(&s);
}

/* Beside what was refused by ICMP only, and of TCP only: a port that resets is no such refusal. */
static void test_what_may_be_rejected(void **state)
{
	const struct address host = {.family = 2, .bytes = {10, 0, 0, 1}};
	const uint16_t ports[] = {22, 23, 24, 25, 53, 161};
	struct scan s;

	(void)state;
	assert_int_equal(scan_init_both(&s, &host, 1, ports, 4, 2), 0);
	memset(s.hosts[0].replies, SCAN_NO_REPLY, 4);
	memset(s.hosts[0].replies + 4, SCAN_UDP_SILENT, 2);
	assert_int_equal(scan_count_maybe_rejected(&s, &s.hosts[0]), 0);
	s.hosts[0].replies[0] = SCAN_RST;
	s.hosts[0].replies[5] = SCAN_PROHIBITED;
	assert_int_equal(scan_count_maybe_rejected(&s, &s.hosts[0]), 0);
	s.hosts[0].replies[1] = SCAN_PORT_UNREACH;
	assert_int_equal(scan_count_maybe_rejected(&s, &s.hosts[0]), 2);
	s.hosts[0].replies[2] = SCAN_UNSURE;
	assert_int_equal(scan_count_maybe_rejected(&s, &s.hosts[0]), 1);
	scan_done(&s);
}

/* The scan's own ports are not found out, though nothing went wrong. */
static void test_own_ports_are_unknown(void **state)
{
	const struct address host = {.family = 2, .bytes = {127, 0, 0, 1}};
	const uint16_t ports[] = {53, 161};
	struct scan s;

	(void)state;
	assert_int_equal(scan_init_both(&s, &host, 1, ports, 0, 2), 0);
	memset(s.hosts[0].replies, SCAN_UDP_CLOSED, 2);
	assert_true(scan_is_complete(&s));
	s.hosts[0].replies[1] = SCAN_UDP_OWN;
	assert_false(scan_is_complete(&s));
	assert_int_equal(scan_reply_state(SCAN_UDP_OWN), SCAN_UNKNOWN);
	scan_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_who_is_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_all_is_known, set_up, tear_down),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_much_silence),
		cmocka_unit_test(test_what_may_be_rejected),
		cmocka_unit_test(test_own_ports_are_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
