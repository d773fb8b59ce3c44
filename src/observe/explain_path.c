/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/explain_path.h"
#include "base/mem.h"
#include "observe/legacy_path.h"
#include "observe/mirror.h"
#include "observe/nft_attr.h"
#include "observe/rule_text.h"
#include "observe/twin_replies.h"
#include "observe/twin_trace.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct explain_step *add_step(struct explanation *x)
{
	if (mem_grow(&x->steps, &x->step_cap, x->step_count + 1, sizeof(*x->steps)) < 0)
		return NULL;
	x->steps[x->step_count] = (struct explain_step){.hook = TRACE_HOOK_UNKNOWN};
	return &x->steps[x->step_count++];
}

static uint32_t keep(struct explanation *x, const char *text)
{
	return strpool_add_text(&x->reach.strings, text);
}

/* What comes from outside to the machine passes no output: what does is its answer. */
static bool is_reply(const struct explanation *x, uint8_t hook)
{
	return x->flow.ifindex && (hook == NF_INET_LOCAL_OUT || hook == NF_INET_POST_ROUTING) &&
	       !x->forwarded && !x->passed_forward;
}

/* Was it on its way through the machine, wherever that ended? Nothing else passes forward. */
static bool passed_forward(const struct trace *trace, const struct legacy_step *steps, size_t count)
{
	for (size_t i = 0; i < trace->count; i++)
		if (trace->steps[i].family != NFPROTO_NETDEV &&
		    trace->steps[i].hook == NF_INET_FORWARD)
			return true;
	for (size_t i = 0; i < count; i++)
		if (steps[i].hook == NF_INET_FORWARD)
			return true;
	return false;
}

/* --- nf_tables ----------------------------------------------------------------------------------
 */

/* What a rule of nf_tables is made of, as far as that matters here. */
struct traits {
	bool xtables;	 /* a match or target of xtables: iptables-nft wrote it */
	bool translates; /* what it accepts gets another destination */
};

static bool is_translating(const char *target)
{
	return strcmp(target, "DNAT") == 0 || strcmp(target, "REDIRECT") == 0 ||
	       strcmp(target, "NETMAP") == 0;
}

static void take_traits(const struct nft_expr *expr, struct traits *t)
{
	char target[NFT_NAME_SIZE];

	if (strcmp(expr->name, "nat") == 0 || strcmp(expr->name, "redir") == 0)
		t->translates = true;
	if (strcmp(expr->name, "match") == 0)
		t->xtables = true;
	if (strcmp(expr->name, "target") != 0)
		return;
	t->xtables = true;
	if (nft_attr_name(expr->data, NFTA_TARGET_NAME, target))
		t->translates |= is_translating(target);
}

static struct traits read_traits(const struct nft_image *image, size_t item)
{
	struct nft_expr cleanup_free *exprs = calloc(NFT_EXPR_LIMIT, sizeof(*exprs));
	struct cur list = {.ok = true};
	struct traits t = {0};
	int count;

	if (!exprs || !nla_find(nft_image_attributes(image, item), NFTA_RULE_EXPRESSIONS, &list))
		return t;
	count = nft_exprs_decode(list, exprs);
	for (int i = 0; i < count; i++)
		take_traits(&exprs[i], &t);
	return t;
}

/* The tables that iptables-nft makes have its names, and its chains' are in capitals. */
static bool is_iptables_table(uint8_t family, const char *table)
{
	static const char *const tables[] = {"filter", "nat", "mangle", "raw", "security"};

	if (family != NFPROTO_IPV4 && family != NFPROTO_IPV6)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		if (strcmp(table, tables[i]) == 0)
			return true;
	return false;
}

/* A tool that hangs is waited for once, not for every rule. */
static bool find_words(struct explanation *x, const struct rule_place *place, struct buf *text)
{
	int r = x->wordless ? 0 : rule_text(place, text);

	x->wordless |= r < 0;
	return r > 0;
}

/* A chain without a name is listed only within the rule that jumps to it. */
static void take_words_of_jump(const struct explanation *x, struct explain_step *step)
{
	if (strncmp(reach_text(&x->reach, step->chain_str), "__chain", 7) != 0)
		return;
	for (const struct explain_step *s = step; s-- > x->steps;) {
		if (s->target_str == step->chain_str) {
			step->rule_str = s->rule_str;
			return;
		}
	}
}

