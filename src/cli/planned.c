/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/planned.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/command.h"
#include "decide/policy_ruleset.h"
#include "observe/nft_graft.h"
#include "observe/reach.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static int make_rules(struct planned *p, bool observe, bool no_socket, struct buf *script,
		      struct nft_image *image, struct err *e)
{
	const struct policy_ruleset_wish wish = {.policy = &p->policy,
						 .links = &p->links,
						 .now_s = p->now_s,
						 .observe = observe,
						 .no_socket = no_socket,
						 .vrf = p->links.has_vrf};

	buf_clear(script);
	nft_image_done(image);
	if (policy_ruleset_format(&wish, script) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	return nft_graft_make(script->data, script->len, image, e);
}

/* The rules that decide, and those which only observe. */
static int make_images(struct planned *p, struct err *e)
{
	struct buf cleanup_call(buf_done) script = {0};
	bool no_socket = false;
	int r = make_rules(p, false, no_socket, &p->script, &p->rules, e);

	/* the only thing that not every kernel has: if that is not why, it is refused again */
	if (r == -EINVAL) {
		no_socket = true;
		r = make_rules(p, false, no_socket, &p->script, &p->rules, e);
	}
	return r < 0 ? r : make_rules(p, true, no_socket, &script, &p->observing, e);
}

static int compare_with_kernel(struct planned *p, struct err *e)
{
	struct nft_image table = {0};
	int r = nft_graft_read(NFT_GRAFT_FAMILY, NFT_GRAFT_TABLE, &table, e);

	if (r >= 0) {
		p->has_table = table.count != 0;
		p->is_applied = p->has_table &&
				nft_image_fingerprint(&table) == nft_image_fingerprint(&p->rules);
	}
	nft_image_done(&table);
	return r;
}

static struct policy_question question_of(const struct reach_asked *asked)
{
	return (struct policy_question){.flow = asked->flow,
					.behind = asked->behind,
					.port = asked->port,
					.verdict = asked->verdict,
					.why = asked->why,
					.unanswered = asked->unanswered,
					.taken = asked->taken,
					.arrival_port = asked->arrival_port};
}

static int see_without(const struct reach_asked *asked, void *context)
{
	struct policy_question q = question_of(asked);

	return policy_verify_without(context, &q);
}

static int see_with(const struct reach_asked *asked, void *context)
{
	struct policy_question q = question_of(asked);

	return policy_verify_with(context, &q);
}

/*
 * Who plans wants a proof, and waits for it: everything is asked about, and only a machine that is
 * far too slow makes it end before. A source of a policy is two or three packets, of some
 * microseconds each.
 */
static struct reach_options ask_all(struct planned *p)
{
	enum { SOURCES_A_SECOND = 50, PATIENCE_LIMIT_S = 1800 };
	size_t patience = REACH_PATIENCE + p->policy.source_count / SOURCES_A_SECOND;

