/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_parse: a whole policy as it is written, and everything that is wrong at its place. */
#include "base/mem.h"
#include "policy_load_scene.h"

#include <jansson.h>

static const char whole[] = "# the whole of it\n"
			    "---\n"
			    "settings:\n"
			    "  undeclared: reject\n"
			    "  guard: observe\n"
			    "  protect: [22/tcp, 2222/tcp]\n"
			    "  icmp: {echo: drop}\n"
			    "  loopback: deny\n"
			    "  ephemeral: allow\n"
			    "openings:\n"
			    "  - ports: [80/tcp, 443/tcp, 8000-8100/udp]\n"
			    "    unit: nginx\n"
			    "    from: internet\n"
			    "    why: >\n"
			    "      public\n"
			    "      web site\n"
			    "  - from: [10.0.0.0/8, \"2001:db8:1::/48\", 2001:db8:2::1, link]\n"
			    "    ports: 22/tcp\n"
			    "    program: /usr/sbin/sshd\n"
			    "    user: 0\n"
			    "    container: web\n"
			    "    interfaces: [eth0, 'veth*']\n"
			    "    rate: 10/minute\n"
			    "    until: 2026-12-01T00:00:00Z\n"
			    "    owner: dba@example.org\n"
			    "...\n";

static void test_whole(void **state)
{
	struct policy_scene s = {0};
	const struct opening *o;

	(void)state;
	scene_add(&s, "10-web.yaml", whole);
	assert_no_problem(&s);
	assert_int_equal(s.p.settings.undeclared, UNDECLARED_REJECT);
	assert_int_equal(s.p.settings.guard, GUARD_OBSERVE);
	assert_true(s.p.settings.drop_echo);
	assert_true(s.p.settings.deny_loopback);
	assert_int_equal(s.p.settings.loopback_place.line, 8);
	assert_true(s.p.settings.allow_ephemeral);
	assert_int_equal(s.p.settings.ephemeral_place.column, 14);
	assert_true(policy_protects(&s.p, 2222, PROTO_TCP));
	assert_false(policy_protects(&s.p, 80, PROTO_TCP));
	assert_int_equal(s.p.settings.guard_place.line, 5);
	assert_int_equal(s.p.settings.guard_place.column, 10);
	assert_int_equal(s.p.file_count, 1);
	assert_int_equal(s.p.opening_count, 2);
	o = &s.p.openings[0];
	assert_int_equal(o->place.line, 11);
	assert_int_equal(o->place.column, 5);
	assert_string_equal(policy_text(&s.p, o->place.file_str), "10-web.yaml");
	assert_true(opening_has_port(&s.p, o, 8050, PROTO_UDP));
	assert_false(opening_has_port(&s.p, o, 22, PROTO_TCP));
	assert_int_equal(o->source_count, 1);
	assert_int_equal(s.p.sources[o->first_source].class, SOURCE_INTERNET);
	assert_string_equal(policy_text(&s.p, o->unit_str), "nginx.service");
	assert_string_equal(policy_text(&s.p, o->why_str), "public web site");
	o = &s.p.openings[1];
	assert_int_equal(o->source_count, 4);
	assert_int_equal(s.p.sources[o->first_source + 2].place.line, 17);
	assert_int_equal(s.p.sources[o->first_source + 2].place.column, 43);
	assert_string_equal(policy_text(&s.p, o->program_str), "/usr/sbin/sshd");
	assert_string_equal(policy_text(&s.p, o->user_str), "0");
	assert_string_equal(policy_text(&s.p, o->container_str), "web");
	assert_string_equal(policy_text(&s.p, s.p.interfaces[o->first_interface + 1]), "veth*");
	assert_int_equal(o->rate_count, 10);
	assert_int_equal(o->rate_seconds, 60);
	assert_int_equal(o->until_s, 1796083200);
	assert_string_equal(policy_text(&s.p, o->owner_str), "dba@example.org");
	scene_done(&s);
}

