/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * package: the databases of dpkg and apk laid out below a scratch folder, the answers of rpm, and
 * what a container may put in their place.
 */
#include "observe/package.h"
#include "observe/package_apk.h"
#include "observe/package_dpkg.h"
#include "observe/package_rpm.h"

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
#include <time.h>
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
	strcpy(s->path, "/tmp/portero-package-XXXXXX");
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

static void make_folders(const struct scratch *s, const char *path, char full[512])
{
	snprintf(full, 512, "%s/%s", s->path, path);
	for (char *slash = full + strlen(s->path) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
}

static void put_file(const struct scratch *s, const char *path, const char *text)
{
	char full[512];
	FILE *f;

	make_folders(s, path, full);
	f = fopen(full, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static void put_list(const struct scratch *s, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "var/lib/dpkg/info/%s.list", name);
	put_file(s, path, text);
}

static void put_link(const struct scratch *s, const char *path, const char *target)
{
	char full[512];

	make_folders(s, path, full);
	assert_int_equal(symlink(target, full), 0);
}

/* Asks for one path and compares; NULL = no package owns it. */
static void expect(const struct scratch *s, const char *path, const char *package)
{
	struct package_query q = {.path = path};
	struct err e = {0};
	int r = package_find(s->fd, false, &q, 1, &e);

	if (r != 0)
		fail_msg("%s: %d: %s", path, r, e.msg);
	if (!q.package != !package || (package && strcmp(q.package, package) != 0))
		fail_msg("%s: \"%s\"", path, q.package ? q.package : "(none)");
	free(q.package);
}

static void expect_error(const struct scratch *s, const char *path, int code)
{
	struct package_query q = {.path = path};
	struct err e = {0};

	assert_int_equal(package_find(s->fd, false, &q, 1, &e), code);
	assert_int_equal(e.code, code);
	assert_true(e.msg[0] != '\0');
	assert_null(q.package);
}

static const char ssh_list[] = "/.\n/etc\n/etc/ssh\n/usr\n/usr/sbin\n/usr/sbin/sshd\n"
			       "/usr/share/doc/openssh-server\n";
static const char kmod_list[] = "/.\n/bin\n/bin/kmod\n/sbin\n/lib/modprobe.d\n";
static const char libc_list[] = "/.\n/lib/x86_64-linux-gnu/libc.so.6\n/usr/bin/ld.so";

static void put_dpkg(const struct scratch *s)
{
	put_list(s, "openssh-server", ssh_list);
	put_list(s, "kmod", kmod_list);
	put_list(s, "libc6:amd64", libc_list);
	put_file(s, "var/lib/dpkg/info/kmod.md5sums", "0123  usr/bin/decoy\n");
	put_file(s, "var/lib/dpkg/info/format", "1\n");
}

static void test_dpkg(void **state)
{
	put_dpkg(*state);
	expect(*state, "/usr/sbin/sshd", "openssh-server");
	expect(*state, "/bin/kmod", "kmod");
	/* no newline at the end of the list; and the architecture is no part of the name */
	expect(*state, "/usr/bin/ld.so", "libc6");
	expect(*state, "/usr/local/sbin/sshd", NULL);
	expect(*state, "/usr/sbin/ssh", NULL);
	expect(*state, "/usr/sbin/sshdd", NULL);
	expect(*state, "/usr/bin/decoy", NULL);
}

static void test_all_in_one_pass(void **state)
{
	struct package_query q[] = {{.path = "/usr/sbin/sshd"},
				    {.path = "/opt/x"},
				    {.path = "/bin/kmod"},
				    {.path = "/usr/sbin/sshd"}};
	const struct scratch *s = *state;
	struct err e = {0};

	put_dpkg(s);
	assert_int_equal(package_find(s->fd, false, q, 4, &e), 0);
	assert_string_equal(q[0].package, "openssh-server");
	assert_null(q[1].package);
	assert_string_equal(q[2].package, "kmod");
	assert_string_equal(q[3].package, "openssh-server");
	for (size_t i = 0; i < 4; i++)
		free(q[i].package);
}

/* So many lists that two threads share them. */
static void test_many_lists(void **state)
{
	enum { COUNT = 260, ASKED = 20 };
	char name[32], text[128], paths[ASKED][64];
	struct package_query queries[ASKED] = {0};
	struct err e;

	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "package%d", i);
		snprintf(text, sizeof(text), "/.\n/opt/p%d\n/opt/both\n/opt/p%d/program\n", i, i);
		put_list(*state, name, text);
	}
	for (int i = 0; i < ASKED; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/opt/p%d/program", i * 13);
		queries[i].path = paths[i];
	}
	queries[7].path = "/opt/p7/other";
	queries[8].path = "/opt/both";
	assert_int_equal(package_find(((struct scratch *)*state)->fd, false, queries, ASKED, &e),
			 0);
	for (int i = 0; i < ASKED; i++) {
		snprintf(name, sizeof(name), "package%d", i * 13);
		if (i == 7)
			assert_null(queries[i].package);
		else if (i == 8)
			assert_non_null(queries[i].package);
		else
			assert_string_equal(queries[i].package, name);
		free(queries[i].package);
	}
	/* one that cannot be read, in either half */
	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "package%d", i * 100);
		snprintf(text, sizeof(text), "/var/lib/dpkg/info/%s.list", name);
		assert_int_equal(unlinkat(((struct scratch *)*state)->fd, text + 1, 0), 0);
		assert_int_equal(mkdirat(((struct scratch *)*state)->fd, text + 1, 0700), 0);
		expect_error(*state, "/opt/nobodys", -EINVAL);
		assert_int_equal(unlinkat(((struct scratch *)*state)->fd, text + 1, AT_REMOVEDIR),
				 0);
	}
}

