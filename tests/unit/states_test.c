/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * states, state_store, pending, pending_files, change_log: what is on the disk is the old or the
 * new, wherever whoever writes it is killed, and whichever write fails.
 */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"
#include "crash.h"
#include "enforce/change_log.h"
#include "enforce/pending.h"
#include "enforce/pending_files.h"
#include "enforce/state_store.h"
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CALLS_LIMIT = 5000 };

static char dir[64], state_dir[96];

static int make_dir(void **state)
{
	(void)state;
	/* in memory: thousands of files are written out, and when they are is not the matter */
	snprintf(dir, sizeof(dir), "%s/portero-unit-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(dir))
		return -1;
	snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return save_remove(AT_FDCWD, dir);
}

static void open_all(struct states *s)
{
	struct err e = {0};

	assert_int_equal(states_open(s, state_dir, true, &e), 0);
	assert_int_equal(states_lock(s, &e), 0);
}

static const char *script_of(uint32_t number)
{
	static char text[128];

	snprintf(text, sizeof(text), "table inet portero { comment \"%u\" }\n", (unsigned)number);
	return text;
}

static int add(const struct states *s, uint32_t expected)
{
	const struct state_file files[] = {{"a.yaml", "openings: []\n", 13}, {"b.yaml", "", 0}};
	struct state_wish wish = {.script = script_of(expected),
				  .script_len = strlen(script_of(expected)),
				  .files = files,
				  .file_count = 2,
				  .why = "why\x1b not",
				  .command = "test"};
	uint32_t number = 0;
	struct err e;
	int r = state_add(s, &wish, &number, &e);

	return r < 0 ? r : number == expected ? 0 : -EBADMSG;
}

static void assert_state(const struct states *s, uint32_t number)
{
	struct buf cleanup_call(buf_done) script = {0};
	struct state_info info;
	struct err e = {0};

	assert_int_equal(state_read_script(s, number, &script, &e), 0);
	assert_string_equal(buf_text(&script), script_of(number));
	assert_int_equal(state_read(s, number, &info, &e), 0);
	assert_int_equal(info.number, number);
	assert_string_equal(info.why, "why\\x1b not");
}

static void test_states(void **state)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	struct buf cleanup_call(buf_done) script = {0};
	uint32_t number = 9;
	struct state_info info;
	struct err e = {0};
	struct stat st;

	(void)state;
	open_all(&s);
	assert_int_equal(states_confirmed(&s, &number, &e), 0);
	assert_int_equal(number, 0);
	assert_int_equal(state_read(&s, 1, &info, &e), -ENOENT);
	assert_int_equal(state_read_script(&s, 0, &script, &e), 0);
	assert_int_equal(script.len, 0);
	assert_int_equal(add(&s, 1), 0);
	assert_int_equal(add(&s, 2), 0);
	assert_state(&s, 1);
	assert_state(&s, 2);
	assert_int_equal(state_before(&s, 2, &number, &e), 0);
	assert_int_equal(number, 1);
	assert_int_equal(state_before(&s, 1, &number, &e), 0);
	assert_int_equal(number, 0);
	assert_int_equal(fstatat(s.dir_fd, "states/000001/ruleset.nft", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fstatat(s.dir_fd, "states/000001/policy", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(state_read(&s, 2, &info, &e), 0);
	assert_true(info.unconfirmed);
	state_set_confirmed(&s, 2);
	assert_int_equal(state_read(&s, 2, &info, &e), 0);
	assert_false(info.unconfirmed);
	assert_int_equal(states_make_confirmed(&s, 2, &e), 0);
	assert_int_equal(states_confirmed(&s, &number, &e), 0);
	assert_int_equal(number, 2);
	state_remove(&s, 2);
	assert_int_equal(add(&s, 2), 0);
}

static void test_damage_is_seen(void **state)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	struct buf cleanup_call(buf_done) script = {0};
	struct err e = {0};

	(void)state;
	open_all(&s);
	assert_int_equal(add(&s, 1), 0);
	assert_int_equal(save_at(s.dir_fd, "states/000001/../x", "", 0, 0600), -ENOENT);
	save_remove(s.dir_fd, "states/000001/ruleset.nft");
	assert_int_equal(state_read_script(&s, 1, &script, &e), -ENOENT);
	assert_int_equal(save_new_at(s.dir_fd, "states/000001/ruleset.nft", "x\n", 2, 0600), 0);
	assert_int_equal(state_read_script(&s, 1, &script, &e), -EBADMSG);
	assert_int_equal(script.len, 0);
}

static void test_others_may_not_write(void **state)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	struct err e = {0};

	(void)state;
	assert_int_equal(mkdir(state_dir, 0700), 0);
	assert_int_equal(chmod(state_dir, 0770), 0);
	assert_int_equal(states_open(&s, state_dir, true, &e), -EPERM);
	assert_non_null(strstr(e.msg, "chmod"));
	states_close(&s);
	assert_int_equal(chmod(state_dir, 0755), 0);
	assert_int_equal(states_open(&s, state_dir, true, &e), 0);
}

static void test_one_at_a_time(void **state)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	struct states cleanup_call(states_close) other = {.dir_fd = -1, .lock_fd = -1};
	struct err e = {0};
	char pid[32];

	(void)state;
	open_all(&s);
	assert_int_equal(states_open(&other, state_dir, true, &e), 0);
	assert_int_equal(states_lock(&other, &e), -EBUSY);
	snprintf(pid, sizeof(pid), "(pid %d, since ", (int)getpid());
	assert_non_null(strstr(e.msg, pid));
	assert_int_equal(states_break_lock(&other), -ESRCH); /* that would be this process */
	states_unlock(&s);
	assert_int_equal(states_lock(&other, &e), 0);
}

