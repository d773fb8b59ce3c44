/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/explain_remedy.h"
#include "base/mem.h"
#include "base/text.h"
#include "observe/nft_image.h"

#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

/* What is being written. */
struct remedy {
	const struct explanation *x;
	const struct explain_step *step;
	struct buf *out;
};

static const char *text_of(const struct remedy *r, uint32_t str)
{
	return reach_text(&r->x->reach, str);
}

/* Can the name be typed as it is, for a shell, nft and iptables alike? */
static bool is_plain(const char *name)
{
	return name[0] && name[0] != '-' && name[strspn(name, PLAIN)] == '\0';
}

/* One word of a command line; what a terminal would act on is escaped. */
static void add_word(struct buf *out, const char *word)
{
	struct buf cleanup_call(buf_done) safe = {0};

	if (is_plain(word)) {
		buf_add_text(out, word);
		return;
	}
	text_escape(&safe, word, strlen(word), true);
	buf_add_char(out, '\'');
	for (const char *at = buf_text(&safe); *at; at++)
		if (*at == '\'')
			buf_add_text(out, "'\\''");
		else
			buf_add_char(out, *at);
	buf_add_char(out, '\'');
}

static bool is_xtables(const struct remedy *r)
{
	static const char *const bases[] = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT",
					    "POSTROUTING"};

	if (r->step->legacy || strncmp(text_of(r, r->step->rule_str), "-A ", 3) == 0)
		return true;
	if (!r->step->policy ||
	    (r->step->family != NFPROTO_IPV4 && r->step->family != NFPROTO_IPV6))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(bases); i++)
		if (strcmp(text_of(r, r->step->chain_str), bases[i]) == 0)
			return true;
	return false;
}

static bool is_anonymous(const struct remedy *r)
{
	return strncmp(text_of(r, r->step->chain_str), "__chain", 7) == 0;
}

/* --- commands for nft and iptables --------------------------------------------------------------
 */

static void add_nft(const struct remedy *r, const char *verb)
{
	buf_printf(r->out, "nft %s rule %s ", verb, nft_family_name(r->step->family));
	buf_add_text(r->out, text_of(r, r->step->table_str));
	buf_add_char(r->out, ' ');
	buf_add_text(r->out, text_of(r, r->step->chain_str));
}

static void add_iptables(const struct remedy *r, const char *verb)
{
	const char *table = text_of(r, r->step->table_str);

	buf_printf(r->out, "%s%s ", r->step->family == NFPROTO_IPV6 ? "ip6tables" : "iptables",
		   r->step->legacy ? "-legacy" : "-nft");
	if (strcmp(table, "filter") != 0)
		buf_printf(r->out, "-t %s ", table);
	buf_printf(r->out, "%s %s", verb, text_of(r, r->step->chain_str));
}

/* The packets that were asked about, and what is to become of them. */
static void add_match(const struct remedy *r, const struct explain_step *at, bool open)
{
	const struct explanation *x = r->x;
	const char *proto = proto_name(x->flow.proto);
	bool xtables = is_xtables(r), ip6 = x->flow.source.family == AF_INET6;
	char text[ADDRESS_TEXT_SIZE];

	if (!x->chose_from) {
		address_format(&x->flow.source, text);
		buf_printf(r->out,
			   xtables ? " -s %s"
			   : ip6   ? " ip6 saddr %s"
				   : " ip saddr %s",
			   text);
	}
	if (at->hook == NF_INET_FORWARD && at->destination.family) {
		address_format(&at->destination, text);
		buf_printf(r->out,
			   xtables ? " -d %s"
			   : ip6   ? " ip6 daddr %s"
				   : " ip daddr %s",
			   text);
	}
	if (xtables)
		buf_printf(r->out, " -p %s --dport %u -j %s", proto, at->port,
			   open ? "ACCEPT" : "DROP");
	else
		buf_printf(r->out, " %s dport %u %s", proto, at->port, open ? "accept" : "drop");
}

/* A rule of its own, before the one of r->step. */
static void add_insert(const struct remedy *r, const struct explain_step *at, bool open)
{
	if (is_xtables(r)) {
		add_iptables(r, "-I");
		buf_printf(r->out, " %u", r->step->number);
	} else {
		add_nft(r, "insert");
		buf_printf(r->out, " handle %llu", (unsigned long long)r->step->handle);
	}
	add_match(r, at, open);
}

static void add_delete(const struct remedy *r)
{
	if (is_xtables(r)) {
		add_iptables(r, "-D");
		buf_printf(r->out, " %u", r->step->number);
	} else {
		add_nft(r, "delete");
		buf_printf(r->out, " handle %llu", (unsigned long long)r->step->handle);
	}
}

static bool is_of_chain(const struct explain_step *a, const struct explain_step *b)
{
	return a->legacy == b->legacy && a->family == b->family && a->hook == b->hook &&
	       a->table_str == b->table_str && a->chain_str == b->chain_str;
}

/* The rule by which the packet left the chain for good, so that it never came to the chain's end.
 */