/* Nothing is not wrong. */
static void test_empty(void **state)
{
	static const char *const texts[] = {
		"",
		"\n\n",
		"# only a comment\n",
		"---\n",
		"---\n# nothing\n...\n",
		"settings:\n",
		"openings:\n",
		"openings: []\nsettings: {}\n",
		"settings:\n  icmp:\n",
		"\xef\xbb\xbfopenings: []\n", /* a byte order mark */
		"%YAML 1.2\n---\nopenings: []\n",
		"openings: []\r\nsettings: {}\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct policy_scene s = {0};

		scene_add(&s, "a.yaml", texts[i]);
		assert_no_problem(&s);
		assert_int_equal(s.p.opening_count, 0);
		scene_done(&s);
	}
}

/* Openings of several files come one after the other. */
static void test_files(void **state)
{
	struct policy_scene s = {0};

	(void)state;
	scene_add(&s, "a.yaml", "openings: [{ports: 1/tcp, from: link}]");
	scene_add(&s, "b.yaml", "openings: [{ports: 2/tcp, from: link}]");
	assert_no_problem(&s);
	assert_int_equal(s.p.opening_count, 2);
	assert_int_equal(s.p.ports[s.p.openings[1].first_port].first, 2);
	assert_string_equal(policy_text(&s.p, s.p.openings[1].place.file_str), "b.yaml");
	scene_done(&s);
}

static void test_setting_in_two_files(void **state)
{
	struct policy_scene s = {0};
	const struct policy_problem *p;

	(void)state;
	scene_add(&s, "a.yaml", "settings:\n  undeclared: drop\n");
	scene_add(&s, "b.yaml", "settings: {guard: off, loopback: allow, ephemeral: deny}\n");
	assert_no_problem(&s);
	assert_false(s.p.settings.deny_loopback);
	assert_false(s.p.settings.allow_ephemeral);
	scene_add(&s, "c.yaml", "settings: {undeclared: reject, protect: 22/tcp}\n");
	assert_problem(&s, "error 1:24 ", "undeclared is set in another file already");
	p = &s.problems.items[0];
	assert_string_equal(policy_problems_text(&s.problems, p->place.file_str), "c.yaml");
	assert_string_equal(policy_problems_text(&s.problems, p->other.file_str), "a.yaml");
	assert_int_equal(p->other.line, 2);
	assert_int_equal(s.p.settings.undeclared, UNDECLARED_DROP);
	assert_true(policy_protects(&s.p, 22, PROTO_TCP));
	scene_done(&s);
}

#define OPENING "openings:\n- ports: 1/tcp\n  from: link\n"

