/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/scan_saving.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	INTERVAL_MS = 2000,
	COST = 20, /* no more than that part of the time is spent on writing */
};

static int write_state(const struct scan_saving *v, struct err *e)
{
	struct buf cleanup_call(buf_done) text = {0};
	int r;

	scan_saved_format(v->state, v->scan, &text);
	r = text.failed ? -ENOMEM : save_path(v->path, text.data, text.len, 0600);
	return r < 0 ? err_set(e, r, _("%.200s cannot be written: %s"), v->path, strerror(-r)) : 0;
}

static int make_state(struct scan_saving *v, const char *path, const struct scan *s, struct err *e)
{
	*v = (struct scan_saving){.path = path, .scan = s, .state = calloc(1, sizeof(*v->state))};
	return v->state ? 0 : err_set(e, -ENOMEM, _("out of memory"));
}

int scan_saving_resume(struct scan_saving *v, struct options *o, struct scan *s,
		       struct scan_wish *wish, int64_t *begun_s, struct err *e)
{
	const char *path = o->resume;
	struct buf cleanup_call(buf_done) text = {0};
	int r = make_state(v, path, s, e);

	if (r < 0)
		return r;
	r = file_read_at(AT_FDCWD, path, SCAN_SAVED_FILE_LIMIT, &text);
	if (r < 0)
		return err_set(e, r, _("%.200s cannot be read: %s"), path, strerror(-r));
	r = scan_saved_parse(path, buf_text(&text), text.len, v->state, s, e);
	if (r < 0)
		return r;
	*begun_s = v->state->begun_s;
	o->services = v->state->services;
	o->by_connect = v->state->connect;
	o->by_packets = !v->state->connect;
	wish->rate = v->state->rate;
	wish->max_rate = v->state->max_rate;
	wish->host_timeout_s = v->state->host_timeout_s;
	wish->resume = &v->state->memory;
	return write_state(v, e);
}

int scan_saving_begin(struct scan_saving *v, const struct options *o, const struct scan *s,
		      const struct scan_wish *wish, int64_t begun_s, struct err *e)
{
	const char *path = o->save;
	struct stat st;
	int r = make_state(v, path, s, e);

	if (r < 0)
		return r;
	if (s->host_count * s->port_count > SCAN_SAVED_PROBE_LIMIT)
		return err_set(e, -E2BIG,
			       _("%zu addresses with %zu ports each are too many to be saved: scan "
				 "them in parts"),
			       s->host_count, s->port_count);
	if (lstat(path, &st) == 0)
		return err_set(e, -EEXIST,
			       _("%.200s is there already: go on with it (--resume %.200s), remove "
				 "it, or choose another name"),
			       path, path);
	v->state->begun_s = begun_s;
	v->state->services = o->services;
	v->state->connect = wish->connect;
	v->state->rate = wish->rate;
	v->state->max_rate = wish->max_rate;
	v->state->host_timeout_s = wish->host_timeout_s;
	return write_state(v, e);
}

/* Returns in how many ms it is to be done again. */
static uint32_t write_in_time(struct scan_saving *v)
{
	uint64_t begun = (uint64_t)clock_mono_ms(), wait;
	struct err e;

	if (write_state(v, &e) < 0 && !v->failed.code)
		v->failed = e;
	wait = ((uint64_t)clock_mono_ms() - begun) * COST;
	return wait > INTERVAL_MS ? (uint32_t)wait : INTERVAL_MS;
}

uint32_t scan_saving_save(struct scan_saving *v, const struct scan_memory *m)
{
	v->state->memory = *m;
	return write_in_time(v);
}

void scan_saving_service(struct scan_saving *v)
{
	if ((uint64_t)clock_mono_ms() >= v->due_ms)
		v->due_ms = write_in_time(v) + (uint64_t)clock_mono_ms();
}

void scan_saving_end(struct scan_saving *v)
{
	v->state->memory = (struct scan_memory){.seed = v->state->memory.seed,
						.sent = v->scan->sent,
						.answers = v->scan->answers,
						.took_ns = v->scan->took_ns};
	if (!v->failed.code)
		write_state(v, &v->failed);
}

void scan_saving_done(struct scan_saving *v)
{
	free(v->state);
	*v = (struct scan_saving){0};
}
