/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json_watch: lines that another parser takes, with what others chose as names in them. */
#include "base/mem.h"
#include "cli/json_watch.h"
#include "unit.h"

#include <jansson.h>
#include <netinet/in.h>

static const struct {
	const char *name, *shown; /* shown NULL: null */
} names[] = {
	{"nginx", "nginx"},
	{"", NULL},
	{"a\"b\\c", "a\"b\\\\c"}, /* text_escape doubles a backslash */
	{"\xc3\xa9", "\xc3\xa9"},
	{"\xf0\x9d\x84\x9e", "\xf0\x9d\x84\x9e"}, /* two of UTF-16 */
	{"\xef\xbf\xbd", "\xef\xbf\xbd"},
	{"\n\033[0m\x7f", "\\x0a\\x1b[0m\\x7f"},
	{"\xff", "\\xff"},
};

static json_t *line_of(const struct watch_event *w)
{
	struct buf cleanup_call(buf_done) out = {0};
	json_t *line;

	assert_int_equal(json_watch_add(w, &out), 0);
	for (size_t i = 0; i + 1 < out.len; i++)
		assert_in_range((unsigned char)out.data[i], ' ', '~');
	assert_int_equal(out.data[out.len - 1], '\n');
	line = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(line);
	return line;
}

static const json_t *at(const json_t *line, const char *part, const char *key)
{
	const json_t *found = json_object_get(json_object_get(line, part), key);

	assert_non_null(found);
	return found;
}

static void expect(const json_t *line, const char *part, const char *key, const char *value)
{
	const json_t *found = at(line, part, key);

	if (value)
		assert_string_equal(json_string_value(found), value);
	else
		assert_true(json_is_null(found));
}

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct guard_event e = {.count = 1, .kind = GUARD_EVENT_LISTEN, .family = AF_INET};
		struct guard_who who = {0};
		struct watch_event w = {.event = &e, .who = &who, .owner = names[i].name};
		json_t *line;

		e.proto = IPPROTO_TCP;
		e.port = 443;
		e.who.pid = 7;
		strcpy(e.who.name, names[i].name);
		who.program = who.user = who.unit = who.netns = who.container_id = who.container =
			who.runtime = e.who.name;
		line = line_of(&w);
		expect(line, "process", "executable", names[i].shown);
		expect(line, "process", "name", names[i].shown);
		expect(line, "user", "name", names[i].shown);
		expect(line, "service", "name", names[i].shown);
		expect(line, "container", "id", names[i].shown);
		expect(line, "container", "name", names[i].shown);
		expect(line, "container", "runtime", names[i].shown);
		expect(line, "portero", "netns_name", names[i].shown);
		expect(line, "portero", "declared_for", names[i].shown);
		json_decref(line);
	}
}

static void test_refused(void **state)
{
	struct guard_event e = {.count = UINT64_MAX, /* more than readers can hold */
				.kind = GUARD_EVENT_PACKET_REFUSED,
				.reason = GUARD_REASON_OTHER,
				.family = AF_INET6,
				.enforced = 1,
				.home = 1,
				.netns = 4026531840u};
	struct guard_who who = {0};
	struct watch_event w = {.event = &e, .who = &who, .time_ns = 1700000000123456789};
	json_t *line;

	(void)state;
	e.proto = IPPROTO_TCP;
	e.port = 65535;
	e.address[15] = 1;
	e.peer[0] = 0xfe;
	line = line_of(&w);
	assert_string_equal(json_string_value(json_object_get(line, "@timestamp")),
			    "2023-11-14T22:13:20.123456Z");
	expect(line, "event", "action", "packet-refused");
	expect(line, "event", "outcome", "failure");
	expect(line, "event", "reason", "other");
	expect(line, "destination", "ip", "::1");
	assert_int_equal(json_integer_value(at(line, "destination", "port")), 65535);
	expect(line, "source", "ip", "fe00::");
	assert_true(json_is_null(at(line, "source", "port")));
	assert_true(json_is_null(json_object_get(line, "process")));
	assert_true(json_is_null(json_object_get(line, "user")));
	assert_true(json_is_null(json_object_get(line, "container")));
	assert_int_equal(json_integer_value(at(line, "portero", "count")), INT64_MAX);
	assert_int_equal(json_integer_value(at(line, "portero", "netns")), 4026531840);
	assert_true(json_is_true(at(line, "portero", "enforced")));
	json_decref(line);
}

/* In JSON, or in words: with `said` and without, it must come to the same. */
static void expect_same(struct watch_event *w, struct watch_said *said, bool in_words)
{
	struct buf cleanup_call(buf_done) one = {0}, other = {0};

	for (int i = 0; i < 2; i++) {
		struct buf *out = i ? &other : &one;

		w->said = i ? said : NULL;
		if (in_words)
			watch_words_add(w, false, false, out);
		else
			assert_int_equal(json_watch_add(w, out), 0);
	}
	assert_string_equal(buf_text(&one), buf_text(&other));
}

/* What was said of somebody is said again, until it is no longer so. */
static void test_said_again(void **state)
{
	(void)state;
	for (int in_words = 0; in_words < 2; in_words++) {
		struct watch_said cleanup_call(watch_words_forget) said = {0};
		struct guard_event e = {.count = 1, .kind = GUARD_EVENT_LISTEN, .family = AF_INET};
		struct guard_who who = {.alive = true, .serial = 3};
		struct watch_event w = {
			.event = &e, .who = &who, .time_ns = 1, .start_ns = 1000000000};
		char user[] = "one", unit[] = "a.service";

		who.user = user;
		who.unit = unit;
		e.home = 1;
		e.proto = IPPROTO_TCP;
		e.port = 80;
		e.who.pid = 7;
		strcpy(e.who.name, "name");
		expect_same(&w, &said, in_words);
		assert_true(watch_words_holds(&said, &w));
		e.kind = GUARD_EVENT_CLOSE;
		e.port = 81;
		w.start_ns += 999999;
		assert_true(watch_words_holds(&said, &w));
		w.start_ns += 1;
		expect_same(&w, &said, in_words);
		strcpy(e.who.name, "other");
		expect_same(&w, &said, in_words);
		e.who.flags = GUARD_BY_KERNEL;
		expect_same(&w, &said, in_words);
		user[0] = 'O';
		who.serial++;
		expect_same(&w, &said, in_words);
		who.serial = 0; /* never looked at: nothing is kept */
		user[1] = 'N';
		expect_same(&w, &said, in_words);
		user[1] = 'n';
		expect_same(&w, &said, in_words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_names),
					   cmocka_unit_test(test_refused),
					   cmocka_unit_test(test_said_again)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
