/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * registry: what IANA gave to whom, and that the compiled table says the same as data/ports.tsv,
 * number by number.
 */
#include "base/file.h"
#include "base/text.h"
#include "model/registry.h"
#include "model/registry_table.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_name(uint16_t port, enum proto proto, const char *name)
{
	struct registry_entry entry;

	if (!registry_find(port, proto, &entry))
		fail_msg("%u/%s is not there, should be %s", port, proto_name(proto), name);
	assert_non_null(entry.name);
	assert_string_equal(entry.name, name);
	assert_false(entry.reserved);
}

static void test_well_known(void **state)
{
	(void)state;
	expect_name(1, PROTO_TCP, "tcpmux");
	expect_name(22, PROTO_TCP, "ssh");
	expect_name(53, PROTO_UDP, "domain");
	expect_name(123, PROTO_UDP, "ntp");
	expect_name(443, PROTO_TCP, "https");
	expect_name(443, PROTO_UDP, "https");
	expect_name(3306, PROTO_TCP, "mysql");
	expect_name(6379, PROTO_TCP, "redis");
	expect_name(8000, PROTO_TCP, "irdmi");
	expect_name(9, PROTO_DCCP, "discard");
	expect_name(5672, PROTO_SCTP, "amqp");
}

/* The source lists some numbers under an alias, and no ranges at all. */
static void test_primary_names_and_ranges(void **state)
{
	(void)state;
	expect_name(80, PROTO_TCP, "http");
	expect_name(631, PROTO_TCP, "ipp");
	expect_name(3478, PROTO_UDP, "stun");
	expect_name(66, PROTO_TCP, "sql-net"); /* RFC 6335 section 10.1 replaced sql*net */
	expect_name(63, PROTO_TCP, "whoispp");
	expect_name(6000, PROTO_TCP, "x11");
	expect_name(6063, PROTO_TCP, "x11");
	expect_name(6667, PROTO_TCP, "ircu");
}

/* One number, different services or texts by protocol. */
static void test_protocols_are_told_apart(void **state)
{
	struct registry_entry entry;

	(void)state;
	expect_name(512, PROTO_TCP, "exec");
	expect_name(512, PROTO_UDP, "biff");
	expect_name(514, PROTO_TCP, "shell");
	expect_name(514, PROTO_UDP, "syslog");
	assert_true(registry_find(443, PROTO_SCTP, &entry));
	assert_string_equal(entry.description, "HTTPS");
	assert_true(registry_find(443, PROTO_TCP, &entry));
	assert_string_equal(entry.description, "http protocol over TLS/SSL");
	assert_false(registry_find(3306, PROTO_SCTP, &entry));
}

static void test_udplite_is_udp(void **state)
{
	(void)state;
	expect_name(514, PROTO_UDPLITE, "syslog");
	expect_name(53, PROTO_UDPLITE, "domain");
}

static void test_reserved_and_nameless(void **state)
{
	struct registry_entry entry;

	(void)state;
	assert_true(registry_find(1023, PROTO_TCP, &entry));
	assert_null(entry.name);
	assert_true(entry.reserved);
	assert_true(registry_find(24, PROTO_TCP, &entry));
	assert_null(entry.name);
	assert_false(entry.reserved);
	assert_string_equal(entry.description, "any private mail system");
	assert_true(registry_find(514, PROTO_UDP, &entry));
	assert_string_equal(entry.description, "");
}

static void test_unassigned_leaves_the_answer_alone(void **state)
{
	struct registry_entry entry = {.name = "before"};

	(void)state;
	assert_false(registry_find(4, PROTO_TCP, &entry));
	assert_false(registry_find(51820, PROTO_UDP, &entry));
	assert_false(registry_find(65535, PROTO_TCP, &entry));
	assert_string_equal(entry.name, "before");
}

