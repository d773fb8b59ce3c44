/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/states.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/save.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The lock's file has always the same length, so that it can be written on a full disk. */
enum { OWNER_SIZE = 64, LOCK_PATIENCE_MS = 500, LOCK_STEP_MS = 10 };

static const char confirmed[] = "confirmed", next[] = "confirmed.next";

int states_fail(const struct states *s, int r, const char *name, struct err *e)
{
	if (r == -EROFS || r == -ENOSPC || r == -EDQUOT)
		return err_set(e, r,
			       _("cannot write %s/%s: %s: nothing can be changed that could not be "
				 "undone"),
			       s->dir, name, strerror(-r));
	return err_set(e, r, "%s/%s: %s", s->dir, name, strerror(-r));
}

static int only_root(struct err *e)
{
	return err_set(e, -EACCES, _("only root may do that: run portero as root"));
}

static int check_place(const struct states *s, struct err *e)
{
	struct stat st;

	if (fstat(s->dir_fd, &st) < 0)
		return states_fail(s, -errno, "", e);
	if (st.st_uid != geteuid() && st.st_uid == 0)
		return only_root(e);
	if (st.st_uid != geteuid())
		return err_set(e, -EPERM,
			       _("%s belongs to user %u: who owns it decides what the firewall "
				 "does: chown it to the user that runs portero (root)"),
			       s->dir, (unsigned)st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, -EPERM,
			       _("others may write to %s, and so could change the firewall: chmod "
				 "700 %s"),
			       s->dir, s->dir);
	return 0;
}

int states_open(struct states *s, const char *dir, bool make, struct err *e)
{
	int r;

	*s = (struct states){.dir_fd = -1, .lock_fd = -1};
	if ((size_t)snprintf(s->dir, sizeof(s->dir), "%s", dir) >= sizeof(s->dir))
		return err_set(e, -ENAMETOOLONG, _("the path of the state folder is too long"));
	if (make && mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, _("cannot make the folder %s: %s"), dir, strerror(errno));
	s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0 && errno == EACCES)
		return only_root(e);
	if (s->dir_fd < 0)
		return err_set(e, -errno, _("cannot open the state folder %s: %s"), dir,
			       strerror(errno));
	r = check_place(s, e);
	if (r == 0 && make && mkdirat(s->dir_fd, "states", 0700) < 0 && errno != EEXIST)
		r = states_fail(s, -errno, "states", e);
	return r;
}

void states_close(struct states *s)
{
	states_unlock(s);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	s->dir_fd = -1;
}

void states_name(uint32_t number, char name[8])
{
	snprintf(name, 8, "%06u", (unsigned)(number % (STATES_NUMBER_LIMIT + 1)));
}

/* --- the lock -----------------------------------------------------------------------------------
 */

/* Who has the lock, as it says itself. */
struct owner {
	pid_t pid;
	uint64_t start; /* of the process, in ticks since boot: field 22 of /proc/PID/stat */
	int64_t since_s;
};

/* When a process began; 0: there is no such process. */
static uint64_t start_of(pid_t pid)
{
	struct buf cleanup_call(buf_done) text = {0};
	uint64_t start = 0;
	const char *at;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_read_at(AT_FDCWD, path, 65536, &text) < 0)
		return 0;
	at = strrchr(buf_text(&text), ')'); /* its name may hold anything */
	for (int i = 2; at && i < 22; i++)
		at = strchr(at + 1, ' ');
	if (at)
		text_parse_number(at + 1, strspn(at + 1, "0123456789"), UINT64_MAX, &start);
	return start;
}

static void write_owner(int fd)
{
	char text[OWNER_SIZE + 1];
	int len = snprintf(text, sizeof(text), "%d %" PRIu64 " %" PRId64, (int)getpid(),
			   start_of(getpid()), (int64_t)time(NULL));

	memset(text + len, ' ', (size_t)(OWNER_SIZE - 1 - len));
	text[OWNER_SIZE - 1] = '\n';
	if (pwrite(fd, text, OWNER_SIZE, 0) != OWNER_SIZE)
		return; /* the lock holds without it, but nobody will know whose it is */
}

static bool read_owner(const struct states *s, struct owner *ret)
{
	struct buf cleanup_call(buf_done) text = {0};
	uint64_t numbers[3] = {0};
	const char *at;

	if (file_read_at(s->dir_fd, "lock", 4096, &text) < 0)
		return false;
	at = buf_text(&text);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		size_t len = strspn(at, "0123456789");

		if (text_parse_number(at, len, INT64_MAX, &numbers[i]) < 0)
			return false;
		at += len + strspn(at + len, " ");
	}
	*ret = (struct owner){(pid_t)numbers[0], numbers[1], (int64_t)numbers[2]};
	return ret->pid > 0;
}

