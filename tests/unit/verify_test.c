/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify: each thing that the inside may know of a port x each thing that may come back from it.
 * What nobody is sure of is never a disagreement.
 */
#include "base/mem.h"
#include "decide/verify.h"
#include "unit.h"

#include <sys/socket.h>

enum { PORT = 80, NONE = VERIFY_KIND_COUNT, NO_WAY = VERDICT_COUNT };

static const struct address own = {AF_INET, {10, 5, 0, 1}};

/* What the inside knows: the rules' verdict, and of a listener's way the verdict (NO_WAY: none). */
struct inside {
	enum verdict rules;
	bool forwarded;
	int way;
	/* what it is to be called when it is seen open, and when it is seen closed or silent */
	int open, not_open;
	bool unsure;
};

static const struct inside insides[] = {
	{VERDICT_ACCEPT, false, NO_WAY, VERIFY_GHOST, NONE, false},
	{VERDICT_DROP, false, NO_WAY, VERIFY_GHOST, NONE, false},
	{VERDICT_REJECT, false, NO_WAY, VERIFY_GHOST, NONE, false},
	{VERDICT_ACCEPT, false, VERDICT_ACCEPT, NONE, VERIFY_SHADOWED, false},
	{VERDICT_ACCEPT, true, VERDICT_ACCEPT, NONE, VERIFY_SHADOWED, false},
	{VERDICT_DROP, false, VERDICT_DROP, VERIFY_BELIEVED_CLOSED, NONE, false},
	{VERDICT_REJECT, false, VERDICT_REJECT, VERIFY_BELIEVED_CLOSED, NONE, false},
	/* nobody is sure */
	{VERDICT_UNKNOWN, false, NO_WAY, NONE, NONE, true},
	{VERDICT_RATE_LIMITED, false, NO_WAY, NONE, NONE, true},
	{VERDICT_ACCEPT, true, NO_WAY, NONE, NONE, true},
	{VERDICT_ACCEPT, false, VERDICT_UNKNOWN, NONE, NONE, true},
	{VERDICT_RATE_LIMITED, false, VERDICT_RATE_LIMITED, NONE, NONE, true},
};

struct scene {
	struct snapshot snapshot;
	struct process_info *owner;
	struct reach reach;
	struct reach_join join;
	struct listener_list list;
	struct listener listener;
	struct reach_way ways[2];
	struct scan scan;
	struct verify found;
};

static void add_intervals(struct scene *s, const struct inside *in)
{
	const uint16_t ends[][2] = {{1, PORT - 1}, {PORT, PORT}, {PORT + 1, 65535}};
	struct reach_class *c = reach_add_class(&s->reach);

	*c = (struct reach_class){.proto = PROTO_TCP,
				  .source_class = SOURCE_LINK,
				  .ifindex = 7,
				  .destination = own,
				  .interval_count = ARRAY_LEN(ends)};
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		*reach_add_interval(&s->reach) = (struct reach_interval){
			.first = ends[i][0],
			.last = ends[i][1],
			.verdict = ends[i][0] == PORT ? in->rules : VERDICT_DROP,
			.forwarded = ends[i][0] == PORT && in->forwarded};
}

static void begin(struct scene *s, const struct inside *in, const uint16_t *ports, size_t count)
{
	*s = (struct scene){.reach = {.available = true, .complete = true},
			    .listener = {.owner = 5}};
	add_intervals(s, in);
	for (int i = 0; i <= 5; i++)
		s->owner = snapshot_add_process(&s->snapshot);
	s->owner->program_str = snapshot_add_text(&s->snapshot, "/usr/sbin/ntpd");
	s->list.listeners = &s->listener;
	s->list.listener_count = 1;
	s->join.ways = s->ways;
	if (in->way != NO_WAY)
		s->ways[s->join.way_count++] =
			(struct reach_way){.port = PORT, .verdict = (enum verdict)in->way};
	assert_int_equal(scan_init(&s->scan, &own, 1, ports, count), 0);
}

