/* SPDX-License-Identifier: GPL-2.0-or-later */
/* front_ends: who wrote a rule, by its names; and the words that are put into what is to be typed.
 */
#include "model/front_ends.h"
#include "unit.h"

static const char *id_of(const char *table, const char *chain)
{
	const struct front_end *f = front_ends_find(table, chain);

	return f ? f->id : "";
}

static void test_find(void **state)
{
	(void)state;
	assert_string_equal(id_of("filter", "ufw-user-input"), "ufw");
	assert_string_equal(id_of("filter", "ufw6-user-input"), "ufw");
	assert_string_equal(id_of("firewalld", "filter_IN_public"), "firewalld");
	assert_string_equal(id_of("filter", "DOCKER"), "docker");
	assert_string_equal(id_of("filter", "DOCKER-FORWARD"), "docker");
	assert_string_equal(id_of("filter", "f2b-sshd"), "fail2ban");
	assert_string_equal(id_of("f2b-table", "f2b-chain"), "fail2ban");
	assert_string_equal(id_of("filter", "KUBE-FORWARD"), "kube");
	assert_string_equal(id_of("filter", "net-fw"), "shorewall");
	assert_string_equal(id_of("filter", "INPUT"), "");
	assert_string_equal(id_of("filter", ""), "");
	assert_string_equal(id_of("", ""), "");
	assert_string_equal(id_of("ufw-table", "input"), "");
}

static void test_forward_is_not_input(void **state)
{
	(void)state;
	assert_non_null(
		strstr(front_ends_find("filter", "ufw-before-forward")->to_open, "ufw route "));
	assert_null(strstr(front_ends_find("filter", "ufw-before-input")->to_open, "ufw route "));
	/* what stands in Docker's chain for the administrator is the administrator's */
	assert_string_equal(front_ends_find("filter", "DOCKER-USER")->to_open, "-");
}

/* fail2ban has a chain before others' policies, and does not make them. */
static void test_policies(void **state)
{
	(void)state;
	assert_true(front_ends_find("filter", "ufw-before-input")->sets_policies);
	assert_true(front_ends_find("filter", "DOCKER-FORWARD")->sets_policies);
	assert_false(front_ends_find("filter", "f2b-sshd")->sets_policies);
	assert_false(front_ends_find("firewalld", "filter_INPUT")->sets_policies);
}

static void expect_fill(const char *command, const char *wanted)
{
	const struct front_end_words words = {.port = "80",
					      .asked = "8080",
					      .proto = "tcp",
					      .from = "any",
					      .address = "ADDRESS",
					      .to = "192.0.2.1",
					      .in = "'a b'",
					      .iptables = "ip6tables"};
	struct buf out = {0};

	front_ends_fill(command, &words, &out);
	assert_string_equal(buf_text(&out), wanted);
	buf_done(&out);
}

static void test_fill(void **state)
{
	(void)state;
	expect_fill("", "");
	expect_fill("{iptables} {in} {from} {address} {to} {port}/{proto} {asked}",
		    "ip6tables 'a b' any ADDRESS 192.0.2.1 80/tcp 8080");
	expect_fill("{port", "{port");
	expect_fill("{{port}}", "{80}");
	expect_fill("{other} {", "{other} {");
}

/* Nothing in braces is left over, and no two commands stand in one. */
static void test_rows(void **state)
{
	const struct front_end_words words = {"1", "2", "3", "4", "5", "6", "7", "8"};

	(void)state;
	assert_true(front_ends_row_count > 10);
	for (unsigned i = 0; i < front_ends_row_count; i++) {
		const struct front_end *f = &front_ends_rows[i];
		const char *const both[] = {f->to_open, f->to_close};

		for (size_t j = 0; j < 2; j++) {
			struct buf out = {0};

			front_ends_fill(both[j], &words, &out);
			assert_null(strchr(buf_text(&out), '{'));
			for (const char *at = both[j]; (at = strchr(at, ';')); at++)
				assert_true(strncmp(at, "; then ", 7) == 0 ||
					    strncmp(at, "; or ", 5) == 0);
			buf_done(&out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),	 cmocka_unit_test(test_forward_is_not_input),
		cmocka_unit_test(test_policies), cmocka_unit_test(test_fill),
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
