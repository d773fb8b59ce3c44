/* SPDX-License-Identifier: GPL-2.0-or-later */
/* firewall_script: what is let through to nft, and what becomes of its complaints. */
#include "enforce/firewall_script.h"
#include "unit.h"

static int check(const char *script)
{
	char *copy = unit_copy(script, strlen(script));
	struct err e = {0};
	int r = firewall_script_check(copy, strlen(script), &e);

	free(copy);
	assert_true(r == 0 || e.msg[0]);
	return r;
}

static const char whole[] = "# portero\n"
			    "add table inet portero\n"
			    "delete table inet portero\n"
			    "\n"
			    "table inet portero {\n"
			    "\tcomment \"} table ip x {\"\n"
			    "\tset a { type ipv4_addr; elements = { 10.0.0.0/8, 192.0.2.1 } }\n"
			    "\tchain b { # } not closed\n"
			    "\t\tip saddr @a counter accept comment \"a.yaml:3 # web\"\n"
			    "\t}\n"
			    "}\n";

static void test_ours(void **state)
{
	(void)state;
	assert_int_equal(check(whole), 0);
	assert_int_equal(check("add table inet portero; delete table inet portero\n"), 0);
	assert_int_equal(check("table inet portero { chain included { counter; }; }\n"), 0);
	assert_int_equal(check("\n"), 0);
}

static void test_not_ours(void **state)
{
	static const char *const scripts[] = {
		"flush ruleset\n",
		"table ip portero {\n}\n",
		"table inet portero2 {\n}\n",
		"table inet portero-x {\n}\n",
		"delete table inet filter\n",
		"destroy table inet portero\n",
		"table inet portero {\n}\n}\n",
		"table inet portero {\n} table inet x {\n}\n",
		"table inet portero {\n}; flush ruleset\n",
		"table inet portero { include \"/etc/x\" }\n",
		"include \"/etc/x\"\n",
		"define x = 1\n",
		"table inet portero {\n\tcomment \"open\n}\n",
		"\"table inet portero\" { }\n",
		"table inet \\\nportero {\n}\n",
		"$x\n",
		"table inet portero {\n",  /* not whole */
		"table inet portero {\n}", /* its last line is not */
		"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		if (check(scripts[i]) == 0)
			fail_msg("let through: %s", scripts[i]);
}

/* Half a script must never pass for a whole one, but for where it is one: between statements. */
static void test_every_truncation(void **state)
{
	const char *table = strstr(whole, "\ntable inet portero {") + 1;

	(void)state;
	for (size_t len = 0; len < strlen(whole); len++) {
		char *part = unit_copy(whole, len);
		struct err e;
		int r = firewall_script_check(part, len, &e);

		if (len > (size_t)(table - whole))
			assert_int_equal(r, -EINVAL);
		free(part);
	}
}

static void test_no_nul(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(firewall_script_check("add table\0 inet portero\n", 24, &e), -EINVAL);
}

static void expect(const char *messages, int code, const char *part)
{
	struct err e = {0};

	assert_int_equal(firewall_script_explain(whole, strlen(whole), messages, &e), code);
	if (!strstr(e.msg, part))
		fail_msg("'%s' is not in '%s'", part, e.msg);
}

static void test_explained(void **state)
{
	(void)state;
	expect("/dev/stdin:9:2-4: Error: syntax error, unexpected newline\n\tip saddr\n\t^^\n",
	       -EBADMSG,
	       "line 9 of the rules, and the firewall is as it was: syntax error, unexpected "
	       "newline: ip saddr @a counter");
	expect("warning: x\n-:3:1-2: Error: Could not process rule: No such file or directory\n",
	       -EBADMSG, "line 3 of the rules, and the firewall is as it was: Could not process");
	expect("/dev/stdin:99999999999:2-4: Error: x\n", -EBADMSG, "nft failed");
	expect("/dev/stdin:77:2-4: Error: x\n", -EBADMSG, "line 77");
	expect("Error: what\n", -EBADMSG, "nft failed: Error: what");
	expect("", -EBADMSG, "said nothing");
	expect("netlink: Error: cache initialization failed: Operation not permitted\n", -EPERM,
	       "run portero as root");
	expect("/dev/stdin:1:1-9: Error: Could not process rule: Operation not permitted\n", -EPERM,
	       "root");
	expect("x: Unable to initialize Netlink socket: Protocol not supported\n", -EOPNOTSUPP,
	       "nf_tables");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ours),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_no_nul),
		cmocka_unit_test(test_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
