/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_review: duplicates, contradictions, and what is probably not meant. */
#include "base/mem.h"
#include "policy_load_scene.h"

#include <sys/socket.h>
#include <time.h>

enum { NOW = 1800000000 }; /* 2027-01-15 */

static bool has_known(void *context, const char *name)
{
	(void)context;
	return !strstr(name, "absent");
}

static bool is_script(void *context, const char *path, char ret[POLICY_FOUND_SIZE])
{
	(void)context;
	strcpy(ret, strstr(path, ".py") ? "/usr/bin/python3.11" : "");
	return strstr(path, "script");
}

static bool is_link(void *context, const char *path, char ret[POLICY_FOUND_SIZE])
{
	(void)context;
	strcpy(ret, "/real/path");
	return strstr(path, "link");
}

static bool is_writable(void *context, const char *path, char ret[POLICY_FOUND_SIZE])
{
	(void)context;
	strcpy(ret, "/home/ana");
	return strstr(path, "/home/ana/");
}

/* 40000-40099 but for 40050 */
static bool is_chosen(void *context, uint16_t port)
{
	(void)context;
	return port >= 40000 && port < 40100 && port != 40050;
}

static const char *find_stray_proxy(void *context)
{
	const struct policy *p = context;

	for (size_t i = 0; i < p->opening_count; i++)
		if (strcmp(policy_text(p, p->openings[i].container_str), "stray") == 0)
			return "/usr/sbin/docker-proxy";
	return NULL;
}

/* 10.1.0.0/16 is a network of eth0. */
static bool is_elsewhere(void *context, const struct policy_source *network, const char *interface,
			 char ret[POLICY_FOUND_SIZE])
{
	const struct address eth0 = {AF_INET, {10, 1}};

	(void)context;
	snprintf(ret, POLICY_FOUND_SIZE, "eth0");
	return address_in_network(&network->network, &eth0, 16) && strcmp(interface, "eth0") != 0;
}

static void review(struct policy_scene *s)
{
	const struct policy_facts facts = {.now_s = NOW,
					   .context = &s->p,
					   .has_interface = has_known,
					   .is_elsewhere = is_elsewhere,
					   .has_unit = has_known,
					   .has_user = has_known,
					   .has_program = has_known,
					   .is_link = is_link,
					   .is_writable = is_writable,
					   .is_chosen = is_chosen,
					   .find_stray_proxy = find_stray_proxy,
					   .is_script = is_script};

	assert_no_problem(s);
	assert_int_equal(policy_review(&s->p, &facts, &s->problems), 0);
	policy_problems_sort(&s->problems);
}

#define GUARD(mode) "settings: {guard: " mode "}\n"
#define TEXT_90	    TEXT_30 TEXT_30 TEXT_30
#define TEXT_30	    "abcdefghijklmnopqrstuvwxyz0123"