static const struct explain_step *find_exit(const struct remedy *r)
{
	const struct explain_step *last = NULL;

	for (const struct explain_step *s = r->x->steps; s < r->step; s++)
		if (!s->policy && is_of_chain(s, r->step))
			last = s;
	if (last && (last->verdict == TRACE_GOTO || last->verdict == TRACE_BACK ||
		     strstr(text_of(r, last->rule_str), " -g ")))
		return last;
	return NULL;
}

/* The rule of a chain with a name by which the packet came into the anonymous chain of r->step. */
static const struct explain_step *find_entry(struct remedy r)
{
	for (const struct explain_step *s = r.step; s-- > r.x->steps;) {
		r.step = s;
		if ((s->verdict == TRACE_JUMP || s->verdict == TRACE_GOTO) && !is_anonymous(&r))
			return s;
	}
	return NULL;
}

/* Both ways: for these packets alone, and for all that the rule decides about. */
static void add_for_rule(struct remedy r, bool open)
{
	const struct explain_step *at = r.step;
	bool is_lost = at->hook == NF_INET_FORWARD && !at->destination.family;

	if (is_anonymous(&r)) {
		r.step = find_entry(r);
		if (r.step)
			add_insert(&r, at, open);
		return;
	}
	if (!r.step->nat && !is_lost) {
		add_insert(&r, at, open);
		buf_add_text(r.out, REMEDY_OR);
	}
	add_delete(&r);
}

static void add_for_policy(struct remedy r, bool open)
{
	const struct explain_step *policy = r.step, *before = find_exit(&r);

	if (before) {
		r.step = before;
		add_insert(&r, policy, open);
	} else if (is_xtables(&r)) {
		add_iptables(&r, "-A");
		add_match(&r, policy, open);
	} else {
		add_nft(&r, "add");
		add_match(&r, policy, open);
	}
}

static bool has_number(const struct explain_step *s)
{
	return s->policy || (s->legacy ? s->number > 0 : s->handle > 0);
}

static void add_direct(const struct remedy *r)
{
	bool open = r->step->verdict == TRACE_DROP;

	if (!is_plain(text_of(r, r->step->table_str)) ||
	    !is_plain(text_of(r, r->step->chain_str)) || !has_number(r->step) ||
	    r->step->verdict == TRACE_OTHER)
		return;
	if (r->step->policy)
		add_for_policy(*r, open);
	else
		add_for_rule(*r, open);
}

/* --- front ends ---------------------------------------------------------------------------------
 */

static const struct explain_step *last_of_packet(const struct explanation *x)
{
	const struct explain_step *last = &x->steps[x->step_count - 1];

	while (last > x->steps && last->reply)
		last--;
	return last;
}

static void add_front_end(const struct remedy *r, const char *command)
{
	const struct explanation *x = r->x;
	const struct explain_step *last = last_of_packet(x);
	char port[8], asked[8], from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE] = "any";
	struct buf cleanup_call(buf_done) in = {0};
	struct front_end_words words = {
		.port = port,
		.asked = asked,
		.proto = proto_name(x->flow.proto),
		.from = x->chose_from ? "any" : from,
		.address = x->chose_from ? "ADDRESS" : from,
		.to = to,
		.iptables = x->flow.source.family == AF_INET6 ? "ip6tables" : "iptables",
	};

	address_format(&x->flow.source, from);
	snprintf(asked, sizeof(asked), "%u", x->port);
	/* as it is at the end: a rule that translates is changed for the sake of the others */
	if (last->destination.family)
		address_format(&last->destination, to);
	snprintf(port, sizeof(port), "%u",
		 (unsigned)(last->destination.family ? last->port : x->port));
	add_word(&in, x->in_str ? text_of(r, x->in_str) : "lo");
	words.in = buf_text(&in);
	front_ends_fill(command, &words, r->out);
}

/* NULL: nft or iptables. */
static const char *front_end_command(const struct explain_step *s)
{
	const char *command = !s->front_end		 ? "-"
			      : s->verdict == TRACE_DROP ? s->front_end->to_open
							 : s->front_end->to_close;

	return strcmp(command, "-") == 0 ? NULL : command;
}

void explain_remedy(const struct explanation *x, uint32_t step, struct buf *out)
{
	struct remedy r = {.x = x, .step = &x->steps[step], .out = out};
	const char *command = front_end_command(r.step);

	/* what front ends have commands for is packets that come in */
	if (r.step->reply)
		return;
	if (command)
		add_front_end(&r, command);
	else
		add_direct(&r);
}

bool explain_remedy_deletes(const char *commands)
{
	return strstr(commands, " delete rule ") || strstr(commands, " -D ");
}

bool explain_remedy_is_direct(const struct explanation *x, uint32_t step)
{
	return !front_end_command(&x->steps[step]);
}

uint32_t explain_remedy_step(const struct explanation *x)
{
	if (x->verdict != VERDICT_ACCEPT || x->translates == EXPLAIN_NONE)
		return x->decides;
	/* who publishes a port makes both rules; else a rule that lets it through is the one */
	if (x->steps[x->translates].front_end || x->decides == EXPLAIN_NONE)
		return x->translates;
	return x->decides;
}
