/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * change: makes changes of the firewall as `portero apply` does, for the tests of what becomes of
 * them when it is killed, or when nobody confirms them.
 *
 * - change apply DIR SCRIPT SECONDS [FILE CONTENT]...: keeps the script as a new state, arms,
 * writes the files (content "-": removes them), loads, and prints "state N"
 * - change arm DIR SCRIPT SECONDS: the same, and stands still before it loads, with the lock
 * - change lock DIR: takes the lock, prints "locked", and stands still
 * - change load SCRIPT: firewall_load(), and nothing else
 * - change remove: firewall_remove()
 * - change log OPTION...: portero policy log
 * - change rollback --when-due --state-dir=DIR: it is its own undo process, as portero is
 */
#include "base/file.h"
#include "base/mem.h"
#include "cli/policy_log.h"
#include "enforce/firewall.h"
#include "enforce/rollback.h"
#include "enforce/state_store.h"
#include "enforce/undo_process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 8 };

static int fail(const char *what, const struct err *e)
{
	fprintf(stderr, "%s: %s\n", what, e->msg);
	return 2;
}

static int write_files(int count, char **pairs)
{
	for (int i = 0; i + 1 < count; i += 2) {
		FILE *f;

		if (strcmp(pairs[i + 1], "-") == 0) {
			unlink(pairs[i]);
			continue;
		}
		f = fopen(pairs[i], "we");
		if (!f || fputs(pairs[i + 1], f) < 0 || fclose(f) != 0)
			return -1;
	}
	return 0;
}

static int change(struct states *s, int argc, char **argv, bool stop)
{
	struct buf cleanup_call(buf_done) script = {0};
	const char *files[FILES];
	struct state_wish wish = {.why = "a test", .command = "change apply"};
	struct rollback_wish rollback = {.window_s = (uint32_t)strtoul(argv[4], NULL, 10),
					 .files = files,
					 .why = "a test",
					 .command = "change apply"};
	struct rollback cleanup_call(rollback_done) c = {0};
	struct rollback_end end;
	struct err e = {0};

	if (file_read_at(AT_FDCWD, argv[3], 64 << 20, &script) < 0)
		return fail(argv[3], &e);
	wish.script = buf_text(&script);
	wish.script_len = script.len;
	for (int i = 5; i + 1 < argc && rollback.file_count < FILES; i += 2)
		files[rollback.file_count++] = argv[i];
	if (rollback_settle(s, &end, &e) < 0)
		return fail("settle", &e);
	if (state_add(s, &wish, &rollback.state, &e) < 0)
		return fail("add", &e);
	if (rollback_arm(s, &rollback, &c, &e) < 0) {
		state_remove(s, rollback.state);
		return fail("arm", &e);
	}
	if (write_files(argc - 5, argv + 5) < 0) {
		rollback_disarm(s, &c);
		return fail("files", &e);
	}
	if (stop) {
		puts("armed");
		fflush(stdout);
		pause();
	}
	if (rollback_load(s, &c, &e) < 0) {
		state_remove(s, rollback.state);
		return fail("load", &e);
	}
	printf("state %u\n", (unsigned)rollback.state);
	return 0;
}

static int change_state(int argc, char **argv)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	struct err e = {0};

	if (states_open(&s, argv[2], true, &e) < 0 || states_lock(&s, &e) < 0)
		return fail(argv[1], &e);
	if (strcmp(argv[1], "lock") == 0) {
		puts("locked");
		fflush(stdout);
		pause();
		return 0;
	}
	return change(&s, argc, argv, strcmp(argv[1], "arm") == 0);
}

static int load(const char *path)
{
	struct buf cleanup_call(buf_done) script = {0};
	struct err e = {0};

	if (file_read_at(AT_FDCWD, path, 64 << 20, &script) < 0)
		return fail(path, &e);
	return firewall_load(buf_text(&script), script.len, &e) < 0 ? fail("load", &e) : 0;
}

static int tell_log(int argc, char **argv)
{
	struct options o;
	struct err e = {0};
	int code = options_parse(argc - 1, argv + 1, &o, &e);

	code = code < 0 ? fail("log", &e) : policy_log(&o);
	free(o.words);
	return code;
}

int main(int argc, char **argv)
{
	static const char option[] = "--state-dir=";
	struct err e = {0};

	if (argc == 4 && strcmp(argv[1], "rollback") == 0)
		return undo_process_run(argv[3] + strlen(option), &e) < 0 ? fail("run", &e) : 0;
	if (argc >= 2 && strcmp(argv[1], "log") == 0)
		return tell_log(argc, argv);
	if (argc == 3 && strcmp(argv[1], "load") == 0)
		return load(argv[2]);
	if (argc == 2 && strcmp(argv[1], "remove") == 0)
		return firewall_remove(&e) < 0 ? fail("remove", &e) : 0;
	if (argc >= 5 || (argc == 3 && strcmp(argv[1], "lock") == 0))
		return change_state(argc, argv);
	return 2;
}
