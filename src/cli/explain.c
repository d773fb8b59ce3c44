/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain: what becomes of one packet, which rule decides it, and what to do to change that.
 */
#include "observe/explain.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/fields.h"
#include "cli/json.h"
#include "cli/reach_words.h"
#include "cli/view.h"
#include "observe/nft_image.h"

#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void add_str(const struct view *v, const struct explanation *x, uint32_t str,
		    struct buf *out)
{
	const char *text = reach_text(&x->reach, str);

	text_escape(out, text, strlen(text), v->ascii);
}

static void add_address(const struct address *a, struct buf *out)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(a, text);
	buf_add_text(out, text);
}

static void add_packet(const struct view *v, const struct explanation *x, struct buf *out)
{
	buf_printf(out, _("A new %s packet from "), proto_name(x->flow.proto));
	add_address(&x->flow.source, out);
	if (x->in_str) {
		buf_add_text(out, _(" by "));
		add_str(v, x, x->in_str, out);
	} else {
		buf_add_text(out, _(", sent by this machine,"));
	}
	buf_add_text(out, _(" to "));
	add_address(&x->flow.destination, out);
	buf_printf(out, _(" port %u"), x->port);
}

static void add_arrival(const struct view *v, const struct explanation *x, struct buf *out)
{
	if (x->forwarded)
		buf_add_text(out, _(", and sent on"));
	if (x->nat) {
		buf_add_text(out, _(" to "));
		add_address(&x->target, out);
		buf_printf(out, _(" port %u"), x->target_port);
	}
	if (x->out_str) {
		buf_add_text(out, _(", out by "));
		add_str(v, x, x->out_str, out);
	}
}

static void add_why(const struct view *v, const struct explanation *x, struct buf *out)
{
	if (!x->why_str)
		return;
	buf_add_text(out, ": ");
	add_str(v, x, x->why_str, out);
}

static void add_verdict(const struct view *v, const struct explanation *x, struct buf *out)
{
	bool by_rule = x->decides != EXPLAIN_NONE && x->steps[x->decides].verdict == TRACE_DROP;

	switch (x->verdict) {
	case VERDICT_ACCEPT:
		buf_add_text(out, _("is let in"));
		add_arrival(v, x, out);
		break;
	case VERDICT_DROP:
		buf_add_text(out, by_rule ? _("is dropped, without an answer")
					  : _("is dropped by the kernel's routing, not by a rule: "
					      "the reverse path filter, no route, or an address "
					      "that cannot come in there"));
		break;
	case VERDICT_REJECT:
		buf_add_text(out, by_rule ? _("is refused")
					  : _("is refused by the kernel's routing, not by a rule"));
		break;
	case VERDICT_RATE_LIMITED:
		buf_add_text(out, _("is let in at times, and at others not"));
		add_why(v, x, out);
		break;
	case VERDICT_UNKNOWN:
	case VERDICT_COUNT:
		buf_add_text(out, _("gets nobody knows what"));
		add_why(v, x, out);
		break;
	}
}

/* "inet filter input, rule 4 (handle 12)", "ip filter INPUT, its policy" */
static void add_place(const struct view *v, const struct explanation *x,
		      const struct explain_step *s, struct buf *out)
{
	if (s->legacy)
		buf_add_text(out,
			     s->family == NFPROTO_IPV6 ? "ip6tables-legacy" : "iptables-legacy");
	else
		buf_add_text(out, nft_family_name(s->family));
	buf_add_char(out, ' ');
	add_str(v, x, s->table_str, out);
	buf_add_char(out, ' ');
	add_str(v, x, s->chain_str, out);
	if (s->policy)
		buf_add_text(out, _(", its policy"));
	else if (s->number)
		buf_printf(out, _(", rule %u"), s->number);
	if (s->handle)
		buf_printf(out, _(" (handle %llu)"), (unsigned long long)s->handle);
}

static const char *step_word(const struct explain_step *s)
{
	switch (s->verdict) {
	case TRACE_ACCEPT:
		return s->nat ? _("done") : _("accept");
	case TRACE_DROP:
		return _("drop");
	case TRACE_JUMP:
		return _("jump");
	case TRACE_GOTO:
		return _("goto");
	case TRACE_BACK:
		return _("return");
	case TRACE_CONTINUE:
		return _("go on");
	case TRACE_OTHER:
		break;
	}
	return _("other");
}

