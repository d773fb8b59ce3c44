/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_probes, service_match: what portero ships can be read; what is wrong in a file is said
 * with its place; answers are matched in the right order, and say only what is fit to be shown.
 */
#include "observe/service_match.h"

#include "unit.h"

static int read_one(struct probes *p, const char *text, struct err *e)
{
	struct probe_text t = {"one", text, strlen(text)};

	*p = (struct probes){0};
	return probes_read(p, &t, 1, e);
}

static void test_shipped(void **state)
{
	struct probes p = {0};
	struct err e = {0};

	(void)state;
	assert_true(probe_text_count > 0);
	if (probes_read(&p, probe_texts, probe_text_count, &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(p.request_count > 0 && p.match_count > 0);
	for (size_t i = 0; i < p.file_count; i++)
		for (size_t k = i + 1; k < p.file_count; k++)
			assert_string_not_equal(p.files[i].name, p.files[k].name);
	probes_done(&p);
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"", "one.yaml:0: keys are expected here"},
		{"- a", "one.yaml:1: keys are expected here"},
		{"protocol: [x", "one.yaml:2: did not find expected"},
		{"ports: [1/tcp]", "one.yaml:1: a file needs the key 'protocol'"},
		{"protocol: x\nport: [1/tcp]", "one.yaml:2: there is no such key: port"},
		{"protocol: x\nmatches:\n- {on: greeting, pattern: a, pattern: b}",
		 "one.yaml:3: this key stands here twice: pattern"},
		{"protocol: x\nports: [0/tcp]", "one.yaml:2: a port such as 443/tls"},
		{"protocol: x\nports: [65536/tcp]", "one.yaml:2: a port such as 443/tls"},
		{"protocol: x\nports: [9-8/tcp]",
		 "one.yaml:2: this range of ports is none: 9-8/tcp"},
		{"protocol: x\nports: [9]", "one.yaml:2: a port such as 443/tls"},
		{"protocol: x\nports: [9/sctp]", "one.yaml:2: a port such as 443/tls"},
		{"protocol: x\ngreets: yes", "one.yaml:2: true or false is expected here"},
		{"protocol: x\nrequests: {A: {send: a}}",
		 "one.yaml:2: this name of a request is none: A"},
		{"protocol: x\nrequests: {a: {rarity: 1}}",
		 "one.yaml:2: a request needs the key 'send'"},
		{"protocol: x\nrequests: {a: {send: a, rarity: 10}}",
		 "one.yaml:2: this number is none"},
		{"protocol: x\nrequests: {a: {send: \"\\u0100\"}}",
		 "one.yaml:2: no character above"},
		{"protocol: x\nrequests: {a: {send: a, over: sctp}}", "one.yaml:2: tcp or udp"},
		{"protocol: x\nmatches:\n- {on: greeting}", "one.yaml:3: a match needs the keys"},
		{"protocol: x\nmatches:\n- {on: b, pattern: a}",
		 "one.yaml:3: there is no request b"},
		{"protocol: x\nmatches:\n- {on: y/b, pattern: a}",
		 "one.yaml:3: there is no request y/b"},
		{"protocol: x\nmatches:\n- {on: tls, pattern: a}", "one.yaml:3: tls has no answer"},
		{"protocol: x\nmatches:\n- {on: greeting, pattern: '(a'}",
		 "one.yaml:3: this pattern is none: missing closing parenthesis"},
		{"protocol: x\nmatches:\n- {on: greeting, pattern: a, confidence: 2}",
		 "one.yaml:3: a number over 0, up to 1"},
		{"protocol: x\nnotes:\n- {on: greeting, pattern: a}",
		 "one.yaml:3: a note needs the keys"},
		{"protocol: x\nstarttls:\n- {}", "one.yaml:3: a step needs the keys"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct probes p;
		struct err e = {0};

		assert_int_equal(read_one(&p, bad[i].text, &e), -EINVAL);
		if (strncmp(e.msg, bad[i].says, strlen(bad[i].says)) != 0)
			fail_msg("%s\nis not\n%s", e.msg, bad[i].says);
		probes_done(&p);
	}
}

/* What comes of the answer to the event, in the probes of `text`. */
static struct service identify(const char *text, int event, const char *answer, size_t len)
{
	struct probes p;
	struct err e = {0};
	struct service_matcher m = {0};
	const struct probe_match *found;
	struct service s = {.end = SERVICE_UNNAMED};
	char *copy = unit_copy(answer, len);

	if (read_one(&p, text, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(service_matcher_init(&m, &p), 0);
	found = service_find(&m, event, copy, len);
	if (found)
		service_take(&m, found, copy, len, &s);
	service_take_notes(&m, event, copy, len, &s);
	service_matcher_done(&m);
	probes_done(&p);
	free(copy);
	return s;
}

#define GREETING(says)	       "protocol: x\nmatches:\n- {on: greeting, " says "}\n"
#define IDENTIFY(text, answer) identify(text, PROBE_GREETING, answer, sizeof(answer) - 1)

static void test_texts(void **state)
{
	static const struct {
		const char *text, *version;
	} good[] = {
		{GREETING("pattern: '^A(..)', version: $1"), "1\\"},
		{GREETING("pattern: '^A(..)', version: '${1}0$$x'"), "1\\0$x"},
		{GREETING("pattern: '^A(..)', version: '$1:be16'"), "12636"},
		{GREETING("pattern: '^A(..)', version: '$1:le16.'"), "23601."},
		{GREETING("pattern: '^A(...)', version: '$1:be16'"), ""},
		{GREETING("pattern: '^A(.)', version: '$1:u8'"), "49"},
		{GREETING("pattern: '^(....)', version: '$1:be32'"), "1093753922"},
		{GREETING("pattern: '^(....)', version: '$1:le32'"), "1113338177"},
		{GREETING("pattern: '^A(..)', version: '$1:hex'"), "315c"},
		{GREETING("pattern: '^A(x)?', version: 'v$1'"), ""},
		{GREETING("pattern: '^A(x)?(.)', version: 'v$1$2'"), "v1"},
		{GREETING("pattern: '^A', version: 'v$9'"), ""},
		{GREETING("pattern: '^A', version: '$$1 $ $0 ${1 x'"), "$1 $ $0 ${1 x"},
		{GREETING("pattern: 'A(.*)', version: $1"), "1\\B ? ?\xc3\xbc?[31m"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct service s = IDENTIFY(good[i].text, "A1\\B\r\n\x80 \0\xc3\xbc\x1b[31m");

		if (strcmp(s.version, good[i].version) != 0)
			fail_msg("%s: %s is not %s", good[i].text, s.version, good[i].version);
		assert_int_equal(s.end, SERVICE_NAMED);
		assert_string_equal(s.protocol, "x");
		for (const char *c = s.version; *c; c++)
			assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
}

static void test_long_texts(void **state)
{
	char answer[1000];
	struct service s;

	(void)state;
	memset(answer, 'a', sizeof(answer));
	s = identify(GREETING("pattern: '^(.*)$', product: $1, version: $1$1"), PROBE_GREETING,
		     answer, sizeof(answer));
	assert_int_equal(strlen(s.product), sizeof(s.product) - 1);
	assert_int_equal(strlen(s.version), sizeof(s.version) - 1);
}

static void test_order(void **state)
{
	static const char text[] =
		"protocol: x\nrequests:\n  a: {send: a}\n  b: {send: b}\nmatches:\n"
		"- {on: a, pattern: '^A', product: weak, weak: true}\n"
		"- {on: greeting, pattern: '^AG', product: greeting}\n"
		"- {on: [a, b], pattern: '^AB', product: both, confidence: 0.5}\n"
		"- {on: a, pattern: '^AB', product: later}\n";
	struct service s;

	(void)state;
	s = identify(text, 0, "ABC", 3);
	assert_string_equal(s.product, "both");
	assert_true(s.confidence > 0.49 && s.confidence < 0.51);
	s = identify(text, 1, "ABC", 3);
	assert_string_equal(s.product, "both");
	s = identify(text, 0, "AG", 2); /* it greets late */
	assert_string_equal(s.product, "greeting");
	s = identify(text, 0, "AX", 2);
	assert_string_equal(s.product, "weak");
	s = identify(text, 1, "AX", 2);
	assert_int_equal(s.end, SERVICE_UNNAMED);
	s = identify(text, PROBE_GREETING, "ABC", 3);
	assert_int_equal(s.end, SERVICE_UNNAMED);
}

static void test_other_files_first(void **state)
{
	static const char one[] = "protocol: one\nrequests:\n  ask: {send: \"?\"}\nmatches:\n"
				  "- {on: ask, pattern: 'a'}\n";
	static const char two[] = "protocol: two\nmatches:\n- {on: one/ask, pattern: 'a'}\n";
	const struct probe_text texts[] = {{"one", one, sizeof(one) - 1},
					   {"two", two, sizeof(two) - 1}};
	struct probes p = {0};
	struct service_matcher m = {0};
	struct err e = {0};
	const struct probe_match *found;

	(void)state;
	assert_int_equal(probes_read(&p, texts, 2, &e), 0);
	assert_int_equal(service_matcher_init(&m, &p), 0);
	found = service_find(&m, 0, "a", 1);
	assert_non_null(found);
	assert_string_equal(found->says.protocol, "two");
	service_matcher_done(&m);
	probes_done(&p);
}

static void test_notes(void **state)
{
	char text[2000] = "protocol: x\nnotes:\n";
	struct service s;

	(void)state;
	strcat(text, "- {on: greeting, pattern: 'A(.)', name: a, value: $1}\n"
		     "- {on: greeting, pattern: 'A(.)', name: a, value: again}\n"
		     "- {on: greeting, pattern: 'Z', name: z, value: none}\n");
	for (int i = 0; i < 12; i++)
		sprintf(text + strlen(text),
			"- {on: greeting, pattern: 'A', name: n%d, value: v}\n", i);
	s = identify(text, PROBE_GREETING, "A1", 2);
	assert_int_equal(s.note_count, SERVICE_NOTE_LIMIT);
	assert_string_equal(s.notes[0].name, "a");
	assert_string_equal(s.notes[0].value, "1");
	assert_string_equal(s.notes[1].name, "n0");
}

/* A pattern that would take longer than the world stands. */
static void test_bounded(void **state)
{
	char answer[64];
	struct service s;

	(void)state;
	memset(answer, 'a', sizeof(answer));
	s = identify(GREETING("pattern: '^(a+)+(a+)+(a+)+$x'"), PROBE_GREETING, answer,
		     sizeof(answer));
	assert_int_equal(s.end, SERVICE_UNNAMED);
}

/* Whatever another process writes into the struct. */
static void test_check(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int round = 0; round < 500; round++) {
		struct service s;

		for (size_t i = 0; i < sizeof(s); i++)
			((uint8_t *)&s)[i] = (uint8_t)unit_random(&seed);
		service_check(&s);
		assert_non_null(memchr(s.product, 0, sizeof(s.product)));
		assert_non_null(memchr(s.tls.names, 0, sizeof(s.tls.names)));
		assert_true(s.note_count <= SERVICE_NOTE_LIMIT);
		assert_true(s.answer_len <= sizeof(s.answer));
		assert_true(s.confidence >= 0 && s.confidence <= 1);
		assert_true(s.end <= SERVICE_LOST);
		for (const char *c = s.extra; *c; c++)
			assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shipped), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_texts),	cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_order),	cmocka_unit_test(test_other_files_first),
		cmocka_unit_test(test_notes),	cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
