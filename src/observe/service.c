/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/service_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TICK_MS = 200 };

struct detection {
	const struct service_target *targets;
	struct service_options options;
	service_told told;
	void *data;
	size_t *left; /* numbers of those not told yet, in order */
	size_t left_count;
	struct err *e;
};

static int tell(struct detection *d, size_t number, struct service *s)
{
	size_t i = 0;

	while (i < d->left_count && d->left[i] != number)
		i++;
	if (i == d->left_count)
		return 0; /* a number that it was not given, or was told already */
	memmove(d->left + i, d->left + i + 1, (--d->left_count - i) * sizeof(*d->left));
	service_check(s);
	return d->told(d->data, number, s) ? -EINTR : 0;
}

/* Reads what the child writes, to its end. 0, or the error that stops it. */
static int read_messages(struct detection *d, int fd)
{
	struct service_message m;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;
		int r;

		if (d->options.stop && *d->options.stop)
			return -EINTR;
		r = poll(&p, 1, TICK_MS);
		if (r == 0 || (r < 0 && errno == EINTR))
			continue;
		n = read(fd, &m, sizeof(m));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_set(d->e, -errno, "%s", strerror(errno)) : 0;
		if (n != sizeof(m))
			return err_set(d->e, -EPROTO, "%s",
				       _("the process that asks the services said nonsense"));
		if (m.number == SERVICE_FAILED) {
			m.words[sizeof(m.words) - 1] = '\0';
			return err_set(d->e, -EPERM, "%s", m.words);
		}
		r = tell(d, m.number, &m.service);
		if (r < 0)
			return r;
	}
}

/* One child for all that are left. 1: it ended before it had told all. */
static int run_child(struct detection *d)
{
	const pid_t parent = getpid();
	int fds[2], status = 0, r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC | O_DIRECT) < 0)
		return err_set(d->e, -errno, "%s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		service_child(d->targets, d->left, d->left_count, &d->options, fds[1], parent);
	}
	r = pid < 0 ? err_set(d->e, -errno, "%s", strerror(errno)) : 0;
	close(fds[1]);
	if (pid > 0) {
		r = read_messages(d, fds[0]);
		if (r < 0)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(fds[0]);
	if (r == 0 && d->left_count)
		r = 1;
	return r;
}

/* The child died of what the first one of these said, as it was alone with it. */
static int tell_the_culprit(struct detection *d)
{
	struct service s = {.end = SERVICE_LOST};

	return tell(d, d->left[0], &s);
}

int service_detect(const struct service_target *targets, size_t count,
		   const struct service_options *options, service_told told, void *data,
		   struct err *e)
{
	struct detection d = {
		.targets = targets, .options = *options, .told = told, .data = data, .e = e};
	size_t *left cleanup_free = calloc(count + 1, sizeof(*left));
	int r = 0;

	if (!left)
		return err_set(e, -ENOMEM, "%s", _("out of memory"));
	for (size_t i = 0; i < count; i++)
		left[i] = i;
	d.left = left;
	d.left_count = count;
	while (d.left_count && r >= 0) {
		r = run_child(&d);
		if (r == 1 && d.options.parallel == 1)
			r = tell_the_culprit(&d);
		d.options.parallel = 1;
	}
	return r < 0 ? r : 0;
}
