/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reach, doubts, answers: the plain data of who can reach a port, and what paths add up to. */
#include "base/mem.h"
#include "model/reach.h"
#include "observe/doubts.h"
#include "observe/reach_explore.h"
#include "unit.h"

static struct reach r;

static int begin(void **state)
{
	(void)state;
	r = (struct reach){.complete = true};
	return 0;
}

static int end(void **state)
{
	(void)state;
	reach_done(&r);
	return 0;
}

/* The names stand in the JSON output: they do not change, and no value is without one. */
static void test_names(void **state)
{
	static const char *const verdicts[] = {"unknown", "accept", "drop", "reject",
					       "rate-limited"};
	static const char *const classes[] = {"host",	  "link",   "private",
					      "internet", "listed", "forged"};
	static const char *const states[] = {"unknown", "open", "filtered", "rejected", "closed"};

	(void)state;
	assert_int_equal(ARRAY_LEN(verdicts), VERDICT_COUNT);
	assert_int_equal(ARRAY_LEN(classes), SOURCE_CLASS_COUNT);
	assert_int_equal(ARRAY_LEN(states), PORT_STATE_COUNT);
	for (int i = 0; i <= VERDICT_COUNT; i++)
		assert_string_equal(verdict_id((enum verdict)i),
				    i < VERDICT_COUNT ? verdicts[i] : "unknown");
	for (int i = 0; i <= SOURCE_CLASS_COUNT; i++)
		assert_string_equal(source_class_id((enum source_class)i),
				    i < SOURCE_CLASS_COUNT ? classes[i] : "unknown");
	for (int i = 0; i <= PORT_STATE_COUNT; i++)
		assert_string_equal(port_state_id((enum port_state)i),
				    i < PORT_STATE_COUNT ? states[i] : "unknown");
}

static void test_ranks(void **state)
{
	static const enum source_class order[] = {SOURCE_HOST,	 SOURCE_FORGED,	 SOURCE_LINK,
						  SOURCE_LISTED, SOURCE_PRIVATE, SOURCE_INTERNET};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(order); i++)
		assert_int_equal(source_class_rank(order[i]), i);
}

static void add_interval(uint16_t first, uint16_t last)
{
	*reach_add_interval(&r) = (struct reach_interval){.first = first, .last = last};
}

static void test_find(void **state)
{
	struct reach_class c = {.first_interval = 1, .interval_count = 3};

	(void)state;
	add_interval(1, 65535); /* another class's */
	add_interval(1, 21);
	add_interval(22, 22);
	add_interval(23, 65535);
	add_interval(1, 65535);
	for (unsigned port = 1; port <= 65535; port++)
		assert_ptr_equal(reach_find(&r, &c, (uint16_t)port),
				 &r.intervals[port < 22	   ? 1
					      : port == 22 ? 2
							   : 3]);
	assert_null(reach_find(&r, &c, 0));
	c.interval_count = 0;
	assert_null(reach_find(&r, &c, 80));
}

static void test_gaps(void **state)
{
	(void)state;
	reach_add_gap(&r, "what", "why", "remedy");
	assert_false(r.complete);
	reach_add_gap(&r, "what", "why", "another remedy");
	assert_int_equal(r.gap_count, 1);
	reach_add_gap(&r, "what", "another why", "");
	reach_add_gap(&r, "why", "what", "");
	assert_int_equal(r.gap_count, 3);
	assert_string_equal(reach_text(&r, r.gaps[0].remedy_str), "remedy");
	assert_string_equal(reach_text(&r, r.gaps[1].remedy_str), "");
}

static void test_filtered(void **state)
{
	(void)state;
	assert_int_equal(reach_filtered_why(&r, 0), 0);
	for (uint32_t socket = 1; socket < 100; socket += 3)
		reach_add_filtered(&r, socket, "why");
	for (uint32_t socket = 0; socket < 110; socket++)
		assert_int_equal(reach_filtered_why(&r, socket) != 0,
				 socket < 100 && socket % 3 == 1);
	assert_true(r.complete);
}

