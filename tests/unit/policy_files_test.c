/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_files: which files of the folder are read, and which are not, and why. */
#include "observe/policy_files.h"
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
	char path[64];
	struct policy_files files;
	struct policy_problems problems;
	struct err e;
};

static int make_folder(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->path, "/tmp/portero-policy-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	*state = f;
	return 0;
}

static int remove_folder(void **state)
{
	struct folder *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", f->path);
	assert_int_equal(system(command), 0);
	policy_files_done(&f->files);
	policy_problems_done(&f->problems);
	free(f);
	return 0;
}

static void put(const struct folder *f, const char *name, const char *text, mode_t mode)
{
	int dir = open(f->path, O_RDONLY | O_DIRECTORY);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	close(dir);
}

static int read_folder(struct folder *f)
{
	return policy_files_read(f->path, &f->files, &f->problems, &f->e);
}

static const char *problem(const struct folder *f, size_t index)
{
	static char text[512];
	const struct policy_problem *p = &f->problems.items[index];

	assert_true(index < f->problems.count);
	snprintf(text, sizeof(text), "%s %s: %s", p->is_error ? "error" : "warning",
		 policy_problems_text(&f->problems, p->place.file_str),
		 policy_problems_text(&f->problems, p->text_str));
	return text;
}

static void test_order(void **state)
{
	struct folder *f = *state;

	put(f, "20-b.yaml", "b", 0644);
	put(f, "10-a.yaml", "a\n", 0600);
	put(f, "9.yaml", "", 0444);
	put(f, ".hidden.yaml", "x", 0644);
	put(f, "10-a.yaml~", "x", 0644);
	put(f, "README", "x", 0644);
	put(f, ".yaml", "x", 0644);
	put(f, "30.YAML", "x", 0644);
	assert_int_equal(read_folder(f), 0);
	assert_int_equal(f->problems.count, 0);
	assert_int_equal(f->files.count, 3);
	assert_string_equal(policy_files_name(&f->files, 0), "10-a.yaml");
	assert_string_equal(policy_files_name(&f->files, 1), "20-b.yaml");
	assert_string_equal(policy_files_name(&f->files, 2), "9.yaml");
	assert_int_equal(f->files.files[0].len, 2);
	assert_memory_equal(policy_files_text(&f->files, 0), "a\n", 2);
	assert_memory_equal(policy_files_text(&f->files, 1), "b", 1);
	assert_int_equal(f->files.files[2].len, 0);
}

static void test_links(void **state)
{
	struct folder *f = *state;
	char path[128];

	put(f, "real", "text", 0644);
	snprintf(path, sizeof(path), "%s/a.yaml", f->path);
	assert_int_equal(symlink("real", path), 0);
	snprintf(path, sizeof(path), "%s/b.yaml", f->path);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_equal(read_folder(f), 0);
	assert_int_equal(f->files.count, 1);
	assert_memory_equal(policy_files_text(&f->files, 0), "text", 4);
	assert_int_equal(f->problems.error_count, 1);
	assert_non_null(strstr(problem(f, 0), "error b.yaml: this file cannot be read: No such"));
}

static void test_others_may_write(void **state)
{
	struct folder *f = *state;
	char path[128];

	put(f, "a.yaml", "a", 0646);
	put(f, "b.yaml", "b", 0644);
	assert_int_equal(read_folder(f), 0);
	assert_int_equal(f->files.count, 1);
	assert_non_null(strstr(problem(f, 0), "error a.yaml: others than root may change"));
	if (geteuid() != 0) /* a file of somebody else takes root */
		return;
	snprintf(path, sizeof(path), "%s/b.yaml", f->path);
	assert_int_equal(chown(path, 65534, 0), 0);
	policy_files_done(&f->files);
	assert_int_equal(read_folder(f), 0);
	assert_int_equal(f->files.count, 0);
	assert_int_equal(chown(path, 0, 65534), 0);
	policy_files_done(&f->files);
	assert_int_equal(read_folder(f), 0);
	assert_int_equal(f->files.count, 1); /* the group may not write */
	assert_int_equal(chmod(path, 0664), 0);
	policy_files_done(&f->files);
	assert_int_equal(read_folder(f), 0);
	assert_int_equal(f->files.count, 0);
}

static void test_open_folder(void **state)
{
	struct folder *f = *state;

	put(f, "a.yaml", "a", 0644);
	assert_int_equal(chmod(f->path, 0777), 0);
	assert_int_equal(read_folder(f), -EPERM);
	assert_non_null(strstr(f->e.msg, "chmod 755"));
}

static void test_yml(void **state)
{
	struct folder *f = *state;

	put(f, "a.yml", "a", 0644);
	assert_int_equal(read_folder(f), -ENOENT);
	assert_non_null(strstr(f->e.msg, "rename them"));
	put(f, "b.yaml", "b", 0644);
	policy_files_done(&f->files);
	assert_int_equal(read_folder(f), 0);
	assert_int_equal(f->files.count, 1);
	assert_int_equal(f->problems.error_count, 0);
	assert_non_null(strstr(problem(f, 0), "warning a.yml: this file is not read"));
}

/* Neither blocks, nor is read. */
static void test_no_files(void **state)
{
	struct folder *f = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/a.yaml", f->path);
	assert_int_equal(mkfifo(path, 0644), 0);
	snprintf(path, sizeof(path), "%s/b.yaml", f->path);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/c.yaml", f->path);
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_int_equal(read_folder(f), 0);
	assert_int_equal(f->files.count, 0);
	assert_int_equal(f->problems.error_count, 3);
}

static void test_large(void **state)
{
	struct folder *f = *state;
	char path[128];

	put(f, "a.yaml", "", 0644);
	snprintf(path, sizeof(path), "%s/a.yaml", f->path);
	assert_int_equal(truncate(path, POLICY_FILE_LIMIT), 0);
	assert_int_equal(read_folder(f), 0);
	assert_int_equal(f->files.files[0].len, POLICY_FILE_LIMIT);
	assert_int_equal(truncate(path, POLICY_FILE_LIMIT + 1), 0);
	policy_files_done(&f->files);
	assert_int_equal(read_folder(f), 0);
	assert_int_equal(f->files.count, 0);
	assert_non_null(strstr(problem(f, 0), "too large"));
}

static void test_missing(void **state)
{
	struct policy_files files;
	struct policy_problems problems = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(policy_files_read("/nowhere/at/all", &files, &problems, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "portero policy init"));
	assert_int_equal(policy_files_read("/dev/null", &files, &problems, &e), -ENOTDIR);
	policy_files_done(&files);
	policy_problems_done(&problems);
}

static void test_empty(void **state)
{
	struct folder *f = *state;

	assert_int_equal(read_folder(f), -ENOENT);
	assert_non_null(strstr(f->e.msg, "portero policy init"));
}

#define FOLDER_TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(test_order),
		FOLDER_TEST(test_links),
		FOLDER_TEST(test_others_may_write),
		FOLDER_TEST(test_open_folder),
		FOLDER_TEST(test_yml),
		FOLDER_TEST(test_no_files),
		FOLDER_TEST(test_large),
		FOLDER_TEST(test_empty),
		cmocka_unit_test(test_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