static const struct wrong_case {
	const char *text, *place, *says;
} wrong[] = {
	/* what is no YAML, and what makes YAML dangerous */
	{"openings: [", "error 2:1 ", "not valid YAML"},
	{"openings:\n\t- ports: 1/tcp\n", "error 2:1 ", "a tab cannot be here"},
	{"openings:\n- ports: 1/tcp\n\tfrom: link\n", "error 3:1 ", "a tab cannot be here"},
	{"why: 'x\n", "error 2:1 ", "closing one is missing"},
	{"openings:\n- ports: 1/tcp\n from: link\n", "error 3:2 ", "not valid YAML"},
	{"openings: []\nsettings: a: b\n", "error 2:12 ", "no ':' can be here"},
	{"openings: \x01\n", "error 1:11 ", "control character"},
	{"openings:\n- why: \xff\n", "error 2:8 ", "not UTF-8"},
	{"openings:\n- why: \xc3(\n", "error 2:9 ", "not UTF-8"},
	{"\xff\xfeo\n", "error 1:1 ", "not UTF-8"},
	{"openings: *a\n", "error 1:11 ", "no anchors and aliases (*a)"},
	{"openings: &a []\n", "error 1:11 ", "no anchors and aliases (&a)"},
	{OPENING "  interfaces: *\n", "error 4:16 ", "put the text in quotes"},
	{OPENING "  why: !!str x\n", "error 4:8 ", "no tags"},
	{"openings: !x []\n", "error 1:11 ", "no tags (!x)"},
	{"openings: []\n---\nopenings: []\n", "error 2:1 ", "another document"},
	{"[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n", "error 1:1 ", "settings"},
	{"a: [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n", "error 1:1 ", "unknown key 'a'"},
	/* keys */
	{"opening: []\n", "error 1:1 ", "did you mean openings?"},
	{"rules: []\n", "error 1:1 ", "did you mean openings?"},
	{"xyz: []\n", "error 1:1 ", "here can be settings, openings"},
	{"- ports: 1/tcp\n", "error 1:1 ", "at its top"},
	{"hello\n", "error 1:1 ", "at its top"},
	{"[a]: b\n", "error 1:1 ", "a key is expected here"},
	{"openings: []\nopenings: []\n", "error 2:1 ", "openings is given twice"},
	{"openings: 5\n", "error 1:11 ", "a list of openings"},
	{"openings: {ports: 1/tcp}\n", "error 1:11 ", "a list of openings"},
	{"openings:\n-\n", "error 2:2 ", "an opening is expected"},
	{"openings:\n- 443/tcp\n", "error 2:3 ", "an opening is expected"},
	{"openings:\n- []\n", "error 2:3 ", "an opening is expected"},
	{"openings:\n- from: link\n", "error 2:3 ", "no 'ports'"},
	{"openings:\n- ports: 1/tcp\n", "error 2:3 ", "no 'from'"},
	{OPENING "  sources: x\n", "error 4:3 ", "did you mean from?"},
	{OPENING "  wyh: x\n", "error 4:3 ", "did you mean why?"},
	{OPENING "  ports: 2/tcp\n", "error 4:3 ", "ports is given twice"},
	{"settings: []\n", "error 1:11 ", "keys are expected below settings"},
	{"settings: {undeclare: drop}\n", "error 1:12 ", "did you mean undeclared?"},
	{"settings: {undeclared: deny}\n", "error 1:24 ", "drop, reject, observe"},
	{"settings: {undeclared: [drop]}\n", "error 1:24 ", "not a list"},
	{"settings: {undeclared: }\n", "error 1:24 ", "nothing is there"},
	{"settings: {guard: enforced}\n", "error 1:19 ", "did you mean enforce?"},
	{"settings: {loopback: drop}\n", "error 1:22 ", "allow, deny"},
	{"settings: {loopback: [deny]}\n", "error 1:22 ", "not a list"},
	{"settings: {ephemeral: denyy}\n", "error 1:23 ", "did you mean deny?"},
	{"settings: {icmp: drop}\n", "error 1:18 ", "keys are expected below icmp"},
	{"settings: {icmp: {ping: drop}}\n", "error 1:19 ", "did you mean echo?"},
	{"settings: {icmp: {echo: no}}\n", "error 1:25 ", "accept, drop"},
	{"settings: {protect: 22}\n", "error 1:21 ", "has no protocol"},
	{"settings: {protect: []}\n", "error 1:22 ", "empty"},
	/* values */
	{"openings:\n- ports: [1/tcp, 53]\n  from: link\n", "error 2:18 ", "53/tcp or 53/udp"},
	{"openings:\n- ports: []\n  from: link\n", "error 2:11 ", "empty"},
	{"openings:\n- ports:\n  from: link\n", "error 2:9 ", "nothing is there"},
	{"openings:\n- ports: {a: b}\n  from: link\n", "error 2:10 ", "not a list or a group"},
	{"openings:\n- ports: [[1/tcp]]\n  from: link\n", "error 2:11 ", "not a list or a group"},
	{"openings:\n- ports: 1/tcp\n  from: [10.0.0.1/8]\n", "error 3:10 ", "10.0.0.0/8?"},
	{"openings:\n- ports: 1/tcp\n  from: [::1]\n", "error 3:10 ", "in quotes"},
	{"openings:\n- ports: 1/tcp\n  from: ~\n", "error 3:9 ", "nothing is there"},
	{OPENING "  interfaces: [eth0, a/b]\n", "error 4:22 ", "name of an interface"},
	{OPENING "  rate: fast\n", "error 4:9 ", "10/minute"},
	{OPENING "  until: 2026-12-01T00:00:00\n", "error 4:10 ", "time zone"},
	{OPENING "  program: nginx\n", "error 4:12 ", "/usr/sbin/nginx"},
	{OPENING "  unit: a b\n", "error 4:9 ", "systemd unit"},
	{OPENING "  user: 'a:b'\n", "error 4:9 ", "cannot be a user"},
	{OPENING "  container: a b\n", "error 4:14 ", "name of a container"},
	{OPENING "  why: [a]\n", "error 4:8 ", "not a list"},
	{OPENING "  why: ''\n", "error 4:8 ", "nothing is there"},
	{OPENING "  why: ' '\n", "error 4:8 ", "only spaces"},
	{OPENING "  why: \"a\\0b\"\n", "error 4:8 ", "a NUL"},
};