static void compare(struct scene *s)
{
	const struct verify_inside in = {
		.snapshot = &s->snapshot, .list = &s->list, .reach = &s->reach, .join = &s->join};

	assert_int_equal(verify_compare(&in, &s->scan, &s->scan.hosts[0], &s->found), 0);
}

static void end(struct scene *s)
{
	verify_done(&s->found);
	snapshot_done(&s->snapshot);
	scan_done(&s->scan);
	reach_done(&s->reach);
}

static void expect(const struct scene *s, int kind, bool listens)
{
	assert_int_equal(s->found.count, kind == NONE ? 0 : 1);
	if (kind == NONE)
		return;
	assert_int_equal(s->found.differences[0].kind, kind);
	assert_int_equal(s->found.differences[0].port, PORT);
	assert_int_equal(s->found.differences[0].listens, listens);
	assert_int_equal(s->found.differences[0].owner, listens ? 5 : SNAPSHOT_NONE);
	assert_ptr_equal(verify_find(&s->found, &s->found.differences[0]),
			 &s->found.differences[0]);
}

/* Told with what the inside says, but for what is dropped where nobody is bound: that is counted.
 */
static void expect_silent(const struct scene *s, const struct inside *in, bool silent)
{
	bool kept_out =
		in->way == NO_WAY && (in->rules == VERDICT_DROP || in->rules == VERDICT_REJECT);
	const struct verify_port *one = &s->found.silents.first[0];

	assert_int_equal(s->found.silent_kept_out, silent && kept_out);
	assert_int_equal(s->found.silents.count, silent && !kept_out);
	if (!silent || kept_out)
		return;
	assert_int_equal(one->port, PORT);
	assert_int_equal(one->listens, in->way != NO_WAY);
	assert_int_equal(one->verdict, in->way != NO_WAY ? (enum verdict)in->way : in->rules);
	assert_string_equal(one->program, in->way != NO_WAY ? "ntpd" : "");
}

static void test_matrix(void **state)
{
	const uint16_t port = PORT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(insides); i++)
		for (int reply = SCAN_UNASKED; reply < SCAN_REPLY_COUNT; reply++) {
			const struct inside *in = &insides[i];
			enum scan_state seen = scan_reply_state((enum scan_reply)reply);
			struct scene s;
			bool mute;

			begin(&s, in, &port, 1);
			s.scan.hosts[0].replies[0] = (uint8_t)reply;
			compare(&s);
			/* the silence of a UDP port contradicts nobody */
			mute = reply == SCAN_UDP_SILENT && in->not_open == VERIFY_SHADOWED;
			assert_int_equal(s.found.silent, mute);
			expect(&s,
			       seen == SCAN_UNKNOWN || mute ? NONE
			       : seen == SCAN_OPEN	    ? in->open
							    : in->not_open,
			       in->way != NO_WAY);
			assert_int_equal(s.found.unsure_outside, seen == SCAN_UNKNOWN);
			assert_int_equal(s.found.unsure_inside, seen != SCAN_UNKNOWN && in->unsure);
			expect_silent(&s, in, reply == SCAN_UDP_SILENT);
			end(&s);
		}
}

/* More than are told are counted. */
static void test_many_silent(void **state)
{
	uint16_t ports[VERIFY_TOLD + 2];
	struct scene s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ports); i++)
		ports[i] = (uint16_t)(PORT + i);
	begin(&s, &insides[3], ports, ARRAY_LEN(ports));
	for (size_t i = 1; i < s.reach.interval_count; i++)
		s.reach.intervals[i].verdict = VERDICT_UNKNOWN;
	memset(s.scan.hosts[0].replies, SCAN_UDP_SILENT, ARRAY_LEN(ports));
	compare(&s);
	assert_int_equal(s.found.silents.count, ARRAY_LEN(ports));
	assert_int_equal(s.found.silents.first[VERIFY_TOLD - 1].port, ports[VERIFY_TOLD - 1]);
	end(&s);
}