static const struct case_ {
	const char *text, *place, *says; /* says NULL: nothing is wrong */
} cases[] = {
	/* duplicates: the same port, source and interface */
	{"- {ports: 443/tcp, from: internet}\n"
	 "- {ports: [80/tcp, 443/tcp], from: internet}\n",
	 "error 2:36 ", "443/tcp from internet is let in twice"},
	{"- {ports: 443/tcp, from: 10.0.0.0/8}\n"
	 "- {ports: 400-500/tcp, from: [192.0.2.1, 10.0.0.0/8]}\n",
	 "error 2:42 ", "443/tcp from 10.0.0.0/8 is let in twice"},
	{"- {ports: 443/tcp, from: 192.0.2.1}\n"
	 "- {ports: 443/tcp, from: 192.0.2.1, rate: 1/day}\n",
	 "error 2:26 ", "from 192.0.2.1 is let in twice"},
	{"- {ports: 443/tcp, from: [link, link]}\n", "error 1:33 ", "from link is let in twice"},
	{"- {ports: 443/tcp, from: [private, private]}\n", "error 1:36 ", "from private"},
	{"- {ports: [443/tcp, 440-450/tcp], from: link}\n", "error 1:3 ",
	 "443/tcp is in the ports"},
	{"- {ports: 443/tcp, from: internet, interfaces: [eth0, eth1]}\n"
	 "- {ports: 443/tcp, from: internet, interfaces: eth1}\n",
	 "error 2:26 ", "let in twice"},
	{"- {ports: 443/tcp, from: internet, interfaces: 'eth*'}\n"
	 "- {ports: 443/tcp, from: internet, interfaces: eth1}\n",
	 "error 2:26 ", "let in twice"},
	{"- {ports: 443/tcp, from: internet, interfaces: 'eth*'}\n"
	 "- {ports: 443/tcp, from: internet, interfaces: 'e*'}\n",
	 "error 2:26 ", "let in twice"},
	{"- {ports: 443/tcp, from: internet}\n"
	 "- {ports: 443/tcp, from: internet, interfaces: eth1}\n",
	 "error 2:26 ", "let in twice"},
	{"- {ports: 443/tcp, from: internet, interfaces: eth}\n"
	 "- {ports: 443/tcp, from: internet, interfaces: eth1}\n",
	 "", NULL},
	{"- {ports: 443/tcp, from: internet, interfaces: 'eth*'}\n"
	 "- {ports: 443/tcp, from: internet, interfaces: wg0}\n",
	 "", NULL},
	{"- {ports: 443/tcp, from: internet}\n"
	 "- {ports: 443/udp, from: internet}\n",
	 "", NULL},
	{"- {ports: 443-444/tcp, from: internet}\n"
	 "- {ports: [442/tcp, 445/tcp], from: internet}\n",
	 "", NULL},
	/* a part of another source is no duplicate */
	{"- {ports: 443/tcp, from: internet, rate: 1/day}\n"
	 "- {ports: 443/tcp, from: [private, link, 10.0.0.0/8, 10.1.0.0/16, 192.0.2.1]}\n",
	 "", NULL},
	/* one that is over counts no longer */
	{"- {ports: 443/tcp, from: internet, until: 2026-12-01}\n"
	 "- {ports: 443/tcp, from: internet}\n",
	 "warning 1:3 ", "ended at 2026-12-01T00:00:00Z"},
	/* contradictions: another owner, and sources that overlap */
	{"- {ports: 443/tcp, from: internet, unit: a}\n"
	 "- {ports: 443/tcp, from: internet, unit: b}\n",
	 "error 2:26 ", "for unit b.service here, but for a.service in"},
	{"- {ports: 443/tcp, from: 10.1.0.0/16, program: /a}\n"
	 "- {ports: 443/tcp, from: 10.0.0.0/8, program: /b}\n",
	 "error 2:26 ", "443/tcp from 10.0.0.0/8 is for program /b here, but for /a"},
	{"- {ports: 443/tcp, from: 10.0.0.0/8, user: a}\n"
	 "- {ports: 443/tcp, from: 10.1.2.3, user: b}\n",
	 "error 2:26 ", "443/tcp from 10.1.2.3 is for user b here, but for a"},
	{"- {ports: 443/tcp, from: private, container: a}\n"
	 "- {ports: 443/tcp, from: 10.1.2.3, container: b}\n",
	 "error 2:26 ", "for container b here, but for a"},
	{"- {ports: 443/tcp, from: 'fd00::/8', container: a}\n"
	 "- {ports: 443/tcp, from: private, container: b}\n",
	 "error 2:26 ", "from private is for container b"},
	{"- {ports: 443/tcp, from: 2001:db8::/32, unit: a}\n"
	 "- {ports: 1-1000/tcp, from: internet, unit: b}\n",
	 "error 2:29 ", "443/tcp from internet is for unit b.service"},
	{"- {ports: 443/tcp, from: link, unit: a}\n"
	 "- {ports: 443/tcp, from: internet, unit: b}\n",
	 "error 2:26 ", "for unit b.service"},
	{"- {ports: 443/tcp, from: 10.0.0.0/8, unit: a}\n"
	 "- {ports: 443/tcp, from: 11.0.0.0/8, unit: b}\n",
	 "", NULL},
	{"- {ports: 443/tcp, from: internet, unit: a, interfaces: eth0}\n"
	 "- {ports: 443/tcp, from: internet, unit: b, interfaces: eth1}\n",
	 "", NULL},
	{"- {ports: 443/tcp, from: internet, unit: a}\n"
	 "- {ports: 443/tcp, from: private, unit: a}\n",
	 "", NULL},
	{"- {ports: 443/tcp, from: internet, unit: a}\n"
	 "- {ports: 443/tcp, from: private, program: /b}\n",
	 "", NULL},
	{"- {ports: 443/tcp, from: internet, user: www-data}\n"
	 "- {ports: 443/tcp, from: private, user: 33}\n",
	 "", NULL},
	/* the wide one between two others has their owner's enemy within */
	{"- {ports: 443/tcp, from: 10.1.0.0/16, unit: a}\n"
	 "- {ports: 443/tcp, from: 10.2.0.0/16, unit: b}\n"
	 "- {ports: 443/tcp, from: 10.0.0.0/8, unit: a}\n",
	 "error 3:26 ", "for unit a.service here, but for b.service"},
	/* what is probably not meant */
	{"- {ports: 1-65535/tcp, from: internet}\n", "warning 1:3 ", "65535 ports"},
	{"- {ports: [1-600/tcp, 1-600/udp], from: '::/0'}\n", "warning 1:3 ", "1200 ports"},
	{"- {ports: 1-1000/tcp, from: internet}\n", "", NULL},
	{"- {ports: 1-65535/tcp, from: private}\n", "", NULL},
	{"- {ports: 22/tcp, from: internet, until: 2030-01-01}\nsettings: {protect: 22/tcp}\n",
	 "warning 1:3 ", "protected"},
	{"- {ports: 23/tcp, from: internet, until: 2030-01-01}\nsettings: {protect: 22/tcp}\n", "",
	 NULL},
	{"- {ports: 22/tcp, from: internet, interfaces: [eth0, absent0]}\n", "warning 1:3 ",
	 "no interface absent0"},
	/* what does not come in by that interface */
	{"- {ports: 22/tcp, from: 10.1.2.0/24, interfaces: eth0}\n", "", NULL},
	{"- {ports: 22/tcp, from: 10.2.0.0/16, interfaces: eth1}\n", "", NULL},
	{"- {ports: 22/tcp, from: internet, interfaces: eth1}\n", "", NULL},
	{"- {ports: 22/tcp, from: [10.2.0.0/16, 10.1.2.0/24], interfaces: [eth0, eth1]}\n",
	 "warning 1:39 ", "10.1.2.0/24 is a network of eth0: its packets do not come in by eth1"},
	{"- {ports: 22/tcp, from: internet, unit: absent}\n", "warning 1:3 ",
	 "no unit absent.service"},
	{"- {ports: 22/tcp, from: internet, unit: absent, container: x}\n", "", NULL},
	{"- {ports: 22/tcp, from: internet, user: absent}\n", "warning 1:3 ", "no user absent"},
	{"- {ports: 22/tcp, from: internet, user: 12345}\n", "", NULL},
	{"- {ports: 22/tcp, from: internet, program: /absent}\n", "warning 1:3 ",
	 "no program /absent"},
	{"- {ports: 22/tcp, from: internet, program: /absent}\n"
	 "- {ports: 23/tcp, from: internet, program: /absent}\n",
	 "warning 1:3 ", "no program /absent"},
	{"settings: {guard: off}\n", "", NULL},
	/* what never fits: a script */
	{"- {ports: 22/tcp, from: internet, program: /usr/bin/script.py}\n", "warning 1:3 ",
	 "Write 'program: /usr/bin/python3.11', and the unit"},
	{"- {ports: 22/tcp, from: internet, program: /script}\n", "warning 1:3 ",
	 "Write the interpreter"},
	{"- {ports: 22/tcp, from: internet, program: /script}\n"
	 "- {ports: 23/tcp, from: internet, program: /script}\n",
	 "warning 1:3 ", "/script is a script"},
	{"- {ports: 22/tcp, from: internet, program: /script, container: x}\n", "", NULL},
	/* programs that are links, with a guard and without */
	{"- {ports: 1/tcp, from: host, program: /bin/link}\n", "warning 1:3 ",
	 "write 'program: /real/path'"},
	{"- {ports: 1/tcp, from: host, program: /home/ana/x}\n", "", NULL},
	{"- {ports: 1/tcp, from: host, program: /home/ana/x}\n" GUARD("enforce"), "warning 1:3 ",
	 "Let /home/ana be root's alone"},
	{"- {ports: 1/tcp, from: host, program: /x}\n"
	 "- {ports: 2/tcp, from: host, program: /home/ana/x}\n"
	 "- {ports: 3/tcp, from: host, program: /home/ana/x}\n" GUARD("observe"),
	 "warning 2:3 ", "others than root"},
	/* ports that the kernel gives to clients */
	{"- {ports: [53/udp, 39990-40010/udp], from: host, unit: a}\n" GUARD("enforce"),
	 "warning 1:3 ", "may give 40000/udp to any program"},
	{"- {ports: 40050/udp, from: host, unit: a}\n" GUARD("enforce"), "", NULL},
	{"- {ports: 40001/tcp, from: host, unit: a}\n" GUARD("enforce"), "", NULL},
	{"- {ports: 40001/udp, from: host, unit: a}\n", "", NULL},
	{"- {ports: 1024-65535/udp, from: host, unit: a}\n" GUARD("enforce"), "", NULL},
	/* containers whose ports nobody could publish */
	{"- {ports: 1/tcp, from: host, unit: a}\n"
	 "- {ports: 2/tcp, from: host, container: stray}\n"
	 "- {ports: 3/tcp, from: host, container: stray}\n" GUARD("enforce"),
	 "warning 2:3 ", "published by /usr/sbin/docker-proxy"},
	{"- {ports: 2/tcp, from: host, container: stray}\n", "", NULL},
	{"- {ports: 2/tcp, from: host, container: a}\n" GUARD("enforce"), "", NULL},
	/* the guard: interpreters */
	{"- {ports: 22/tcp, from: host, program: /usr/bin/python3.11}\n" GUARD("observe"),
	 "warning 1:3 ", "/usr/bin/python3.11 runs scripts"},
	{"- {ports: 22/udp, from: host, program: /bin/sh, unit: x}\n" GUARD("enforce"),
	 "warning 1:3 ", "name the unit and the user as well"},
	{"- {ports: 22/udp, from: host, program: /opt/node18, user: x}\n" GUARD("enforce"),
	 "warning 1:3 ", "/opt/node18 runs scripts"},
	{"- {ports: 22/tcp, from: host, program: /bin/sh, unit: x, user: y}\n" GUARD("enforce"), "",
	 NULL},
	{"- {ports: 22/tcp, from: host, program: /bin/sh, container: x}\n" GUARD("enforce"), "",
	 NULL},
	{"- {ports: 22/tcp, from: host, program: /sh/nginx}\n" GUARD("enforce"), "", NULL},
	{"- {ports: 22/tcp, from: host, program: /bin/sh}\n" GUARD("off"), "", NULL},
	{"- {ports: 22/tcp, from: host, program: /bin/sh}\n", "", NULL},
	{"- {ports: 22/sctp, from: host, program: /bin/sh}\n" GUARD("enforce"), "warning 1:3 ",
	 "no program may listen on 22/sctp"},
	{"- {ports: 22/tcp, from: host, program: /bin/sh}\n"
	 "settings: {guard: enforce, protect: 20-22/tcp}\n",
	 "", NULL},
	{"- {ports: [22/tcp, 23/tcp], from: host, program: /bin/sh}\n"
	 "settings: {guard: enforce, protect: 20-22/tcp}\n",
	 "warning 1:3 ", "/bin/sh runs scripts"},
	/* units that it cannot know */
	{"- {ports: 22/tcp, from: host, unit: web.slice}\n" GUARD("observe"), "warning 1:3 ",
	 "nobody has the unit web.slice"},
	{"- {ports: 22/tcp, from: host, unit: web.slice}\n", "", NULL},
	{"- {ports: 22/tcp, from: host, unit: x" TEXT_90
	 "123456789012345678901234567890123456789012345678901234567890.service}\n" GUARD("enforce"),
	 "", NULL}, /* 159 */
	{"- {ports: 22/tcp, from: host, unit: x" TEXT_90
	 "1234567890123456789012345678901234567890123456789012345678901.service}\n" GUARD(
		 "enforce"),
	 "warning 1:3 ", "over 159 bytes"},
	/* nobody is named */
	{"- {ports: 22/tcp, from: internet}\n" GUARD("enforce"), "warning 1:3 ",
	 "may listen there: 1 opening"},
	{"- {ports: 21/tcp, from: internet, unit: x}\n"
	 "- {ports: 22/tcp, from: [host, 192.0.2.1]}\n"
	 "- {ports: 23/tcp, from: private}\n" GUARD("enforce"),
	 "warning 2:3 ", "may listen there: 2 openings, of which this is the first"},
	{"- {ports: 22/tcp, from: host}\n" GUARD("enforce"), "", NULL},
	{"- {ports: 22/tcp, from: internet}\n" GUARD("observe"), "", NULL},
	{"- {ports: [22/udp, 22/sctp], from: host}\n" GUARD("enforce"), "warning 1:3 ",
	 "no program may listen on 22/sctp"},
	{"- {ports: 22/dccp, from: host}\n" GUARD("enforce"), "warning 1:3 ", "listen on 22/dccp"},
	{"- {ports: 7/udplite, from: host}\n" GUARD("observe"), "warning 1:3 ",
	 "listen on 7/udplite"},
	{"- {ports: 7/udplite, from: host}\n" GUARD("off"), "", NULL},
	{"- {ports: 22/tcp, from: internet}\nsettings: {guard: enforce, protect: 22/tcp}\n", "",
	 NULL},
	{"- {ports: 22/tcp, from: internet, until: 2027-01-01}\n" GUARD("enforce"), "warning 1:3 ",
	 "ended at"},
};

