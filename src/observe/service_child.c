/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service_child.h"
#include "base/clock.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/service_talk.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
	NOBODY = 65534,
	PARALLEL = 32,
	PARALLEL_PER_HOST = 8,
	MEMORY_LIMIT = 1 << 30,
	TICK_MS = 1000,
};

/* The targets of one number. */
struct child_host {
	unsigned active;
	int64_t end_ms; /* of its time; 0: it has not begun */
};

struct child {
	const struct service_target *targets;
	const size_t *numbers;
	size_t count;
	size_t next; /* in numbers: all before it were begun */
	bool *begun; /* of each of numbers */
	struct child_host *hosts;
	unsigned parallel, per_host;
	uint32_t port_ms;
	struct talk_tools tools;
	struct talk *talks;
	struct pollfd *polls;
	size_t active;
	int pipe_fd;
};

static void write_message(int fd, const struct service_message *m)
{
	/* at most PIPE_BUF bytes: all or nothing */
	while (write(fd, m, sizeof(*m)) < 0)
		if (errno != EINTR)
			_exit(1); /* nobody reads any more */
}

_Noreturn static void fail(int fd, const char *words)
{
	struct service_message m = {.number = SERVICE_FAILED};

	strncpy(m.words, words, sizeof(m.words) - 1);
	write_message(fd, &m);
	_exit(1);
}

/* What the conversation needs; with what is not in the list, seccomp answers EPERM. */
static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(close),
	SCMP_SYS(socket),
	SCMP_SYS(connect),
	SCMP_SYS(shutdown),
	SCMP_SYS(sendto),
	SCMP_SYS(recvfrom),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_gettime64),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(getrandom),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(sched_yield),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* No file can be opened, no program run, no memory made executable after it. */
static int enter_seccomp(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	struct scmp_arg_cmp not_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_LEN(allowed) && r == 0; i++) {
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
		if (r == -EDOM || r == -EFAULT)
			r = 0; /* this architecture has no such call */
	}
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, not_exec);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_exec);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static void end_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1); /* it had ended before */
}

static int give_up_privileges(pid_t parent)
{
	const struct rlimit none = {0, 0}, memory = {MEMORY_LIMIT, MEMORY_LIMIT};

	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			       setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return -errno;
	/* after the change of user, which takes it back */
	end_with(parent);
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &none);
#ifndef __SANITIZE_ADDRESS__
	setrlimit(RLIMIT_AS, &memory);
#else
	(void)memory;
#endif
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return enter_seccomp();
}

/* Begins with a target, unless its host's time is over. */
static void begin(struct child *c, size_t number)
{
	const struct service_message unasked = {.number = number, .service.end = SERVICE_UNASKED};
	const struct service_message begun = {.number = SERVICE_BEGUN, .target = number};
	const struct service_target *t = &c->targets[number];
	struct child_host *host = &c->hosts[t->host];
	struct talk *to = &c->talks[c->active];
	int64_t now = clock_mono_ms(), end = now + c->port_ms;

	if (!host->end_ms && t->host_ms)
		write_message(c->pipe_fd, &begun);
	if (!host->end_ms)
		host->end_ms = t->host_ms ? now + t->host_ms : INT64_MAX;
	if (now >= host->end_ms) {
		write_message(c->pipe_fd, &unasked);
		return;
	}
	if (talk_begin(to, &c->tools, t, now, end < host->end_ms ? end : host->end_ms) < 0)
		fail(c->pipe_fd, _("out of memory"));
	to->number = number;
	host->active++;
	c->active++;
}

/* Begins with those that come next and whose host has room, as long as there is some. */
static void begin_next(struct child *c)
{
	for (size_t i = c->next; i < c->count && c->active < c->parallel; i++) {
		size_t number = c->numbers[i];

		if (c->begun[i] || c->hosts[c->targets[number].host].active >= c->per_host)
			continue;
		c->begun[i] = true;
		begin(c, number);
	}
	while (c->next < c->count && c->begun[c->next])
		c->next++;
}

