/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket_unit: units and drop-ins laid out below a scratch folder as on a machine with systemd, and
 * the texts of single values.
 */
#include "observe/socket_unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct scratch {
	char path[64];
	int fd;
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	strcpy(s->path, "/tmp/portero-units-XXXXXX");
	assert_non_null(mkdtemp(s->path));
	s->fd = open(s->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(s->fd >= 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scratch *s = *state;

	close(s->fd);
	nftw(s->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(s);
	return 0;
}

static void put_file(const struct scratch *s, const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, 512, "%s/%s", s->path, path);
	for (char *slash = full + strlen(s->path) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

#define ETC "etc/systemd/system/"
#define LIB "usr/lib/systemd/system/"

static struct address make_address(const char *text)
{
	struct address a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	assert_int_equal(inet_pton(a.family, text, a.bytes), 1);
	return a;
}

static void expect_service(const struct scratch *s, const char *unit, const char *name,
			   const char *program)
{
	struct socket_unit_service service;
	int r = socket_unit_service(s->fd, unit, &service);

	if (r != 0 || strcmp(service.name, name) != 0 || strcmp(service.program, program) != 0)
		fail_msg("%s: %d, \"%s\", \"%s\"", unit, r, service.name, service.program);
}

static void expect_found(const struct scratch *s, enum proto proto, const char *address,
			 uint16_t port, const char *unit)
{
	struct address a = make_address(address);
	char found[256] = "";
	int r = socket_unit_find(s->fd, proto, &a, port, found, sizeof(found));

	if (r != 0 || strcmp(found, unit) != 0)
		fail_msg("%s %u: %d, \"%s\"", address, port, r, found);
}

static void expect_not_found(const struct scratch *s, enum proto proto, const char *address,
			     uint16_t port, int code)
{
	struct address a = make_address(address);
	char found[256] = "before";

	assert_int_equal(socket_unit_find(s->fd, proto, &a, port, found, sizeof(found)), code);
	assert_string_equal(found, "before");
}

static void test_default_service(void **state)
{
	put_file(*state, LIB "ssh.socket", "[Socket]\nListenStream=22\nAccept=no\n");
	put_file(*state, LIB "ssh.service",
		 "[Service]\nExecStartPre=/usr/sbin/sshd -t\nExecStart=/usr/sbin/sshd -D $OPTS\n");
	expect_service(*state, "ssh.socket", "ssh.service", "/usr/sbin/sshd");
}

static void test_named_service(void **state)
{
	put_file(*state, LIB "docker.socket", "[Socket]\nService=engine.service\n");
	put_file(*state, LIB "engine.service", "[Service]\nExecStart=-@/usr/bin/dockerd dockerd\n");
	expect_service(*state, "docker.socket", "engine.service", "/usr/bin/dockerd");
}

static void test_accept(void **state)
{
	put_file(*state, LIB "finger.socket", "[Socket]\nListenStream=79\nAccept=yes\n");
	put_file(*state, LIB "finger@.service", "[Service]\nExecStart=-/usr/sbin/in.fingerd\n");
	expect_service(*state, "finger.socket", "finger@.service", "/usr/sbin/in.fingerd");
	/* the same key in another section says nothing */
	put_file(*state, LIB "finger.socket", "[Unit]\nAccept=yes\n[Socket]\nListenStream=79\n");
	put_file(*state, LIB "finger.service", "[Service]\nExecStart=/usr/sbin/fingerd\n");
	expect_service(*state, "finger.socket", "finger.service", "/usr/sbin/fingerd");
}

static void test_instances(void **state)
{
	put_file(*state, LIB "web@.socket", "[Socket]\nListenStream=80\n");
	put_file(*state, LIB "web@.service", "[Service]\nExecStart=/usr/bin/web --name %i\n");
	put_file(*state, ETC "web@.service.d/x.conf",
		 "[Service]\nExecStart=\nExecStart=/bin/all\n");
	expect_service(*state, "web@1.socket", "web@1.service", "/bin/all");
	/* a drop-in of the instance goes before one of the template with the same name */
	put_file(*state, LIB "web@1.service.d/x.conf",
		 "[Service]\nExecStart=\nExecStart=/bin/one\n");
	expect_service(*state, "web@1.socket", "web@1.service", "/bin/one");
	expect_service(*state, "web@2.socket", "web@2.service", "/bin/all");
}

static void test_precedence(void **state)
{
	put_file(*state, LIB "a.socket", "[Socket]\nService=lib.service\n");
	put_file(*state, LIB "lib.service", "[Service]\nExecStart=/bin/lib\n");
	put_file(*state, "run/systemd/generator/a.socket", "[Socket]\nService=run.service\n");
	put_file(*state, LIB "run.service", "[Service]\nExecStart=/bin/run\n");
	expect_service(*state, "a.socket", "run.service", "/bin/run");
	put_file(*state, ETC "a.socket", "[Socket]\nListenStream=1\n");
	put_file(*state, "lib/systemd/system/a.service", "[Service]\nExecStart=/bin/a\n");
	expect_service(*state, "a.socket", "a.service", "/bin/a");
}

static void test_drop_ins(void **state)
{
	put_file(*state, LIB "a.socket", "[Socket]\nListenStream=1\n");
	put_file(*state, LIB "a.service", "[Service]\nExecStart=/bin/one\n");
	put_file(*state, LIB "a.service.d/20-more.conf", "[Service]\nExecStart=/bin/two\n");
	expect_service(*state, "a.socket", "a.service", "/bin/one");
	put_file(*state, ETC "a.service.d/10-reset.conf",
		 "[Service]\nExecStart=\nExecStart=/bin/x\n");
	expect_service(*state, "a.socket", "a.service", "/bin/x");
	/* the drop-in of the same name in a folder that goes before hides the other */
	put_file(*state, ETC "a.service.d/20-more.conf", "[Service]\nExecStart=\n");
	expect_service(*state, "a.socket", "a.service", "");
	put_file(*state, ETC "a.service.d/30.conf~", "[Service]\nExecStart=/bin/backup\n");
	expect_service(*state, "a.socket", "a.service", "");
}

static void test_what_only_systemd_knows(void **state)
{
	struct socket_unit_service service;
	const struct scratch *s = *state;

	put_file(s, LIB "a.socket", "[Socket]\nService=a@%i.service\n");
	assert_int_equal(socket_unit_service(s->fd, "a.socket", &service), -ENOTSUP);
	assert_string_equal(service.name, "");
	put_file(s, LIB "b.socket", "[Socket]\nService=../../../etc/passwd\n");
	assert_int_equal(socket_unit_service(s->fd, "b.socket", &service), -ENOTSUP);
	assert_string_equal(service.name, "");
	/* the first command is not known: the second is not taken for it */
	put_file(s, LIB "c.socket", "[Socket]\n");
	put_file(s, LIB "c.service", "[Service]\nExecStart=%h/bin/c\nExecStart=/bin/d\n");
	expect_service(s, "c.socket", "c.service", "");
	assert_int_equal(socket_unit_service(s->fd, "gone.socket", &service), -ENOENT);
	assert_string_equal(service.name, "gone.service");
	assert_int_equal(socket_unit_service(s->fd, "../x.socket", &service), -EINVAL);
	assert_int_equal(socket_unit_service(s->fd, "", &service), -EINVAL);
}

static void test_programs(void **state)
{
	static const struct {
		const char *value, *program;
	} list[] = {
		{"/usr/sbin/sshd -D", "/usr/sbin/sshd"},
		{"-/bin/a", "/bin/a"},
		{"@/bin/a name", "/bin/a"},
		{"+!/bin/a", "/bin/a"},
		{"!!/bin/a", "/bin/a"},
		{":-/bin/a\tb", "/bin/a"},
		{"\"/opt/my app/run\" x", "/opt/my app/run"},
		{"'/opt/100%%/run'", "/opt/100%/run"},
		{"/bin/%i", ""},
		{"/bin/a\\x20b", ""},
		{"/opt/\"my app\"/run", ""},
		{"\"/bin/a", ""},
		{"\"/bin/a\"b", ""},
		{"sshd -D", ""},
		{"", ""},
		{"-", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		char program[32] = "before", small[6] = "before";

		socket_unit_program(list[i].value, program, sizeof(program));
		assert_string_equal(program, list[i].program);
		socket_unit_program(list[i].value, small, sizeof(small));
		assert_true(small[0] == '\0');
	}
}

static void test_values(void **state)
{
	static const struct {
		const char *value, *address;
		uint16_t port;
		bool listens;
	} list[] = {
		{"80", "::", 80, true},
		{"80", "0.0.0.0", 80, true},
		{"80", "127.0.0.1", 80, false},
		{"80", "::", 8, false},
		{"0.0.0.0:80", "0.0.0.0", 80, true},
		{"0.0.0.0:80", "::", 80, false},
		{"[::]:80", "::", 80, true},
		{"[::]:80", "0.0.0.0", 80, false},
		{"[::1]:80", "::1", 80, true},
		{"[fe80::1]:80%eth0", "fe80::1", 80, true},
		{"[fe80::1%eth0]:80", "fe80::1", 80, true},
		{"127.0.0.1:8080", "127.0.0.1", 8080, true},
		{"127.0.0.1:8080", "127.0.0.2", 8080, false},
		{"127.0.0.1:65616", "127.0.0.1", 80, false},
		{"0", "::", 0, false},
		{"/run/x:80", "::", 80, false},
		{"@abstract:80", "::", 80, false},
		{"vsock:2:80", "::", 80, false},
		{"::1:80", "::1", 80, false},
		{":80", "0.0.0.0", 80, false},
		{"[]:80", "::", 80, false},
		{"80x", "::", 80, false},
		{"", "::", 80, false},
		{":", "::", 80, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct address a = make_address(list[i].address);

		if (socket_unit_listens(list[i].value, &a, list[i].port) != list[i].listens)
			fail_msg("%s, %s %u", list[i].value, list[i].address, list[i].port);
	}
}

static void test_find(void **state)
{
	put_file(*state, LIB "ssh.socket", "[Socket]\nListenStream=22\n");
	put_file(*state, "lib/systemd/system/ssh.socket", "[Socket]\nListenStream=22\n");
	put_file(*state, ETC "dns.socket",
		 "[Socket]\nListenStream=127.0.0.1:53\nListenDatagram=127.0.0.1:53\n"
		 "ListenStream=/run/dns\n");
	put_file(*state, LIB "sig.socket", "[Socket]\nListenSequentialPacket=9\n");
	put_file(*state, LIB "tpl@.socket", "[Socket]\nListenStream=81\n");
	put_file(*state, LIB "notes.txt", "[Socket]\nListenStream=82\n");
	expect_found(*state, PROTO_TCP, "::", 22, "ssh.socket");
	expect_found(*state, PROTO_TCP, "127.0.0.1", 53, "dns.socket");
	expect_found(*state, PROTO_UDP, "127.0.0.1", 53, "dns.socket");
	expect_found(*state, PROTO_SCTP, "::", 9, "sig.socket");
	expect_not_found(*state, PROTO_TCP, "::", 9, -ENOENT);
	expect_not_found(*state, PROTO_UDP, "::", 22, -ENOENT);
	expect_not_found(*state, PROTO_TCP, "::", 81, -ENOENT);
	expect_not_found(*state, PROTO_TCP, "::", 82, -ENOENT);
}

static void test_find_with_drop_ins(void **state)
{
	put_file(*state, LIB "ssh.socket", "[Socket]\nListenStream=22\n");
	put_file(*state, ETC "ssh.socket.d/port.conf",
		 "[Socket]\nListenStream=\nListenStream=2222\n");
	expect_not_found(*state, PROTO_TCP, "::", 22, -ENOENT);
	expect_found(*state, PROTO_TCP, "::", 2222, "ssh.socket");
	put_file(*state, ETC "ssh.socket.d/zproto.conf", "[Socket]\nSocketProtocol=sctp\n");
	expect_not_found(*state, PROTO_TCP, "::", 2222, -ENOENT);
	expect_found(*state, PROTO_SCTP, "::", 2222, "ssh.socket");
}

static void test_find_masked(void **state)
{
	put_file(*state, LIB "ssh.socket", "[Socket]\nListenStream=22\n");
	put_file(*state, ETC "ssh.socket", ""); /* empty: masked, as a link to /dev/null is */
	expect_not_found(*state, PROTO_TCP, "::", 22, -ENOENT);
}

static void test_find_ambiguous(void **state)
{
	struct address a = make_address("::");
	const struct scratch *s = *state;
	char small[6];

	put_file(s, LIB "ssh.socket", "[Socket]\nListenStream=22\n");
	assert_int_equal(socket_unit_find(s->fd, PROTO_TCP, &a, 22, small, sizeof(small)), -ENOENT);
	put_file(s, LIB "other.socket", "[Socket]\nListenStream=[::]:22\n");
	expect_not_found(s, PROTO_TCP, "::", 22, -ENOTUNIQ);
	/* whichever folder they are in */
	put_file(s, ETC "other.socket", "[Socket]\nListenStream=[::]:22\n");
	expect_not_found(s, PROTO_TCP, "::", 22, -ENOTUNIQ);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(test_default_service),
		IN_SCRATCH(test_named_service),
		IN_SCRATCH(test_accept),
		IN_SCRATCH(test_instances),
		IN_SCRATCH(test_precedence),
		IN_SCRATCH(test_drop_ins),
		IN_SCRATCH(test_what_only_systemd_knows),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_values),
		IN_SCRATCH(test_find),
		IN_SCRATCH(test_find_with_drop_ins),
		IN_SCRATCH(test_find_masked),
		IN_SCRATCH(test_find_ambiguous),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