static void test_merged_usr(void **state)
{
	put_dpkg(*state);
	/* apart: /bin and /usr/bin are two folders, with two files */
	expect(*state, "/usr/bin/kmod", NULL);
	expect(*state, "/sbin/sshd", NULL);
	put_link(*state, "bin", "usr/bin");
	put_link(*state, "sbin", "/usr/sbin");
	put_link(*state, "lib", "usr/lib64"); /* elsewhere: not merged */
	expect(*state, "/usr/bin/kmod", "kmod");
	expect(*state, "/bin/kmod", "kmod");
	expect(*state, "/sbin/sshd", "openssh-server");
	expect(*state, "/bin/ld.so", "libc6");
	expect(*state, "/usr/lib/x86_64-linux-gnu/libc.so.6", NULL);
}

static void test_diversions(void **state)
{
	put_dpkg(*state);
	put_list(*state, "bash", "/.\n/bin/sh\n");
	put_list(*state, "dash", "/.\n/bin/sh\n");
	put_list(*state, "apache2", "/.\n/usr/sbin/apache2\n");
	put_file(*state, "var/lib/dpkg/diversions",
		 "/bin/sh\n/bin/sh.distrib\ndash\n"
		 "/usr/sbin/apache2\n/usr/sbin/apache2.real\n:\n");
	/* what stands there is from the package that diverted it */
	expect(*state, "/bin/sh", "dash");
	expect(*state, "/bin/sh.distrib", "bash");
	/* and if that is the administrator, from no package */
	expect(*state, "/usr/sbin/apache2", NULL);
	expect(*state, "/usr/sbin/apache2.real", "apache2");
	/* a diversion told by the other name of a merged folder */
	put_link(*state, "bin", "usr/bin");
	expect(*state, "/usr/bin/sh", "dash");
	expect(*state, "/usr/bin/sh.distrib", "bash");
	expect(*state, "/usr/sbin/sshd", "openssh-server");
}

static void test_diverted_by_one_that_is_gone(void **state)
{
	put_list(*state, "perf", "/.\n/usr/bin/perf\n");
	put_file(*state, "var/lib/dpkg/diversions",
		 "/usr/bin/perf\n/usr/bin/perf.wrapper\nother\n");
	expect(*state, "/usr/bin/perf", NULL);
	expect(*state, "/usr/bin/perf.wrapper", "perf");
}

