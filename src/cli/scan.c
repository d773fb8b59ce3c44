/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: the ports of other machines, and of this one, as they look from outside.
 */
#include "observe/scan.h"
#include "base/clock.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/json_scan.h"
#include "cli/json_scan_lines.h"
#include "cli/progress.h"
#include "cli/scan_inside.h"
#include "cli/scan_output.h"
#include "cli/scan_saving.h"
#include "cli/scan_sources_read.h"
#include "cli/scan_targets_read.h"
#include "cli/scan_words.h"
#include "observe/reach.h"
#include "observe/scan_services.h"
#include "observe/services_file.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RATE_LIMIT = 10000000, TIMEOUT_LIMIT_S = 30 * 86400, RETRY_LIMIT = 10, POLITE_RATE = 100 };

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
	int64_t begun_ms;
	uint64_t pass_began_ms;
	unsigned pass;
};

/* Until the end of this round; negative: not known. */
static double left_s(const struct probe_progress *p, const struct waiting *w, uint64_t now_ms)
{
	if (p->paced)
		return p->left_s;
	if (!p->asked)
		return -1;
	return (double)(now_ms - w->pass_began_ms) * (double)(p->total - p->asked) /
	       (double)p->asked / 1e3;
}

static void show_progress(size_t hosts_done, const struct probe_progress *p, struct waiting *w)
{
	uint64_t now = w->line.wanted ? (uint64_t)(clock_mono_ms() - w->begun_ms) : 0;
	char text[200], left[60] = "";
	double seconds;

	if (!w->line.wanted)
		return;
	if (p->pass != w->pass || p->asked == 0) {
		w->pass = p->pass;
		w->pass_began_ms = now;
	}
	seconds = left_s(p, w, now);
	if (seconds >= 0)
		snprintf(left, sizeof(left), _(", about %.0f s to go"), seconds);
	snprintf(text, sizeof(text),
		 p->paced ? _("%zu of %zu hosts done; UDP, round %u: %llu %% known%s; %llu answers")
			  : _("%zu of %zu hosts done; round %u: %llu %% asked%s; %llu answers"),
		 hosts_done, w->host_count, p->pass,
		 (unsigned long long)(p->asked * 100 / p->total), left,
		 (unsigned long long)p->answered);
	progress_write(&w->line, text);
}

