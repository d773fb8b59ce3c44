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
#include "cli/explain_remedy.h"
#include "cli/fields.h"
#include "cli/json.h"
#include "cli/reach_words.h"
#include "cli/view.h"
#include "observe/nft_image.h"

#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { FIELD_INDENT = 17, STEP_INDENT = 16 };

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
		buf_add_text(out, _("may get through or not, which cannot be told"));
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

/* That a chain for NAT had nothing to do is nothing to tell a person. */
static bool is_silent(const struct explain_step *s)
{
	return s->nat && s->policy && s->verdict == TRACE_ACCEPT;
}

static void print_step(const struct view *v, const struct explanation *x, uint32_t index)
{
	const struct explain_step *s = &x->steps[index];
	struct buf cleanup_call(buf_done) text = {0};

	add_place(v, x, s, &text);
	buf_printf(&text, ": %s", step_word(s));
	if (s->target_str && (s->verdict == TRACE_JUMP || s->verdict == TRACE_GOTO)) {
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
	view_print_indented(v, STEP_INDENT, buf_text(&text));
}

/* Without a label, wrapped to the width of the terminal. */
static void print_value(const struct view *v, const char *text)
{
	fields_label("  ", "");
	view_print_indented(v, FIELD_INDENT, text);
}

static void print_rule(const struct view *v, const struct explanation *x, uint32_t index,
		       const char *label)
{
	const struct explain_step *s = &x->steps[index];
	struct buf cleanup_call(buf_done) text = {0};

	add_place(v, x, s, &text);
	fields_label("  ", label);
	view_print_indented(v, FIELD_INDENT, buf_text(&text));
	buf_clear(&text);
	add_str(v, x, s->rule_str, &text);
	if (text.len)
		print_value(v, buf_text(&text));
}

/* Each command on a line of its own, so that nobody takes two for one. */
static void print_commands(const char *label, const char *remedy)
{
	while (*remedy) {
		const char *then = strstr(remedy, REMEDY_THEN), * or = strstr(remedy, REMEDY_OR);
		const char *end = !then || (or && or < then) ? or : then;
		size_t len = end ? (size_t)(end - remedy) : strlen(remedy);

		fields_label("  ", label);
		printf("%.*s\n", (int)len, remedy);
		if (!end)
			return;
		label = end == then ? _("  and then") : _("  or");
		remedy = end + strlen(end == then ? REMEDY_THEN : REMEDY_OR);
	}
}

static void print_remedy(const struct view *v, const struct explanation *x)
{
	uint32_t index = explain_remedy_step(x);
	struct buf cleanup_call(buf_done) text = {0};
	const struct explain_step *s;

	if (index == EXPLAIN_NONE || x->verdict == VERDICT_UNKNOWN)
		return;
	s = &x->steps[index];
	fields_print("  ", _("Written by"),
		     s->front_end ? s->front_end->name : _("hand, or a program that is not known"));
	explain_remedy(x, index, &text);
	if (!text.len) {
		fields_print("  ", s->verdict == TRACE_DROP ? _("To open it") : _("To close it"),
			     _("change that rule where it is written (its names cannot be typed)"));
		return;
	}
	print_commands(s->verdict == TRACE_DROP ? _("To open it") : _("To close it"),
		       buf_text(&text));
	if (explain_remedy_is_direct(x, index))
		print_value(v, _("(until the rules are loaded again: change them where they are "
				 "written, too)"));
}

/* The packet is one of several that could have been meant. */
static void print_choices(const struct explanation *x)
{
	struct buf cleanup_call(buf_done) text = {0};

	if (x->chose_from)
		buf_add_text(&text, " --from ADDRESS");
	if (x->chose_in)
		buf_add_text(&text, " --in INTERFACE");
	if (x->chose_to)
		buf_add_text(&text, " --to ADDRESS");
	if (text.len)
		fields_print("  ", _("Also possible"), buf_text(&text) + 1);
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
		print_choices(x);
		if (x->step_count)
			printf("\n%s\n", _("Its way:"));
		for (uint32_t i = 0; i < x->step_count; i++)
			if (!is_silent(&x->steps[i]))
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

static json_t *rule_json(const struct explanation *x, uint32_t index)
{
	struct buf cleanup_call(buf_done) remedy = {0};
	json_t *o = step_json(x, index);

	if (index == EXPLAIN_NONE)
		return o;
	explain_remedy(x, index, &remedy);
	json_object_set_new(o, "front_end",
			    x->steps[index].front_end ? json_string(x->steps[index].front_end->id)
						      : json_string("hand"));
	json_object_set_new(o, "remedy", remedy.len ? json_string(buf_text(&remedy)) : json_null());
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
	json_object_set_new(root, "chosen",
			    json_pack("{s:b, s:b, s:b}", "source", x->chose_from, "interface",
				      x->chose_in, "destination", x->chose_to));
	json_object_set_new(root, "arrives", target_json(x));
	json_object_set_new(root, "decided_by", rule_json(x, x->decides));
	json_object_set_new(root, "translated_by", rule_json(x, x->translates));
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