static void test_broken_diversions(void **state)
{
	put_dpkg(*state);
	put_file(*state, "var/lib/dpkg/diversions", "/bin/sh\n/bin/sh.distrib\n");
	expect_error(*state, "/usr/sbin/sshd", -EBADMSG);
	put_file(*state, "var/lib/dpkg/diversions", "bin/sh\n/bin/sh.distrib\ndash\n");
	expect_error(*state, "/usr/sbin/sshd", -EBADMSG);
}

static const char apk_database[] =
	"C:Q1abc=\nP:musl\nV:1.2.4-r2\nA:x86_64\nF:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\n"
	"Z:Q1xyz=\nF:usr\nF:usr/bin\n\n"
	"P:nginx\nV:1.24\nF:usr/sbin\nR:nginx\nF:etc/nginx\nM:0:0:755\nR:nginx.conf\n\n"
	"P:busybox\nF:bin\nR:busybox\nF:\nR:rootfile\n\n";

static void test_apk(void **state)
{
	put_file(*state, "lib/apk/db/installed", apk_database);
	expect(*state, "/lib/ld-musl-x86_64.so.1", "musl");
	expect(*state, "/usr/sbin/nginx", "nginx");
	expect(*state, "/bin/busybox", "busybox");
	expect(*state, "/rootfile", "busybox");
	expect(*state, "/usr/bin/busybox", NULL);
	expect(*state, "/usr/sbin", NULL);
	expect(*state, "/nginx", NULL);
}

static void test_apk_merged(void **state)
{
	put_file(*state, "usr/lib/apk/db/installed", apk_database);
	put_link(*state, "bin", "usr/bin");
	expect(*state, "/usr/bin/busybox", "busybox");
	expect(*state, "/bin/busybox", "busybox");
}

/* Fedora's package `dpkg` makes an empty database; a real one goes before. */
static void test_empty_dpkg_is_none(void **state)
{
	char full[512];

	make_folders(*state, "var/lib/dpkg/info/x", full);
	expect_error(*state, "/usr/sbin/nginx", -ENOTSUP);
	put_file(*state, "lib/apk/db/installed", apk_database);
	expect(*state, "/usr/sbin/nginx", "nginx");
}

static void test_no_database(void **state)
{
	expect_error(*state, "/usr/sbin/sshd", -ENOTSUP);
	/* a container's rpm database is not read, and its rpm never run */
	put_file(*state, "var/lib/rpm/rpmdb.sqlite", "SQLite format 3");
	expect_error(*state, "/usr/sbin/sshd", -ENOTSUP);
}

static void test_own_root_flag_is_checked(void **state)
{
	struct package_query q = {.path = "/usr/sbin/sshd"};
	const struct scratch *s = *state;
	struct err e = {0};

	put_file(s, "var/lib/rpm/rpmdb.sqlite", "SQLite format 3");
	assert_int_equal(package_find(s->fd, true, &q, 1, &e), -ENOTSUP);
}

static void test_bad_queries(void **state)
{
	put_dpkg(*state);
	expect_error(*state, "usr/sbin/sshd", -EINVAL);
	expect_error(*state, "", -EINVAL);
}

/* Could not look is not the same as no package. */
static void test_hostile_files(void **state)
{
	const struct scratch *s = *state;
	char outside[] = "/tmp/portero-outside-XXXXXX", full[512];
	int fd = mkstemp(outside);

	assert_true(fd >= 0);
	assert_true(write(fd, "/usr/bin/stolen\n", 16) == 16);
	close(fd);
	put_dpkg(s);
	put_link(s, "var/lib/dpkg/info/evil.list", outside);
	expect(s, "/usr/bin/stolen", NULL);
	make_folders(s, "var/lib/dpkg/info/fifo.list", full);
	assert_int_equal(mkfifo(full, 0600), 0);
	expect_error(s, "/usr/bin/stolen", -EINVAL);
	assert_int_equal(unlink(full), 0);
	put_list(s, "huge", "/usr/bin/huge\n");
	snprintf(full, sizeof(full), "%s/var/lib/dpkg/info/huge.list", s->path);
	assert_int_equal(truncate(full, 64 << 20), 0);
	expect_error(s, "/usr/bin/huge", -EFBIG);
	unlink(outside);
}

