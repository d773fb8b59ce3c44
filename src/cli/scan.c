/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: the ports of other machines, and of this one, as they look from outside.
 */
#include "observe/scan.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/json_scan.h"
#include "cli/progress.h"
#include "cli/scan_targets_read.h"
#include "cli/scan_words.h"
#include "observe/scan_services.h"
#include "observe/services_file.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RATE_LIMIT = 10000000, TIMEOUT_LIMIT_S = 30 * 86400, RETRY_LIMIT = 10 };

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

/* Once: whoever presses Ctrl-C again means it. */
static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

struct waiting {
	struct progress line;
	size_t host_count;
	struct timespec begun;
	uint64_t pass_began_ms;
	unsigned pass;
};

static uint64_t waited_ms(const struct waiting *w)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(now.tv_sec - w->begun.tv_sec) * 1000 +
	       (uint64_t)((now.tv_nsec - w->begun.tv_nsec) / 1000000);
}

static void show_progress(size_t hosts_done, const struct probe_progress *p, void *context)
{
	struct waiting *w = context;
	uint64_t now = w->line.wanted ? waited_ms(w) : 0, left_s = 0;
	char text[200];

	if (!w->line.wanted)
		return;
	if (p->pass != w->pass || p->asked == 0) {
		w->pass = p->pass;
		w->pass_began_ms = now;
	}
	if (p->left_s)
		left_s = p->left_s;
	else if (p->asked)
		left_s = (now - w->pass_began_ms) * (p->total - p->asked) / p->asked / 1000;
	snprintf(text, sizeof(text),
		 _("%zu of %zu hosts done; round %u: %llu %% asked, %llu s to go; %llu answers"),
		 hosts_done, w->host_count, p->pass,
		 (unsigned long long)(p->asked * 100 / p->total), (unsigned long long)left_s,
		 (unsigned long long)p->answered);
	progress_write(&w->line, text);
}

static void show_service_progress(size_t told, size_t count, void *context)
{
	struct waiting *w = context;
	char text[200];

	if (!w->line.wanted)
		return;
	snprintf(text, sizeof(text), _("%zu of %zu open ports asked what speaks there"), told,
		 count);
	progress_write(&w->line, text);
}

static int read_rate(const char *name, const char *text, double *ret, struct err *e)
{
	uint64_t number;

	if (!text)
		return 0;
	if (text_parse_number(text, strlen(text), RATE_LIMIT, &number) < 0 || number == 0)
		return err_set(e, -EINVAL, _("--%s cannot be '%.64s': packets a second, 1 to %d"),
			       name, text, RATE_LIMIT);
	*ret = (double)number;
	return 0;
}

static int read_retries(const struct options *o, struct scan_wish *wish, struct err *e)
{
	uint64_t number;

	if (!o->max_retries)
		return 0;
	if (text_parse_number(o->max_retries, strlen(o->max_retries), RETRY_LIMIT, &number) < 0)
		return err_set(e, -EINVAL, _("--max-retries cannot be '%.64s': 0 to %d"),
			       o->max_retries, RETRY_LIMIT);
	wish->tries = (unsigned)number + 1;
	return 0;
}

static int read_wish(const struct options *o, struct scan_wish *wish, struct err *e)
{
	int r = read_rate("rate", o->rate, &wish->rate, e);

	if (r == 0)
		r = read_rate("max-rate", o->max_rate, &wish->max_rate, e);
	if (r == 0)
		r = read_retries(o, wish, e);
	if (r < 0)
		return r;
	if (wish->rate > 0 && wish->max_rate > 0)
		return err_set(e, -EINVAL,
			       _("--rate and --max-rate exclude each other: choose one"));
	if (o->by_packets && o->by_connect)
		return err_set(e, -EINVAL, _("-sS and -sT exclude each other: choose one"));
	if (o->host_timeout &&
	    text_parse_duration(o->host_timeout, TIMEOUT_LIMIT_S, &wish->host_timeout_s) < 0)
		return err_set(e, -EINVAL,
			       _("--host-timeout cannot be '%.64s': write 30s, 5m or 2h"),
			       o->host_timeout);
	return 0;
}

/* Without privileges for packets, by connections, unless packets were asked for. */
static int choose_way(const struct options *o, struct scan_wish *wish, struct err *e)
{
	wish->connect = o->by_connect;
	if (o->by_connect || scan_can_send(e) == 0)
		return 0;
	if (o->by_packets)
		return e->code;
	wish->connect = true;
	if (!o->quiet && !o->by_datagrams)
		fprintf(stderr, "portero: %s\n",
			_("without root the ports are asked by connections, which is slower "
			  "(-sT)"));
	return 0;
}

static int print(const struct options *o, struct view *v, const struct scan *s, bool by_connect,
		 int64_t begun_s)
{
	struct err ignored; /* then the registry's names do */
	int r;

	if (o->json)
		return json_scan_print(s, by_connect, begun_s);
	view_start(v, o);
	services_load(&v->services, "/etc/services", &ignored);
	r = scan_words_print(v, s);
	services_done(&v->services);
	return r;
}

/* What is known of the ports is worth showing, though nothing of their services should be. */
static void ask_services(struct scan *s, const struct scan_wish *wish, struct progress *line)
{
	struct err e = {0};

	if (scan_services_ask(s, wish, &e) == 0)
		return;
	progress_clear(line);
	command_fail("%s", e.msg);
}

static int scan_and_print(const struct options *o, const struct scan_question *q,
			  const struct scan_wish *asked)
{
	struct waiting waiting = {.line = progress_begin(), .host_count = q->targets.count};
	struct scan cleanup_call(scan_done) s = {0};
	struct scan_wish wish = *asked;
	int64_t begun_s = time(NULL);
	struct view v = {0};
	struct err e = {0};
	int r;

	clock_gettime(CLOCK_MONOTONIC, &waiting.begun);
	wish.stop = &stopped;
	wish.progress = show_progress;
	wish.service_progress = show_service_progress;
	wish.context = &waiting;
	if (scan_init_both(&s, q->targets.items, q->targets.count, q->ports, q->tcp_count,
			   q->port_count - q->tcp_count) < 0)
		return command_fail(_("out of memory"));
	catch_signals();
	r = scan_run(&s, &wish, &e);
	if (r == 0 && o->services)
		ask_services(&s, &wish, &waiting.line);
	progress_clear(&waiting.line);
	if (r < 0)
		return command_fail("%s", e.msg);
	if (print(o, &v, &s, wish.connect, begun_s) < 0)
		return command_fail(_("out of memory"));
	return scan_is_complete(&s) ? EXIT_DECLARED : EXIT_BLIND;
}

int command_scan(const struct options *o)
{
	struct scan_question *q = malloc(sizeof(*q));
	struct scan_wish wish = {0};
	struct err e = {0};
	int code;

	if (!q)
		return command_fail(_("out of memory"));
	if (scan_question_read(o, q, &e) < 0 || read_wish(o, &wish, &e) < 0 ||
	    choose_way(o, &wish, &e) < 0)
		code = command_fail("%s", e.msg);
	else
		code = scan_and_print(o, q, &wish);
	scan_question_done(q);
	free(q);
	return code;
}
