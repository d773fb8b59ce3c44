/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rule_text: finding one rule in what nft and iptables list, whatever stands around it. */
#include "observe/rule_text.h"
#include "unit.h"

static const char nft_list[] = "table inet filter { # handle 7\n"
			       "\tchain input { # handle 3\n"
			       "\t\ttype filter hook input priority filter; policy drop;\n"
			       "\t\tiif \"lo\" accept # handle 1\n"
			       "\t\tcomment \"ends in # handle 12\" accept # handle 11\n"
			       "\t\ttcp dport 22 accept # handle 12\n"
			       "\t\tip protocol tcp jump {\n"
			       "\t\t\ttcp dport 88 accept\n"
			       "\t\t\tip saddr 192.0.2.1 jump {\n"
			       "\t\t\t\tdrop\n"
			       "\t\t\t}\n"
			       "\t\t} # handle 21\n"
			       "\t\taccept # handle 112\n"
			       "\t}\n"
			       "}\n";

static const char iptables_list[] = "-P INPUT DROP\n"
				    "-A INPUT -i lo -j ACCEPT\n"
				    "-A INPUT -p tcp -m comment --comment \"x -A y\" -j DROP\n"
				    "-A INPUT -j ufw-user-input";

static void expect_handle(const char *list, uint64_t handle, const char *wanted)
{
	struct buf out = {0};
	bool found = rule_text_find_handle(list, handle, &out);

	assert_string_equal(buf_text(&out), wanted ? wanted : "");
	assert_int_equal(found, wanted != NULL);
	buf_done(&out);
}

static void test_handle(void **state)
{
	(void)state;
	expect_handle(nft_list, 1, "iif \"lo\" accept");
	expect_handle(nft_list, 11, "comment \"ends in # handle 12\" accept");
	expect_handle(nft_list, 12, "tcp dport 22 accept");
	expect_handle(nft_list, 112, "accept");
	expect_handle(nft_list, 2, NULL);
	expect_handle(nft_list, 1000000000000ULL, NULL);
	expect_handle("", 1, NULL);
	expect_handle("\n\n", 1, NULL);
	expect_handle(" # handle 1", 1, NULL);
	expect_handle("x # handle 1", 1, "x");
}

static void test_heads_are_no_rules(void **state)
{
	(void)state;
	expect_handle(nft_list, 7, NULL);
	expect_handle(nft_list, 3, NULL);
}

static void test_block(void **state)
{
	(void)state;
	expect_handle(
		nft_list, 21,
		"ip protocol tcp jump { tcp dport 88 accept ip saddr 192.0.2.1 jump { drop } }");
	expect_handle("} # handle 21", 21, "}");
}

static void expect_number(uint32_t number, const char *wanted)
{
	struct buf out = {0};
	bool found = rule_text_find_number(iptables_list, number, &out);

	assert_string_equal(buf_text(&out), wanted ? wanted : "");
	assert_int_equal(found, wanted != NULL);
	buf_done(&out);
}

static void test_number(void **state)
{
	(void)state;
	expect_number(1, "-A INPUT -i lo -j ACCEPT");
	expect_number(2, "-A INPUT -p tcp -m comment --comment \"x -A y\" -j DROP");
	expect_number(3, "-A INPUT -j ufw-user-input");
	expect_number(4, NULL);
	expect_number(0, NULL);
}

/* Cut anywhere: no read behind the end (the sanitizers watch), and no rule that is not there. */
static void test_truncated(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(nft_list); len++) {
		char *copy = unit_copy(nft_list, len + 1);
		struct buf out = {0};

		copy[len] = '\0';
		rule_text_find_handle(copy, 12, &out);
		rule_text_find_handle(copy, 21, &out);
		rule_text_find_number(copy, 1, &out);
		buf_done(&out);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handle),	  cmocka_unit_test(test_heads_are_no_rules),
		cmocka_unit_test(test_block),	  cmocka_unit_test(test_number),
		cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
