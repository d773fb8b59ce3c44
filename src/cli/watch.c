/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch: the guard's events, as they happen.
 *
 * A batch is taken out of the ring only when it is written: whoever is ended before leaves it to
 * the next reader. Signals are blocked but where nothing is half done, and come by a descriptor.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/json_watch.h"
#include "cli/view.h"
#include "cli/watch_policy.h"
#include "cli/watch_words.h"
#include "enforce/guard_kernel.h"
#include "observe/guard_ring.h"
#include "observe/guard_who.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 256,
	CHUNK = 4096, /* a pipe that is ready takes so much without waiting (pipe(7)) */
	COUNT_LIMIT = 1000000000,
	TIME_LIMIT_S = 366 * 86400,
};

struct watch {
	const struct options *o;
	struct view view; /* its colour and alphabet */
	bool json;
	struct guard_ring ring;
	struct guard_whos whos;
	struct watch_said said[GUARD_WHO_SLOTS];
	struct watch_policy policy;
	struct guard_event events[BATCH];
	struct buf out;
	int signal_fd;
	uint64_t left;	/* events until the end */
	int64_t end_ns; /* monotonic; 0: never */
	uint64_t shown, lost, odd;
	bool gone; /* the guard was taken away: what is in the ring is the last */
};

enum step { STEP_ON, STEP_END, STEP_FAILED };

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- writing ------------------------------------------------------------------------------------
 */

static int write_failed(int error)
{
	if (error == EPIPE)
		return STEP_FAILED;
	command_fail(_("cannot write the output: %s"), strerror(error));
	return STEP_FAILED;
}

/* Waits until the output takes more; a signal meanwhile is the end. */
static int wait_for_output(const struct watch *w)
{
	struct pollfd fds[] = {{.fd = STDOUT_FILENO, .events = POLLOUT},
			       {.fd = w->signal_fd, .events = POLLIN}};

	while (poll(fds, ARRAY_LEN(fds), -1) < 0)
		if (errno != EINTR && errno != EAGAIN)
			return write_failed(errno);
	if (fds[0].revents)
		return STEP_ON;
	command_fail(_("ended before all was written"));
	return STEP_FAILED;
}

/*
 * How much of it was written; -1: it failed, as was said. At first without asking whether the
 * output takes it, where the kernel can be told not to wait (pipes: Linux 6.4).
 */
static ssize_t write_some(const struct watch *w, char *at, size_t len)
{
	struct iovec piece = {.iov_base = at, .iov_len = len};
	ssize_t done = pwritev2(STDOUT_FILENO, &piece, 1, -1, RWF_NOWAIT);

	if (done >= 0)
		return done;
	if (wait_for_output(w) != STEP_ON)
		return -1;
	done = write(STDOUT_FILENO, at, len);
	if (done >= 0 || errno == EINTR || errno == EAGAIN)
		return done < 0 ? 0 : done;
	write_failed(errno);
	return -1;
}

static int write_out(struct watch *w)
{
	char *at = w->out.data;
	size_t left = w->out.len;

	if (w->out.failed) {
		command_fail(_("out of memory"));
		return STEP_FAILED;
	}
	while (left) {
		ssize_t done = write_some(w, at, left < CHUNK ? left : CHUNK);

		if (done < 0)
			return STEP_FAILED;
		at += done;
		left -= (size_t)done;
	}
	buf_clear(&w->out);
	return STEP_ON;
}

/* --- telling ------------------------------------------------------------------------------------
 */

static const char *find_owner(struct watch *w, const struct guard_event *e, int64_t now_s)
{
	if (e->reason != GUARD_REASON_OTHER)
		return NULL;
	return watch_policy_owner(&w->policy, e->port,
				  e->proto == IPPROTO_TCP ? PROTO_TCP : PROTO_UDP, now_s);
}

static int tell_event(struct watch *w, const struct guard_event *e, int64_t boot_ns)
{
	struct watch_event event = {.event = e,
				    .who = guard_whos_look(&w->whos, e),
				    .time_ns = boot_ns + (int64_t)e->time_ns};

	event.owner = find_owner(w, e, event.time_ns / 1000000000);
	event.start_ns = e->who.start_ns ? boot_ns + (int64_t)e->who.start_ns : 0;
	event.said = &w->said[event.who->slot];
	if (w->json)
		return json_watch_add(&event, &w->out);
	watch_words_add(&event, w->view.ascii, w->view.colored, &w->out);
	buf_add_char(&w->out, '\n');
	return 0;
}