static void show_service_progress(size_t told, size_t count, struct waiting *w)
{
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

/*
 * nmap's -T. Who says 2 wants to be polite: that is slower than any way needs, and still asks all
 * ports in a quarter of an hour (nmap's own, 2.5 a second, would take a day). 0 and 1 are to stay
 * below what others notice, minutes for a packet. The others want speed, which follows the way.
 */
static int read_timing(const struct options *o, struct scan_wish *wish, struct err *e)
{
	static const char *const names[] = {"paranoid", "sneaky",     "polite",
					    "normal",	"aggressive", "insane"};
	size_t level = 0;

	if (!o->timing)
		return 0;
	while (level < ARRAY_LEN(names) && strcmp(o->timing, names[level]) != 0 &&
	       strcmp(o->timing, (const char[]){(char)('0' + level), '\0'}) != 0)
		level++;
	if (level == ARRAY_LEN(names))
		return err_set(e, -EINVAL,
			       _("-T cannot be '%.64s': 2 is polite, 3 to 5 are as "
				 "fast as the way allows"),
			       o->timing);
	if (level < 2)
		return err_set(e, -EINVAL,
			       _("portero has no -T%zu: -T2 sends 100 packets a second, --max-rate "
				 "as few as 1"),
			       level);
	if (level == 2 && wish->rate <= 0 && wish->max_rate <= 0)
		wish->max_rate = POLITE_RATE;
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
	r = read_timing(o, wish, e);
	if (r < 0)
		return r;
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

/* --- a scan ------------------------------------------------------------------------------------
 */

struct job {
	const struct options *o;
	struct scan scan;
	struct scan_wish wish;
	struct scan_sources sources;
	struct scan_output output;
	struct scan_saving saving;
	struct scan_lines lines;
	struct scan_inside inside;
	struct waiting waiting;
	int64_t begun_s;
};

static void job_done(struct job *j)
{
	scan_output_done(&j->output);
	scan_saving_done(&j->saving);
	scan_inside_done(&j->inside);
	scan_done(&j->scan);
}

static void show_progress_of(size_t hosts_done, const struct probe_progress *p, void *context)
{
	show_progress(hosts_done, p, &((struct job *)context)->waiting);
}

static void show_service_progress_of(size_t told, size_t count, void *context)
{
	show_service_progress(told, count, &((struct job *)context)->waiting);
}

static void tell_port(size_t host, size_t port, void *context)
{
	json_scan_lines_port(&((struct job *)context)->lines, host, port);
}

static void tell_service(size_t host, size_t port, void *context)
{
	struct job *j = context;

	if (j->o->json_lines)
		json_scan_lines_service(&j->lines, host, port);
	if (j->saving.path)
		scan_saving_service(&j->saving);
}

static void begin_udp(size_t host, void *context)
{
	struct job *j = context;

	if (!j->sources.count) /* of those, the inside would have to be asked one by one */
		scan_inside_begin(&j->inside, j->o, &j->scan, host);
}

/* A host that is done. */
static void tell_host(size_t host, void *context)
{
	struct job *j = context;

	scan_inside_join(&j->inside, &j->scan, host);
	if (!j->o->json_lines)
		return;
	for (size_t i = j->scan.tcp_count; i < j->scan.port_count; i++)
		if (j->scan.hosts[host].replies[i] == SCAN_UDP_BOUND)
			json_scan_lines_port(&j->lines, host, i);
	if (!j->o->services)
		json_scan_lines_host(&j->lines, host);
}

static uint32_t save(const struct scan_memory *m, void *context)
{
	return scan_saving_save(&((struct job *)context)->saving, m);
}

static int write_files(struct job *j, const struct services *names)
{
	struct scan_report report = {.scan = &j->scan,
				     .options = j->o,
				     .services = names,
				     .by_connect = j->wish.connect,
				     .begun_s = j->begun_s,
				     .ended_s = time(NULL)};
	struct err e;

	return scan_output_write(&j->output, &report, &e) < 0 ? command_fail("%s", e.msg) : 0;
}

/* The host lines of a scan that asks for services come last, when all is known of them. */
static void end_lines(struct job *j)
{
	for (size_t i = 0; j->o->services && i < j->scan.host_count; i++)
		json_scan_lines_host(&j->lines, i);
	json_scan_lines_end(&j->lines);
}

static int print(struct job *j)
{
	struct err ignored; /* then the registry's names do */
	struct view v = {0};
	int r = 0, code;

	view_start(&v, j->o);
	services_load(&v.services, "/etc/services", &ignored);
	code = write_files(j, &v.services);
	if (j->o->json_lines)
		end_lines(j);
	else if (j->o->json)
		r = json_scan_print(&j->scan, j->wish.connect, j->begun_s);
	else if (!scan_output_is_shown(&j->output))
		r = scan_words_print(&v, &j->scan);
	services_done(&v.services);
	return r < 0 ? command_fail(_("out of memory")) : code;
}

/* What is known of the ports is worth showing, though nothing of their services should be. */
static void ask_services(struct job *j, bool keep)
{
	struct err e = {0};
	int r = scan_services_ask(&j->scan, &j->wish, &e);

	if (keep)
		scan_saving_end(&j->saving);
	if (r == 0) {
		scan_services_conclude(&j->scan, &j->wish);
		return;
	}
	progress_clear(&j->waiting.line);
	command_fail(_("what speaks on the open ports could not be asked: %s"), e.msg);
}

static void make_wish(struct job *j)
{
	j->wish.sources = j->sources.items;
	j->wish.source_count = j->sources.count;
	j->wish.stop = &stopped;
	j->inside.stop = &stopped;
	if (j->wish.host_timeout_s < REACH_PATIENCE)
		j->inside.patience_s = j->wish.host_timeout_s;
	j->wish.progress = show_progress_of;
	j->wish.service_progress = show_service_progress_of;
	j->wish.save = j->saving.path ? save : NULL;
	j->wish.udp_begun = begin_udp;
	j->wish.host_done = tell_host;
	j->wish.service_found = tell_service;
	j->wish.context = j;
	if (!j->o->json_lines)
		return;
	j->lines = (struct scan_lines){.scan = &j->scan, .stop = &stopped};
	j->wish.found = tell_port;
}

static int scan_and_print(struct job *j)
{
	struct err e = {0};
	bool keep; /* that all ports are known */
	int r, code = 0;

	j->waiting = (struct waiting){.line = progress_begin(), .host_count = j->scan.host_count};
	j->waiting.begun_ms = clock_mono_ms();
	make_wish(j);
	catch_signals();
	if (j->o->json_lines)
		json_scan_lines_begin(&j->lines, j->wish.connect, j->begun_s);
	r = scan_run(&j->scan, &j->wish, &e);
	keep = r == 0 && j->saving.path && !stopped;
	if (keep)
		scan_saving_end(&j->saving);
	if (r == 0 && j->o->services)
		ask_services(j, keep);
	progress_clear(&j->waiting.line);
	if (j->saving.failed.code)
		code = command_fail("%s", j->saving.failed.msg);
	if (r < 0)
		return command_fail("%s", e.msg);
	r = print(j);
	return r || code || !scan_is_complete(&j->scan) ? EXIT_BLIND : EXIT_DECLARED;
}

/* --- what is asked -----------------------------------------------------------------------------
 */

static int read_question(struct job *j, struct err *e)
{
	struct scan_question *q = malloc(sizeof(*q));
	int r;

	if (!q)
		return err_set(e, -ENOMEM, _("out of memory"));
	r = scan_question_read(j->o, q, e);
	if (r == 0)
		r = read_wish(j->o, &j->wish, e);
	if (r == 0)
		r = choose_way(j->o, &j->wish, e);
	if (r == 0)
		r = scan_sources_read(j->o, &j->sources, e);
	if (r == 0 && scan_init_both(&j->scan, q->targets.items, q->targets.count, q->ports,
				     q->tcp_count, q->port_count - q->tcp_count) < 0)
		r = err_set(e, -ENOMEM, _("out of memory"));
	if (r == 0 && j->o->save && j->o->by_datagrams)
		r = err_set(e, -EINVAL, _("--save cannot keep how far UDP is: leave out -sU"));
	if (r == 0 && j->o->save)
		r = scan_saving_begin(&j->saving, j->o, &j->scan, &j->wish, j->begun_s, e);
	scan_question_done(q);
	free(q);
	return r;
}

/* With what was asked for then, but who may be asked is looked at now. */
static int read_saved(struct job *j, struct options *o, struct err *e)
{
	struct scan_targets cleanup_call(scan_targets_done) targets = {0};
	int r = 0;

	if (o->word_count || o->targets || o->exclude || o->exclude_file || o->ports ||
	    o->top_ports || o->fast || o->sources || o->rate || o->max_rate || o->max_retries ||
	    o->host_timeout || o->timing || o->by_packets || o->by_connect || o->by_datagrams ||
	    o->services || o->save || o->ipv4 || o->ipv6)
		return err_set(
			e, -EINVAL,
			_("--resume goes on with what was asked for: beside it, only say how "
			  "to show it"));
	r = scan_saving_resume(&j->saving, o, &j->scan, &j->wish, &j->begun_s, e);
	for (size_t i = 0; i < j->scan.host_count && r == 0; i++)
		r = scan_targets_add(&targets, &j->scan.hosts[i].address, e);
	if (r == 0)
		r = scan_question_check_scope(o, &targets, e);
	return r == 0 ? choose_way(o, &j->wish, e) : r;
}

int command_scan(const struct options *asked)
{
	struct options o = *asked;
	struct job j = {.o = &o, .begun_s = time(NULL)};
	struct err e = {0};
	int code = scan_output_init(&j.output, &o, &e);

	if (code == 0)
		code = o.resume ? read_saved(&j, &o, &e) : read_question(&j, &e);
	code = code < 0 ? command_fail("%s", e.msg) : scan_and_print(&j);
	job_done(&j);
	return code;
}