static void test_nothing_is_dynamic(void **state)
{
	struct registry_entry entry;

	(void)state;
	for (unsigned port = 49152; port <= 65535; port++)
		for (int proto = 0; proto < PROTO_COUNT; proto++)
			assert_false(registry_find((uint16_t)port, (enum proto)proto, &entry));
}

static void test_table_is_sorted(void **state)
{
	(void)state;
	for (unsigned i = 1; i < registry_row_count; i++) {
		const struct registry_row *a = &registry_rows[i - 1], *b = &registry_rows[i];

		assert_true(a->port <= b->port);
		assert_true(a->port != b->port || !(a->protos & b->protos));
	}
}

static size_t take_column(const char **at, const char *end)
{
	const char *tab = memchr(*at, '\t', (size_t)(end - *at));
	size_t len = (size_t)((tab ? tab : end) - *at);

	*at += tab ? len + 1 : len;
	return len;
}

static void expect_text(const char *text, const char *column, size_t len)
{
	assert_int_equal(strlen(text), len);
	assert_memory_equal(text, column, len);
}

static void expect_row(const char *line, size_t len)
{
	const char *at = line, *column = line, *end = line + len;
	struct registry_entry entry;
	uint64_t port;
	enum proto proto;

	assert_int_equal(text_parse_number(column, take_column(&at, end), 65535, &port), 0);
	column = at;
	assert_int_equal(proto_parse(column, take_column(&at, end), &proto), 0);
	if (!registry_find((uint16_t)port, proto, &entry))
		fail_msg("%u/%s is in the data and not in the table", (unsigned)port,
			 proto_name(proto));
	column = at;
	expect_text(entry.name ? entry.name : "", column, take_column(&at, end));
	column = at;
	expect_text(entry.description, column, take_column(&at, end));
	column = at;
	expect_text(entry.reference, column, take_column(&at, end));
}

static unsigned count_found(void)
{
	static const enum proto protos[] = {PROTO_TCP, PROTO_UDP, PROTO_SCTP, PROTO_DCCP};
	struct registry_entry entry;
	unsigned count = 0;

	for (unsigned port = 0; port <= 65535; port++)
		for (size_t i = 0; i < 4; i++)
			count += registry_find((uint16_t)port, protos[i], &entry);
	return count;
}

/* Every row of the data is found, and nothing else is. */
static void test_table_says_what_the_data_says(void **state)
{
	struct buf data = {0};
	const char *line;
	size_t at = 0, len;
	unsigned rows = 0;

	(void)state;
	assert_int_equal(file_read_at(AT_FDCWD, TEST_DATA "/../data/ports.tsv", 4 << 20, &data), 0);
	while (file_next_line(data.data, data.len, &at, &line, &len)) {
		if (len == 0 || line[0] == '#')
			continue;
		expect_row(line, len);
		rows++;
	}
	buf_done(&data);
	assert_true(rows > 10000);
	assert_int_equal(count_found(), rows);
}

/* The texts go to terminals: no control characters, and valid UTF-8. */
static void test_texts_are_printable(void **state)
{
	struct registry_entry entry;
	struct buf escaped = {0};

	(void)state;
	for (unsigned port = 0; port <= 65535; port++) {
		if (!registry_find((uint16_t)port, PROTO_TCP, &entry))
			continue;
		buf_clear(&escaped);
		text_escape(&escaped, entry.description, strlen(entry.description), false);
		assert_string_equal(buf_text(&escaped), entry.description);
	}
	buf_done(&escaped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_well_known),
		cmocka_unit_test(test_primary_names_and_ranges),
		cmocka_unit_test(test_protocols_are_told_apart),
		cmocka_unit_test(test_udplite_is_udp),
		cmocka_unit_test(test_reserved_and_nameless),
		cmocka_unit_test(test_unassigned_leaves_the_answer_alone),
		cmocka_unit_test(test_nothing_is_dynamic),
		cmocka_unit_test(test_table_is_sorted),
		cmocka_unit_test(test_table_says_what_the_data_says),
		cmocka_unit_test(test_texts_are_printable),
	};

	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
