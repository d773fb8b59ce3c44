/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_course: the likely question first, each once, patience only at the end.
 */
#include "observe/service_course.h"

#include "unit.h"

static const char text[] = "protocol: x\n"
			   "ports: [10-19/tcp, 443/tls, 53/udp]\n"
			   "requests:\n"
			   "  own: {send: a, wait: 1234}\n"
			   "  late: {send: a, after: greeting}\n"
			   "  rare: {send: a, rarity: 9}\n"
			   "  first: {send: a, rarity: 1}\n"
			   "  second: {send: a, rarity: 2, over: [tcp, udp]}\n"
			   "  udp: {send: a, rarity: 5, over: udp}\n";
static const char greets[] = "protocol: y\nports: [22/tcp]\ngreets: true\n"
			     "requests: {hello: {send: a}}\n";

static const char alone[] = "protocol: z\nports: [9100/tcp]\nalone: true\n"
			    "requests: {blank: {send: a}}\n";

enum { OWN, LATE, RARE, FIRST, SECOND, UDP, HELLO, BLANK };

static struct probes probes;

static int set_up(void **state)
{
	const struct probe_text texts[] = {{"x", text, sizeof(text) - 1},
					   {"y", greets, sizeof(greets) - 1},
					   {"z", alone, sizeof(alone) - 1}};
	struct err e = {0};

	(void)state;
	return probes_read(&probes, texts, 3, &e);
}

static int tear_down(void **state)
{
	(void)state;
	probes_done(&probes);
	return 0;
}

static struct service_course begin(uint16_t port, uint8_t over)
{
	struct service_course c;

	assert_int_equal(service_course_init(&c, &probes, port, over), 0);
	c.round_trip_ms = 10;
	return c;
}

static void expect(struct service_course *c, int event, uint32_t wait_ms)
{
	uint32_t wait = 0;

	assert_int_equal(service_course_next(c, &wait), event);
	if (event != PROBE_NONE)
		assert_int_equal(wait, wait_ms);
}

/* Nothing is known, and nothing is ever heard. */
static void test_unknown_port(void **state)
{
	struct service_course c = begin(40123, PROBE_OVER_TCP);

	(void)state;
	expect(&c, PROBE_GREETING, 160);
	expect(&c, FIRST, 240);
	expect(&c, PROBE_TLS, 240);
	expect(&c, SECOND, 140);
	expect(&c, RARE, 90);
	expect(&c, FIRST, 2040);
	expect(&c, PROBE_TLS, 1040);
	expect(&c, SECOND, 2040);
	expect(&c, RARE, 240);
	expect(&c, PROBE_NONE, 0);
	expect(&c, PROBE_NONE, 0);
	service_course_done(&c);
}

/* Who has said something is not asked again with patience. */
static void test_heard(void **state)
{
	struct service_course c = begin(40123, PROBE_OVER_TCP);

	(void)state;
	c.heard = true;
	for (int i = 0; i < 5; i++) {
		uint32_t wait;

		assert_int_not_equal(service_course_next(&c, &wait), PROBE_NONE);
	}
	expect(&c, RARE, 240);
	expect(&c, PROBE_NONE, 0);
	service_course_done(&c);

	/* nor what was answered, or where the connection was closed, at all */
	c = begin(40123, PROBE_OVER_TCP);
	service_course_settle(&c, FIRST);
	service_course_settle(&c, RARE);
	service_course_settle(&c, PROBE_GREETING);
	expect(&c, PROBE_GREETING, 160);
	expect(&c, PROBE_TLS, 240);
	expect(&c, SECOND, 140);
	expect(&c, PROBE_TLS, 1040);
	expect(&c, SECOND, 2040);
	expect(&c, PROBE_NONE, 0);
	service_course_done(&c);
}

/* Who closes at the likeliest request may be one that greets late: it is listened to once more. */
static void test_late_greeting(void **state)
{
	struct service_course c = begin(40123, PROBE_OVER_TCP);

	(void)state;
	expect(&c, PROBE_GREETING, 160);
	expect(&c, FIRST, 240);
	service_course_hang_up(&c, FIRST);
	expect(&c, PROBE_TLS, 240);
	service_course_hang_up(&c, PROBE_TLS);
	expect(&c, SECOND, 140);
	expect(&c, PROBE_GREETING, 390);
	expect(&c, RARE, 90);
	service_course_done(&c);

	/* at another one, it is none */
	c = begin(40123, PROBE_OVER_TCP);
	service_course_hang_up(&c, RARE);
	expect(&c, PROBE_GREETING, 160);
	expect(&c, FIRST, 240);
	expect(&c, PROBE_TLS, 240);
	expect(&c, SECOND, 140);
	service_course_done(&c);
}

