/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_ruleset: policies made by hand, and the nft scripts that they become, in
 * tests/unit/data/policy-NAME.nft (PORTERO_UPDATE=1 writes them anew). That the kernel takes them,
 * and that packets get what policy_match says, is tests/netns/test_policy_packets.py's.
 */
#include "decide/policy_ruleset.h"
#include "policy_scene.h"

static void format(const struct policy *p, const struct policy_links *links, struct buf *out)
{
	struct policy_ruleset_wish wish = {.policy = p, .links = links, .now_s = SCENE_NOW};

	assert_int_equal(policy_ruleset_format(&wish, out), 0);
}

static void assert_script(const struct policy_ruleset_wish *wish, const char *name)
{
	struct buf out = {0};
	char file[128], path[512], *expected;
	size_t len;

	assert_int_equal(policy_ruleset_format(wish, &out), 0);
	snprintf(file, sizeof(file), "policy-%s.nft", name);
	snprintf(path, sizeof(path), "%s/unit/data/%s", TEST_DATA, file);
	if (getenv("PORTERO_UPDATE")) {
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		fputs(buf_text(&out), f);
		fclose(f);
	}
	expected = unit_read_data(file, &len);
	assert_string_equal(buf_text(&out), expected);
	free(expected);
	buf_done(&out);
}

static void nothing_declared(void **state)
{
	struct policy p = {0};
	struct policy_links links = {0};
	struct policy_ruleset_wish wish = {.policy = &p, .links = &links, .now_s = SCENE_NOW};

	(void)state;
	assert_script(&wish, "nothing");
}

static void a_web_server(void **state)
{
	static const struct given openings[] = {
		{.ports = "443/tcp 80/tcp", .from = "internet", .why = "the shop"},
		{.ports = "22/tcp",
		 .from = "10.0.0.0/8 10.1.0.0/16 2001:db8::/32",
		 .interfaces = "eth0"},
		{.ports = "8000-8100/tcp", .from = "private", .why = "Caf\303\251 \"\\ test"},
		{.ports = "8080/tcp 5353/udp", .from = "link", .until_s = SCENE_NOW + 3600},
		{.ports = "53/udp", .from = "internet", .rate_count = 10, .rate_seconds = 60},
		{.ports = "53/udp", .from = "fd00::/64 192.0.2.1", .interfaces = "eth0 br-*"},
		{.ports = "9999/tcp", .from = "internet", .until_s = SCENE_NOW - 1},
		{.ports = "25/tcp", .from = "host"},
	};
	struct policy p = {0};
	struct policy_links links = {0};
	struct policy_ruleset_wish wish = {.policy = &p, .links = &links, .now_s = SCENE_NOW};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(openings); i++)
		scene_open(&p, &openings[i]);
	scene_link(&links, "eth0", "203.0.113.0/24");
	scene_link(&links, "eth0", "203.0.113.0/28");
	scene_link(&links, "eth1", "203.0.113.0/24");
	scene_link(&links, "eth1", "2001:db8:1::/64");
	scene_link(&links, "eth1", "fe80::/64");
	assert_script(&wish, "web");
	p.settings.undeclared = UNDECLARED_REJECT;
	p.settings.drop_echo = true;
	wish.no_socket = true;
	scene_protect(&p, "22/tcp 2222/tcp 8080/tcp");
	assert_script(&wish, "reject");
	wish.observe = true;
	assert_script(&wish, "observe");
	policy_done(&p);
	policy_links_done(&links);
}