static void test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct policy_scene s = {0};
		bool found = false;

		scene_add(&s, "a.yaml", wrong[i].text);
		for (size_t j = 0; j < s.problems.count; j++) {
			const char *text = scene_problem(&s, j);

			found |= strncmp(text, wrong[i].place, strlen(wrong[i].place)) == 0 &&
				 strstr(text, wrong[i].says);
		}
		/* what is no YAML may leave an opening that is not whole */
		if (!found || s.problems.count > 2)
			fail_msg("not '%s%s' for: %s", wrong[i].place, wrong[i].says,
				 wrong[i].text);
		scene_done(&s);
	}
}

/* The openings around a wrong one are taken, and every error is told. */
static void test_recovery(void **state)
{
	struct policy_scene s = {0};

	(void)state;
	scene_add(
		&s, "a.yaml",
		"openings:\n"
		"- {ports: 1/tcp, from: link}\n"
		"- {ports: [2/tcp, 3], from: [internet, what], why: [x, {y: [z]}], nonsense: [a]}\n"
		"- {ports: 4/tcp, from: private, interfaces: eth0}\n"
		"settings: {undeclared: x, guard: off}\n");
	assert_int_equal(s.problems.error_count, 5);
	assert_int_equal(s.p.opening_count, 2);
	assert_int_equal(s.p.port_count, 2);
	assert_int_equal(s.p.source_count, 2);
	assert_int_equal(s.p.interface_count, 1);
	assert_int_equal(s.p.sources[s.p.openings[1].first_source].class, SOURCE_PRIVATE);
	scene_done(&s);
}

/* 20 errors are kept, all are counted. */
static void test_many_errors(void **state)
{
	struct buf text = {0};
	struct policy_scene s = {0};

	(void)state;
	buf_add_text(&text, "openings:\n");
	for (int i = 0; i < 1000; i++)
		buf_add_text(&text, "- {ports: 1, from: link}\n");
	scene_add(&s, "a.yaml", buf_text(&text));
	assert_int_equal(s.problems.count, POLICY_PROBLEM_LIMIT);
	assert_int_equal(s.problems.error_count, 1000);
	assert_int_equal(s.p.opening_count, 0);
	scene_done(&s);
	buf_done(&text);
}

static void test_bomb(void **state)
{
	struct policy_scene s = {0};

	(void)state;
	scene_add(&s, "a.yaml",
		  "a: &a [x,x,x,x,x,x,x,x,x]\n"
		  "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
		  "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
		  "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n");
	assert_int_equal(s.problems.count, POLICY_PROBLEM_LIMIT);
	assert_int_equal(s.problems.error_count, 4 + 4 + 27);
	scene_done(&s);
}

/* A million brackets: neither time nor stack. */
static void test_deep(void **state)
{
	struct policy_scene s = {0};
	struct buf text = {0};

	(void)state;
	buf_add_text(&text, "openings: ");
	for (int i = 0; i < 1000000; i++)
		buf_add_char(&text, '[');
	scene_add(&s, "a.yaml", buf_text(&text));
	assert_true(s.problems.error_count >= 1);
	assert_non_null(strstr(scene_problem(&s, s.problems.count - 1), "nested too deeply"));
	scene_done(&s);
	buf_done(&text);
}

