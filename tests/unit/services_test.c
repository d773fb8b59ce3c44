/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * services: /etc/services as it should be, as it may be, and as somebody who means harm may write
 * it.
 */
#include "model/services.h"
#include "observe/services_file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char good[] = "# Network services, Internet style\n"
			   "\n"
			   "ssh\t\t22/tcp\t\t\t# SSH Remote Login Protocol\n"
			   "smtp\t\t25/tcp\t\tmail\n"
			   "domain 53/tcp\n"
			   "domain 53/udp\n"
			   "http\t\t80/tcp\t\twww\t\t# WorldWideWeb HTTP\n"
			   "imap2\t\t143/tcp\t\timap\t\t# Interim Mail Access P 2 and 4\n"
			   "amqp 5672/sctp\n"
			   "rtmp\t\t1/ddp\n"
			   "fido\t\t60179/tcp";

/* Parses text[0..len) alone, from a heap copy without a NUL, so that an overrun is seen. */
static struct services parse(const char *text, size_t len)
{
	struct services s = {0};
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	assert_int_equal(services_parse(&s, copy, len), 0);
	free(copy);
	return s;
}

static void expect(const struct services *s, uint16_t port, enum proto proto, const char *name)
{
	const char *found = services_name(s, port, proto);

	if (!name) {
		assert_null(found);
		return;
	}
	assert_non_null(found);
	assert_string_equal(found, name);
}

/* That `line`, with a sound line after it, gives `name` for 7/tcp, and does not spoil the other. */
static void expect_line(const char *line, size_t len, const char *name)
{
	static const char next[] = "\nnext 8/tcp\n";
	char text[512];
	struct services s;

	assert_true(len + sizeof(next) < sizeof(text));
	memcpy(text, line, len);
	memcpy(text + len, next, sizeof(next) - 1);
	s = parse(text, len + sizeof(next) - 1);
	expect(&s, 7, PROTO_TCP, name);
	expect(&s, 8, PROTO_TCP, "next");
	services_done(&s);
}

#define EXPECT_LINE(line, name) expect_line(line, sizeof(line) - 1, name)

static void test_good_file(void **state)
{
	struct services s = parse(good, sizeof(good) - 1);

	(void)state;
	expect(&s, 22, PROTO_TCP, "ssh");
	expect(&s, 22, PROTO_UDP, NULL);
	expect(&s, 25, PROTO_TCP, "smtp");
	expect(&s, 53, PROTO_TCP, "domain");
	expect(&s, 53, PROTO_UDP, "domain");
	expect(&s, 53, PROTO_UDPLITE, "domain");
	expect(&s, 80, PROTO_TCP, "http");
	expect(&s, 143, PROTO_TCP, "imap2");
	expect(&s, 5672, PROTO_SCTP, "amqp");
	expect(&s, 60179, PROTO_TCP, "fido");
	for (int proto = 0; proto < PROTO_COUNT; proto++)
		expect(&s, 1, (enum proto)proto, NULL); /* ddp is none of ours */
	services_done(&s);
}

static void test_first_line_counts(void **state)
{
	static const char text[] = "one 7/tcp\ntwo 7/tcp\nthree 7/udp\none 8/tcp\n";
	struct services s = parse(text, sizeof(text) - 1);

	(void)state;
	expect(&s, 7, PROTO_TCP, "one");
	expect(&s, 7, PROTO_UDP, "three");
	expect(&s, 8, PROTO_TCP, "one");
	assert_int_equal(services_parse(&s, "four 7/tcp\nfive 9/tcp", 21), 0);
	expect(&s, 7, PROTO_TCP, "one");
	expect(&s, 9, PROTO_TCP, "five");
	services_done(&s);
}

static void test_aliases(void **state)
{
	static const char text[] = "http 80/tcp www\tweb # HTTP site\nhttp 80/udp quic#x\n"
				   "late 80/tcp later\nsmtp 25/tcp mail\r\nodd 9/tcp a\x01"
				   "b c\0d e\n"
				   "bare 10/tcp\n";
	struct services s = parse(text, sizeof(text) - 1);
	static const char *const none[] = {"http", "ww",   "www\tweb", "#",
					   "HTTP", "quic", "later",    ""};

	(void)state;
	assert_true(services_has_alias(&s, 80, PROTO_TCP, "www"));
	assert_true(services_has_alias(&s, 80, PROTO_TCP, "web"));
	assert_true(services_has_alias(&s, 80, PROTO_UDP, "quic"));
	assert_true(services_has_alias(&s, 80, PROTO_UDPLITE, "quic"));
	assert_true(services_has_alias(&s, 25, PROTO_TCP, "mail"));
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(services_has_alias(&s, 80, PROTO_TCP, none[i]));
	assert_false(services_has_alias(&s, 9, PROTO_TCP, "c"));
	assert_false(services_has_alias(&s, 9, PROTO_TCP, "e"));
	assert_false(services_has_alias(&s, 10, PROTO_TCP, ""));
	services_done(&s);
}