static void test_link_out_of_the_root(void **state)
{
	put_link(*state, "var/lib/dpkg", "/../../../../../var/lib/dpkg");
	/* the link stays below the root, where it leads to itself */
	expect_error(*state, "/bin/sh", -ELOOP);
}

static size_t answered(const struct package_query *q, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += q[i].package != NULL;
	return n;
}

static void free_answers(struct package_query *q, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(q[i].package);
		q[i].package = NULL;
	}
}

/* A heap copy of the first bytes, so that an overrun is seen. */
static char *beginning(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	return copy;
}

static void test_apk_truncated(void **state)
{
	size_t before = 0;

	(void)state;
	for (size_t len = 0; len <= sizeof(apk_database) - 1; len++) {
		struct package_query q[] = {{.path = "/usr/sbin/nginx"}, {.path = "/bin/busybox"}};
		struct package_wanted w;
		char *text = beginning(apk_database, len);

		package_wanted_init(&w, q, 2);
		for (uint32_t i = 0; i < 2; i++)
			package_wanted_add(&w, q[i].path, strlen(q[i].path), i, NULL, NULL);
		assert_int_equal(package_apk_match(&w, text, len), 0);
		assert_int_equal(answered(q, 2), 2 - w.open_count);
		assert_true(answered(q, 2) >= before);
		before = answered(q, 2);
		free_answers(q, 2);
		package_wanted_done(&w);
		free(text);
	}
	assert_int_equal(before, 2);
}

static void test_diversions_truncated(void **state)
{
	static const char text[] = "/bin/sh\n/bin/sh.distrib\ndash\n/a\n/b\n:\n";

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		struct package_query q = {.path = "/bin/sh"};
		struct package_wanted w;
		char *copy = beginning(text, len);
		int r;

		package_wanted_init(&w, &q, 1);
		r = package_dpkg_add_lines(&w, copy, len);
		if (r == 0 && len >= 29) {
			assert_int_equal(package_dpkg_match_list(&w, "/bin/sh", 7, "bash", 4), 0);
			assert_null(q.package);
		}
		assert_true(r == 0 || r == -EBADMSG);
		free(q.package);
		package_wanted_done(&w);
		free(copy);
	}
}

#define END	"file /proc/self/status is not owned by any package\n"
#define NOT(p)	"file " p " is not owned by any package\n"
#define CONTROL "rpm\n" END

static void expect_rpm(const char *text, int code, const char *first, const char *second)
{
	struct package_query q[] = {{.path = "/a"}, {.path = "/b"}};

	assert_int_equal(package_rpm_parse(text, strlen(text), q, 2), code);
	if (code == 0) {
		assert_true(!q[0].package == !first);
		assert_true(!q[1].package == !second);
		if (first)
			assert_string_equal(q[0].package, first);
		if (second)
			assert_string_equal(q[1].package, second);
	}
	free_answers(q, 2);
}

static void test_rpm_answers(void **state)
{
	(void)state;
	expect_rpm("openssh-server\n" END "nginx-core\n" END CONTROL, 0, "openssh-server",
		   "nginx-core");
	expect_rpm(NOT("/a") END "nginx\n" END CONTROL, 0, NULL, "nginx");
	/* nothing on standard output: the file is not there any more */
	expect_rpm(END END CONTROL, 0, NULL, NULL);
	expect_rpm("file /a: No such file or directory\n" END END CONTROL, 0, NULL, NULL);
	/* several owners: one for each architecture */
	expect_rpm("glibc\nglibc\n" END NOT("/b") END CONTROL, 0, "glibc", NULL);
	/* rpm itself has no owner: then the database was not read */
	expect_rpm(NOT("/a") END NOT("/b") END NOT("/usr/bin/rpm") END, -EBADMSG, NULL, NULL);
	expect_rpm("nginx\n" END CONTROL, -EBADMSG, NULL, NULL);
	expect_rpm("nginx\n" END END END CONTROL, -EBADMSG, NULL, NULL);
	expect_rpm("error: rpmdb open failed\n" END END CONTROL, -EBADMSG, NULL, NULL);
	expect_rpm("", -EBADMSG, NULL, NULL);
}