static void test_limits(void **state)
{
	struct policy_scene s = {0};
	struct buf text = {0};

	(void)state;
	buf_add_text(&text, OPENING "  why: ");
	for (int i = 0; i <= POLICY_TEXT_LIMIT; i++)
		buf_add_char(&text, 'x');
	scene_add(&s, "long.yaml", buf_text(&text));
	assert_problem(&s, "error 4:8 ", "more than 512 bytes");
	scene_done(&s);

	s = (struct policy_scene){0};
	buf_clear(&text);
	buf_add_text(&text, "openings:\n");
	for (int i = 0; i <= POLICY_OPENING_LIMIT; i++)
		buf_add_text(&text, "- {ports: 1/tcp, from: link}\n");
	scene_add(&s, "many.yaml", buf_text(&text));
	assert_problem(&s, "error 20002:3 ", "at most 20000");
	assert_int_equal(s.p.opening_count, POLICY_OPENING_LIMIT);
	scene_done(&s);

	s = (struct policy_scene){0};
	buf_clear(&text);
	while (text.len <= POLICY_FILE_LIMIT)
		buf_add_text(&text,
			     "# ten megabytes of nothing ......................................\n");
	scene_add(&s, "large.yaml", buf_text(&text));
	assert_problem(&s, "error 0:0 ", "the limit is 8 MB");
	scene_done(&s);
	buf_done(&text);
}

/* Whatever a file is cut to, nothing bad happens, and a NUL anywhere is told. */
static void test_truncated(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		char *copy = unit_copy(whole, len + 1);
		struct policy_scene s = {0};

		assert_int_equal(policy_parse(&s.p, "a", copy, len, &s.problems), 0);
		scene_done(&s);
		copy[len] = '\0';
		s = (struct policy_scene){0};
		assert_int_equal(policy_parse(&s.p, "a", copy, len + 1, &s.problems), 0);
		assert_true(s.problems.error_count > 0);
		scene_done(&s);
		free(copy);
	}
}

static json_t *keys_of(json_t *schema, enum policy_level level)
{
	json_t *settings = json_object_get(json_object_get(schema, "properties"), "settings");
	json_t *of_settings = json_object_get(settings, "properties");
	json_t *opening = json_object_get(json_object_get(schema, "$defs"), "opening");

	switch (level) {
	case POLICY_LEVEL_FILE:
		return json_object_get(schema, "properties");
	case POLICY_LEVEL_SETTINGS:
		return of_settings;
	case POLICY_LEVEL_ICMP:
		return json_object_get(json_object_get(of_settings, "icmp"), "properties");
	case POLICY_LEVEL_OPENING:
		return json_object_get(opening, "properties");
	}
	return NULL;
}

static bool is_required(json_t *schema, const char *name)
{
	json_t *opening = json_object_get(json_object_get(schema, "$defs"), "opening");
	json_t *required = json_object_get(opening, "required"), *item;
	size_t i;

	json_array_foreach(required, i,
			   item) if (strcmp(json_string_value(item), name) == 0) return true;
	return false;
}

/* data/policy.schema.json has the parser's keys, and no others. */
static void test_schema_keys(void **state)
{
	static const enum policy_level levels[] = {POLICY_LEVEL_FILE, POLICY_LEVEL_SETTINGS,
						   POLICY_LEVEL_ICMP, POLICY_LEVEL_OPENING};
	json_t *schema = json_load_file(TEST_DATA "/../data/policy.schema.json", 0, NULL);
	size_t in_schema = 0;

	(void)state;
	assert_non_null(schema);
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		in_schema += json_object_size(keys_of(schema, levels[i]));
	assert_int_equal(in_schema, policy_key_count);
	for (size_t i = 0; i < policy_key_count; i++) {
		const struct policy_key *key = &policy_keys[i];
		json_t *row = json_object_get(keys_of(schema, key->level), key->name);

		if (!row || !json_object_get(row, "description"))
			fail_msg("data/policy.schema.json does not describe %s", key->name);
		if (key->level == POLICY_LEVEL_OPENING)
			assert_int_equal(is_required(schema, key->name), key->missing != NULL);
	}
	json_decref(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	    cmocka_unit_test(test_empty),
		cmocka_unit_test(test_files),	    cmocka_unit_test(test_setting_in_two_files),
		cmocka_unit_test(test_wrong),	    cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_many_errors), cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_deep),	    cmocka_unit_test(test_limits),
		cmocka_unit_test(test_truncated),   cmocka_unit_test(test_schema_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