static void name_rule(struct explanation *x, const struct mirror *m, struct explain_step *step,
		      const struct trace_step *t)
{
	int64_t item = nft_load_report_find(&m->nft_report, t->family, t->table, t->handle);
	struct buf cleanup_call(buf_done) text = {0};
	struct rule_place place = {.family = t->family, .table = t->table, .chain = t->chain};
	struct nft_place on_host;
	struct traits traits;

	if (item < 0)
		return;
	traits = read_traits(&m->nft, (size_t)item);
	step->translates = traits.translates && step->verdict == TRACE_ACCEPT;
	nft_image_place(&m->nft, (size_t)item, &on_host);
	step->handle = place.handle = on_host.handle;
	step->number = place.number = m->nft_rewrite.position[item];
	place.xtables = is_iptables_table(t->family, t->table) || traits.xtables;
	if (find_words(x, &place, &text))
		step->rule_str = keep(x, buf_text(&text));
	else
		take_words_of_jump(x, step);
}

static int add_trace(struct explanation *x, const struct mirror *m, const struct trace *trace)
{
	struct address destination = x->flow.destination;
	uint16_t port = x->port;

	for (size_t i = 0; i < trace->count; i++) {
		const struct trace_step *t = &trace->steps[i];
		struct explain_step *step = add_step(x);

		if (!step)
			return -ENOMEM;
		if (t->has_seen) {
			destination = t->seen.destination;
			port = t->seen.destination_port;
		}
		step->destination = destination;
		step->port = port;
		step->family = t->family;
		step->hook = t->hook;
		step->reply = t->family != NFPROTO_NETDEV && is_reply(x, t->hook);
		step->priority = t->priority;
		step->nat = strcmp(t->type, "nat") == 0;
		step->policy = t->kind == TRACE_POLICY;
		step->verdict = t->kind == TRACE_RETURN ? TRACE_BACK : t->verdict;
		step->table_str = keep(x, t->table);
		step->chain_str = keep(x, t->chain);
		step->target_str = keep(x, t->to_chain);
		step->front_end = front_ends_find(t->table, t->chain);
		if (t->kind == TRACE_RULE)
			name_rule(x, m, step, t);
	}
	return 0;
}

/* --- iptables-legacy ----------------------------------------------------------------------------
 */

static int32_t legacy_priority(const char *table, uint8_t hook)
{
	if (strcmp(table, "raw") == 0)
		return -300;
	if (strcmp(table, "mangle") == 0)
		return -150;
	if (strcmp(table, "nat") == 0)
		return hook == NF_INET_POST_ROUTING || hook == NF_INET_LOCAL_IN ? 100 : -100;
	return strcmp(table, "security") == 0 ? 50 : 0;
}

static enum trace_verdict legacy_verdict(const struct legacy_step *l)
{
	static const char *const translating[] = {"DNAT", "REDIRECT", "NETMAP", "SNAT",
						  "MASQUERADE"};

	if (l->jump)
		return TRACE_JUMP;
	if (strcmp(l->target, "ACCEPT") == 0)
		return TRACE_ACCEPT;
	if (strcmp(l->target, "DROP") == 0 || strcmp(l->target, "REJECT") == 0)
		return TRACE_DROP;
	for (size_t i = 0; i < ARRAY_LEN(translating); i++)
		if (strcmp(l->target, translating[i]) == 0)
			return TRACE_ACCEPT;
	if (strcmp(l->target, "NFQUEUE") == 0 || strcmp(l->target, "QUEUE") == 0 ||
	    strcmp(l->target, "SYNPROXY") == 0)
		return TRACE_OTHER;
	return strcmp(l->target, "RETURN") == 0 ? TRACE_BACK : TRACE_CONTINUE;
}

static void name_legacy(struct explanation *x, struct explain_step *step,
			const struct legacy_step *l)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct rule_place place = {.family = step->family,
				   .table = l->table,
				   .chain = l->chain,
				   .number = l->rule,
				   .legacy = true};

	step->number = l->rule;
	if (find_words(x, &place, &text))
		step->rule_str = keep(x, buf_text(&text));
}

/*
 * What the machine answers goes out; a packet from outside does not (it ends in the sink), unless
 * it is on its way through. Then, too, what it is refused with may: by output before postrouting.
 */