static const char *hook_name(const struct explain_step *s)
{
	static const char *const names[] = {"prerouting", "input", "forward", "output",
					    "postrouting"};

	if (s->family == NFPROTO_NETDEV)
		return "ingress";
	return s->hook < ARRAY_LEN(names) ? names[s->hook] : "?";
}

static void print_step(const struct view *v, const struct explanation *x, uint32_t index)
{
	const struct explain_step *s = &x->steps[index];
	struct buf cleanup_call(buf_done) text = {0};

	add_place(v, x, s, &text);
	buf_printf(&text, ": %s", step_word(s));
	if (s->target_str && (s->verdict == TRACE_JUMP || s->verdict == TRACE_GOTO || s->legacy)) {
		buf_add_char(&text, ' ');
		add_str(v, x, s->target_str, &text);
	}
	if (s->rule_str) {
		buf_add_text(&text, "  [");
		add_str(v, x, s->rule_str, &text);
		buf_add_char(&text, ']');
	}
	printf("  %c %-12s", index == x->decides || index == x->translates ? '*' : ' ',
	       hook_name(s));
	view_print_indented(v, 16, buf_text(&text));
}

static void print_rule(const struct view *v, const struct explanation *x, uint32_t index,
		       const char *label)
{
	const struct explain_step *s = &x->steps[index];
	struct buf cleanup_call(buf_done) text = {0};

	add_place(v, x, s, &text);
	fields_print("  ", label, buf_text(&text));
	buf_clear(&text);
	add_str(v, x, s->rule_str, &text);
	if (text.len)
		fields_print("  ", "", buf_text(&text));
}

/* Which step a person would want to change. */
static const struct explain_step *to_change(const struct explanation *x)
{
	if (x->verdict == VERDICT_ACCEPT && x->translates != EXPLAIN_NONE)
		return &x->steps[x->translates];
	return x->decides == EXPLAIN_NONE ? NULL : &x->steps[x->decides];
}

static bool is_iptables(const struct explanation *x, const struct explain_step *s)
{
	return s->legacy || strncmp(reach_text(&x->reach, s->rule_str), "-A ", 3) == 0;
}

/* For a rule of nobody that is known: the command that takes it away. */
static void add_own_remedy(const struct view *v, const struct explanation *x,
			   const struct explain_step *s, struct buf *out)
{
	const char *tool = s->family == NFPROTO_IPV6 ? "ip6tables" : "iptables";

	if (s->policy) {
		buf_add_text(out, _("a rule in that chain, before its end"));
		return;
	}
	if (is_iptables(x, s)) {
		buf_printf(out, "%s%s -t ", tool, s->legacy ? "-legacy" : "");
		add_str(v, x, s->table_str, out);
		buf_add_text(out, " -D ");
		add_str(v, x, s->chain_str, out);
		buf_printf(out, " %u", s->number);
	} else if (s->handle) {
		buf_printf(out, "nft delete rule %s ", nft_family_name(s->family));
		add_str(v, x, s->table_str, out);
		buf_add_char(out, ' ');
		add_str(v, x, s->chain_str, out);
		buf_printf(out, " handle %llu", (unsigned long long)s->handle);
	}
	buf_add_text(out, _(" (and where it is written down, or it comes back)"));
}

static void add_remedy(const struct view *v, const struct explanation *x,
		       const struct explain_step *s, struct buf *out)
{
	char port[8], from[ADDRESS_TEXT_SIZE];
	const char *in = reach_text(&x->reach, x->in_str);
	struct buf cleanup_call(buf_done) safe_in = {0};
	struct front_end_words words = {port, proto_name(x->flow.proto), from, ""};

	snprintf(port, sizeof(port), "%u", x->port);
	address_format(&x->flow.source, from);
	text_escape(&safe_in, in, strlen(in), v->ascii);
	words.in = safe_in.len ? buf_text(&safe_in) : "lo";
	if (s->front_end)
		front_ends_fill(s->verdict == TRACE_DROP ? s->front_end->to_open
							 : s->front_end->to_close,
				&words, out);
	else
		add_own_remedy(v, x, s, out);
}

