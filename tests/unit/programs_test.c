/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * programs: who belongs on which number, above all who must not be called out of place.
 */
#include "base/mem.h"
#include "model/programs.h"
#include "model/programs_table.h"
#include "model/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const fit_names[] = {"unknown", "yes", "other", "stranger"};

static void expect_named(const char *program, uint16_t port, enum proto proto, const char *service,
			 enum program_fit fit)
{
	enum program_fit found = programs_fit(program, port, proto, service, NULL);

	if (found != fit)
		fail_msg("%s on %u/%s is %s, should be %s", program, port, proto_name(proto),
			 fit_names[found], fit_names[fit]);
}

static void expect(const char *program, uint16_t port, enum program_fit fit)
{
	expect_named(program, port, PROTO_TCP, NULL, fit);
}

static void test_at_home(void **state)
{
	(void)state;
	expect("sshd", 22, PROGRAM_FIT_YES);
	expect("nginx", 80, PROGRAM_FIT_YES);
	expect("nginx", 443, PROGRAM_FIT_YES);
	expect("apache2", 80, PROGRAM_FIT_YES);
	expect("mariadbd", 3306, PROGRAM_FIT_YES);
	expect("postgres", 5432, PROGRAM_FIT_YES);
	expect("redis-server", 6379, PROGRAM_FIT_YES);
	expect("master", 25, PROGRAM_FIT_YES);
	expect("master", 465, PROGRAM_FIT_YES);
	expect("dovecot", 143, PROGRAM_FIT_YES);
	expect("dovecot", 4190, PROGRAM_FIT_YES);
	expect("cupsd", 631, PROGRAM_FIT_YES);
	expect("smbd", 445, PROGRAM_FIT_YES);
	expect("rpcbind", 111, PROGRAM_FIT_YES);
	expect("named", 953, PROGRAM_FIT_YES);
	expect("rsyslogd", 514, PROGRAM_FIT_YES);
	expect("sshd", 6010, PROGRAM_FIT_YES); /* X11 forwarding */
	expect_named("nginx", 443, PROTO_UDP, NULL, PROGRAM_FIT_YES);
	expect_named("systemd-resolved", 5355, PROTO_UDP, NULL, PROGRAM_FIT_YES);
	expect_named("avahi-daemon", 5353, PROTO_UDP, NULL, PROGRAM_FIT_YES);
	expect_named("chronyd", 123, PROTO_UDP, NULL, PROGRAM_FIT_YES);
	expect_named("dnsmasq", 67, PROTO_UDP, NULL, PROGRAM_FIT_YES);
	expect_named("NetworkManager", 546, PROTO_UDP, NULL, PROGRAM_FIT_YES);
}

static void test_names_of_the_site(void **state)
{
	(void)state;
	/* where IANA has another name, or none */
	expect_named("dovecot", 143, PROTO_TCP, "imap2", PROGRAM_FIT_YES);
	expect_named("spamd", 783, PROTO_TCP, "spamd", PROGRAM_FIT_YES);
	expect_named("ngircd", 6667, PROTO_TCP, "ircd", PROGRAM_FIT_YES);
	expect_named("nsca", 5667, PROTO_TCP, "nsca", PROGRAM_FIT_YES);
	/* the site gives an unassigned number to a service */
	expect_named("sshd", 2200, PROTO_TCP, "ssh", PROGRAM_FIT_YES);
	/* a name that nobody knows takes nothing away */
	expect_named("mysqld", 3306, PROTO_TCP, "our-orders", PROGRAM_FIT_YES);
	expect_named("nginx", 3306, PROTO_TCP, "our-orders", PROGRAM_FIT_OTHER);
	/* a hostile one neither */
	expect_named("nginx", 3306, PROTO_TCP, "", PROGRAM_FIT_OTHER);
	expect_named("nginx", 3306, PROTO_TCP, "\x1b[2J\xff", PROGRAM_FIT_OTHER);
	expect_named("nginx", 3306, PROTO_TCP, "*", PROGRAM_FIT_OTHER);
	expect_named("python3", 3306, PROTO_TCP, "?", PROGRAM_FIT_STRANGER);
}

static void test_out_of_place(void **state)
{
	const char *speaks = "before";

	(void)state;
	assert_int_equal(programs_fit("nginx", 3306, PROTO_TCP, "mysql", &speaks),
			 PROGRAM_FIT_OTHER);
	assert_string_equal(speaks, "http");
	assert_int_equal(programs_fit("sshd", 443, PROTO_TCP, NULL, &speaks), PROGRAM_FIT_OTHER);
	assert_string_equal(speaks, "ssh");
	assert_int_equal(programs_fit("smbd", 22, PROTO_TCP, NULL, &speaks), PROGRAM_FIT_OTHER);
	assert_string_equal(speaks, "microsoft-ds");
	expect("sshd", 8080, PROGRAM_FIT_OTHER);
	expect("openvpn", 443, PROGRAM_FIT_OTHER);
	expect_named("sshd", 53, PROTO_UDP, NULL, PROGRAM_FIT_OTHER);
	expect_named("sshd", 53, PROTO_UDPLITE, NULL, PROGRAM_FIT_OTHER);
}