static int tell_lost(struct watch *w, uint64_t count, const char *reason, const char *sentence)
{
	int64_t now_ns = clock_ns(CLOCK_REALTIME);

	if (w->json)
		return json_watch_add_lost(now_ns, count, reason, &w->out);
	watch_words_time(now_ns, &w->out);
	buf_add_text(&w->out, sentence);
	buf_add_char(&w->out, '\n');
	return 0;
}

/* What nobody will see is told whenever it has grown. */
static int tell_losses(struct watch *w)
{
	uint64_t lost = w->lost, count;
	char sentence[256];
	int r = guard_ring_lost(&w->ring, &lost);

	count = lost - w->lost;
	if (r == 0 && lost > w->lost) {
		snprintf(sentence, sizeof(sentence),
			 ngettext("%lu event was lost: nobody read it in time",
				  "%lu events were lost: nobody read them in time",
				  (unsigned long)count),
			 (unsigned long)count);
		w->lost = lost;
		r = tell_lost(w, count, "ring-full", sentence);
	}
	count = w->ring.odd - w->odd;
	if (r == 0 && count) {
		snprintf(sentence, sizeof(sentence),
			 ngettext("%lu event is not understood by this version of portero",
				  "%lu events are not understood by this version of portero",
				  (unsigned long)count),
			 (unsigned long)count);
		w->odd = w->ring.odd;
		r = tell_lost(w, count, "not-understood", sentence);
	}
	return r;
}

static int end_batch(struct watch *w, int r)
{
	if (r == 0)
		return write_out(w);
	command_fail("%s", strerror(-r));
	return STEP_FAILED;
}

static int tell_batch(struct watch *w, size_t count)
{
	int64_t boot_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME);
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = tell_event(w, &w->events[i], boot_ns);
	return end_batch(w, r);
}

/* --- the loop -----------------------------------------------------------------------------------
 */

/* Was it a signal, or has whoever read the output gone? */
static int look_at_others(const struct watch *w)
{
	struct pollfd fds[] = {{.fd = STDOUT_FILENO}, {.fd = w->signal_fd, .events = POLLIN}};

	if (poll(fds, ARRAY_LEN(fds), 0) < 0)
		return STEP_ON;
	if (fds[1].revents)
		return STEP_END;
	return fds[0].revents & (POLLERR | POLLHUP) ? STEP_FAILED : STEP_ON;
}

/* Milliseconds, rounded up; -1: for ever. */
static int time_left(const struct watch *w)
{
	int64_t left;

	if (!w->end_ns)
		return -1;
	left = w->end_ns - clock_ns(CLOCK_MONOTONIC);
	if (left > (int64_t)1000000 * 3600000)
		return 3600000;
	return left <= 0 ? 0 : (int)((left + 999999) / 1000000);
}

static int wait_for_more(struct watch *w, bool is_full)
{
	int news = guard_ring_wait(&w->ring, is_full ? 0 : time_left(w));

	if (news < 0) {
		command_fail("%s", strerror(-news));
		return STEP_FAILED;
	}
	if (news & GUARD_RING_OTHER) {
		int step = look_at_others(w);

		if (step != STEP_ON)
			return step;
	}
	w->gone |= news & GUARD_RING_GONE;
	return time_left(w) == 0 ? STEP_END : STEP_ON;
}

static int step(struct watch *w)
{
	size_t max = w->left < BATCH ? (size_t)w->left : BATCH;
	int count = guard_ring_read(&w->ring, w->events, max), result;

	if (count < 0) {
		command_fail(_("the guard's events cannot be read: %s"), strerror(-count));
		return STEP_FAILED;
	}
	result = tell_batch(w, (size_t)count);
	if (result != STEP_ON)
		return result;
	guard_ring_release(&w->ring);
	w->shown += (uint64_t)count;
	w->left -= (uint64_t)count;
	/* afterwards: nobody is to wait for that */
	result = end_batch(w, tell_losses(w));
	if (result != STEP_ON)
		return result;
	if (!w->left)
		return STEP_END;
	if (!w->gone || (size_t)count == max)
		return wait_for_more(w, (size_t)count == max);
	command_fail(_("the guard was taken away"));
	return STEP_FAILED;
}