/* The openings stand in the first lines, so that places are easy to read. */
static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *settings = strstr(cases[i].text, "settings:");
		struct policy_scene s = {0};
		struct buf text = {0};

		buf_add(&text, cases[i].text,
			settings ? (size_t)(settings - cases[i].text) : strlen(cases[i].text));
		if (text.len) {
			struct buf whole = {0};

			buf_printf(&whole, "openings: # in the next lines\n%s", buf_text(&text));
			scene_add(&s, "a.yaml", buf_text(&whole));
			buf_done(&whole);
		}
		if (settings)
			scene_add(&s, "b.yaml", settings);
		review(&s);
		for (size_t j = 0; j < s.problems.count; j++)
			if (strcmp(policy_problems_text(&s.problems,
							s.problems.items[j].place.file_str),
				   "a.yaml") == 0)
				s.problems.items[j].place.line--;
		if (!cases[i].says && s.problems.count)
			fail_msg("%s: %s", cases[i].text, scene_problem(&s, 0));
		if (cases[i].says)
			assert_problem(&s, cases[i].place, cases[i].says);
		scene_done(&s);
		buf_done(&text);
	}
}

/* Both places are named, also when they are in two files. */
static void test_places(void **state)
{
	struct policy_scene s = {0};
	const struct policy_problem *p;

	(void)state;
	scene_add(&s, "a.yaml", "openings: [{ports: 1/tcp, from: link}]\n");
	scene_add(&s, "b.yaml", "openings:\n- ports: 1/tcp\n  from: [private, link]\n");
	review(&s);
	assert_problem(&s, "error 3:19 ", "let in twice");
	p = &s.problems.items[0];
	assert_string_equal(policy_problems_text(&s.problems, p->place.file_str), "b.yaml");
	assert_string_equal(policy_problems_text(&s.problems, p->other.file_str), "a.yaml");
	assert_int_equal(p->other.line, 1);
	assert_int_equal(p->other.column, 33);
	scene_done(&s);
}