static bool is_answer(const struct explanation *x, const struct legacy_step *steps, size_t count,
		      uint8_t hook)
{
	if (!x->flow.ifindex || x->reply == REPLY_DROPPED)
		return false;
	if (hook != NF_INET_POST_ROUTING || !x->passed_forward)
		return hook == NF_INET_LOCAL_OUT || hook == NF_INET_POST_ROUTING;
	for (size_t i = 0; i < count; i++)
		if (steps[i].hook == NF_INET_LOCAL_OUT)
			return true;
	return false;
}

static int add_legacy(struct explanation *x, const struct legacy_step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct legacy_step *l = &steps[i];
		struct explain_step *step;

		if (is_answer(x, steps, count, l->hook))
			continue;
		step = add_step(x);
		if (!step)
			return -ENOMEM;
		step->family = l->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
		step->hook = l->hook;
		step->reply = is_reply(x, l->hook);
		step->priority = legacy_priority(l->table, l->hook);
		step->legacy = true;
		step->nat = strcmp(l->table, "nat") == 0;
		step->policy = l->policy;
		step->translates = is_translating(l->target);
		step->verdict = legacy_verdict(l);
		step->table_str = keep(x, l->table);
		step->chain_str = keep(x, l->chain);
		step->target_str = keep(x, l->target);
		step->front_end = front_ends_find(l->table, l->chain);
		if (!l->policy)
			name_legacy(x, step, l);
	}
	return 0;
}

/* --- the way as a whole -------------------------------------------------------------------------
 */

/* How far along the way a hook is. */
static int stage(const struct explain_step *s, bool local)
{
	static const int from_outside[] = {1, 2, 2, 3, 4}, from_inside[] = {3, 4, 4, 1, 2};

	if (s->family == NFPROTO_NETDEV || s->hook > NF_INET_POST_ROUTING)
		return 0;
	return local ? from_inside[s->hook] : from_outside[s->hook];
}

/* Both lists are in order: the later one's steps are moved to where they belong (a stable sort). */
static void order_steps(struct explanation *x)
{
	bool local = x->flow.ifindex == 0;

	for (size_t i = 1; i < x->step_count; i++) {
		struct explain_step step = x->steps[i];
		size_t at = i;

		while (at > 0 && step.legacy && !x->steps[at - 1].legacy &&
		       (stage(&x->steps[at - 1], local) > stage(&step, local) ||
			(stage(&x->steps[at - 1], local) == stage(&step, local) &&
			 x->steps[at - 1].priority > step.priority)))
			at--;
		memmove(&x->steps[at + 1], &x->steps[at], (i - at) * sizeof(step));
		x->steps[at] = step;
	}
}

static bool is_last_hook(const struct explain_step *s)
{
	return s->family != NFPROTO_NETDEV &&
	       (s->hook == NF_INET_LOCAL_IN || s->hook == NF_INET_FORWARD);
}

enum { REFUSES = 8 };

/* How much a step that accepts has to say: a rule of input or forward more than a policy there. */
static int weight(const struct explain_step *s)
{
	if (s->verdict == TRACE_DROP || s->verdict == TRACE_OTHER)
		return REFUSES;
	if (s->verdict != TRACE_ACCEPT || s->nat)
		return 0;
	return (is_last_hook(s) ? 3 : 1) + !s->policy;
}

/* Does it give the packet another destination? The last that does is the one that counts. */
static bool translates(const struct explanation *x, const struct explain_step *s)
{
	if (!s->translates || s->reply ||
	    (s->hook != NF_INET_PRE_ROUTING && s->hook != NF_INET_LOCAL_OUT))
		return false;
	return x->target.family ? x->nat : true; /* where it was lost later on: as the rule says */
}

/* Rules of legacy tables do not tell what came to them: as was asked for, until something
 * translates it; then as it arrives, if it does. */
static void place_packets(struct explanation *x)
{
	bool translated = false;

	for (size_t i = 0; i < x->step_count; i++) {
		struct explain_step *s = &x->steps[i];

		if (s->legacy && !translated) {
			s->destination = x->flow.destination;
			s->port = x->port;
		} else if (s->legacy) {
			s->destination = x->target;
			s->port = x->target_port;
		}
		translated |= translates(x, s);
	}
}

