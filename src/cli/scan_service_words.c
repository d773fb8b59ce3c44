/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/scan_service_words.h"
#include "base/i18n.h"

#include <stdio.h>
#include <string.h>

#define SURE 0.5

static const char *const ends[SERVICE_END_COUNT] = {
	[SERVICE_NAMED] = NULL,
	[SERVICE_UNNAMED] = N_("an answer that portero does not know"),
	[SERVICE_SILENT] = N_("says nothing"),
	[SERVICE_HUNG_UP] = N_("closes every connection"),
	[SERVICE_UNRESPONSIVE] =
		N_("says nothing, and does not end what is half closed: it may hang"),
	[SERVICE_REFUSED] = N_("refuses connections now"),
	[SERVICE_OUT_OF_TIME] = N_("took too long"),
	[SERVICE_LOST] = N_("not known: the process that asked it died"),
	[SERVICE_UNASKED] = N_("not asked, or not to the end"),
};

void scan_service_words_name(const struct service *s, struct buf *out)
{
	if (!*s->protocol)
		return;
	buf_add_text(out, s->protocol);
	if (s->tls.spoken && !s->tls.inside && strcmp(s->protocol, "tls") != 0)
		buf_add_text(out, "/tls");
	if (s->confidence < SURE)
		buf_add_char(out, '?');
}

void scan_service_words_version(const struct service *s, struct buf *out)
{
	buf_add_text(out, s->product);
	if (*s->product && *s->version)
		buf_add_char(out, ' ');
	buf_add_text(out, s->version);
}

/* One remark more, "; " before it if it is not the first. */
static void begin_remark(struct buf *out)
{
	if (out->len)
		buf_add_text(out, "; ");
}

static void add_remark(struct buf *out, const char *name, const char *text)
{
	if (!*text)
		return;
	begin_remark(out);
	if (name)
		buf_printf(out, "%s: ", name);
	buf_add_text(out, text);
}

/* "TLSv1.3 www.example (a.example, b.example), self-signed" */
static void add_tls(struct buf *out, const struct service_tls *t)
{
	if (!t->spoken)
		return;
	begin_remark(out);
	buf_add_text(out, t->version);
	if (*t->subject)
		buf_printf(out, " %s", t->subject);
	if (*t->names && strcmp(t->names, t->subject) != 0)
		buf_printf(out, " (%s)", t->names);
	if (t->self_signed)
		buf_printf(out, ", %s", _("self-signed"));
}

/* The beginning of an answer, as far as it is text. */
static void add_answer(struct buf *out, const struct service *s)
{
	char text[sizeof(s->answer) + 1];

	service_text(text, sizeof(text), s->answer, s->answer_len);
	if (*text)
		buf_printf(out, ": %s", text);
}

void scan_service_words_extra(const struct service *s, struct buf *out)
{
	if (s->end != SERVICE_NAMED)
		add_remark(out, NULL, _(ends[s->end]));
	if (s->end == SERVICE_UNNAMED)
		add_answer(out, s);
	add_remark(out, NULL, s->extra);
	for (uint32_t i = 0; i < s->note_count; i++)
		if (!s->tls.inside || strcmp(s->notes[i].name, "starttls") != 0)
			add_remark(out, s->notes[i].name, s->notes[i].value);
	add_tls(out, &s->tls);
	add_remark(out, NULL, s->host);
	add_remark(out, NULL, s->os);
}

void scan_service_words_brief(const struct service *s, struct buf *out)
{
	if (s->end != SERVICE_NAMED && !*s->protocol) {
		buf_add_text(out, _(ends[s->end]));
		return;
	}
	scan_service_words_name(s, out);
	if (*s->product || *s->version)
		buf_add_char(out, ' ');
	scan_service_words_version(s, out);
}
