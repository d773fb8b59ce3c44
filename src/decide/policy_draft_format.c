/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_draft_format: a draft as the text of a policy's file. All that comes from outside is
 * escaped already, or was agreed to by policy_value; in values it stands in quotes where YAML would
 * take it for something else.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "decide/policy_draft.h"

#include <errno.h>
#include <string.h>
#include <time.h>

struct writing {
	const struct policy_draft *d;
	struct buf *out;
	const char *today;
};

static const char *text_of(const struct writing *w, uint32_t str)
{
	return strpool_get(&w->d->strings, str);
}

static bool is_same_opening(const struct draft_port *a, const struct draft_port *b)
{
	/* the owners' names are not known of two that could not be seen: those stay apart */
	bool has_owner = a->unit_str || a->program_str || a->container_str;

	return has_owner && a->group == b->group && a->unit_str == b->unit_str &&
	       a->program_str == b->program_str && a->user_str == b->user_str &&
	       a->container_str == b->container_str && a->from_str == b->from_str;
}

static void add_range(const struct port_range *r, struct buf *out)
{
	if (r->first == r->last)
		buf_printf(out, "%u/%s", r->first, proto_name(r->proto));
	else
		buf_printf(out, "%u-%u/%s", r->first, r->last, proto_name(r->proto));
}

/* Whatever is not ASCII as a number: some of it cannot be seen, or turns what can. */
static void add_quoted(const char *text, struct buf *out)
{
	size_t len = strlen(text), used;
	uint32_t code;

	buf_add_char(out, '"');
	for (; len; text += used, len -= used) {
		used = text_decode_utf8(text, len, &code);
		if (!used)
			break; /* policy_draft keeps no such text */
		if (code > 0x7e)
			buf_printf(out, "\\U%08x", code);
		else
			buf_printf(out, "%s%c", code == '"' || code == '\\' ? "\\" : "",
				   (char)code);
	}
	buf_add_char(out, '"');
}

static void add_value(const char *text, struct buf *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_./-@+";

	if (strspn(text, plain) == strlen(text) && text[0] != '-' && text[0] != '@' &&
	    strcasecmp(text, "null") != 0)
		buf_add_text(out, text);
	else
		add_quoted(text, out);
}

static void add_key(const struct writing *w, const char *begin, const char *key, uint32_t str)
{
	if (!str)
		return;
	buf_printf(w->out, "%s    %s: ", begin, key);
	add_value(text_of(w, str), w->out);
	buf_add_char(w->out, '\n');
}

/* A comment for each line of the text. */
static void add_lines(const struct writing *w, const char *text, const char *begin)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		buf_printf(w->out, "  # %s%.*s\n", begin, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static void add_comments(const struct writing *w, const struct draft_port *port)
{
	struct buf cleanup_call(buf_done) begin = {0};

	add_range(&port->range, &begin);
	buf_add_text(&begin, ": ");
	add_lines(w, text_of(w, port->found_str), buf_text(&begin));
	buf_clear(&begin);
	for (size_t i = 0; i < 4; i++)
		buf_add_char(&begin, ' ');
	add_lines(w, text_of(w, port->reason_str), buf_text(&begin));
}

/* The opening of the ports from `first` up to before `end`. */
static void add_opening(const struct writing *w, size_t first, size_t end)
{
	const struct draft_port *port = &w->d->ports[first];
	const char *begin = port->group == DRAFT_KEEP ? "" : "#";

	for (size_t i = first; i < end; i++)
		add_comments(w, &w->d->ports[i]);
	buf_printf(w->out, "%s  - ports: [", begin);
	for (size_t i = first; i < end; i++) {
		buf_add_text(w->out, i > first ? ", " : "");
		add_range(&w->d->ports[i].range, w->out);
	}
	buf_add_text(w->out, "]\n");
	add_key(w, begin, "container", port->container_str);
	add_key(w, begin, "unit", port->unit_str);
	add_key(w, begin, "program", port->program_str);
	add_key(w, begin, "user", port->user_str);
	buf_printf(w->out, "%s    from: [%s]\n%s    why: ", begin, text_of(w, port->from_str),
		   begin);
	buf_printf(w->out, "\"");
	buf_printf(w->out, _("was open on %s"), w->today);
	buf_printf(w->out, "\"\n");
}

static size_t end_of_opening(const struct policy_draft *d, size_t first)
{
	size_t end = first + 1;

	while (end < d->count && is_same_opening(&d->ports[first], &d->ports[end]))
		end++;
	return end;
}

static void add_group(const struct writing *w, enum draft_group group)
{
	static const char *const titles[] = {
		[DRAFT_KEEP] = N_("keep: who reaches these now still may; narrow 'from' where you "
				  "can"),
		[DRAFT_SURE] = N_("are you sure? These are closed; take away the '#' to keep one "
				  "open, and narrow 'from'"),
		[DRAFT_UNKNOWN] = N_("not known: these are closed; take away the '#' to open one"),
	};
	size_t end;

	for (size_t i = 0, told = 0; i < w->d->count; i = end) {
		end = end_of_opening(w->d, i);
		if (w->d->ports[i].group != group)
			continue;
		buf_add_char(w->out, '\n');
		if (!told++)
			buf_printf(w->out, "  # === %s ===\n\n", _(titles[group]));
		add_opening(w, i, end);
	}
}

static void add_protect(const struct writing *w, uint16_t ssh_port)
{
	bool any = false;

	for (size_t i = 0; i < w->d->count; i++) {
		const struct draft_port *port = &w->d->ports[i];

		if (!port->is_ssh)
			continue;
		if (ssh_port && port->range.first <= ssh_port && ssh_port <= port->range.last)
			ssh_port = 0;
		buf_add_text(w->out, any ? ", " : "  protect: [");
		add_range(&port->range, w->out);
		any = true;
	}
	if (ssh_port)
		buf_printf(w->out, "%s%u/tcp", any ? ", " : "  protect: [", ssh_port);
	if (any || ssh_port)
		buf_printf(w->out, "] # %s\n", _("SSH: never closed by accident"));
	else
		buf_printf(w->out, "  # protect: [22/tcp] # %s\n",
			   _("ports that are never closed by accident: no SSH was found"));
}

int policy_draft_format(const struct policy_draft *d, const struct draft_wish *wish,
			struct buf *out)
{
	time_t now = (time_t)wish->snapshot->time_s;
	struct writing w = {.d = d, .out = out};
	char today[32] = "?";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(today, sizeof(today), "%Y-%m-%d", &tm);
	w.today = today;
	buf_printf(out, "# %s\n",
		   _("Written by 'portero policy init': what was open then. Whatever no opening "
		     "lets in will be closed."));
	buf_printf(out, "# %s\n",
		   _("Change what you like (portero.policy(5) tells how); then: portero policy "
		     "check; portero plan"));
	buf_add_text(out, "settings:\n  undeclared: drop\n");
	add_protect(&w, wish->ssh_port);
	buf_add_text(out, "\nopenings:\n");
	for (int g = DRAFT_KEEP; g <= DRAFT_UNKNOWN; g++)
		add_group(&w, (enum draft_group)g);
	return out->failed ? -ENOMEM : 0;
}

void policy_draft_count(const struct policy_draft *d, size_t *ret_openings, size_t *ret_comments)
{
	*ret_openings = *ret_comments = 0;
	for (size_t i = 0; i < d->count; i = end_of_opening(d, i))
		*(d->ports[i].group == DRAFT_KEEP ? ret_openings : ret_comments) += 1;
}
