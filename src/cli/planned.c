/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/planned.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "decide/policy_ruleset.h"
#include "observe/nft_graft.h"
#include "observe/reach.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* The rules as a twin needs them: those which only observe, and those which decide. */
struct images {
	struct nft_image observing, deciding;
};

static void images_done(struct images *i)
{
	nft_image_done(&i->observing);
	nft_image_done(&i->deciding);
}

static int format_rules(struct planned *p, bool observe, struct buf *out, struct err *e)
{
	const struct policy_ruleset_wish wish = {
		.policy = &p->policy, .links = &p->links, .now_s = p->now_s, .observe = observe};

	return policy_ruleset_format(&wish, out) < 0 ? err_set(e, -ENOMEM, _("out of memory")) : 0;
}

static int make_images(struct planned *p, struct images *images, struct err *e)
{
	struct buf cleanup_call(buf_done) observing = {0};
	int r = format_rules(p, true, &observing, e);

	if (r >= 0)
		r = format_rules(p, false, &p->script, e);
	if (r >= 0)
		r = nft_graft_make(observing.data, observing.len, &images->observing, e);
	if (r >= 0)
		r = nft_graft_make(p->script.data, p->script.len, &images->deciding, e);
	return r;
}

static int compare_with_kernel(struct planned *p, const struct images *images, struct err *e)
{
	struct nft_image table = {0};
	int r = nft_graft_read(NFT_GRAFT_FAMILY, NFT_GRAFT_TABLE, &table, e);

	if (r >= 0) {
		p->has_table = table.count != 0;
		p->is_applied = p->has_table && nft_image_fingerprint(&table) ==
							nft_image_fingerprint(&images->deciding);
	}
	nft_image_done(&table);
	return r;
}

static struct policy_question question_of(const struct reach_asked *asked)
{
	return (struct policy_question){.flow = asked->flow,
					.behind = asked->behind,
					.port = asked->port,
					.verdict = asked->verdict};
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

static int ask_observing(struct planned *p, const struct images *images, struct err *e)
{
	const struct reach_options ask = {.snapshot = &p->now.snapshot,
					  .planned = &images->observing,
					  .each = see_without,
					  .each_context = &p->verify};
	struct reach reach = {0};
	int r = reach_take(&ask, &reach, e);

	reach_done(&reach);
	return r;
}

static int ask_deciding(struct planned *p, const struct images *images, struct err *e)
{
	const struct reach_options ask = {
		.planned = &images->deciding, .each = see_with, .each_context = &p->verify};

	return view_take_other(&p->after, &p->now, &ask, e);
}

/* Which rule keeps it out, and whose it is. */
static int explain_blocked(struct planned *p, const struct images *images, uint32_t opening,
			   struct err *e)
{
	const struct policy_packet_seen *seen = &p->verify.blocked[opening];
	struct planned_blocked *b = &p->blocked[p->blocked_count];
	struct reach_options ask = {.snapshot = &p->now.snapshot,
				    .planned = &images->deciding,
				    .from = seen->flow.source,
				    .to = seen->flow.destination};

	ask.in = snapshot_interface_name(&p->now.snapshot, 0, seen->flow.ifindex);
	b->opening = opening;
	b->wholly = p->verify.let_in[opening] == 0;
	p->blocked_count++;
	return explain_take(&ask, seen->port, seen->flow.proto, &b->explanation, e);
}

static int explain_all_blocked(struct planned *p, const struct images *images, struct err *e)
{
	int r = 0;

	for (uint32_t i = 0; i < p->policy.opening_count && r >= 0; i++) {
		if (p->verify.blocked[i].wanted == POLICY_CLOSED)
			continue;
		p->blocked_total++;
		if (p->blocked_count < PLANNED_BLOCKED_LIMIT)
			r = explain_blocked(p, images, i, e);
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

static int try_rules(struct planned *p, struct err *e)
{
	struct images cleanup_call(images_done) images = {0};
	int r;

	p->verify = (struct policy_verify){.policy = &p->policy,
					   .links = &p->links,
					   .snapshot = &p->now.snapshot,
					   .now_s = p->now_s};
	if (policy_verify_begin(&p->verify) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	r = make_images(p, &images, e);
	if (r >= 0)
		r = compare_with_kernel(p, &images, e);
	if (r >= 0)
		r = ask_observing(p, &images, e);
	if (r >= 0)
		r = ask_deciding(p, &images, e);
	if (r >= 0)
		r = check_asked(p, e);
	if (r >= 0)
		r = explain_all_blocked(p, &images, e);
	return r < 0 ? r : build_plan(p, e);
}

int planned_take(struct planned *p, const struct options *o, struct err *e)
{
	static const struct reach_options patiently;
	const struct view_wish wish = {.connections = true, .reach = true, .ask = &patiently};
	int r;

	*p = (struct planned){.now_s = time(NULL)};
	r = policy_load(o->policy_dir, &p->policy, &p->problems, e);
	if (r >= 0)
		r = view_take(&p->now, o, &wish, e);
	if (r >= 0 && policy_links_take(&p->now.snapshot, &p->links) < 0)
		r = err_set(e, -ENOMEM, _("out of memory"));
	return r < 0 ? r : try_rules(p, e);
}

void planned_done(struct planned *p)
{
	for (size_t i = 0; i < p->blocked_count; i++)
		explanation_done(&p->blocked[i].explanation);
	policy_plan_done(&p->plan);
	policy_verify_done(&p->verify);
	view_done_other(&p->after);
	view_done(&p->now);
	buf_done(&p->script);
	policy_links_done(&p->links);
	policy_problems_done(&p->problems);
	policy_done(&p->policy);
}

bool planned_holds(const struct planned *p)
{
	return policy_verify_holds(&p->verify);
}

bool planned_changes(const struct planned *p)
{
	return !p->is_applied || !policy_plan_is_empty(&p->plan);
}
