/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain: what becomes of one packet, which rule decides it, and what to do to change that.
 */
#include "observe/explain.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/explain_remedy.h"
#include "cli/explain_words.h"
#include "cli/fields.h"
#include "cli/json_explain.h"
#include "cli/view.h"

#include <stdio.h>
#include <string.h>

enum { FIELD_INDENT = 17, STEP_INDENT = 16 };

static const char *step_word(const struct explanation *x, uint32_t index)
{
	const struct explain_step *s = &x->steps[index];

	if (explain_words_is_refusal(x, index))
		return _("reject");
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

/* That a chain for NAT had nothing to do is nothing to tell a person. */
static bool is_silent(const struct explain_step *s)
{
	return s->nat && s->policy && s->verdict == TRACE_ACCEPT;
}

static void print_step(const struct view *v, const struct explanation *x, uint32_t index)
{
	const struct explain_step *s = &x->steps[index];
	struct buf cleanup_call(buf_done) text = {0};

	explain_words_place(v, x, s, &text);
	buf_printf(&text, ": %s", step_word(x, index));
	if (s->target_str && (s->verdict == TRACE_JUMP || s->verdict == TRACE_GOTO)) {
		buf_add_char(&text, ' ');
		explain_words_str(v, x, s->target_str, &text);
	}
	if (s->rule_str) {
		buf_add_text(&text, "  [");
		explain_words_str(v, x, s->rule_str, &text);
		buf_add_char(&text, ']');
	}
	if (s->reply && (!index || !s[-1].reply))
		printf("%s\n", _("Its answer's:"));
	printf("  %c %-12s", index == x->decides || index == x->translates ? '*' : ' ',
	       explain_words_hook(s));
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

	explain_words_place(v, x, s, &text);
	fields_label("  ", label);
	view_print_indented(v, FIELD_INDENT, buf_text(&text));
	buf_clear(&text);
	explain_words_str(v, x, s->rule_str, &text);
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
	if (s->reply) {
		fields_print("  ", _("To open it"),
			     _("let answers out there: ct state established,related accept"));
		return;
	}
	if (!text.len) {
		fields_print("  ", s->verdict == TRACE_DROP ? _("To open it") : _("To close it"),
			     _("change that rule where it is written (its names cannot be typed)"));
		return;
	}
	print_commands(s->verdict == TRACE_DROP ? _("To open it") : _("To close it"),
		       buf_text(&text));
	if (explain_remedy_deletes(buf_text(&text)))
		print_value(v, _("(without that rule, all else that it decides is changed, too)"));
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
		explain_words_packet(v, x, &text);
		buf_add_char(&text, ' ');
		explain_words_verdict(v, x, &text);
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
		else if (json_explain_print(v, &x) < 0)
			code = command_fail(_("out of memory"));
	}
	explanation_done(&x);
	return code;
}

int command_explain(const struct options *o)
{
	struct view_wish wish = {.clients = true}; /* a UDP client is bound, too */
	struct reach_options ask;
	struct port_range port = {0};
	struct view v = {0};
	struct err e = {0};
	int code = read_options(o, &ask, &port);

	if (code)
		return code;
	wish.connections = port.proto == PROTO_UDP;
	code = view_take(&v, o, &wish, &e) < 0 ? command_fail("%s", e.msg)
					       : explain(&v, &ask, &port);
	view_done(&v);
	return code;
}
