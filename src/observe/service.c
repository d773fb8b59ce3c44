/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service.h"
#include "base/clock.h"
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

bool service_is_known(const struct service *s, uint32_t port_ms)
{
	return s->end != SERVICE_UNASKED && (s->end != SERVICE_OUT_OF_TIME ||
					     s->took_ms >= (port_ms ? port_ms : SERVICE_PORT_MS));
}

struct detection {
	const struct service_target *targets;
	size_t count;
	int64_t *host_ends; /* of each host: when its time is over, whatever child asks it; 0: not
			       begun */
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

static void begin_host(struct detection *d, uint64_t number)
{
	const struct service_target *t = number < d->count ? &d->targets[number] : NULL;

	if (t && t->host_ms && !d->host_ends[t->host])
		d->host_ends[t->host] = clock_mono_ms() + t->host_ms;
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
		if (m.number == SERVICE_BEGUN) {
			begin_host(d, m.target);
			continue;
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
		service_child(&(struct service_work){.targets = d->targets,
						     .numbers = d->left,
						     .count = d->left_count,
						     .host_ends = d->host_ends,
						     .pipe_fd = fds[1],
						     .parent = parent},
			      &d->options);
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

static int64_t *make_host_ends(const struct service_target *targets, size_t count)
{
	uint32_t last = 0;

	for (size_t i = 0; i < count; i++)
		if (targets[i].host > last)
			last = targets[i].host;
	return calloc((size_t)last + 1, sizeof(int64_t));
}

int service_detect(const struct service_target *targets, size_t count,
		   const struct service_options *options, service_told told, void *data,
		   struct err *e)
{
	size_t *left cleanup_free = calloc(count + 1, sizeof(*left));
	int64_t *host_ends cleanup_free = make_host_ends(targets, count);
	struct detection d = {.targets = targets,
			      .count = count,
			      .host_ends = host_ends,
			      .options = *options,
			      .told = told,
			      .data = data,
			      .left = left,
			      .left_count = count,
			      .e = e};
	int r = 0;

	if (!left || !host_ends)
		return err_set(e, -ENOMEM, "%s", _("out of memory"));
	for (size_t i = 0; i < count; i++)
		left[i] = i;
	while (d.left_count && r >= 0) {
		bool alone = d.options.parallel == 1;

		r = run_child(&d);
		if (r == 1 && alone)
			r = tell_the_culprit(&d);
		/* one after the other, until it is known which of them it dies of */
		d.options.parallel = alone ? options->parallel : 1;
	}
	return r < 0 ? r : 0;
}
