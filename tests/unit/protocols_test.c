/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * protocols and impostor: who is accused, and above all who must not be.
 */
#include "base/mem.h"
#include "decide/impostor.h"
#include "model/programs.h"
#include "model/protocols.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static void expect_program(const char *program, const char *protocol, const char *service)
{
	const char *found = NULL;
	bool is = protocols_contradict_program(protocol, program, &found);

	if (is != (service != NULL) || (service && strcmp(service, found) != 0))
		fail_msg("%s speaks %s: %s, not %s", program, protocol, found ? found : "well",
			 service ? service : "well");
}

static void expect_port(uint16_t port, const char *protocol, const char *service)
{
	const char *found = NULL;
	bool is = protocols_contradict_port(protocol, port, &found);

	if (is != (service != NULL) || (service && strcmp(service, found) != 0))
		fail_msg("%u speaks %s: %s, not %s", port, protocol, found ? found : "well",
			 service ? service : "well");
}

static void test_programs(void **state)
{
	(void)state;
	expect_program("sshd", "http", "ssh");
	expect_program("sshd", "socks5", "ssh");
	expect_program("redis-server7.2", "ssh", "redis");
	expect_program("mariadbd", "ssh", "mysql");
	expect_program("apache2", "ssh", "http");
	expect_program("sshd", "ssh", NULL);
	expect_program("apache2", "http", NULL);
	expect_program("apache2", "http-proxy", NULL);
	expect_program("cupsd", "http", NULL);
	expect_program("exim4", "smtp", NULL);
	expect_program("named", "http", NULL);
	expect_program("mysqld", "mysqlx", NULL);
	/* what may speak anything, and what nobody knows */
	static const char *const anything[] = {
		"python3.11", "java", "nc",	  "socat", "haproxy", "stunnel",      "nginx",
		"systemd",    "node", "stranger", "",	   "master",  "docker-proxy", "dropbear"};

	for (size_t i = 0; i < ARRAY_LEN(anything); i++)
		for (unsigned k = 0; k < protocols_row_count; k++)
			expect_program(anything[i], protocols_rows[k].protocols, NULL);
	expect_program("sshd", "tls", NULL);
	expect_program("sshd", "echo", NULL);
	expect_program("sshd", "", NULL);
}

static void test_ports(void **state)
{
	static const uint16_t wide[] = {1080, 3000, 5000, 7000, 8000, 8008, 8080,
					8443, 8888, 9000, 9090, 2222, 40123};

	(void)state;
	expect_port(6379, "ssh", "redis");
	expect_port(3306, "ssh", "mysql");
	expect_port(22, "http", "ssh");
	expect_port(80, "ssh", "http");
	expect_port(443, "ssh", "https");
	expect_port(22, "ssh", NULL);
	expect_port(443, "http", NULL);
	expect_port(443, "stun", NULL); /* TURN, where only 443 gets through */
	expect_port(631, "http", NULL);
	expect_port(465, "smtp", NULL);
	expect_port(22, "tls", NULL);
	expect_port(22, "", NULL);
	for (size_t i = 0; i < ARRAY_LEN(wide); i++)
		for (unsigned k = 0; k < protocols_row_count; k++)
			expect_port(wide[i], protocols_rows[k].protocols, NULL);
}

/* The first of each list fits its own number. */
static void test_rows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < protocols_row_count; i++) {
		char protocol[64];
		unsigned port;

		snprintf(protocol, sizeof(protocol), "%.*s",
			 (int)strcspn(protocols_rows[i].protocols, ","),
			 protocols_rows[i].protocols);
		if (sscanf(protocols_rows[i].ports, "%u", &port) == 1)
			expect_port((uint16_t)port, protocol, NULL);
	}
}

/* --- with what is known of the process ---------------------------------------------------------
 */

struct scene {
	struct snapshot snapshot;
	struct listener listener;
	struct service service;
};

static void begin(struct scene *s, const char *program, const char *name, const char *protocol)
{
	struct process_info *p;

	*s = (struct scene){.service = {.end = SERVICE_NAMED, .confidence = 0.8},
			    .listener = {.activation = SNAPSHOT_NONE}};
	snprintf(s->service.protocol, sizeof(s->service.protocol), "%s", protocol);
	p = snapshot_add_process(&s->snapshot);
	p->program_str = snapshot_add_text(&s->snapshot, program);
	p->comm_str = snapshot_add_text(&s->snapshot, name);
	p->packaged = STATE_YES;
}

static enum impostor judge(const struct scene *s, uint16_t port, const char **ret)
{
	const struct impostor_case c = {.snapshot = &s->snapshot,
					.listener = &s->listener,
					.port = port,
					.service = &s->service};

	return impostor_judge(&c, ret);
}

static void test_judge(void **state)
{
	const char *service = NULL;
	struct scene s;

	(void)state;
	begin(&s, "/usr/sbin/sshd", "sshd", "http");
	assert_int_equal(judge(&s, 40000, &service), IMPOSTOR_PROGRAM);
	assert_string_equal(service, "ssh");
	/* a tunnel of a session; but a title is believed of a package's sshd only */
	s.snapshot.processes[0].cmdline_str = snapshot_add_text(&s.snapshot, "sshd: ana@pts/0");
	assert_int_equal(judge(&s, 40000, &service), IMPOSTOR_NONE);
	s.snapshot.processes[0].packaged = STATE_NO;
	assert_int_equal(judge(&s, 40000, &service), IMPOSTOR_PROGRAM);
	s.snapshot.processes[0].packaged = STATE_YES;
	s.snapshot.processes[0].cmdline_str =
		snapshot_add_text(&s.snapshot, "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100");
	assert_int_equal(judge(&s, 40000, &service), IMPOSTOR_PROGRAM);
	/* not heard with certainty */
	s.service.confidence = 0.7;
	assert_int_equal(judge(&s, 40000, &service), IMPOSTOR_NONE);
	s.service.confidence = 1;
	s.service.end = SERVICE_OUT_OF_TIME;
	assert_int_equal(judge(&s, 40000, &service), IMPOSTOR_NONE);
	snapshot_done(&s.snapshot);

	/* a script under another's name; a program under its own, whatever it calls itself */
	begin(&s, "/usr/bin/python3.11", "sshd", "http");
	assert_int_equal(judge(&s, 40000, &service), IMPOSTOR_PROGRAM);
	assert_int_equal(judge(&s, 6379, &service), IMPOSTOR_PROGRAM);
	snapshot_done(&s.snapshot);
	begin(&s, "/usr/sbin/nginx", "sshd", "http");
	assert_int_equal(judge(&s, 40000, &service), IMPOSTOR_NONE);
	assert_int_equal(judge(&s, 22, &service), IMPOSTOR_NUMBER);
	snapshot_done(&s.snapshot);

	/* nobody is known to listen: the number alone tells */
	begin(&s, "", "", "ssh");
	s.listener.owner = SNAPSHOT_NONE;
	assert_int_equal(judge(&s, 6379, &service), IMPOSTOR_NUMBER);
	assert_string_equal(service, "redis");
	assert_int_equal(judge(&s, 8080, &service), IMPOSTOR_NONE);
	snapshot_done(&s.snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