/* --- against a plain comparison of each with each ------------------------------------------- */

struct tiny {
	unsigned port, interface, unit; /* interface, unit 0: none given */
	unsigned base, bits;		/* of 10.0.0.0/8: base << 16, bits 8..16 */
};

static bool tiny_conflict(const struct tiny *a, const struct tiny *b)
{
	unsigned bits = a->bits < b->bits ? a->bits : b->bits;
	bool near = a->port == b->port &&
		    (!a->interface || !b->interface || a->interface == b->interface);
	bool overlap = a->base >> (16 - bits) == b->base >> (16 - bits);
	bool equal = overlap && a->bits == b->bits;

	return near && (equal || (overlap && a->unit && b->unit && a->unit != b->unit));
}

static void test_random(void **state)
{
	enum { ROUNDS = 3000, MANY = 6 };
	uint64_t seed = 42;
	unsigned conflicts = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct tiny all[MANY];
		struct policy_scene s = {0};
		struct buf text = {0};
		bool expected = false;

		buf_add_text(&text, "openings:\n");
		for (int i = 0; i < MANY; i++) {
			struct tiny *t = &all[i];

			t->port = 1 + (unsigned)(unit_random(&seed) % 3);
			t->interface = (unsigned)(unit_random(&seed) % 3);
			t->unit = (unsigned)(unit_random(&seed) % 3);
			t->bits = 13 + (unsigned)(unit_random(&seed) % 4);
			t->base = (unsigned)(unit_random(&seed) % 8) >> (16 - t->bits)
										<< (16 - t->bits);
			buf_printf(&text, "- {ports: %u/tcp, from: 10.%u.0.0/%u", t->port, t->base,
				   t->bits);
			if (t->interface)
				buf_printf(&text, ", interfaces: e%u", t->interface);
			if (t->unit)
				buf_printf(&text, ", unit: u%u", t->unit);
			buf_add_text(&text, "}\n");
			for (int j = 0; j < i; j++)
				expected |= tiny_conflict(&all[j], t);
		}
		scene_add(&s, "a.yaml", buf_text(&text));
		review(&s);
		conflicts += expected;
		if ((s.problems.error_count > 0) != expected)
			fail_msg("round %d: %zu errors in\n%s", round, s.problems.error_count,
				 buf_text(&text));
		scene_done(&s);
		buf_done(&text);
	}
	assert_in_range(conflicts, ROUNDS / 5, ROUNDS - ROUNDS / 5);
}

/* 10,000 openings and 50,000 sources, of which all overlap in some way: no square of them. */
static void test_large(void **state)
{
	struct policy_scene s = {0};
	struct buf text = {0};
	struct timespec begin, end;

	(void)state;
	buf_add_text(&text, "openings:\n- {ports: 1-65535/tcp, from: [");
	for (int i = 0; i < 40000; i++)
		buf_printf(&text, "%s%d.%d.%d.0/24", i ? ", " : "", 11 + i / 65536, i / 256 % 256,
			   i % 256);
	buf_add_text(&text, "]}\n");
	for (int i = 0; i < 9999; i++)
		buf_printf(&text, "- {ports: [%d/tcp, 50000/tcp], unit: a, from: 10.%d.%d.0/24}\n",
			   i + 1, i / 256, i % 256);
	scene_add(&s, "a.yaml", buf_text(&text));
	clock_gettime(CLOCK_MONOTONIC, &begin);
	review(&s);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_no_problem(&s);
	assert_true(end.tv_sec - begin.tv_sec < 10); /* it takes 0.1 s; squared, minutes */
	scene_done(&s);
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