static void test_old_ones_go(void **state)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	const struct state_keep keep = {{3, 7}};
	uint32_t cleanup_free *numbers = NULL;
	size_t count;
	struct err e = {0};

	(void)state;
	open_all(&s);
	for (uint32_t i = 1; i <= STATES_KEPT + 10; i++)
		assert_int_equal(add(&s, i), 0);
	state_prune(&s, &keep);
	assert_int_equal(state_list(&s, &numbers, &count, &e), 0);
	assert_int_equal(count, STATES_KEPT + 4);
	assert_int_equal(numbers[0], 2);
	assert_int_equal(numbers[1], 3);
	assert_int_equal(numbers[2], 6);
	assert_int_equal(numbers[3], 7);
	assert_int_equal(numbers[4], 11);
	assert_int_equal(numbers[count - 1], STATES_KEPT + 10);
}

/* --- cut short ----------------------------------------------------------------------------------
 */

/* A step that is tried at every point, what must hold after it, and that it can be done again. */
struct step {
	int (*work)(void *context);
	void (*check)(const struct states *s, bool whole);
};

static void prepare(struct states *s)
{
	void *none = NULL;

	assert_int_equal(make_dir(&none), 0);
	open_all(s);
}

static void finish(struct states *s)
{
	void *none = NULL;

	states_close(s);
	assert_int_equal(remove_dir(&none), 0);
}

static void try_every_point(const struct step *step, int error)
{
	int end = 0;

	for (unsigned at = 1; end != CRASH_THROUGH; at++) {
		const struct crash crash = {at, error};
		struct states s = {.dir_fd = -1, .lock_fd = -1};

		assert_true(at < CALLS_LIMIT);
		prepare(&s);
		assert_int_equal(add(&s, 1), 0);
		end = crash_run(step->work, &s, &crash);
		if (end == CRASH_UNABLE) {
			finish(&s);
			skip();
		}
		/* with an error, it must tell it by its result, or have come through */
		step->check(&s, end == CRASH_THROUGH || end == 0);
		assert_int_equal(step->work(&s), 0);
		step->check(&s, true);
		finish(&s);
	}
}

static void try_step(const struct step *step)
{
	void *none = NULL;

	remove_dir(&none);
	try_every_point(step, 0);
	if (CRASH_CAN_FAIL) {
		try_every_point(step, ENOSPC);
		try_every_point(step, EIO);
	}
	make_dir(&none);
}

