/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/sock_proc.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "observe/proc_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static bool parse_entry(const struct dirent *entry, uint64_t max, uint64_t *ret)
{
	return text_parse_number(entry->d_name, strlen(entry->d_name), max, ret) == 0;
}

struct scan {
	const struct map *wanted;
	int (*callback)(const struct sock_proc_record *record, void *context);
	void *context;
};

/* 1 when every link could be read, 0 when some could not, or a negative errno. */
static int scan_descriptors(const struct scan *scan, DIR *dir, uint32_t pid, uint32_t tid)
{
	const struct dirent *entry;
	int all = 1;

	while ((entry = readdir(dir))) {
		struct sock_proc_record record = {.pid = pid, .tid = tid};
		char target[64];
		uint64_t fd;
		uint32_t ignored;
		ssize_t len;
		int r;

		if (!parse_entry(entry, INT32_MAX, &fd))
			continue;
		len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));
		if (len < 0 && (errno == EACCES || errno == EPERM))
			all = 0;
		if (len < 0 ||
		    proc_parse_inode_link(target, (size_t)len, "socket", &record.inode) < 0 ||
		    !map_get(scan->wanted, record.inode, &ignored))
			continue;
		record.fd = (int32_t)fd;
		r = scan->callback(&record, scan->context);
		if (r < 0)
			return r;
	}
	return all;
}

/* A folder below /proc. 1 and *ret NULL when it has gone, 0 when not permitted, or < 0. */
static int open_folder(int proc_fd, const char *path, DIR **ret)
{
	int fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*ret = NULL;
	if (fd < 0)
		return errno == EACCES || errno == EPERM   ? 0
		       : errno == ENOENT || errno == ESRCH ? 1
							   : -errno;
	*ret = fdopendir(fd);
	if (!*ret) {
		/* it looks at the folder again, which may have gone with its process */
		int r = errno == ENOENT || errno == ESRCH ? 1 : -errno;

		close(fd);
		return r;
	}
	return 1;
}

static int scan_folder(const struct scan *scan, int proc_fd, const char *path, uint32_t pid,
		       uint32_t tid)
{
	DIR cleanup_call(close_dir) *dir = NULL;
	int r = open_folder(proc_fd, path, &dir);

	return dir ? scan_descriptors(scan, dir, pid, tid) : r;
}

/* Where kcmp(2) is not to be had (no CONFIG_KCMP, a container's seccomp), all are looked at. */
static bool has_same_files(uint32_t pid, uint32_t tid)
{
	long r = syscall(SYS_kcmp, (pid_t)pid, (pid_t)tid, KCMP_FILES, 0, 0);

	return r == 0 || (r < 0 && errno == ESRCH);
}

/* A thread that called unshare(CLONE_FILES) has descriptors that its process's folder lacks. */
static int scan_threads(const struct scan *scan, int proc_fd, const char *name, uint32_t pid)
{
	DIR cleanup_call(close_dir) *dir = NULL;
	const struct dirent *entry;
	char path[64];
	int r = 1;

	snprintf(path, sizeof(path), "%.16s/task", name);
	r = open_folder(proc_fd, path, &dir);
	while (dir && r > 0 && (entry = readdir(dir))) {
		uint64_t tid;

		if (!parse_entry(entry, UINT32_MAX, &tid) || tid == pid ||
		    has_same_files(pid, (uint32_t)tid))
			continue;
		snprintf(path, sizeof(path), "%.16s/task/%.16s/fd", name, entry->d_name);
		r = scan_folder(scan, proc_fd, path, pid, (uint32_t)tid);
	}
	return r;
}

static int scan_process(const struct scan *scan, int proc_fd, const char *name, uint32_t pid)
{
	char path[32];
	int r;

	snprintf(path, sizeof(path), "%.16s/fd", name);
	r = scan_folder(scan, proc_fd, path, pid, pid);
	return r > 0 ? scan_threads(scan, proc_fd, name, pid) : r;
}

/* Calls look(proc_fd, name, pid) for each process: 1 readable, 0 not permitted, < 0 stop. */
static int each_process(int (*look)(const struct scan *, int proc_fd, const char *name,
				    uint32_t pid),
			const struct scan *scan, struct sock_proc_report *report)
{
	DIR cleanup_call(close_dir) *proc = opendir("/proc");
	const struct dirent *entry;
	struct statfs fs;

	*report = (struct sock_proc_report){0};
	if (!proc)
		return -errno;
	/* an empty folder would pass for a machine without processes */
	if (fstatfs(dirfd(proc), &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return -ENOENT;
	while ((entry = readdir(proc))) {
		uint64_t pid;
		int r;

		if (!parse_entry(entry, UINT32_MAX, &pid))
			continue;
		r = look(scan, dirfd(proc), entry->d_name, (uint32_t)pid);
		if (r == -ESRCH)
			continue;
		if (r < 0)
			return r;
		report->processes++;
		if (r == 0) {
			report->unreadable++;
			report->unreadable_pid = (uint32_t)pid;
		}
	}
	return 0;
}

int sock_proc_scan(const struct map *wanted,
		   int (*callback)(const struct sock_proc_record *record, void *context),
		   void *context, struct sock_proc_report *report, struct err *e)
{
	struct scan scan = {wanted, callback, context};
	int r = each_process(scan_process, &scan, report);

	if (r < 0)
		return err_set(e, r, _("cannot read the processes in /proc: %s"), strerror(-r));
	return 0;
}

/* The links of a process are readable when its executable's is: both ask ptrace_may_access. */
static int try_process(const struct scan *scan, int proc_fd, const char *name, uint32_t pid)
{
	char path[32], target[1];

	(void)scan;
	(void)pid;
	snprintf(path, sizeof(path), "%.16s/exe", name);
	if (readlinkat(proc_fd, path, target, sizeof(target)) >= 0)
		return 1;
	return errno == EACCES || errno == EPERM ? 0 : 1;
}

void sock_proc_count_unreadable(struct sock_proc_report *report)
{
	each_process(try_process, NULL, report);
}