/* Of two listeners of one port one may be unknown: so is the port, whichever comes first. */
static void test_two_listeners(void **state)
{
	const enum verdict orders[][2] = {{VERDICT_ACCEPT, VERDICT_UNKNOWN},
					  {VERDICT_UNKNOWN, VERDICT_ACCEPT}};
	const uint16_t port = PORT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		struct scene s;

		begin(&s, &insides[0], &port, 1);
		for (size_t k = 0; k < 2; k++)
			s.ways[s.join.way_count++] =
				(struct reach_way){.port = PORT, .verdict = orders[i][k]};
		s.scan.hosts[0].replies[0] = SCAN_NO_REPLY;
		compare(&s);
		assert_int_equal(s.found.count, 0);
		assert_int_equal(s.found.unsure_inside, 1);
		end(&s);
	}
}

/* Nothing was asked about the address, or nothing could be: then nothing is known. */
static void test_not_asked(void **state)
{
	const uint16_t port = PORT;
	struct scene s;

	(void)state;
	for (int i = 0; i < 4; i++) {
		begin(&s, &insides[0], &port, 1);
		s.scan.hosts[0].replies[0] = SCAN_SYN_ACK;
		if (i == 0)
			s.reach.available = false;
		else if (i == 1)
			s.reach.classes[0].destination.bytes[3] = 9;
		else if (i == 2)
			s.reach.classes[0].behind = true;
		else
			s.reach.classes[0].source_class = SOURCE_HOST;
		compare(&s);
		assert_int_equal(s.found.count, 0);
		assert_int_equal(s.found.unsure_inside, 1);
		end(&s);
	}
}

static void test_middlebox(void **state)
{
	uint16_t ports[2000];
	struct scene s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ports); i++)
		ports[i] = (uint16_t)(i + 1);
	begin(&s, &insides[3], ports, ARRAY_LEN(ports));
	memset(s.scan.hosts[0].replies, SCAN_SYN_ACK, ARRAY_LEN(ports));
	s.scan.hosts[0].replies[PORT - 1] = SCAN_RST;
	compare(&s);
	assert_int_equal(s.found.count, 2);
	assert_int_equal(s.found.differences[0].kind, VERIFY_MIDDLEBOX);
	assert_int_equal(s.found.differences[0].port, 0);
	assert_int_equal(s.found.differences[1].kind, VERIFY_SHADOWED);
	end(&s);
}

/* What speaks on an open port: an impostor is one also where the rules are not known. */
static void test_impostor(void **state)
{
	static const struct inside not_known = {VERDICT_UNKNOWN, false, NO_WAY, NONE, NONE, true};
	const uint16_t port = PORT;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct scene s;

		begin(&s, i == 3 ? &not_known : &insides[i == 2 ? 0 : 3], &port, 1);
		s.listener.owner = SNAPSHOT_NONE;
		s.scan.hosts[0].replies[0] = SCAN_SYN_ACK;
		assert_int_equal(scan_add_services(&s.scan), 0);
		s.scan.services[0].found =
			(struct service){.end = SERVICE_NAMED, .confidence = 0.95};
		strcpy(s.scan.services[0].found.protocol, i == 1 ? "http" : "ssh");
		compare(&s);
		assert_int_equal(s.found.count, i != 1);
		if (i == 2) /* it is told once, with what speaks there */
			assert_int_equal(s.found.differences[0].kind, VERIFY_GHOST);
		else if (i != 1)
			assert_int_equal(s.found.differences[0].kind, VERIFY_IMPOSTOR);
		if (i == 0) {
			assert_string_equal(s.found.differences[0].expected, "http");
			assert_int_equal(s.found.differences[0].impostor, IMPOSTOR_NUMBER);
			assert_int_equal(s.found.open, 1);
		}
		if (i != 1)
			assert_ptr_equal(s.found.differences[0].service, &s.scan.services[0].found);
		end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matrix),	  cmocka_unit_test(test_two_listeners),
		cmocka_unit_test(test_not_asked), cmocka_unit_test(test_middlebox),
		cmocka_unit_test(test_impostor),  cmocka_unit_test(test_many_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