static int work_add(void *context)
{
	const struct states *s = context;
	uint32_t cleanup_free *numbers = NULL;
	size_t count;
	struct err e;
	int r = state_list(s, &numbers, &count, &e);

	/* done again, there may be one more already */
	return r < 0 ? r : add(s, numbers[count - 1] + 1);
}

static void check_add(const struct states *s, bool whole)
{
	uint32_t cleanup_free *numbers = NULL;
	size_t count;
	struct err e;

	assert_int_equal(state_list(s, &numbers, &count, &e), 0);
	assert_in_range(count, whole ? 2 : 1, 3);
	for (size_t i = 0; i < count; i++)
		assert_state(s, numbers[i]);
}

static void test_add_cut_short(void **state)
{
	(void)state;
	try_step(&(struct step){work_add, check_add});
}

static int work_confirm(void *context)
{
	struct err e;

	return states_make_confirmed(context, 1, &e);
}

static void check_confirm(const struct states *s, bool whole)
{
	uint32_t number = 9;
	struct err e;

	assert_int_equal(states_confirmed(s, &number, &e), 0);
	assert_in_range(number, whole ? 1 : 0, 1);
}

static void test_confirm_cut_short(void **state)
{
	(void)state;
	try_step(&(struct step){work_confirm, check_confirm});
}

static void policy_path(const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", dir, name);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t put = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return put == (ssize_t)strlen(text) ? 0 : -1;
}

/* What portero open does before it writes: one file is there, one is not. */
static int work_pending(void *context)
{
	struct pending cleanup_call(pending_done) p = {0};
	char path[128];
	struct err e;
	int r;

	policy_path("there.yaml", path, sizeof(path));
	r = write_file(path, "there") < 0 ? -EIO : pending_begin(&p, &e);
	pending_set_deadline(&p, 60, 0);
	p.state = 1;
	if (r == 0)
		r = pending_note_file(&p, path, &e);
	policy_path("absent.yaml", path, sizeof(path));
	if (r == 0)
		r = pending_note_file(&p, path, &e);
	return r < 0 ? r : pending_write(context, &p, &e);
}

static void check_pending(const struct states *s, bool whole)
{
	struct pending cleanup_call(pending_done) p = {0};
	struct err e;
	int r = pending_read(s, &p, &e);

	assert_in_range(r, whole ? 1 : 0, 1);
	if (r == 1) {
		assert_int_equal(p.state, 1);
		assert_int_equal(p.file_count, 2);
		assert_true(pending_is_here(&p));
		assert_false(pending_is_of_old_boot(&p));
	}
}

static void test_pending_cut_short(void **state)
{
	(void)state;
	try_step(&(struct step){work_pending, check_pending});
}

static int work_log(void *context)
{
	change_log_add(context, CHANGE_APPLY, 1, 1, "because", "test");
	return 0;
}

static void check_log(const struct states *s, bool whole)
{
	struct change_entry cleanup_free *entries = NULL;
	size_t count = 99;
	struct err e;

	(void)whole; /* a line that cannot be written is lost */
	assert_int_equal(change_log_read(s, 100, &entries, &count, &e), 0);
	assert_in_range(count, 0, 2);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(entries[i].why, "because");
}

static void test_log_cut_short(void **state)
{
	(void)state;
	try_step(&(struct step){work_log, check_log});
}

/* --- files of the policy ------------------------------------------------------------------------
 */

static void write_text(const char *name, const char *text)
{
	char path[128];

	policy_path(name, path, sizeof(path));
	assert_int_equal(write_file(path, text), 0);
}

/* NULL: it is not to be there */
static void assert_text(const char *name, const char *text)
{
	struct buf cleanup_call(buf_done) is = {0};
	char path[128];
	int r;

	policy_path(name, path, sizeof(path));
	r = file_read_at(AT_FDCWD, path, 1000, &is);
	assert_int_equal(r, text ? 0 : -ENOENT);
	if (text)
		assert_string_equal(buf_text(&is), text);
}

static void note(struct pending *p, const char *name)
{
	char path[128];
	struct err e = {0};

	policy_path(name, path, sizeof(path));
	assert_int_equal(pending_note_file(p, path, &e), 0);
}

