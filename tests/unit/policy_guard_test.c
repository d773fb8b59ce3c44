/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_guard: which program may have which port. */
#include "base/mem.h"
#include "decide/policy_guard.h"
#include "model/port_proxies.h"
#include "policy_load_scene.h"

#include <time.h>

enum { NOW = 1800000000 }; /* 2027-01-15 */

static void make(struct policy_scene *s, const char *text, struct guard_rules *ret)
{
	scene_add(s, "a.yaml", text);
	assert_no_problem(s);
	assert_int_equal(policy_guard_make(&s->p, 0, NOW, ret), 0);
}

/* "80-81/tcp /a,u.service,0,c; ..." in the order of the grants; valid until the next call */
static const char *shown(const struct guard_rules *r)
{
	static char text[2048];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < r->grant_count; i++) {
		const struct guard_grant *g = &r->grants[i];
		const struct guard_owner *o = &r->owners[g->owner];

		assert_false(g->ports.any_proto);
		assert_true(g->owner < r->owner_count);
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%s%u-%u/%s %s,%s,%s,%s", i ? "; " : "",
			g->ports.first, g->ports.last, proto_name(g->ports.proto),
			guard_rules_text(r, o->program_str), guard_rules_text(r, o->unit_str),
			guard_rules_text(r, o->user_str), guard_rules_text(r, o->container_str));
		assert_true(len < sizeof(text));
	}
	return text;
}

#define DHCP "68-68/udp ,,,; 546-546/udp ,,,"

static const struct case_ {
	const char *text, *shows;
} cases[] = {
	{"", DHCP},
	{"openings: [{ports: 80/tcp, from: internet}]\n", "80-80/tcp ,,,; " DHCP},
	{"openings: [{ports: 80/tcp, from: host, program: /a, unit: b, user: c, container: d}]\n",
	 "80-80/tcp /a,b.service,c,d; " DHCP},
	/* other protocols have no guard, and leave no owner */
	{"openings: [{ports: [80/udplite, 9/sctp, 5/dccp], from: host, unit: a}]\n", DHCP},
	{"openings: [{ports: [80/sctp, 9/udp], from: host, unit: a}]\n",
	 "9-9/udp ,a.service,,; " DHCP},
	/* one that is over gives nothing; one that is not yet does */
	{"openings:\n"
	 "- {ports: 80/tcp, from: host, unit: a, until: 2027-01-15}\n"
	 "- {ports: 81/tcp, from: host, unit: b, until: 2027-01-16}\n",
	 "81-81/tcp ,b.service,,; " DHCP},
	/* protected: anybody, also beside an owner; one of an opening that is over, too */
	{"openings: [{ports: 20-25/tcp, from: internet, unit: a}]\nsettings: {protect: 22/tcp}\n",
	 "20-25/tcp ,a.service,,; 22-22/tcp ,,,; " DHCP},
	{"openings: [{ports: 22/tcp, from: host, unit: a, until: 2027-01-01}]\n"
	 "settings: {protect: [22/tcp, 7/sctp]}\n",
	 "22-22/tcp ,,,; " DHCP},
	/* what touches is one, of one owner and protocol only */
	{"openings:\n"
	 "- {ports: [90/tcp, 80-85/tcp, 86-89/tcp], from: 10.0.0.1, unit: a}\n"
	 "- {ports: [82-83/tcp, 80/udp], from: 10.0.0.2, unit: a}\n"
	 "- {ports: [91/tcp], from: 10.0.0.2, unit: b}\n"
	 "- {ports: [65535/tcp, 93/tcp, 1-65534/udp], from: 10.0.0.3, unit: b}\n",
	 "80-90/tcp ,a.service,,; 80-80/udp ,a.service,,; 91-91/tcp ,b.service,,; "
	 "93-93/tcp ,b.service,,; 65535-65535/tcp ,b.service,,; 1-65534/udp ,b.service,,; " DHCP},
	/* the same text is another thing as another key */
	{"openings:\n"
	 "- {ports: 1/tcp, from: host, user: x}\n"
	 "- {ports: 2/tcp, from: host, container: x}\n"
	 "- {ports: 3/tcp, from: host, user: x, container: x}\n"
	 "- {ports: 4/tcp, from: host, user: x}\n",
	 "1-1/tcp ,,x,; 4-4/tcp ,,x,; 2-2/tcp ,,,x; 3-3/tcp ,,x,x; " DHCP},
	/* anybody of an opening and of the others is one */
	{"openings: [{ports: 67-68/udp, from: internet}]\n", "67-68/udp ,,,; 546-546/udp ,,,"},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct policy_scene s = {0};
		struct guard_rules r = {0};

		make(&s, cases[i].text, &r);
		assert_string_equal(shown(&r), cases[i].shows);
		guard_rules_done(&r);
		scene_done(&s);
	}
}

static void test_settings(void **state)
{
	static const enum guard_mode modes[] = {GUARD_OFF, GUARD_OBSERVE, GUARD_ENFORCE};
	struct policy p = {0};
	struct guard_rules r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(modes) * 4; i++) {
		p.settings.guard = modes[i / 4];
		p.settings.deny_loopback = i & 1;
		p.settings.allow_ephemeral = i & 2;
		assert_int_equal(policy_guard_make(&p, 0, NOW, &r), 0);
		assert_int_equal(r.mode, modes[i / 4]);
		assert_int_equal(r.loopback, !(i & 1));
		assert_int_equal(r.ephemeral, (i & 2) != 0);
		guard_rules_done(&r);
	}
}