/* Many openings of one port are found by their sources, and many networks are one set. */
static void many_openings_of_one_port(void **state)
{
	struct policy p = {0};
	struct policy_links links = {0};
	struct policy_ruleset_wish wish = {.policy = &p, .links = &links, .now_s = SCENE_NOW};
	char from[1024] = "";

	(void)state;
	for (int i = 0; i < 20; i++)
		snprintf(from + strlen(from), sizeof(from) - strlen(from), "198.51.100.%d ", i * 3);
	for (int i = 0; i < 3; i++)
		scene_open(&p,
			   &(struct given){.ports = i == 2 ? "80/tcp" : "443/tcp", .from = from});
	for (int i = 0; i < 8; i++) {
		snprintf(from, sizeof(from), "10.%d.0.0/16", i);
		scene_open(&p, &(struct given){.ports = "443/tcp", .from = from});
	}
	scene_open(&p, &(struct given){.ports = "443/tcp", .from = "10.0.0.0/8 2001:db8::/32"});
	scene_open(&p, &(struct given){.ports = "443/tcp", .from = "link"});
	assert_script(&wish, "many");
	policy_done(&p);
}

/* 10,000 openings of ranges that overlap, each until some time: no explosion. */
static void many_ranges(void **state)
{
	struct policy p = {0};
	struct policy_links links = {0};
	struct buf out = {0};
	char ports[64];

	(void)state;
	for (int i = 0; i < 10000; i++) {
		snprintf(ports, sizeof(ports), "%d-%d/tcp", 1 + i, 30000 + i * 3);
		scene_open(&p, &(struct given){.ports = ports,
					       .from = i % 2 ? "10.0.0.0/8" : "internet",
					       .until_s = SCENE_NOW + i});
	}
	scene_protect(&p, "22/tcp 40000-40100/tcp");
	format(&p, &links, &out);
	assert_true(out.len < 40 << 20);
	policy_done(&p);
	buf_done(&out);
}

/* nft's strings have no escapes. */
static void nothing_escapes_from_a_string(void **state)
{
	struct policy p = {0};
	struct policy_links links = {0};
	struct buf out = {0};

	(void)state;
	scene_open(&p, &(struct given){.ports = "1/tcp",
				       .from = "internet",
				       .interfaces = "e\"vil eth0",
				       .why = "\" }\n drop # \\ \x7f\t"});
	scene_open(&p,
		   &(struct given){.ports = "2/tcp", .from = "internet", .interfaces = "e\"vil"});
	scene_link(&links, "x\"y", "10.0.0.0/8");
	format(&p, &links, &out);
	assert_null(strstr(buf_text(&out), "vil"));
	assert_null(strstr(buf_text(&out), "x\"y"));
	assert_null(strstr(buf_text(&out), "2 :"));
	assert_non_null(strstr(buf_text(&out), "comment \"web.yaml:1 ? }? drop # ? ??\""));
	policy_done(&p);
	policy_links_done(&links);
	buf_done(&out);
}

/* Comments have a limit in nft, and a time later than nf_tables can count is none. */
static void limits_of_nft(void **state)
{
	struct policy p = {0};
	struct policy_links links = {0};
	struct buf out = {0};
	char why[400];
	const char *comment;

	(void)state;
	memset(why, 'x', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	scene_open(&p, &(struct given){.ports = "1/tcp", .from = "internet", .why = why});
	scene_open(&p, &(struct given){.ports = "2/tcp", .from = "internet", .until_s = INT64_MAX});
	scene_open(&p,
		   &(struct given){.ports = "3/tcp", .from = "internet", .until_s = 9223372036});
	format(&p, &links, &out);
	comment = strstr(buf_text(&out), "comment \"web.yaml:1");
	assert_non_null(comment);
	assert_int_equal(strcspn(comment + strlen("comment \""), "\""), 120);
	assert_non_null(strstr(buf_text(&out), "2 : jump o2,"));
	assert_non_null(strstr(buf_text(&out), "meta time < 9223372036 goto o3"));
	policy_done(&p);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_declared),
		cmocka_unit_test(a_web_server),
		cmocka_unit_test(many_openings_of_one_port),
		cmocka_unit_test(many_ranges),
		cmocka_unit_test(nothing_escapes_from_a_string),
		cmocka_unit_test(limits_of_nft),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