static void print_remedy(const struct view *v, const struct explanation *x)
{
	const struct explain_step *s = to_change(x);
	struct buf cleanup_call(buf_done) text = {0};

	if (!s || x->verdict == VERDICT_UNKNOWN)
		return;
	fields_print("  ", _("Written by"),
		     s->front_end ? s->front_end->name : _("hand, or a program that is not known"));
	add_remedy(v, x, s, &text);
	fields_print("  ", s->verdict == TRACE_DROP ? _("To open it") : _("To close it"),
		     buf_text(&text));
}

static void print_human(const struct view *v, const struct explanation *x)
{
	struct buf cleanup_call(buf_done) text = {0};

	if (x->reach.available) {
		add_packet(v, x, &text);
		buf_add_char(&text, ' ');
		add_verdict(v, x, &text);
		buf_add_char(&text, '.');
		view_print_line(v, "%s", buf_text(&text));
		if (x->decides != EXPLAIN_NONE)
			print_rule(v, x, x->decides, _("Decided by"));
		else if (x->verdict == VERDICT_ACCEPT)
			fields_print("  ", _("Decided by"), _("no rule: none is against it"));
		if (x->translates != EXPLAIN_NONE)
			print_rule(v, x, x->translates, _("Sent on by"));
		print_remedy(v, x);
		if (x->step_count)
			printf("\n%s\n", _("Its way:"));
		for (uint32_t i = 0; i < x->step_count; i++)
			print_step(v, x, i);
	}
	for (size_t i = 0; i < x->reach.gap_count; i++)
		view_print_gap(v, reach_text(&x->reach, x->reach.gaps[i].what_str),
			       reach_text(&x->reach, x->reach.gaps[i].why_str),
			       reach_text(&x->reach, x->reach.gaps[i].remedy_str));
}

/* --- JSON ---------------------------------------------------------------------------------------
 */

static json_t *safe(const char *text)
{
	struct buf cleanup_call(buf_done) out = {0};

	if (!text[0])
		return json_null();
	text_escape(&out, text, strlen(text), false);
	return json_string(buf_text(&out));
}

static json_t *step_json(const struct explanation *x, uint32_t index)
{
	static const char *const verdicts[] = {
		[TRACE_CONTINUE] = "continue", [TRACE_ACCEPT] = "accept", [TRACE_DROP] = "drop",
		[TRACE_JUMP] = "jump",	       [TRACE_GOTO] = "goto",	  [TRACE_BACK] = "return",
		[TRACE_OTHER] = "other",
	};
	const struct explain_step *s;

	if (index == EXPLAIN_NONE)
		return json_null();
	s = &x->steps[index];
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:s, s:o, s:o, s:s}", "hook",
			 hook_name(s), "family", nft_family_name(s->family), "table",
			 safe(reach_text(&x->reach, s->table_str)), "chain",
			 safe(reach_text(&x->reach, s->chain_str)), "handle",
			 s->handle ? json_integer((json_int_t)s->handle) : json_null(), "number",
			 s->number ? json_integer(s->number) : json_null(), "policy", s->policy,
			 "verdict", verdicts[s->verdict], "target",
			 safe(reach_text(&x->reach, s->target_str)), "rule",
			 safe(reach_text(&x->reach, s->rule_str)), "tables",
			 s->legacy ? "legacy" : "nf_tables");
}

static json_t *rule_json(const struct view *v, const struct explanation *x, uint32_t index)
{
	struct buf cleanup_call(buf_done) remedy = {0};
	json_t *o = step_json(x, index);

	if (index == EXPLAIN_NONE)
		return o;
	add_remedy(v, x, &x->steps[index], &remedy);
	json_object_set_new(o, "front_end",
			    x->steps[index].front_end ? json_string(x->steps[index].front_end->id)
						      : json_string("hand"));
	json_object_set_new(o, "remedy", json_string(buf_text(&remedy)));
	return o;
}

static json_t *packet_json(const struct explanation *x)
{
	char source[ADDRESS_TEXT_SIZE], destination[ADDRESS_TEXT_SIZE];

	address_format(&x->flow.source, source);
	address_format(&x->flow.destination, destination);
	return json_pack("{s:s, s:s, s:s, s:i, s:o}", "proto", proto_name(x->flow.proto), "source",
			 source, "destination", destination, "port", x->port, "interface",
			 safe(reach_text(&x->reach, x->in_str)));
}

