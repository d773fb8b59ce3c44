/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * view_policy: what a view says of the policy: is a port meant to be open, and by which opening.
 */
#include "base/text.h"
#include "cli/view.h"
#include "cli/view_guard.h"

#include <string.h>

static void add_text(const struct view *v, const char *text, struct buf *out)
{
	text_escape(out, text, strlen(text), v->ascii);
}

static enum declared declared(const struct view *v, const struct port_row *row)
{
	uint32_t opening;

	/* a policy is about this machine's own ports */
	if (!v->has_policy || row->netns != 0)
		return DECLARED_NO_POLICY;
	return policy_row(&v->policy, &v->snapshot, &v->list, row, v->now_s, &opening);
}

void view_policy(const struct view *v, const struct port_row *row, struct buf *out)
{
	enum declared is = declared(v, row);
	enum guard_judgement guard =
		v->guard && is != DECLARED_NO ? view_guard_judge(v, row, NULL) : GUARD_NOT_KNOWN;
	bool enforced = v->guard && v->guard->config.mode == GUARD_ABI_ENFORCE;

	if (is == DECLARED_YES && guard == GUARD_BOUND && enforced)
		buf_add_text(out, v->words.guarded);
	else if (guard == GUARD_CUT_OFF)
		buf_add_text(out, v->words.impostor);
	else
		buf_add_text(out, v->words.declared[is]);
}

void view_policy_place(const struct view *v, const struct port_row *row, struct buf *out)
{
	const struct opening *o;
	uint32_t opening;

	policy_row(&v->policy, &v->snapshot, &v->list, row, v->now_s, &opening);
	if (opening == POLICY_NO_OPENING || row->netns != 0)
		return;
	o = &v->policy.openings[opening];
	buf_add_text(out, " (");
	add_text(v, policy_text(&v->policy, o->place.file_str), out);
	buf_printf(out, ":%u", o->place.line);
	if (o->why_str) {
		buf_add_text(out, ": ");
		add_text(v, policy_text(&v->policy, o->why_str), out);
	}
	buf_add_char(out, ')');
}

/* The guard keeps it out, but who is there poses as what the port is for. */
static bool is_impostor(const struct view *v, const struct port_row *row, enum declared is)
{
	return is != DECLARED_NO && is != DECLARED_NO_POLICY && view_guard_cuts_off(v, row);
}

bool view_is_undeclared(const struct view *v, const struct port_row *row)
{
	enum declared is = declared(v, row);
	bool reached = row->reach.looked
			       ? row->reach.state == PORT_OPEN || row->reach.state == PORT_UNKNOWN
			       : row->bound != BOUND_HOST;

	return (reached && (is == DECLARED_NO || is == DECLARED_OTHER)) || is_impostor(v, row, is);
}
