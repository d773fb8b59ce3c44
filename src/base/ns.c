/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/ns.h"
#include "base/i18n.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

uint64_t ns_inum(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : (uint64_t)st.st_ino;
}

int ns_new(void)
{
	int cleanup_close own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd;

	if (own < 0 || unshare(CLONE_NEWNET) < 0)
		return -errno;
	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	if (setns(own, CLONE_NEWNET) < 0)
		abort();
	return fd;
}

int ns_run(int fd, int (*work)(void *context), void *context, struct err *e)
{
	int cleanup_close own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	if (own < 0)
		return err_set(e, -errno, _("cannot open this process's network namespace: %s"),
			       strerror(errno));
	if (setns(fd, CLONE_NEWNET) < 0)
		return err_set(e, -errno, _("cannot enter a network namespace: %s"),
			       strerror(errno));
	r = work(context);
	if (setns(own, CLONE_NEWNET) < 0)
		abort();
	return r;
}
