/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/watch_policy.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/policy_load.h"

#include <string.h>

enum { FRESH_S = 2, OWNERS_SHOWN = 3 };

static void refresh(struct watch_policy *w, int64_t now_s)
{
	struct policy_problems cleanup_call(policy_problems_done) problems = {0};
	struct err ignored;

	if (w->read_s && now_s >= w->read_s && now_s - w->read_s < FRESH_S)
		return;
	policy_done(&w->policy);
	w->policy = (struct policy){0};
	if (policy_load(w->dir, &w->policy, &problems, &ignored) < 0) {
		policy_done(&w->policy);
		w->policy = (struct policy){0};
	}
	w->read_s = now_s;
}

static void add_part(const struct policy *p, const char *before, uint32_t str, struct buf *out)
{
	if (!str)
		return;
	if (out->len)
		buf_add_text(out, ", ");
	buf_add_text(out, before);
	buf_add_text(out, policy_text(p, str));
}

static void describe(const struct policy *p, const struct opening *o, struct buf *out)
{
	add_part(p, "", o->program_str, out);
	add_part(p, "", o->unit_str, out);
	add_part(p, _("container "), o->container_str, out);
	add_part(p, _("user "), o->user_str, out);
}

const char *watch_policy_owner(struct watch_policy *w, uint16_t port, enum proto proto,
			       int64_t now_s)
{
	size_t count = 0;

	refresh(w, now_s);
	buf_clear(&w->text);
	for (size_t i = 0; i < w->policy.opening_count && count <= OWNERS_SHOWN; i++) {
		const struct opening *o = &w->policy.openings[i];
		struct buf cleanup_call(buf_done) one = {0};

		if (opening_is_over(o, now_s) || !opening_has_port(&w->policy, o, port, proto))
			continue;
		describe(&w->policy, o, &one);
		if (!one.len || strstr(buf_text(&w->text), buf_text(&one)))
			continue;
		if (count)
			buf_add_text(&w->text, _(" or "));
		buf_add_text(&w->text, count < OWNERS_SHOWN ? buf_text(&one) : "...");
		count++;
	}
	return count ? buf_text(&w->text) : NULL;
}

void watch_policy_done(struct watch_policy *w)
{
	policy_done(&w->policy);
	buf_done(&w->text);
	*w = (struct watch_policy){0};
}