static int busy(const struct states *s, struct err *e)
{
	struct owner owner;
	struct tm tm;
	time_t since;
	char when[16];

	if (!read_owner(s, &owner))
		return err_set(e, -EBUSY,
			       _("another portero is changing the policy: try again "
				 "when it is done"));
	since = (time_t)owner.since_s;
	localtime_r(&since, &tm);
	strftime(when, sizeof(when), "%H:%M", &tm);
	return err_set(
		e, -EBUSY,
		_("another portero (pid %d, since %s) is changing the policy: try again when "
		  "it is done"),
		(int)owner.pid, when);
}

int states_try_lock(struct states *s, struct err *e)
{
	int fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	/* a disk that became read-only does not keep the old state from coming back */
	if (fd < 0 && errno == EROFS)
		fd = openat(s->dir_fd, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		errno = EROFS;
	if (fd < 0)
		return states_fail(s, -errno, "lock", e);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int r = errno == EWOULDBLOCK ? busy(s, e) : states_fail(s, -errno, "lock", e);

		close(fd);
		return r;
	}
	write_owner(fd);
	s->lock_fd = fd;
	return 0;
}

int states_lock(struct states *s, struct err *e)
{
	int r = states_try_lock(s, e);

	for (int ms = 0; r == -EBUSY && ms < LOCK_PATIENCE_MS; ms += LOCK_STEP_MS) {
		poll(NULL, 0, LOCK_STEP_MS);
		r = states_try_lock(s, e);
	}
	return r;
}

void states_unlock(struct states *s)
{
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	s->lock_fd = -1;
}

void states_share_lock(const struct states *s, bool share)
{
	if (s->lock_fd >= 0)
		fcntl(s->lock_fd, F_SETFD, share ? 0 : FD_CLOEXEC);
}

int states_break_lock(const struct states *s)
{
	struct owner owner;
	int cleanup_close fd = -1;

	if (!read_owner(s, &owner) || owner.pid == getpid())
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_open, owner.pid, 0);
	if (fd < 0)
		return -errno;
	/* looked at after the descriptor was taken: it cannot become another one now */
	if (owner.start == 0 || start_of(owner.pid) != owner.start)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0 ? -errno : 0;
}

/* --- which state is confirmed -------------------------------------------------------------------
 */

static int read_number(const struct states *s, const char *name, uint32_t *ret, struct err *e)
{
	struct buf cleanup_call(buf_done) text = {0};
	int r = file_read_at(s->dir_fd, name, 64, &text);
	uint64_t number;

	if (r == -ENOENT) {
		*ret = 0;
		return 0;
	}
	if (r < 0)
		return states_fail(s, r, name, e);
	r = text_parse_number(buf_text(&text), strcspn(buf_text(&text), "\n"), STATES_NUMBER_LIMIT,
			      &number);
	if (r < 0)
		return err_set(e, -EBADMSG, _("%s/%s does not hold the number of a state"), s->dir,
			       name);
	*ret = (uint32_t)number;
	return 0;
}

int states_confirmed(const struct states *s, uint32_t *ret, struct err *e)
{
	return read_number(s, confirmed, ret, e);
}

int states_prepare(const struct states *s, uint32_t number, struct err *e)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u\n", (unsigned)number);
	int r = save_at(s->dir_fd, next, text, (size_t)len, 0600);

	return r < 0 ? states_fail(s, r, next, e) : 0;
}

int states_make_confirmed(const struct states *s, uint32_t number, struct err *e)
{
	uint32_t prepared = 0;
	struct err ignored;
	int r = 0;

	if (read_number(s, next, &prepared, &ignored) < 0 || prepared != number)
		r = states_prepare(s, number, e);
	if (r < 0)
		return r;
	r = save_rename(s->dir_fd, next, confirmed);
	return r < 0 ? states_fail(s, r, confirmed, e) : 0;
}

void states_text(const char *text, char to[STATES_TEXT_SIZE])
{
	struct buf cleanup_call(buf_done) safe = {0};
	size_t len;

	if (text)
		text_escape(&safe, text, strnlen(text, STATES_TEXT_SIZE), false);
	len = safe.len;
	if (len >= STATES_TEXT_SIZE)
		len = STATES_TEXT_SIZE - 1;
	while (len < safe.len && len && ((unsigned char)safe.data[len] & 0xc0) == 0x80)
		len--;
	memcpy(to, buf_text(&safe), len);
	to[len] = '\0';
}