/* --- begin and end ------------------------------------------------------------------------------
 */

static int begin(struct watch *w)
{
	enum guard_abi_mode mode = (enum guard_abi_mode)w->ring.config.mode;

	if (w->json || w->o->quiet)
		return STEP_ON;
	buf_add_text(&w->out, mode == GUARD_ABI_ENFORCE
				      ? _("The guard enforces the policy. Its events:")
			      : mode == GUARD_ABI_OBSERVE
				      ? _("The guard observes, and refuses nothing. Its events:")
				      : _("The guard is not in force. Its events:"));
	buf_add_char(&w->out, '\n');
	return write_out(w);
}

static int finish(struct watch *w)
{
	if (w->json || w->o->quiet)
		return EXIT_DECLARED;
	buf_printf(&w->out, ngettext("%lu event.", "%lu events.", (unsigned long)w->shown),
		   (unsigned long)w->shown);
	buf_add_char(&w->out, '\n');
	return write_out(w) == STEP_ON ? EXIT_DECLARED : EXIT_BLIND;
}

/* What is ignored stays so: a shell that runs a job in the background has it ignore Ctrl-C. */
static int take_signals(void)
{
	const int signals[] = {SIGINT, SIGTERM};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		struct sigaction now;

		if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(&set, signals[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int read_limits(struct watch *w)
{
	uint32_t seconds;

	w->left = UINT64_MAX;
	if (w->o->count &&
	    (text_parse_number(w->o->count, strlen(w->o->count), COUNT_LIMIT, &w->left) < 0 ||
	     !w->left))
		return command_fail(_("'%.64s' is no number of events"), w->o->count);
	if (!w->o->duration)
		return 0;
	if (text_parse_duration(w->o->duration, TIME_LIMIT_S, &seconds) < 0)
		return command_fail(_("'%.64s' is no time: say 30s, 5m or 2h"), w->o->duration);
	w->end_ns = clock_ns(CLOCK_MONOTONIC) + (int64_t)seconds * 1000000000;
	return 0;
}

static int open_all(struct watch *w)
{
	const char *cgroup = w->o->cgroup ? w->o->cgroup : guard_pins_cgroup_root();
	struct err e = {0};

	if (guard_ring_open(w->o->pin_dir, &w->ring, &e) < 0)
		return command_fail("%s", e.msg);
	if (guard_whos_init(&w->whos, cgroup, w->o->numeric) < 0)
		return command_fail(_("out of memory"));
	w->signal_fd = take_signals();
	if (w->signal_fd < 0)
		return command_fail(_("signals cannot be read: %s"), strerror(errno));
	guard_ring_add(&w->ring, w->signal_fd, EPOLLIN);
	guard_ring_add(&w->ring, STDOUT_FILENO, 0);
	return 0;
}

static int run(struct watch *w)
{
	int r = read_limits(w), result;

	if (r == 0)
		r = open_all(w);
	if (r != 0)
		return r;
	result = begin(w);
	while (result == STEP_ON)
		result = step(w);
	return result == STEP_END ? finish(w) : EXIT_BLIND;
}

int command_watch(const struct options *o)
{
	struct watch *w;
	int code;

	if (o->word_count)
		return command_fail(_("watch takes no arguments"));
	if (o->no_bpf)
		return command_fail(_("the guard's events cannot be read without BPF"));
	w = calloc(1, sizeof(*w));
	if (!w)
		return command_fail(_("out of memory"));
	w->o = o;
	w->json = o->json || o->json_lines;
	w->policy.dir = o->policy_dir;
	w->signal_fd = w->whos.cgroup_fd = -1;
	w->ring = GUARD_RING_CLOSED;
	view_start(&w->view, o);
	code = run(w);
	mem_close_cleanup(&w->signal_fd);
	watch_policy_done(&w->policy);
	guard_whos_done(&w->whos);
	for (size_t i = 0; i < GUARD_WHO_SLOTS; i++)
		watch_words_forget(&w->said[i]);
	guard_ring_close(&w->ring);
	buf_done(&w->out);
	free(w);
	return code;
}