static void test_rpm_truncated(void **state)
{
	static const char text[] = "openssh-server\n" END NOT("/b") END CONTROL;

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 2; len++) {
		struct package_query q[] = {{.path = "/a"}, {.path = "/b"}};
		char *copy = beginning(text, len);

		assert_int_equal(package_rpm_parse(copy, len, q, 2), -EBADMSG);
		free_answers(q, 2);
		free(copy);
	}
}

static void put_tool(const struct scratch *s, const char *script, char path[512])
{
	put_file(s, "rpm", script);
	snprintf(path, 512, "%s/rpm", s->path);
	assert_int_equal(chmod(path, 0700), 0);
}

/* A stand-in that answers as rpm does, from its arguments alone. */
static const char tool[] = "#!/bin/sh\n"
			   "[ -z \"$HOME$LANG$USER\" ] && [ \"$(pwd)\" = / ] || exit 1\n"
			   "[ \"$1 $2 $3 $4\" = '-q -f --queryformat %{NAME}\\n' ] || exit 1\n"
			   "shift 4\n"
			   "for path; do case $path in\n"
			   "/usr/sbin/sshd) echo openssh-server ;;\n"
			   "/proc/*|/opt/*) echo \"file $path is not owned by any package\" ;;\n"
			   "*/rpm) echo rpm ;;\n"
			   "*) echo \"error: file $path: No such file or directory\" >&2 ;;\n"
			   "esac; done\n"
			   "exit 3\n";

static void test_rpm_run(void **state)
{
	struct package_query q[] = {{.path = "/opt/x"},
				    {.path = "/usr/sbin/sshd"},
				    {.path = "/gone"},
				    {.path = "/opt/a\nfile /proc/self/status is not owned by any "
					     "package\nfake"},
				    {.path = "/usr/sbin/sshd"}};
	char path[512];

	put_tool(*state, tool, path);
	assert_int_equal(package_rpm_find(path, 5000, q, 5), 0);
	assert_null(q[0].package);
	assert_string_equal(q[1].package, "openssh-server");
	assert_null(q[2].package);
	assert_null(q[3].package);
	assert_string_equal(q[4].package, "openssh-server");
	free_answers(q, 5);
}

static void test_rpm_that_hangs_or_floods(void **state)
{
	struct package_query q = {.path = "/usr/sbin/sshd"};
	struct timespec before, after;
	char path[512];

	put_tool(*state, "#!/bin/sh\nexec sleep 60\n", path);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(package_rpm_find(path, 200, &q, 1), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 10);
	put_tool(*state, "#!/bin/sh\nexec cat /dev/zero\n", path);
	assert_int_equal(package_rpm_find(path, 20000, &q, 1), -EFBIG);
	put_tool(*state, "#!/bin/sh\nexit 0\n", path);
	assert_int_equal(package_rpm_find(path, 5000, &q, 1), -EBADMSG);
	assert_int_equal(package_rpm_find("/nonexistent/rpm", 5000, &q, 1), -ENOENT);
	assert_int_equal(package_rpm_find(path, 5000, &q, PACKAGE_RPM_PATH_LIMIT + 1), -E2BIG);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(test_dpkg),
		IN_SCRATCH(test_all_in_one_pass),
		IN_SCRATCH(test_many_lists),
		IN_SCRATCH(test_merged_usr),
		IN_SCRATCH(test_diversions),
		IN_SCRATCH(test_diverted_by_one_that_is_gone),
		IN_SCRATCH(test_broken_diversions),
		IN_SCRATCH(test_apk),
		IN_SCRATCH(test_apk_merged),
		IN_SCRATCH(test_empty_dpkg_is_none),
		IN_SCRATCH(test_no_database),
		IN_SCRATCH(test_own_root_flag_is_checked),
		IN_SCRATCH(test_bad_queries),
		IN_SCRATCH(test_hostile_files),
		IN_SCRATCH(test_link_out_of_the_root),
		cmocka_unit_test(test_apk_truncated),
		cmocka_unit_test(test_diversions_truncated),
		cmocka_unit_test(test_rpm_answers),
		cmocka_unit_test(test_rpm_truncated),
		IN_SCRATCH(test_rpm_run),
		IN_SCRATCH(test_rpm_that_hangs_or_floods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
