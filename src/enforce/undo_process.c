/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * undo_process: starting it. What it does then is in enforce/undo_loop.c.
 */
#include "enforce/undo_process.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	START_PATIENCE_MS = 10000,
	STEP_MS = 5,
	REPORT_FD = 3,
	LAST_FD = 65536, /* where the kernel cannot close a range (before Linux 5.9) */
	PATH_SIZE = 4096,
};

bool undo_process_is_alive(const struct states *s)
{
	int cleanup_close fd = openat(s->dir_fd, "undo.lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static int wait_until_alive(const struct states *s)
{
	for (int ms = 0; ms < START_PATIENCE_MS; ms += STEP_MS) {
		if (undo_process_is_alive(s))
			return 0;
		poll(NULL, 0, STEP_MS);
	}
	return -ETIMEDOUT;
}

/* --- by systemd ---------------------------------------------------------------------------------
 */

static bool is_same_file(const char *one, const char *other)
{
	struct stat a, b;

	return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/*
 * Has the file that name for systemd, too? A service may have mounts of its own (PrivateTmp=), and
 * the name lead elsewhere there.
 */
static bool is_same_for_init(const char *name, const char *path)
{
	char for_init[sizeof("/proc/1/root") + PATH_SIZE];

	snprintf(for_init, sizeof(for_init), "/proc/1/root%s", path);
	return is_same_file(name, for_init);
}

/* Would a process of systemd's change the same firewall, and find the same files? */
static bool has_systemd(const char *program, const char *dir)
{
	return access("/run/systemd/system", F_OK) == 0 &&
	       is_same_file("/proc/self/ns/net", "/proc/1/ns/net") &&
	       is_same_for_init("/proc/self/exe", program) && is_same_for_init(dir, dir);
}

/*
 * The unit has to outlive whatever happens to others: another target is isolated (systemctl rescue,
 * telinit), somebody kills all that is called portero. Only 'systemctl stop' and the end of the
 * machine stop it, the latter before /var is unmounted.
 */
static int run_unit(const char *unit, const char *program, const char *dir_option)
{
	struct buf cleanup_call(buf_done) out = {0};
	const char *const argv[] = {"systemd-run",
				    "--quiet",
				    "--collect",
				    "--no-ask-password",
				    unit,
				    "--description=portero: undoes a change that is not confirmed",
				    "--property=DefaultDependencies=no",
				    "--property=After=local-fs.target",
				    "--property=Before=shutdown.target",
				    "--property=Conflicts=shutdown.target",
				    "--property=IgnoreOnIsolate=yes",
				    "--property=Restart=always",
				    "--property=RestartPreventExitStatus=0",
				    "--property=OOMScoreAdjust=-1000",
				    "--setenv=LC_ALL=C",
				    "--",
				    program,
				    "rollback",
				    "--when-due",
				    dir_option,
				    NULL};

	return run_program(argv, NULL, 65536, START_PATIENCE_MS, &out);
}

static bool start_by_systemd(const char *dir, const char *dir_option)
{
	char program[PATH_SIZE], unit[64];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	struct timespec now;

	if (len <= 0)
		return false;
	program[len] = '\0';
	if (!has_systemd(program, dir))
		return false;
	/* a unit of before, whose process had the same pid, may be there still */
	clock_gettime(CLOCK_BOOTTIME, &now);
	snprintf(unit, sizeof(unit), "--unit=portero-undo-%d-%lld", (int)getpid(),
		 (long long)now.tv_sec);
	return run_unit(unit, program, dir_option) == 0;
}

/* --- by fork ------------------------------------------------------------------------------------
 * Between fork and exec only what is safe after a fork of a process with threads is called.
 */

static void close_above(int last)
{
	if (syscall(SYS_close_range, (unsigned)last + 1, ~0U, 0U) == 0)
		return;
	for (int fd = last + 1; fd < LAST_FD; fd++)
		close(fd);
}

static void reset_signals(void)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become(const char *dir_option, int report)
{
	char portero[] = "portero", rollback[] = "rollback", when_due[] = "--when-due";
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
	char *argv[] = {portero, rollback, when_due, NULL, NULL};
	char *environment[] = {path, locale, NULL};
	int null = open("/dev/null", O_RDWR), code;

	memcpy(&argv[3], &dir_option, sizeof(argv[3]));
	reset_signals();
	umask(077);
	if (null >= 0 && chdir("/") == 0 && dup2(report, REPORT_FD) == REPORT_FD &&
	    fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC) == 0 && dup2(null, 0) == 0 &&
	    dup2(null, 1) == 1 && dup2(null, 2) == 2) {
		close_above(REPORT_FD);
		execve("/proc/self/exe", argv, environment);
		report = REPORT_FD;
	}
	code = errno;
	if (write(report, &code, sizeof(code)) < 0)
		_exit(126);
	_exit(127);
}

/* The one in between ends at once, so that nobody is the undo process's parent but init. */
static int fork_twice(const char *dir_option, int report)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		setsid();
		pid = fork();
		if (pid == 0)
			become(dir_option, report);
		_exit(pid < 0 ? 1 : 0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EAGAIN;
}

static int start_by_fork(const char *dir_option)
{
	int fds[2], code = 0, r;

	/* high enough not to be one of those that the process makes for itself */
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	r = fcntl(fds[1], F_DUPFD_CLOEXEC, REPORT_FD + 1);
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return -EMFILE;
	}
	fds[1] = r;
	r = fork_twice(dir_option, fds[1]);
	close(fds[1]);
	/* nothing comes when the program was executed */
	if (r == 0 && read(fds[0], &code, sizeof(code)) == (ssize_t)sizeof(code))
		r = -code;
	close(fds[0]);
	return r;
}

int undo_process_start(const struct states *s, struct err *e)
{
	static const char option[] = "--state-dir=";
	char cleanup_free *dir = realpath(s->dir, NULL);
	char dir_option[sizeof(option) + PATH_SIZE];
	int r = -ETIMEDOUT;

	if (undo_process_is_alive(s))
		return 0;
	if (!dir)
		return states_fail(s, -errno, "", e);
	snprintf(dir_option, sizeof(dir_option), "%s%s", option, dir);
	if (start_by_systemd(dir, dir_option))
		r = wait_until_alive(s);
	if (r < 0)
		r = start_by_fork(dir_option);
	if (r == 0)
		r = wait_until_alive(s);
	if (r < 0)
		return err_set(e, r,
			       _("the process that would undo the change does not start: %s: so "
				 "nothing is changed"),
			       strerror(-r));
	return 0;
}