static void find_deciding(struct explanation *x)
{
	int most = 1;

	for (size_t i = 0; i < x->step_count; i++) {
		int w = weight(&x->steps[i]);

		if (w >= most) {
			most = w;
			x->decides = (uint32_t)i;
		}
		if (translates(x, &x->steps[i]))
			x->translates = (uint32_t)i;
	}
	/* all chains let it pass, and then the kernel itself did not */
	if ((x->verdict == VERDICT_DROP || x->verdict == VERDICT_REJECT) && most < REFUSES)
		x->decides = EXPLAIN_NONE;
	/* in the mirror such a packet is dropped, so that it goes no further */
	if (x->stopped && x->decides != EXPLAIN_NONE)
		x->steps[x->decides].verdict = TRACE_OTHER;
}

/* Whose chain it is in, or leads to (which may be empty). */
static const struct front_end *near(const struct explanation *x, const struct explain_step *s)
{
	if (s->front_end || !s->target_str)
		return s->front_end;
	return front_ends_find(reach_text(&x->reach, s->table_str),
			       reach_text(&x->reach, s->target_str));
}

/* Front ends set the policies of chains that do not bear their names: who has a rule on the way
 * there? */
static void name_policies(struct explanation *x)
{
	const struct front_end *last = NULL;

	for (size_t i = 0; i < x->step_count; i++) {
		struct explain_step *s = &x->steps[i];
		const struct front_end *here = near(x, s);

		if (i && (s->hook != s[-1].hook || s->nat != s[-1].nat))
			last = NULL;
		if (here && here->sets_policies)
			last = here;
		else if (s->policy && !s->front_end)
			s->front_end = last;
	}
}

/* So that the answer is that of somebody who listens. A RST will do where it cannot be had. */
static int listen_at_target(struct mirror *m, const struct explanation *x)
{
	struct outcome arrived = {0};
	int r = twin_probe(m->probe, &x->flow, &x->port, 1, &arrived, NULL, NULL);

	if (r < 0 || arrived.verdict != VERDICT_ACCEPT || arrived.forwarded)
		return -1;
	return twin_replies_listen(twin_probe_netns(m->probe), arrived.target.family,
				   arrived.target_port);
}

static int trace_all(struct mirror *m, const struct assignment *assignment, struct explanation *x,
		     struct legacy_step *steps, ptrdiff_t *count, struct err *e)
{
	struct trace cleanup_call(trace_done) trace = {0};
	struct legacy_path cleanup_free *path = calloc(1, sizeof(*path));
	struct flow flow = x->flow;
	int cleanup_close listener = -1;
	int r = path ? 0 : -ENOMEM;

	/* through lo the answer comes by the same chains: which is whose could not be told */
	flow.replied = x->reply == REPLY_DROPPED && flow.ifindex;
	flow.again = verdict_lets_in(x->verdict);

	if (r == 0 && flow.replied)
		listener = listen_at_target(m, x); /* NOLINT(clang-analyzer-deadcode*): closed */
	if (r == 0 && m->legacy.count)
		r = legacy_path_begin(path, &m->legacy, &m->legacy_sockets, assignment, e);
	if (r >= 0)
		r = twin_trace(m->probe, &flow, x->port, &trace, e);
	if (r >= 0 && m->legacy.count)
		*count = legacy_path_end(path, &m->legacy_sockets, x->flow.ifindex == 0, steps,
					 LEGACY_STEP_LIMIT, e);
	if (path && m->legacy.count)
		legacy_path_done(path);
	if (r >= 0 && *count < 0)
		r = (int)*count;
	if (r < 0)
		return r;
	x->passed_forward = passed_forward(&trace, steps, (size_t)*count);
	return add_trace(x, m, &trace);
}

int explain_path(struct mirror *m, const struct assignment *assignment, struct explanation *x,
		 struct err *e)
{
	struct legacy_step cleanup_free *steps = calloc(LEGACY_STEP_LIMIT, sizeof(*steps));
	ptrdiff_t count = 0;
	int r;

	if (!steps)
		return -ENOMEM;
	r = trace_all(m, assignment, x, steps, &count, e);
	if (r >= 0)
		r = add_legacy(x, steps, (size_t)count);
	if (r < 0)
		return r;
	order_steps(x);
	name_policies(x);
	place_packets(x);
	find_deciding(x);
	return 0;
}