static void tell_done(struct child *c)
{
	for (size_t i = 0; i < c->active;) {
		struct talk *t = &c->talks[i];
		struct service_message m = {.number = t->number};

		if (t->state != TALK_DONE) {
			i++;
			continue;
		}
		m.service = t->found;
		write_message(c->pipe_fd, &m);
		c->hosts[t->wire.target->host].active--;
		talk_done(t);
		c->talks[i] = c->talks[--c->active];
	}
}

static int64_t wake_ms(const struct talk *t)
{
	return t->due_ms < t->end_ms ? t->due_ms : t->end_ms;
}

static void wait_and_go(struct child *c)
{
	int64_t now = clock_mono_ms(), due = now + TICK_MS;

	for (size_t i = 0; i < c->active; i++) {
		const struct talk *t = &c->talks[i];

		c->polls[i] = (struct pollfd){.fd = t->wire.fd, .events = t->events};
		due = wake_ms(t) < due ? wake_ms(t) : due;
	}
	if (poll(c->polls, c->active, due > now ? (int)(due - now) : 0) < 0 && errno != EINTR)
		fail(c->pipe_fd, _("waiting for answers failed"));
	now = clock_mono_ms();
	for (size_t i = 0; i < c->active; i++)
		if (c->polls[i].revents || wake_ms(&c->talks[i]) <= now)
			talk_go(&c->talks[i], c->polls[i].revents, now);
}

static void make_room(struct child *c, const int64_t *host_ends)
{
	uint32_t last = 0;

	for (size_t i = 0; i < c->count; i++)
		if (c->targets[c->numbers[i]].host > last)
			last = c->targets[c->numbers[i]].host;
	c->begun = calloc(c->count + 1, sizeof(*c->begun));
	c->hosts = calloc((size_t)last + 1, sizeof(*c->hosts));
	c->talks = calloc(c->parallel, sizeof(*c->talks));
	c->polls = calloc(c->parallel, sizeof(*c->polls));
	if (!c->begun || !c->hosts || !c->talks || !c->polls)
		fail(c->pipe_fd, _("out of memory"));
	for (uint32_t i = 0; i <= last; i++)
		c->hosts[i].end_ms = host_ends[i];
}

_Noreturn void service_child(const struct service_work *work, const struct service_options *options)
{
	struct probes probes = {0};
	struct service_matcher matcher = {0};
	struct err e = {0};
	struct child c = {
		.targets = work->targets,
		.numbers = work->numbers,
		.count = work->count,
		.parallel = options->parallel ? options->parallel : PARALLEL,
		.per_host =
			options->parallel_per_host ? options->parallel_per_host : PARALLEL_PER_HOST,
		.port_ms = options->port_ms ? options->port_ms : SERVICE_PORT_MS,
		.tools.matcher = &matcher,
		.pipe_fd = work->pipe_fd,
	};

	end_with(work->parent);
	signal(SIGPIPE, SIG_IGN);
	/* ended by its parent alone, who has more to do at Ctrl-C */
	signal(SIGINT, SIG_IGN);
	if (probes_read(&probes, probe_texts, probe_text_count, &e) < 0)
		fail(work->pipe_fd, e.msg);
	c.tools.tls = service_tls_context(&e);
	if (!c.tools.tls)
		fail(work->pipe_fd, e.msg);
	make_room(&c, work->host_ends);
	if (service_matcher_init(&matcher, &probes) < 0)
		fail(work->pipe_fd, _("out of memory"));
	if (give_up_privileges(work->parent) < 0)
		fail(work->pipe_fd,
		     _("the privileges could not be given up that reading the answers of "
		       "strangers must not have (setresuid, seccomp)"));
	for (;;) {
		begin_next(&c);
		if (!c.active)
			break;
		wait_and_go(&c);
		tell_done(&c);
	}
	_exit(0);
}