static void test_udplite_has_names_of_its_own(void **state)
{
	static const char text[] = "both 7/udp\nlite 7/udplite\n";
	struct services s = parse(text, sizeof(text) - 1);

	(void)state;
	expect(&s, 7, PROTO_UDP, "both");
	expect(&s, 7, PROTO_UDPLITE, "lite");
	services_done(&s);
}

static void test_shapes_of_lines(void **state)
{
	(void)state;
	EXPECT_LINE("echo 7/tcp", "echo");
	EXPECT_LINE("echo 7/tcp\r", "echo");
	EXPECT_LINE("  echo\t7/tcp", "echo");
	EXPECT_LINE("echo 7/tcp#comment", "echo");
	EXPECT_LINE("echo 0007/tcp", "echo");
	EXPECT_LINE("whois++ 7/tcp", "whois++");
	EXPECT_LINE("EtherNet/IP-1 7/tcp", "EtherNet/IP-1");
	EXPECT_LINE("#echo 7/tcp", NULL);
	EXPECT_LINE("echo # 7/tcp", NULL);
	EXPECT_LINE("echo", NULL);
	EXPECT_LINE("7/tcp", NULL);
	EXPECT_LINE("echo 7", NULL);
	EXPECT_LINE("echo 7/", NULL);
	EXPECT_LINE("echo /tcp", NULL);
	EXPECT_LINE("echo 7/TCP", NULL);
	EXPECT_LINE("echo 7/tcpx", NULL);
	EXPECT_LINE("echo 7/tcp/udp", NULL);
	EXPECT_LINE("echo 7 /tcp", NULL);
	EXPECT_LINE("echo +7/tcp", NULL);
	EXPECT_LINE("echo -7/tcp", NULL);
	EXPECT_LINE("echo 0x7/tcp", NULL);
	EXPECT_LINE("echo alias 7/tcp", NULL);
}

static void test_numbers_do_not_wrap(void **state)
{
	static const char text[] = "zero 0/tcp\nlast 65535/tcp\nover 65536/tcp\nwrap 65543/tcp\n"
				   "huge 18446744073709551623/tcp\n";
	struct services s = parse(text, sizeof(text) - 1);

	(void)state;
	expect(&s, 0, PROTO_TCP, NULL);
	expect(&s, 65535, PROTO_TCP, "last");
	expect(&s, 7, PROTO_TCP, NULL); /* 65536 + 7, and 2^64 + 7 */
	assert_int_equal(s.by_port.count, 1);
	services_done(&s);
}

/* A name goes to terminals and pages: nothing but printable ASCII is one. */
static void test_hostile_names(void **state)
{
	(void)state;
	EXPECT_LINE("\x1b[31mecho 7/tcp", NULL);
	EXPECT_LINE("ec\0ho 7/tcp", NULL);
	EXPECT_LINE("echo\0 7/tcp", NULL);
	EXPECT_LINE("echo 7/tcp\0", NULL);
	EXPECT_LINE("echo\x7f 7/tcp", NULL);
	EXPECT_LINE("\xe2\x80\xae"
		    "ohce 7/tcp",
		    NULL);
	EXPECT_LINE("\xff\xfe 7/tcp", NULL);
	EXPECT_LINE("echo\b 7/tcp", NULL);
}

static void test_length_of_names(void **state)
{
	char line[128];

	(void)state;
	for (size_t len = SERVICES_NAME_LIMIT - 1; len <= SERVICES_NAME_LIMIT + 1; len++) {
		char name[SERVICES_NAME_LIMIT + 2] = {0};
		int line_len;

		memset(name, 'n', len);
		line_len = snprintf(line, sizeof(line), "%s 7/tcp", name);
		expect_line(line, (size_t)line_len, len <= SERVICES_NAME_LIMIT ? name : NULL);
	}
}