/* Where nobody may take the connections: what is likely, patiently; the rest, should it be alive.
 */
static void test_doubt(void **state)
{
	struct service_course c = begin(40123, PROBE_OVER_TCP);

	(void)state;
	expect(&c, PROBE_GREETING, 160);
	expect(&c, FIRST, 240);
	service_course_doubt(&c);
	expect(&c, FIRST, 2040);
	service_course_doubt(&c);
	expect(&c, PROBE_TLS, 1040);
	expect(&c, SECOND, 2040);
	expect(&c, RARE, 240);
	expect(&c, PROBE_NONE, 0);
	service_course_done(&c);

	/* who has answered before is not doubted */
	c = begin(40123, PROBE_OVER_TCP);
	c.heard = true;
	expect(&c, PROBE_GREETING, 160);
	expect(&c, FIRST, 240);
	service_course_doubt(&c);
	expect(&c, PROBE_TLS, 240);
	service_course_done(&c);
}

static void test_named_port(void **state)
{
	struct service_course c = begin(12, PROBE_OVER_TCP);

	(void)state;
	expect(&c, OWN, 1274);
	expect(&c, RARE, 2040);
	expect(&c, FIRST, 2040);
	expect(&c, SECOND, 2040);
	expect(&c, PROBE_TLS, 240);
	expect(&c, PROBE_TLS, 1040);
	expect(&c, PROBE_NONE, 0);
	service_course_done(&c);
}

static void test_port_that_greets(void **state)
{
	struct service_course c = begin(22, PROBE_OVER_TCP);

	(void)state;
	expect(&c, PROBE_GREETING, 3040);
	expect(&c, HELLO, 2040);
	expect(&c, FIRST, 240);
	service_course_done(&c);
}

static void test_tls(void **state)
{
	struct service_course c = begin(443, PROBE_OVER_TCP);

	(void)state;
	expect(&c, PROBE_TLS, 2040);
	service_course_enter_tls(&c);
	expect(&c, OWN, 1274);
	assert_false(service_course_hint(&c, PROBE_TLS)); /* no TLS in TLS */
	service_course_done(&c);

	/* found by trying: only what is common is asked inside */
	c = begin(40123, PROBE_OVER_TCP);
	assert_true(service_course_hint(&c, PROBE_TLS));
	expect(&c, PROBE_TLS, 2040);
	service_course_enter_tls(&c);
	expect(&c, PROBE_GREETING, 160);
	expect(&c, FIRST, 240);
	expect(&c, SECOND, 140);
	expect(&c, FIRST, 2040);
	service_course_done(&c);
}

static void test_hints(void **state)
{
	struct service_course c = begin(40123, PROBE_OVER_TCP);

	(void)state;
	expect(&c, PROBE_GREETING, 160);
	assert_true(service_course_hint(&c, OWN));
	assert_true(service_course_hint(&c, OWN));
	assert_true(service_course_hint(&c, LATE));
	expect(&c, OWN, 1274);
	assert_false(service_course_hint(&c, OWN));
	expect(&c, LATE, 2040);
	expect(&c, FIRST, 240);
	assert_false(service_course_hint(&c, PROBE_NONE));
	assert_false(service_course_hint(&c, PROBE_GREETING));
	service_course_done(&c);
}

/* A printer prints what it gets. */
static void test_alone(void **state)
{
	struct service_course c = begin(9100, PROBE_OVER_TCP);

	(void)state;
	expect(&c, BLANK, 2040);
	assert_true(service_course_hint(&c, FIRST));
	expect(&c, FIRST, 2040);
	expect(&c, PROBE_NONE, 0);
	service_course_done(&c);
}

static void test_udp(void **state)
{
	struct service_course c = begin(53, PROBE_OVER_UDP);

	(void)state;
	expect(&c, SECOND, 2040);
	expect(&c, UDP, 2040);
	expect(&c, PROBE_NONE, 0);
	assert_false(service_course_hint(&c, PROBE_TLS));
	service_course_done(&c);

	c = begin(54, PROBE_OVER_UDP);
	expect(&c, SECOND, 140);
	assert_false(service_course_asks_twice(&c, SECOND));
	expect(&c, UDP, 90);
	expect(&c, SECOND, 240);
	assert_true(service_course_asks_twice(&c, SECOND));
	service_course_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_port),  cmocka_unit_test(test_heard),
		cmocka_unit_test(test_late_greeting), cmocka_unit_test(test_named_port),
		cmocka_unit_test(test_tls),	      cmocka_unit_test(test_port_that_greets),
		cmocka_unit_test(test_hints),	      cmocka_unit_test(test_udp),
		cmocka_unit_test(test_alone),	      cmocka_unit_test(test_doubt),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
