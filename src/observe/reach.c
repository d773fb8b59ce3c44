/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/mirror.h"
#include "observe/reach_cache.h"
#include "observe/reach_explore.h"
#include "observe/reach_gaps.h"
#include "observe/reach_plan.h"
#include "observe/reach_tell.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int show_query(const struct mirror *m, const struct reach_plan *plan,
		      const struct reach_answers *answers, const struct reach_query *q,
		      const struct reach_options *options, struct reach *reach)
{
	uint32_t blocked_str = reach_gaps_of_query(m, q, reach);
	int r = 0;

	for (uint32_t i = 0; i < q->asks.count && r >= 0; i++) {
		const struct reach_ask *one = &plan->asks.items[q->asks.first + i];
		const struct reach_answer *answer = &answers->items[q->first_answer + i];
		struct reach_asked asked = {.flow = &q->flow,
					    .behind = q->class.behind,
					    .port = plan->points.items[one->first].port,
					    .unanswered = answer->reply != REPLY_NOT_ASKED,
					    .verdict = blocked_str ? VERDICT_UNKNOWN
								   : reach_answer_verdict(answer)};

		if (asked.verdict == VERDICT_UNKNOWN)
			asked.why = blocked_str ? reach_text(reach, blocked_str)
						: reach_tell_why(m, answers, answer);
		if (answer->verdicts & 1u << VERDICT_ACCEPT) {
			asked.taken = !answers->targets[answer->target].forwarded;
			asked.arrival_port = answer->target_port;
		}
		r = options->each(&asked, options->each_context);
	}
	return r;
}

/* Answer by answer, before those that are alike become one. */
static int show_each(const struct mirror *m, const struct reach_plan *plan,
		     const struct reach_answers *answers, const struct reach_options *options,
		     struct reach *reach)
{
	int r = 0;

	for (size_t i = 0; options->each && i < plan->count && r >= 0; i++)
		r = show_query(m, plan, answers, &plan->queries[i], options, reach);
	return r;
}

static int ask(struct mirror *m, const struct reach_options *options, struct reach *ret,
	       bool *in_time, struct err *e)
{
	struct reach_plan plan = {0};
	struct reach_answers answers = {0};
	int r = reach_plan_build(m, options, ret, &plan, e);

	if (r >= 0)
		r = reach_explore(m, &plan, options, &answers, e);
	if (r >= 0) {
		ret->available = true;
		reach_gaps_add(m, ret);
		r = show_each(m, &plan, &answers, options, ret);
	}
	if (r >= 0) {
		r = reach_tell(m, &plan, &answers, options, ret);
		*in_time = !answers.out_of_time;
	}
	reach_answers_done(&answers);
	reach_plan_done(&plan);
	return r;
}

/* Without a twin nothing is known, and the reason is all that there is to say. */
void reach_say_why_not(struct reach *ret, int code, const struct err *e)
{
	const char *remedy = "";

	if (code == -EPERM || code == -EACCES)
		remedy = _("run portero as root");
	else if (code == -ENODEV)
		remedy = _("load the kernel module tun (modprobe tun)");
	ret->available = false;
	reach_add_gap(ret, _("who can reach the ports"), e->msg, remedy);
}

static bool uses_cache(const struct reach_options *options)
{
	return options->cache_dir && !options->no_cache && !options->each;
}

/* Are the answers of an unchanged machine at hand? `m` has read, and looked, then. */
static bool find_kept(struct mirror *m, const struct reach_options *options, struct reach *ret)
{
	uint64_t key;

	if (mirror_read(m, NULL) < 0 || mirror_look(m, options->snapshot, NULL) < 0) {
		mirror_done(m);
		return false;
	}
	key = reach_cache_key(m, options);
	return key && !m->nft.changing && !m->legacy.changing && !m->ipset.changing &&
	       reach_cache_load(options->cache_dir, key, ret);
}

/* Answers that are only of this moment are not kept, nor what failed by chance. */
static void keep(const struct mirror *m, const struct reach_options *options,
		 const struct reach *reach)
{
	uint64_t key = reach_cache_key(m, options);

	if (key && !m->changing && !m->clock && !m->ipset.changing && reach_gaps_are_lasting(m))
		reach_cache_save(options->cache_dir, key, reach);
}

/* For whoever joins the answers with other namespaces. */
static void add_sentences(struct reach *r)
{
	r->untied_str = strpool_add_text(
		&r->strings, _("no network namespace with the address that it is sent on to is "
			       "directly behind the interface that its route leads to"));
	r->several_str = strpool_add_text(
		&r->strings, _("several network namespaces behind the same interface have the "
			       "address that it is sent on to, and not all of them listen"));
	r->apart_str = strpool_add_text(
		&r->strings,
		_("its network namespace is not directly behind an interface of this machine"));
}

/* From the cache, or else from a twin. */
static int take(struct mirror *m, const struct reach_options *options, struct reach *ret,
		struct err *e)
{
	bool kept = uses_cache(options) && find_kept(m, options, ret), in_time = true;
	int r = 0;

	if (!kept) {
		*ret = (struct reach){.complete = true};
		r = mirror_open(m, options->snapshot, e);
	}
	if (r >= 0 && !kept)
		r = ask(m, options, ret, &in_time, e);
	if (r < 0)
		return r;
	if (!kept && in_time && uses_cache(options))
		keep(m, options, ret);
	ret->generation = m->nft.generation;
	add_sentences(ret);
	reach_gaps_add_filtered(m, options->snapshot, ret);
	return 0;
}

static int take_until(struct mirror *m, const struct reach_options *options, struct reach *ret,
		      struct err *e)
{
	struct reach_options with_deadline = *options;
	unsigned patience = options->patience ? options->patience
			    : options->full   ? REACH_PATIENCE_FULL
					      : REACH_PATIENCE;

	with_deadline.deadline = reach_now() + (uint64_t)patience * 1000;
	return take(m, &with_deadline, ret, e);
}

struct mirror *reach_read_ahead(void)
{
	struct mirror *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	*m = mirror_of(NULL);
	if (mirror_read(m, NULL) == 0)
		return m;
	reach_read_free(m);
	return NULL;
}

void reach_read_free(struct mirror *ahead)
{
	if (ahead)
		mirror_done(ahead);
	free(ahead);
}

int reach_take(const struct reach_options *options, struct reach *ret, struct err *e)
{
	/* what was read ahead is the machine as it is */
	bool ahead = options->ahead && !options->planned;
	struct mirror own = mirror_of(options->planned), *m = ahead ? options->ahead : &own;
	struct err why = {0};
	int r;

	*ret = (struct reach){0};
	r = take_until(m, options, ret, &why);
	mirror_done(m);
	if (r == -EINVAL && why.code == -EINVAL && (options->in || options->to.family)) {
		if (e)
			*e = why;
		return r;
	}
	if (r == -ENOMEM)
		return err_set(e, r, _("out of memory"));
	if (r < 0)
		reach_say_why_not(ret, r, &why);
	return 0;
}

static bool is_on(const char *path)
{
	FILE *f = fopen(path, "re");
	int c = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	return c != EOF && c != '0';
}

bool reach_forwards(void)
{
	static const char *const patterns[] = {"/proc/sys/net/ipv4/conf/*/forwarding",
					       "/proc/sys/net/ipv6/conf/*/forwarding"};
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		glob_t found;

		if (glob(patterns[i], GLOB_NOSORT, NULL, &found) != 0)
			continue;
		for (size_t k = 0; k < found.gl_pathc; k++)
			any |= is_on(found.gl_pathv[k]);
		globfree(&found);
	}
	return any;
}