static void test_speaks_is_only_written_for_other(void **state)
{
	const char *speaks = "before";

	(void)state;
	programs_fit("nginx", 443, PROTO_TCP, NULL, &speaks);
	programs_fit("backdoor", 443, PROTO_TCP, NULL, &speaks);
	programs_fit("nginx", 4, PROTO_TCP, NULL, &speaks);
	programs_fit("haproxy", 22, PROTO_TCP, NULL, &speaks);
	assert_string_equal(speaks, "before");
}

static void test_strangers(void **state)
{
	(void)state;
	expect("backdoor", 22, PROGRAM_FIT_STRANGER);
	expect("backdoor", 443, PROGRAM_FIT_STRANGER);
	expect("backdoor", 3306, PROGRAM_FIT_STRANGER);
	expect("python3", 22, PROGRAM_FIT_STRANGER);
	expect("bash", 443, PROGRAM_FIT_STRANGER);
	expect("php", 5432, PROGRAM_FIT_STRANGER);
	expect("java", 3306, PROGRAM_FIT_STRANGER);
	expect_named("backdoor", 53, PROTO_UDP, "domain", PROGRAM_FIT_STRANGER);
}

/* Nothing is said of a number that is unassigned, dynamic, reserved, or whose service nobody knows.
 */
static void test_unknown_numbers(void **state)
{
	static const uint16_t ports[] = {
		4,     /* unassigned */
		1023,  /* reserved */
		24,    /* any private mail system */
		2222,  /* EtherNet-IP-1 */
		9090,  /* websm, used by Prometheus and many more */
		9100,  /* pdl-datastream, used by node_exporter */
		3128,  /* ndl-aas, used by squid */
		49152, /* dynamic */
		65535,
	};
	static const char *const programs[] = {"nginx", "sshd", "squid", "backdoor", "python3.11"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ports); i++)
		for (size_t j = 0; j < ARRAY_LEN(programs); j++)
			expect(programs[j], ports[i], PROGRAM_FIT_UNKNOWN);
	/* a name of the site alone makes nobody out of place */
	expect_named("nginx", 783, PROTO_TCP, "spamd", PROGRAM_FIT_UNKNOWN);
}

/* Web servers of every kind live on these, and so do other people's programs. */
static void test_http_alternates(void **state)
{
	static const uint16_t ports[] = {8080, 8000, 8008, 8081, 8443, 8888, 3000, 5000, 9000};
	static const char *const web[] = {"nginx",	"apache2", "httpd",
					  "lighttpd",	"caddy",   "php-fpm8.2",
					  "cockpit-ws", "grafana", "tinyproxy"};
	static const char *const others[] = {"python3", "java", "node", "our-shop", "beam.smp"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		for (size_t j = 0; j < ARRAY_LEN(web); j++) {
			enum program_fit fit =
				programs_fit(web[j], ports[i], PROTO_TCP, NULL, NULL);

			assert_true(fit == PROGRAM_FIT_YES || fit == PROGRAM_FIT_UNKNOWN);
		}
		for (size_t j = 0; j < ARRAY_LEN(others); j++)
			assert_int_not_equal(
				programs_fit(others[j], ports[i], PROTO_TCP, "tproxy", NULL),
				PROGRAM_FIT_STRANGER);
	}
	expect("nginx", 8080, PROGRAM_FIT_YES);
	expect("nginx", 8081, PROGRAM_FIT_UNKNOWN);
	expect("nginx", 8000, PROGRAM_FIT_UNKNOWN);
	expect("python3", 8080, PROGRAM_FIT_UNKNOWN);
}

static void test_may_serve_anything(void **state)
{
	static const char *const programs[] = {"haproxy", "envoy",    "socat",
					       "ncat",	  "systemd",  "docker-proxy",
					       "xinetd",  "stunnel4", "ssh"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(programs); i++)
		for (unsigned port = 1; port <= 65535; port++)
			expect(programs[i], (uint16_t)port, PROGRAM_FIT_UNKNOWN);
}

static void test_versions(void **state)
{
	(void)state;
	expect("python3.11", 3306, PROGRAM_FIT_STRANGER);
	expect_named("python3.11", 3702, PROTO_UDP, NULL, PROGRAM_FIT_YES); /* wsdd */
	expect("ruby3.1", 8140, PROGRAM_FIT_YES);
	expect("perl5.36", 4949, PROGRAM_FIT_YES);
	expect("lua5.4", 5222, PROGRAM_FIT_YES);
	expect("php-fpm8.2", 8080, PROGRAM_FIT_YES);
	expect("nginx-1.25.3", 3306, PROGRAM_FIT_OTHER);
	expect("mysqld-8.0", 3306, PROGRAM_FIT_YES);
	expect("stunnel5", 3306, PROGRAM_FIT_UNKNOWN);
	/* an exact name is not cut, and only the end is */
	expect("apache2", 22, PROGRAM_FIT_OTHER);
	expect("exim4", 25, PROGRAM_FIT_YES);
	expect("2nginx", 3306, PROGRAM_FIT_STRANGER);
	expect("ngin", 443, PROGRAM_FIT_STRANGER);
	expect("nginxx", 443, PROGRAM_FIT_STRANGER);
}

