/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/show_outside.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/fields.h"
#include "cli/json_scan.h"
#include "cli/scan_service_words.h"
#include "cli/scan_words.h"
#include "cli/verify_kinds.h"

#include <stdio.h>
#include <string.h>

void show_outside_take(struct show_outside *s, const struct options *o, uint16_t port)
{
	*s = (struct show_outside){0};
	s->why.code = outside_load(o->state_dir, port, &s->seen, &s->why);
}

void show_outside_done(struct show_outside *s)
{
	outside_done(&s->seen);
}

static bool is_own(const struct view *v, const struct address *a)
{
	for (size_t i = 0; i < v->snapshot.address_count; i++)
		if (v->snapshot.addresses[i].netns == 0 &&
		    address_equal(&v->snapshot.addresses[i].address, a))
			return true;
	return false;
}

/* Negative: it has not come yet, as this machine's clock is. */
static int64_t age_of(const struct view *v, const struct outside_look *look)
{
	return v->snapshot.time_s - look->time_s;
}

/* "seen 2 h ago" */
static void add_age(const struct view *v, const struct outside_look *look, struct buf *out)
{
	int64_t age = age_of(v, look);
	char span[32];

	if (age < 0) {
		buf_add_text(out, _("seen at a time that has not come yet"));
	} else {
		fields_format_span((uint64_t)age * 1000, span, sizeof(span));
		buf_printf(out, _("seen %s ago"), span);
	}
}

/* "seen 2 h ago by a visitor on this machine" */
static void add_look(const struct view *v, const struct outside_look *look, struct buf *out)
{
	add_age(v, look, out);
	buf_add_char(out, ' ');
	if (look->from[0])
		buf_printf(out, _("from %s"), look->from);
	else
		buf_add_text(out, _("by a visitor on this machine"));
	if (look->other_boot)
		buf_printf(out, "; %s", _("the machine was started again since"));
}

/* What speaks there was not asked by every look. */
static bool is_same_look(const struct outside_look *a, const struct outside_look *b)
{
	return a->time_s == b->time_s && a->other_boot == b->other_boot;
}

static void print_value(const struct view *v, const char *label, const struct buf *text)
{
	struct buf cleanup_call(buf_done) shown = {0};

	fields_label("  ", label);
	view_escape(v, buf_text(text), &shown);
	view_print_indented(v, FIELDS_INDENT, buf_text(&shown));
}

/* What outside and inside disagreed about. */
static void print_findings(const struct view *v, const struct outside_port *p)
{
	struct buf cleanup_call(buf_done) text = {0};

	if (p->kind != VERIFY_KIND_COUNT) {
		buf_add_text(&text, verify_kinds_meaning(p->kind));
		print_value(v, "", &text);
	}
	if (p->impostor == IMPOSTOR_NONE)
		return;
	buf_clear(&text);
	buf_printf(&text, "%s: ", verify_kinds_word(VERIFY_IMPOSTOR));
	verify_kinds_impostor(p->impostor, p->expected, &p->service, &text);
	print_value(v, "", &text);
}

static void print_port(const struct view *v, const struct outside_port *p)
{
	struct buf cleanup_call(buf_done) text = {0};
	char address[ADDRESS_TEXT_SIZE];

	buf_add_text(&text, scan_words_state(scan_reply_state(p->reply)));
	if (p->asked) {
		buf_add_text(&text, ", ");
		scan_service_words_brief(&p->service, &text);
	}
	address_format(&p->address, address);
	buf_printf(&text, " (%s): ", address);
	add_look(v, &p->look, &text);
	if (p->asked && !is_same_look(&p->look, &p->heard)) {
		buf_printf(&text, "; %s ", _("what speaks there was"));
		add_age(v, &p->heard, &text);
	}
	if (!is_own(v, &p->address))
		buf_printf(&text, "; %s", _("this machine has not that address now"));
	print_value(v, _("Outside"), &text);
	print_findings(v, p);
}

void show_outside_print(const struct view *v, const struct show_outside *s)
{
	struct buf cleanup_call(buf_done) text = {0}, shown = {0};

	if (s->why.code < 0) {
		buf_printf(&text, _("not known: %s"), s->why.msg);
		fields_print("  ", _("Outside"), view_escape(v, buf_text(&text), &shown));
		return;
	}
	for (size_t i = 0; i < s->seen.count; i++)
		print_port(v, &s->seen.ports[i]);
}

static json_t *pack_age(const struct view *v, const struct outside_look *look)
{
	int64_t age = age_of(v, look);

	return age < 0 ? json_null() : json_integer((json_int_t)age);
}

static json_t *pack_heard(const struct view *v, const struct outside_port *p)
{
	if (!p->asked)
		return json_null();
	return json_pack("{s:o, s:o, s:b}", "time", json_scan_time(p->heard.time_s), "age_s",
			 pack_age(v, &p->heard), "this_boot", !p->heard.other_boot);
}

static json_t *pack_disagreements(const struct outside_port *p)
{
	json_t *list = json_array();

	if (p->kind != VERIFY_KIND_COUNT)
		json_array_append_new(list, json_pack("{s:s, s:n}", "kind", verify_kind_id(p->kind),
						      "contradicts"));
	if (p->impostor != IMPOSTOR_NONE)
		json_array_append_new(
			list, json_pack("{s:s, s:{s:s, s:s}}", "kind",
					verify_kind_id(VERIFY_IMPOSTOR), "contradicts", "what",
					impostor_id(p->impostor), "service", p->expected));
	return list;
}

static json_t *pack_port(const struct view *v, const struct outside_port *p)
{
	char address[ADDRESS_TEXT_SIZE];

	address_format(&p->address, address);
	return json_pack(
		"{s:s, s:b, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:s?, s:o}", "address", address,
		"own", is_own(v, &p->address), "proto", "tcp", "state",
		scan_state_name(scan_reply_state(p->reply)), "reason", scan_reply_reason(p->reply),
		"service", json_scan_service(p->asked ? &p->service : NULL), "heard",
		pack_heard(v, p), "time", json_scan_time(p->look.time_s), "age_s",
		pack_age(v, &p->look), "this_boot", !p->look.other_boot, "from",
		p->look.from[0] ? p->look.from : NULL, "disagreements", pack_disagreements(p));
}

json_t *show_outside_pack(const struct view *v, const struct show_outside *s)
{
	json_t *list;

	if (s->why.code < 0)
		return json_null();
	list = json_array();
	for (size_t i = 0; i < s->seen.count; i++)
		json_array_append_new(list, pack_port(v, &s->seen.ports[i]));
	return list;
}
