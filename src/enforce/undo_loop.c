/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * undo_loop: what the undo process does. It holds nothing that another one needs but its own lock,
 * looks at pending.json once a second, and asks the machine's clock since its start (which counts
 * while it sleeps, and which nobody can set) whether the time is over.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/save.h"
#include "enforce/rollback.h"
#include "enforce/rollback_steps.h"
#include "enforce/undo_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LOOK_MS = 1000,
	LOCK_STEP_MS = 50,
	OWN_LOCK_MS = 2000, /* others look for a moment whether it is taken */
	RETRY_MS = 5000,    /* after an undo that failed; twice as long each time */
	RETRY_LIMIT_MS = 300000,
	PATIENCE_MS = 10000, /* with who has the lock when the time is over */
};

/* So that the kernel, short of memory, ends others. */
static void stay_alive(void)
{
	int cleanup_close fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "-1000", 5) < 0)
		return; /* without the privilege it takes its chances */
}

/* The lock that tells that this process is there: a descriptor; -EALREADY: there is one. */
static int take_own_lock(const struct states *s, struct err *e)
{
	int fd = openat(s->dir_fd, "undo.lock", O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return states_fail(s, -errno, "undo.lock", e);
	for (int ms = 0; ms < OWN_LOCK_MS; ms += LOCK_STEP_MS) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		poll(NULL, 0, LOCK_STEP_MS);
	}
	close(fd);
	return -EALREADY;
}

/* Milliseconds until the time is over; 0: it is; -ENODATA: nothing is pending. */
static int64_t look(const struct states *s)
{
	struct pending cleanup_call(pending_done) p = {0};
	struct err ignored;
	int r = pending_read(s, &p, &ignored);
	int64_t left;

	if (r == 0)
		return -ENODATA;
	if (r < 0)
		return r == -EBADMSG ? 0 : LOOK_MS; /* it cannot be read now */
	left = pending_left_ms(&p);
	return left > 0 ? left : 0;
}

/*
 * The lock of all changes, when the time is over. Whoever has it then had all the time that it
 * asked for, and stands still, or is being slow: after some patience it is ended.
 */
static int take_lock(struct states *s, struct err *e)
{
	int r = states_try_lock(s, e);

	for (int ms = 0; r == -EBUSY; ms += LOCK_STEP_MS) {
		if (look(s) != 0)
			return -ECANCELED; /* it was confirmed, undone, or has more time */
		if (ms && ms % PATIENCE_MS == 0)
			states_break_lock(s);
		poll(NULL, 0, LOCK_STEP_MS);
		r = states_try_lock(s, e);
	}
	return r;
}

/* The lock is ours. 0, or what failed, which is in the log then. */
static int settle(struct states *s)
{
	struct rollback_end end;
	struct err e = {0};
	int r = rollback_settle(s, &end, &e);

	if (r < 0)
		change_log_add(s, CHANGE_FAILURE, 0, 0, e.msg, NULL);
	return r < 0 ? r : 0;
}

/* 0: what was pending is no more, or has more time; or a negative errno. */
static int undo_due(struct states *s)
{
	struct err ignored;
	int r = take_lock(s, &ignored);

	if (r < 0)
		return r == -ECANCELED ? 0 : r;
	r = look(s) == 0 ? settle(s) : 0;
	states_unlock(s);
	return r;
}

/* Who was killed while it loaded has no lock any more, but told nobody that it was done. */
static int undo_interrupted(struct states *s)
{
	struct err ignored;
	int r = 0;

	if (!rollback_was_interrupted(s) || states_try_lock(s, &ignored) < 0)
		return 0;
	if (rollback_was_interrupted(s))
		r = settle(s);
	states_unlock(s);
	return r;
}

static bool is_folder_gone(const struct states *s)
{
	struct stat st;

	return fstat(s->dir_fd, &st) == 0 && st.st_nlink == 0;
}

/*
 * Ends only while it has the lock of all changes: whoever arms a change under that lock, and finds
 * this process alive, can rely on it.
 */
static bool may_end(struct states *s)
{
	struct err ignored;

	/* without its folder there is nothing to wait for, and nothing to lock */
	if (is_folder_gone(s))
		return true;
	if (states_try_lock(s, &ignored) < 0)
		return false;
	if (look(s) == -ENODATA)
		return true;
	states_unlock(s);
	return false;
}

static void watch(struct states *s)
{
	int pause_ms = RETRY_MS;

	for (;;) {
		int64_t left = look(s);
		int r;

		if (left == -ENODATA && may_end(s))
			return;
		r = left == 0 ? undo_due(s) : undo_interrupted(s);
		if (r < 0) {
			poll(NULL, 0, pause_ms);
			pause_ms = pause_ms < RETRY_LIMIT_MS ? 2 * pause_ms : pause_ms;
		} else if (left != 0) {
			poll(NULL, 0, left > 0 && left < LOOK_MS ? (int)left : LOOK_MS);
		}
	}
}

int undo_process_run(const char *dir, struct err *e)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	int cleanup_close own = -1;
	int r = states_open(&s, dir, false, e);

	if (r < 0)
		return r;
	own = take_own_lock(&s, e);
	if (own < 0)
		return own == -EALREADY ? 0 : own;
	stay_alive();
	watch(&s);
	return 0; /* the lock of all changes is given back last: see may_end() */
}