static void test_files_come_back(void **state)
{
	struct pending cleanup_call(pending_done) p = {0};
	struct err e = {0};
	struct stat before, after;
	char path[128];

	(void)state;
	assert_int_equal(pending_begin(&p, &e), 0);
	write_text("one.yaml", "one");
	write_text(".one.yaml.undo-0123456789abcdef0123456789abcdef", "of one who was killed");
	policy_path("one.yaml", path, sizeof(path));
	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(stat(path, &before), 0);
	note(&p, "one.yaml");
	note(&p, "two.yaml");
	note(&p, "one.yaml");
	assert_int_equal(p.file_count, 2);
	assert_text(".one.yaml.undo-0123456789abcdef0123456789abcdef", NULL);
	write_text("one.yaml", "changed");
	write_text("two.yaml", "new");
	note(&p, "one.yaml"); /* it keeps its first copy */
	assert_int_equal(pending_restore_files(&p, 0, &e), 0);
	assert_text("one.yaml", "one");
	assert_text("two.yaml", NULL);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_mode, before.st_mode);
	/* once more, as after a kill in between */
	assert_int_equal(pending_restore_files(&p, 0, &e), 0);
	assert_text("one.yaml", "one");
	pending_drop_copies(&p, 0);
}

static void test_links_are_refused(void **state)
{
	struct pending cleanup_call(pending_done) p = {0};
	struct err e = {0};
	char path[128];

	(void)state;
	assert_int_equal(pending_begin(&p, &e), 0);
	policy_path("link.yaml", path, sizeof(path));
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(pending_note_file(&p, path, &e), -ELOOP);
	assert_int_equal(pending_note_file(&p, "relative.yaml", &e), -EINVAL);
	assert_int_equal(p.file_count, 0);
}

static void test_pending_of_every_length(void **state)
{
	struct pending cleanup_call(pending_done) p = {0}, same = {0};
	struct err e = {0};
	char cleanup_free *text = NULL;

	(void)state;
	assert_int_equal(pending_begin(&p, &e), 0);
	p.state = 13;
	p.previous = 12;
	pending_set_deadline(&p, 120, 0);
	note(&p, "x.yaml");
	text = pending_format(&p);
	assert_non_null(text);
	for (size_t len = 0; len < strlen(text) - 1; len++) {
		char cleanup_free *part = unit_copy(text, len);

		assert_int_equal(pending_parse(part, len, &same), -EBADMSG);
	}
	assert_int_equal(pending_parse(text, strlen(text), &same), 0);
	assert_int_equal(same.state, 13);
	assert_int_equal(same.previous, 12);
	assert_int_equal(same.deadline_ms, p.deadline_ms);
	assert_string_equal(same.id, p.id);
	assert_string_equal(same.files[0].path, p.files[0].path);
	assert_in_range(pending_left_ms(&same), 100000, 120000);
}

static void test_log(void **state)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	struct change_entry cleanup_free *entries = NULL;
	size_t count = 0;
	struct err e = {0};

	(void)state;
	open_all(&s);
	for (uint32_t i = 1; i <= 5; i++)
		change_log_add(&s, CHANGE_CONFIRM, i, i, "\"quoted\" \x1b[31m \xff", NULL);
	assert_int_equal(change_log_read(&s, 3, &entries, &count, &e), 0);
	assert_int_equal(count, 3);
	assert_int_equal(entries[0].state, 3);
	assert_int_equal(entries[2].state, 5);
	assert_int_equal(entries[2].what, CHANGE_CONFIRM);
	assert_string_equal(entries[2].why, "\"quoted\" \\x1b[31m \\xff");
	assert_true(entries[2].time_s <= time(NULL) && entries[2].time_s > time(NULL) - 60);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		TEST(test_states),
		TEST(test_damage_is_seen),
		TEST(test_others_may_not_write),
		TEST(test_one_at_a_time),
		TEST(test_old_ones_go),
		TEST(test_add_cut_short),
		TEST(test_confirm_cut_short),
		TEST(test_pending_cut_short),
		TEST(test_log_cut_short),
		TEST(test_files_come_back),
		TEST(test_links_are_refused),
		TEST(test_pending_of_every_length),
		TEST(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