static void test_hostile_program_names(void **state)
{
	char huge[5000];

	(void)state;
	memset(huge, '9', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	expect(huge, 443, PROGRAM_FIT_STRANGER);
	memcpy(huge, "nginx", 5);
	expect(huge, 443, PROGRAM_FIT_YES);
	expect("...", 443, PROGRAM_FIT_STRANGER);
	expect("\xff\x1b[2J", 443, PROGRAM_FIT_STRANGER);
	expect("NGINX", 443, PROGRAM_FIT_STRANGER);
	expect("nginx (deleted)", 443, PROGRAM_FIT_STRANGER);
}

static void test_program_that_was_not_seen(void **state)
{
	(void)state;
	assert_int_equal(programs_fit(NULL, 443, PROTO_TCP, "https", NULL), PROGRAM_FIT_UNKNOWN);
	assert_int_equal(programs_fit("", 443, PROTO_TCP, "https", NULL), PROGRAM_FIT_UNKNOWN);
}

/* --- the data ----------------------------------------------------------------------------------
 */

static bool registry_has(const char *name)
{
	struct registry_entry entry;

	for (unsigned port = 0; port < 49152; port++)
		for (int proto = 0; proto < PROTO_COUNT; proto++)
			if (registry_find((uint16_t)port, (enum proto)proto, &entry) &&
			    entry.name && strcmp(entry.name, name) == 0)
				return true;
	return false;
}

/* A service that neither IANA nor Debian's /etc/services knows is a slip of the pen. */
static void test_every_service_exists(void **state)
{
	static const char *const only_debian[] = {"csync2", "fsp",	"ircd",	     "krb-prop",
						  "nsca",   "poppassd", "snmp-trap", "spamd"};

	(void)state;
	for (unsigned i = 0; i < programs_service_count; i++) {
		bool found = registry_has(programs_services[i]);

		for (size_t j = 0; j < ARRAY_LEN(only_debian); j++)
			found |= strcmp(only_debian[j], programs_services[i]) == 0;
		if (!found)
			fail_msg("no registry knows the service '%s'", programs_services[i]);
	}
}

/* The searches need order, and every program must be found by its own name. */
static void test_tables_are_sorted(void **state)
{
	(void)state;
	assert_true(programs_row_count > 120);
	for (unsigned i = 1; i < programs_row_count; i++)
		assert_true(strcmp(programs_rows[i - 1].name, programs_rows[i].name) < 0);
	for (unsigned i = 1; i < programs_service_count; i++)
		assert_true(strcmp(programs_services[i - 1], programs_services[i]) < 0);
}

/* Whatever a program of the table speaks, it is at home there. */
static void test_every_program_is_at_home(void **state)
{
	(void)state;
	for (unsigned i = 0; i < programs_row_count; i++) {
		const struct program_row *row = &programs_rows[i];

		for (unsigned j = 0; j < row->count; j++)
			expect_named(row->name, 4, PROTO_TCP,
				     programs_services[programs_spoken[row->first + j]],
				     PROGRAM_FIT_YES);
		if (row->class == PROGRAM_SERVER)
			assert_true(row->count > 0);
	}
}

static void test_run_scripts(void **state)
{
	static const char *const yes[] = {"python",
					  "python3",
					  "python3.11",
					  "python3.11-dbg",
					  "perl",
					  "perl5.36.0",
					  "perl5.36-x86_64-linux-gnu",
					  "ruby3.1",
					  "node",
					  "nodejs",
					  "java",
					  "php",
					  "php8.2",
					  "php-cgi8.2",
					  "php-fpm8.2",
					  "bash",
					  "sh",
					  "dash",
					  "zsh",
					  "lua5.4",
					  "luajit-2.1",
					  "tclsh8.6",
					  "mono",
					  "dotnet",
					  "deno",
					  "bun",
					  "env",
					  "busybox",
					  "uwsgi-core",
					  "beam.smp"};
	static const char *const no[] = {
		"",	    "nginx",	"sshd",	  "node_exporter", "node-exporter",
		"pythonia", "haproxy",	"socat",  "R2D2",	   "sh4re",
		"3",	    "5.36-x86", "systemd"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (!programs_run_scripts(yes[i]))
			fail_msg("%s runs scripts", yes[i]);
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (programs_run_scripts(no[i]))
			fail_msg("%s does not", no[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_home),
		cmocka_unit_test(test_names_of_the_site),
		cmocka_unit_test(test_out_of_place),
		cmocka_unit_test(test_speaks_is_only_written_for_other),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_unknown_numbers),
		cmocka_unit_test(test_http_alternates),
		cmocka_unit_test(test_may_serve_anything),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_hostile_program_names),
		cmocka_unit_test(test_program_that_was_not_seen),
		cmocka_unit_test(test_every_service_exists),
		cmocka_unit_test(test_tables_are_sorted),
		cmocka_unit_test(test_every_program_is_at_home),
		cmocka_unit_test(test_run_scripts),
	};

	return cmocka_run_group_tests_name("programs", tests, NULL, NULL);
}