/* An owner is one until one moment: the same one until another moment is another. */
static void test_ends(void **state)
{
	struct policy_scene s = {0};
	struct guard_rules r = {0};

	(void)state;
	make(&s,
	     "openings:\n"
	     "- {ports: 81/tcp, from: host, unit: a, until: 2027-01-16}\n"
	     "- {ports: 82/tcp, from: host, unit: a, until: 2027-01-17}\n"
	     "- {ports: 83/tcp, from: host, unit: a}\n"
	     "- {ports: 84/tcp, from: host, until: 2027-01-16}\n"
	     "- {ports: 85/tcp, from: 10.0.0.1, unit: a, until: 2027-01-16}\n",
	     &r);
	assert_int_equal(r.owner_count, 5); /* with that of DHCP */
	assert_int_equal(r.owners[0].until_s, 1800057600);
	assert_int_equal(r.owners[1].until_s, 1800144000);
	assert_int_equal(r.owners[2].until_s, 0);
	assert_int_equal(r.owners[3].until_s, 1800057600);
	assert_false(guard_owner_is_anybody(&r.owners[3])); /* not for ever */
	assert_true(guard_owner_is_anybody(&r.owners[4]));
	assert_string_equal(shown(&r), "81-81/tcp ,a.service,,; 85-85/tcp ,a.service,,; "
				       "82-82/tcp ,a.service,,; 83-83/tcp ,a.service,,; "
				       "84-84/tcp ,,,; " DHCP);
	guard_rules_done(&r);
	scene_done(&s);
}

/* Those that are vouched for have the ports of containers, and no others. */
static void test_proxies(void **state)
{
	struct policy_scene s = {0};
	struct guard_rules r = {0};
	size_t count;
	const struct port_proxy *proxies = port_proxies(&count);

	(void)state;
	assert_string_equal(proxies[0].program, "/usr/sbin/docker-proxy");
	assert_string_equal(proxies[4].program, "/usr/bin/podman");
	scene_add(&s, "a.yaml",
		  "openings:\n"
		  "- {ports: 80/tcp, from: host, container: web, until: 2027-01-16}\n"
		  "- {ports: 81/tcp, from: host, container: adm}\n"
		  "- {ports: 82/tcp, from: host, unit: a}\n");
	assert_no_problem(&s);
	assert_int_equal(policy_guard_make(&s.p, 1u << 0 | 1u << 4, NOW, &r), 0);
	assert_string_equal(shown(&r),
			    "80-80/tcp ,,,web; 80-80/tcp /usr/sbin/docker-proxy,docker.service,,; "
			    "80-80/tcp /usr/bin/podman,,root,; 81-81/tcp ,,,adm; "
			    "81-81/tcp /usr/sbin/docker-proxy,docker.service,,; "
			    "81-81/tcp /usr/bin/podman,,root,; 82-82/tcp ,a.service,,; " DHCP);
	assert_int_equal(r.owners[1].until_s, 1800057600);
	guard_rules_done(&r);
	scene_done(&s);

	assert_true(port_proxies_have("/usr/sbin/docker-proxy", "docker.service", ""));
	assert_false(port_proxies_have("/usr/sbin/docker-proxy", "evil.service", "root"));
	assert_false(port_proxies_have("/tmp/docker-proxy", "docker.service", "root"));
	assert_true(port_proxies_have("/usr/bin/conmon", "any.scope", "root"));
	assert_false(port_proxies_have("/usr/bin/conmon", "any.scope", "ana"));
}

/* 10,000 openings of as many owners, and 10,000 of one. */
static void test_large(void **state)
{
	enum { MANY = 10000 };
	struct policy_scene s = {0};
	struct guard_rules r = {0};
	struct buf text = {0};
	struct timespec begin, end;

	(void)state;
	buf_add_text(&text, "openings:\n");
	for (int i = 0; i < MANY; i++)
		buf_printf(&text,
			   "- {ports: %d/tcp, from: host, unit: u%d, user: %d}\n"
			   "- {ports: %d/udp, from: host, program: /usr/bin/x}\n",
			   i + 1, i, i % 100, 2 * i + 1);
	scene_add(&s, "a.yaml", buf_text(&text));
	assert_no_problem(&s);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_int_equal(policy_guard_make(&s.p, 0, NOW, &r), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - begin.tv_sec < 2); /* it takes milliseconds */
	assert_int_equal(r.owner_count, MANY + 2);
	assert_int_equal(r.grant_count, 2 * MANY + 2);
	assert_string_equal(guard_rules_text(&r, r.owners[0].unit_str), "u0.service");
	assert_string_equal(guard_rules_text(&r, r.owners[1].program_str), "/usr/bin/x");
	assert_true(guard_owner_is_anybody(&r.owners[r.owner_count - 1]));
	guard_rules_done(&r);
	scene_done(&s);
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases), cmocka_unit_test(test_settings),
		cmocka_unit_test(test_ends),  cmocka_unit_test(test_proxies),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