	return (struct reach_options){.snapshot = &p->now.snapshot,
				      .patience = patience < PATIENCE_LIMIT_S ? (unsigned)patience
									      : PATIENCE_LIMIT_S,
				      .thorough = true,
				      .progress = progress_show,
				      .progress_context = &p->progress};
}

static int ask_observing(struct planned *p, struct err *e)
{
	struct reach_options ask = ask_all(p);
	struct reach reach = {0};
	int r;

	ask.planned = &p->observing;
	ask.only_each = true;
	ask.each = see_without;
	ask.each_context = &p->verify;
	r = reach_take(&ask, &reach, e);
	p->is_complete = r >= 0 && reach.complete;
	reach_done(&reach);
	return r;
}

static int ask_deciding(struct planned *p, struct err *e)
{
	struct reach_options ask = ask_all(p);
	int r;

	ask.planned = &p->rules;
	ask.each = see_with;
	ask.each_context = &p->verify;
	r = view_take_other(&p->after, &p->now, &ask, e);
	p->is_complete &= r >= 0 && p->after.reach.complete;
	return r;
}

/* Which rule keeps it out, and whose it is. */
static int explain_blocked(struct planned *p, uint32_t opening, struct err *e)
{
	const struct policy_packet_seen *seen = &p->verify.blocked[opening];
	struct planned_blocked *b = &p->blocked[p->blocked_count];
	struct reach_options ask = {.snapshot = &p->now.snapshot,
				    .planned = &p->rules,
				    .from = seen->flow.source,
				    .to = seen->flow.destination};

	ask.in = snapshot_interface_name(&p->now.snapshot, 0, seen->flow.ifindex);
	b->opening = opening;
	b->wholly = p->verify.let_in[opening] == 0;
	p->blocked_count++;
	return explain_take(&ask, seen->port, seen->flow.proto, &b->explanation, e);
}

/* What routing drops, no rule blocks. */
static void forget_routing(struct planned *p)
{
	struct planned_blocked *last = &p->blocked[p->blocked_count - 1];

	if (last->wholly || last->explanation.decides != EXPLAIN_NONE)
		return;
	explanation_done(&last->explanation);
	*last = (struct planned_blocked){0};
	p->blocked_count--;
	p->blocked_total--;
}

static int explain_all_blocked(struct planned *p, struct err *e)
{
	int r = 0;

	for (uint32_t i = 0; i < p->policy.opening_count && r >= 0; i++) {
		if (p->verify.blocked[i].wanted == POLICY_CLOSED)
			continue;
		p->blocked_total++;
		if (p->blocked_count >= PLANNED_BLOCKED_LIMIT)
			continue;
		r = explain_blocked(p, i, e);
		if (r >= 0)
			forget_routing(p);
	}
	return r;
}

static int build_plan(struct planned *p, struct err *e)
{
	const struct plan_side now = {&p->now.list, &p->now.reach, &p->now.join};
	const struct plan_side after = {&p->after.list, &p->after.reach, &p->after.join};

	if (policy_plan_build(&p->policy, &p->now.snapshot, &now, &after, p->now_s, &p->plan) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	return 0;
}

/* A twin that could not be asked proves nothing. */
static int check_asked(const struct planned *p, struct err *e)
{
	const struct reach *reach = &p->after.reach;

	if (reach->available && p->now.reach.available)
		return 0;
	reach = reach->available ? &p->now.reach : reach;
	return err_set(e, -EIO, _("the new rules cannot be tried before they are used: %.400s"),
		       reach->gap_count ? reach_text(reach, reach->gaps[0].why_str) : "?");
}

/* Asks two twins: one in which the policy only observes, and one in which it decides. */
static int ask_twins(struct planned *p, struct err *e)
{
	int r = make_images(p, e);

	if (r >= 0)
		r = compare_with_kernel(p, e);
	if (r >= 0)
		r = ask_observing(p, e);
	return r < 0 ? r : ask_deciding(p, e);
}

static int try_rules(struct planned *p, struct err *e)
{
	int r;

	p->verify = (struct policy_verify){.policy = &p->policy,
					   .links = &p->links,
					   .snapshot = &p->now.snapshot,
					   .now_s = p->now_s};
	if (policy_verify_begin(&p->verify) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	r = ask_twins(p, e);
	if (r >= 0)
		r = check_asked(p, e);
	if (r >= 0)
		r = explain_all_blocked(p, e);
	return r < 0 ? r : build_plan(p, e);
}

/* The files of the folder, which need not be there yet when one is planned. */
static int read_files(struct planned *p, const struct options *o, const struct planned_file *file,
		      struct err *e)
{
	struct err why = {0};
	int r = policy_files_read(o->policy_dir, &p->files, &p->problems, &why);

	if (r == -ENOENT && file && file->text)
		r = 0;
	if (r < 0)
		return err_set(e, r, "%s", why.msg);
	return file ? policy_files_put(&p->files, file->name, file->text, e) : 0;
}

int planned_take(struct planned *p, const struct options *o, const struct planned_file *file,
		 struct err *e)
{
	struct reach_options ask;
	const struct view_wish wish = {.connections = true, .reach = true, .ask = &ask};
	int r;

	*p = (struct planned){.now_s = time(NULL), .progress = progress_begin()};
	r = read_files(p, o, file, e);
	if (r >= 0)
		r = policy_load_files(&p->files, &p->policy, &p->problems, e);
	if (r >= 0 && p->problems.error_count)
		r = err_set(e, -EINVAL, _("the policy has errors: nothing was changed"));
	ask = ask_all(p);
	if (r >= 0)
		r = view_take(&p->now, o, &wish, e);
	if (r >= 0 && policy_links_take(&p->now.snapshot, &p->links) < 0)
		r = err_set(e, -ENOMEM, _("out of memory"));
	if (r >= 0)
		r = try_rules(p, e);
	progress_clear(&p->progress);
	return r;
}

static int ask_machine(struct planned *p, struct err *e)
{
	struct reach_options ask = ask_all(p);
	struct reach reach = {0};
	int r;

	ask.only_each = true;
	ask.each = see_with;
	ask.each_context = &p->verify;
	r = reach_take(&ask, &reach, e);
	if (r >= 0 && !reach.available)
		r = err_set(e, -EIO, _("what the new rules do cannot be looked at: %.400s"),
			    reach.gap_count ? reach_text(&reach, reach.gaps[0].why_str) : "?");
	p->is_complete &= r >= 0 && reach.complete;
	reach_done(&reach);
	return r;
}

/* Others may change their rules at any time, between two looks too: then both are taken again. */
int planned_look_again(struct planned *p, struct err *e)
{
	enum { ATTEMPTS = 4 };
	int r = compare_with_kernel(p, e);

	if (r >= 0 && !p->is_applied)
		return err_set(e, -EIO, _("the kernel does not have the rules that it was given"));
	for (int i = 0; i < ATTEMPTS && r >= 0; i++) {
		policy_verify_restart(&p->verify);
		p->verify.now_s = time(NULL);
		r = ask_observing(p, e);
		if (r >= 0)
			r = ask_machine(p, e);
		if (!p->verify.diverged)
			break;
	}
	progress_clear(&p->progress);
	return r;
}

void planned_done(struct planned *p)
{
	for (size_t i = 0; i < p->blocked_count; i++)
		explanation_done(&p->blocked[i].explanation);
	policy_plan_done(&p->plan);
	policy_verify_done(&p->verify);
	view_done_other(&p->after);
	view_done(&p->now);
	nft_image_done(&p->observing);
	nft_image_done(&p->rules);
	buf_done(&p->script);
	policy_files_done(&p->files);
	policy_links_done(&p->links);
	policy_problems_done(&p->problems);
	policy_done(&p->policy);
}

/* Where packets are closed now, whom they would be passed on to is only seen once they are not. */
bool planned_is_missing(const struct planned *p, uint32_t opening)
{
	const struct opening *o = &p->policy.openings[opening];

	return snapshot_has_all_listeners(&p->now.snapshot) && !opening_is_over(o, p->now_s) &&
	       policy_is_missing(&p->policy, o, &p->now.list) &&
	       policy_is_missing(&p->policy, o, &p->after.list);
}

bool planned_holds(const struct planned *p)
{
	return policy_verify_holds(&p->verify);
}

bool planned_is_proved(const struct planned *p)
{
	return planned_holds(p) && !p->verify.unknown && p->is_complete;
}

bool planned_changes(const struct planned *p)
{
	return !p->is_applied || !policy_plan_is_empty(&p->plan);
}

int planned_exit_code(const struct planned *p)
{
	if (!planned_is_proved(p) || !snapshot_is_complete(&p->now.snapshot))
		return EXIT_BLIND;
	return planned_changes(p) ? EXIT_DIFFERENT : EXIT_DECLARED;
}

int planned_fail(const struct planned *p, const struct options *o, const struct err *e)
{
	policy_load_print(o->policy_dir, &p->problems, stderr);
	return command_fail("%s", e->msg);
}