static json_t *target_json(const struct explanation *x)
{
	char target[ADDRESS_TEXT_SIZE];

	if (!x->target.family)
		return json_null();
	address_format(&x->target, target);
	return json_pack("{s:s, s:i, s:b, s:o}", "address", target, "port", x->target_port,
			 "forwarded", x->forwarded, "interface",
			 safe(reach_text(&x->reach, x->out_str)));
}

static json_t *gaps_json(const struct explanation *x)
{
	json_t *missing = json_array();

	for (size_t i = 0; i < x->reach.gap_count; i++) {
		const struct reach_gap *gap = &x->reach.gaps[i];

		json_array_append_new(missing,
				      json_pack("{s:o, s:o, s:o}", "what",
						safe(reach_text(&x->reach, gap->what_str)), "why",
						safe(reach_text(&x->reach, gap->why_str)), "remedy",
						safe(reach_text(&x->reach, gap->remedy_str))));
	}
	return missing;
}

static int print_json(const struct view *v, const struct explanation *x)
{
	struct buf cleanup_call(buf_done) answer = {0};
	json_t *root = json_heading(v, "portero.explain/1"), *path = json_array();

	if (x->reach.available) {
		add_packet(v, x, &answer);
		buf_add_char(&answer, ' ');
		add_verdict(v, x, &answer);
		if (x->decides != EXPLAIN_NONE) {
			buf_add_text(&answer, "; decided by ");
			add_place(v, x, &x->steps[x->decides], &answer);
		}
		buf_add_char(&answer, '.');
	}
	for (uint32_t i = 0; i < x->step_count; i++)
		json_array_append_new(path, step_json(x, i));
	json_object_del(root, "views");
	json_object_set_new(root, "complete", json_boolean(x->reach.complete));
	json_object_set_new(root, "missing", gaps_json(x));
	json_object_set_new(root, "verdict", json_string(verdict_id(x->verdict)));
	json_object_set_new(root, "answer", safe(buf_text(&answer)));
	json_object_set_new(root, "why", safe(reach_text(&x->reach, x->why_str)));
	json_object_set_new(root, "packet", packet_json(x));
	json_object_set_new(root, "arrives", target_json(x));
	json_object_set_new(root, "decided_by", rule_json(v, x, x->decides));
	json_object_set_new(root, "translated_by", rule_json(v, x, x->translates));
	json_object_set_new(root, "path", path);
	return json_print(root);
}

/* --- the command --------------------------------------------------------------------------------
 */

static int read_options(const struct options *o, struct reach_options *ask, struct port_range *port)
{
	struct err e;

	if (o->word_count != 1)
		return command_fail(_("explain which port? For example: portero explain 443/tcp "
				      "--from 198.51.100.7"));
	if (port_range_parse(o->words[0], port, &e) < 0)
		return command_fail("%s", e.msg);
	if (port->first != port->last)
		return command_fail(_("explain takes one port, not a range: portero reach tells of "
				      "all"));
	if (port->any_proto)
		port->proto = PROTO_TCP;
	if (port->proto > PROTO_UDP)
		return command_fail(_("explain asks about tcp and udp, not %s"),
				    proto_name(port->proto));
	*ask = (struct reach_options){0};
	return ask_read(o, ask);
}

static int explain(struct view *v, struct reach_options *ask, const struct port_range *port)
{
	struct explanation x = {0};
	struct err e = {0};
	int code;

	ask->snapshot = &v->snapshot;
	if (explain_take(ask, port->first, port->proto, &x, &e) < 0) {
		code = command_fail("%s", e.msg);
	} else {
		code = x.reach.available && x.reach.complete ? EXIT_DECLARED : EXIT_BLIND;
		if (!v->options->json)
			print_human(v, &x);
		else if (print_json(v, &x) < 0)
			code = command_fail(_("out of memory"));
	}
	explanation_done(&x);
	return code;
}

int command_explain(const struct options *o)
{
	struct view_wish wish = {0};
	struct reach_options ask;
	struct port_range port;
	struct view v = {0};
	struct err e = {0};
	int code = read_options(o, &ask, &port);

	if (code)
		return code;
	code = view_take(&v, o, &wish, &e) < 0 ? command_fail("%s", e.msg)
					       : explain(&v, &ask, &port);
	view_done(&v);
	return code;
}