static void test_added_are_zero(void **state)
{
	static const struct reach_class no_class;

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct reach_class *c = reach_add_class(&r);

		assert_memory_equal(c, &no_class, sizeof(*c));
		memset(c, 0xff, sizeof(*c));
	}
	assert_int_equal(r.class_count, 100);
}

/* --- doubts ------------------------------------------------------------------------------------
 */

static void test_doubts(void **state)
{
	static struct doubt_list list;
	char text[400];

	(void)state;
	memset(&list, 0, sizeof(list));
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(doubts_add(&list, DOUBT_RATE, text), 0);
	assert_int_equal(strlen(list.items[0].text), sizeof(list.items[0].text) - 1);
	for (size_t i = 1; i < DOUBT_LIMIT; i++)
		assert_int_equal(doubts_add(&list, DOUBT_RATE, "limit"), i);
	assert_false(list.overflow);
	assert_int_equal(list.items[DOUBT_LIMIT - 1].kind, DOUBT_RATE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(doubts_add(&list, DOUBT_RATE, "one more"), DOUBT_LIMIT - 1);
		assert_int_equal(list.count, DOUBT_LIMIT);
		assert_true(list.overflow);
		/* what stands for many things that could be true at once can be decided by none */
		assert_int_equal(list.items[DOUBT_LIMIT - 1].kind, DOUBT_STOP);
	}
}

static void test_assignments(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < DOUBT_LIMIT; bit++) {
		struct assignment a = {0};

		assignment_set(&a, bit);
		for (size_t i = 0; i < DOUBT_LIMIT + 70; i++)
			assert_int_equal(assignment_has(&a, i), i == bit);
		assignment_set(&a, DOUBT_LIMIT);
		assert_false(assignment_has(&a, DOUBT_LIMIT));
	}
}

/* --- what the paths of one packet add up to ----------------------------------------------------
 */

enum {
	ACCEPT = 1 << VERDICT_ACCEPT,
	DROP = 1 << VERDICT_DROP,
	REJECT = 1 << VERDICT_REJECT,
	UNKNOWN = 1 << VERDICT_UNKNOWN,
	RATE = 1 << DOUBT_RATE,
	UNMIRRORED = 1 << DOUBT_UNMIRRORED,
	STOP = 1 << DOUBT_STOP,
};

static void test_answers(void **state)
{
	static const struct {
		uint8_t verdicts, kinds;
		enum verdict verdict;
	} cases[] = {
		{ACCEPT, 0, VERDICT_ACCEPT},
		{DROP, 0, VERDICT_DROP},
		{REJECT, 0, VERDICT_REJECT},
		{0, 0, VERDICT_UNKNOWN},
		{UNKNOWN, 0, VERDICT_UNKNOWN},
		/* whatever the doubts are, all paths agree */
		{ACCEPT, RATE | UNMIRRORED, VERDICT_ACCEPT},
		{DROP, UNMIRRORED, VERDICT_DROP},
		{ACCEPT | DROP, RATE, VERDICT_RATE_LIMITED},
		{ACCEPT | REJECT, RATE, VERDICT_RATE_LIMITED},
		{ACCEPT | REJECT | DROP, RATE, VERDICT_RATE_LIMITED},
		{REJECT | DROP, RATE, VERDICT_REJECT},
		{ACCEPT | DROP, UNMIRRORED, VERDICT_UNKNOWN},
		{ACCEPT | DROP, RATE | UNMIRRORED, VERDICT_UNKNOWN},
		{ACCEPT | DROP, STOP, VERDICT_UNKNOWN},
		{ACCEPT | UNKNOWN, RATE, VERDICT_UNKNOWN},
		{DROP | UNKNOWN, 0, VERDICT_UNKNOWN},
		{DROP | UNKNOWN, STOP, VERDICT_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reach_answer a = {.verdicts = cases[i].verdicts, .kinds = cases[i].kinds};

		assert_string_equal(verdict_id(reach_answer_verdict(&a)),
				    verdict_id(cases[i].verdict));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),  TEST(test_ranks),	   TEST(test_find),
		TEST(test_gaps),   TEST(test_filtered),	   TEST(test_added_are_zero),
		TEST(test_doubts), TEST(test_assignments), TEST(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