static void test_huge_lines(void **state)
{
	enum { HUGE_LEN = 1 << 20 };
	static const char head[] = "echo 7/tcp ", tail[] = "\nnext 8/tcp";
	char *text = malloc(HUGE_LEN);
	struct services s;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', HUGE_LEN);
	memcpy(text + HUGE_LEN - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
	s = parse(text, HUGE_LEN);
	assert_int_equal(s.by_port.count, 1); /* a name of a megabyte is none */
	expect(&s, 8, PROTO_TCP, "next");
	services_done(&s);

	memcpy(text, head, sizeof(head) - 1);
	s = parse(text, HUGE_LEN);
	expect(&s, 7, PROTO_TCP, "echo"); /* an alias of a megabyte does no harm */
	expect(&s, 8, PROTO_TCP, "next");
	services_done(&s);
	free(text);
}

/* Every truncation of a good file: the lines before the cut stand, and none is invented. */
static void test_truncations(void **state)
{
	struct services whole = parse(good, sizeof(good) - 1);

	(void)state;
	for (size_t len = 0; len < sizeof(good); len++) {
		struct services s = parse(good, len < sizeof(good) - 1 ? len : sizeof(good) - 1);
		bool has_ssh_line = len >= (size_t)(strstr(good, "22/tcp") - good) + 6;

		assert_true(s.by_port.count <= whole.by_port.count);
		expect(&s, 22, PROTO_TCP, has_ssh_line ? "ssh" : NULL);
		services_done(&s);
	}
	services_done(&whole);
}

/* Every byte value at every place of a line: nothing but sound names comes out. */
static void test_every_byte(void **state)
{
	static const char line[] = "echo 7/tcp x\nnext 8/udp";

	(void)state;
	for (size_t at = 0; at < sizeof(line) - 1; at++) {
		for (int byte = 0; byte < 256; byte++) {
			char text[sizeof(line)];
			const char *name;
			struct services s;

			memcpy(text, line, sizeof(line));
			text[at] = (char)byte;
			s = parse(text, sizeof(line) - 1);
			name = services_name(&s, 7, PROTO_TCP);
			for (; name && *name; name++)
				assert_in_range((unsigned char)*name, 0x21, 0x7e);
			if (at < 12)
				expect(&s, 8, PROTO_UDP, "next");
			services_done(&s);
		}
	}
}

static void test_empty(void **state)
{
	struct services s = {0};

	(void)state;
	expect(&s, 22, PROTO_TCP, NULL);
	assert_int_equal(services_parse(&s, "", 0), 0);
	assert_int_equal(services_parse(&s, "\n\n\r\n \t\n#", 9), 0);
	expect(&s, 22, PROTO_TCP, NULL);
	services_done(&s);
	services_done(&s);
}

/* --- files ------------------------------------------------------------------------------------ */

static char directory[] = "/tmp/portero-services-XXXXXX";

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

static void path_in_directory(char path[128], const char *name)
{
	snprintf(path, 128, "%s/%s", directory, name);
}

static void write_file(const char *path, const char *text, off_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	if (size)
		assert_int_equal(truncate(path, size), 0);
}

static void test_load(void **state)
{
	struct services s = {0};
	struct err e = {0};
	char path[128];

	(void)state;
	path_in_directory(path, "services");
	write_file(path, good, 0);
	assert_int_equal(services_load(&s, path, &e), 0);
	expect(&s, 80, PROTO_TCP, "http");
	services_done(&s);
	unlink(path);
}

static void test_load_of_nothing(void **state)
{
	struct services s = {0};
	struct err e = {0};
	char path[128];

	(void)state;
	path_in_directory(path, "none");
	assert_int_equal(services_load(&s, path, &e), 0);
	assert_int_equal(e.code, 0);
	expect(&s, 80, PROTO_TCP, NULL);
	services_done(&s);
}

static void test_load_at_the_limit(void **state)
{
	struct services s = {0};
	struct err e = {0};
	char path[128];

	(void)state;
	path_in_directory(path, "large");
	write_file(path, good, SERVICES_FILE_LIMIT);
	assert_int_equal(services_load(&s, path, &e), 0);
	expect(&s, 22, PROTO_TCP, "ssh");
	services_done(&s);
	write_file(path, good, SERVICES_FILE_LIMIT + 1);
	assert_int_equal(services_load(&s, path, &e), -EFBIG);
	assert_non_null(strstr(e.msg, path));
	assert_non_null(strstr(e.msg, "4 MiB"));
	expect(&s, 22, PROTO_TCP, NULL); /* never a part of it */
	services_done(&s);
	unlink(path);
}

static void test_load_of_no_file(void **state)
{
	struct services s = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(services_load(&s, directory, &e), -EINVAL);
	assert_int_equal(e.code, -EINVAL);
	assert_non_null(strstr(e.msg, directory));
	assert_int_equal(services_load(&s, "/dev/null/\x1b[2J", &e), -ENOTDIR);
	assert_null(strchr(e.msg, '\x1b'));
	services_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_file),
		cmocka_unit_test(test_first_line_counts),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_udplite_has_names_of_its_own),
		cmocka_unit_test(test_shapes_of_lines),
		cmocka_unit_test(test_numbers_do_not_wrap),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_length_of_names),
		cmocka_unit_test(test_huge_lines),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_load_of_nothing),
		cmocka_unit_test(test_load_at_the_limit),
		cmocka_unit_test(test_load_of_no_file),
	};

	return cmocka_run_group_tests_name("services", tests, make_directory, remove_directory);
}
