/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/applying_guard.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/guard_words.h"
#include "enforce/guard_check.h"
#include "enforce/guard_rules_json.h"
#include "observe/package_content.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool applying_guard_vouch(const char *path, const char *sha256, void *context)
{
	(void)context;
	return package_content_vouches(path, sha256);
}

/* One that nobody accepts, or NULL. */
static const char *find_refused(const struct guard_programs *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->items[i].trust == GUARD_TRUST_CHANGED && !p->items[i].accepted_now)
			return p->items[i].path;
	return NULL;
}

static int accept(const struct options *o, const struct states *s, const struct guard_rules *r,
		  struct err *e)
{
	const struct guard_acceptance a = {
		.accept_new = true, .accept_changed = o->force, .vouch = applying_guard_vouch};
	struct guard_programs cleanup_call(guard_programs_done) p = {0};
	const char *refused;
	int code = guard_accept(s, r, &a, &p, e);

	if (code < 0)
		return code;
	refused = find_refused(&p);
	if (!refused)
		return 0;
	return err_set(e, -EKEYREJECTED,
		       _("%.300s is another program than the one that was accepted before, and no "
			 "package vouches for it; if that is meant: portero guard accept %.300s"),
		       refused, refused);
}

int applying_guard_prepare(const struct options *o, const struct states *s, const struct planned *p,
			   struct applying_guard *ret, struct err *e)
{
	struct applying_guard g = {0};
	int r = 0;

	*ret = g;
	if (guard_rules_make(p, &g.rules) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	if (g.rules.mode != GUARD_OFF) {
		r = guard_state_set_where(s, o->cgroup, o->pin_dir, e);
		if (r >= 0)
			r = accept(o, s, &g.rules, e);
		g.text = r < 0 ? NULL : guard_rules_format(&g.rules);
		if (r >= 0 && !g.text)
			r = err_set(e, -ENOMEM, _("out of memory"));
	}
	if (r < 0)
		applying_guard_done(&g);
	else
		*ret = g;
	return r < 0 ? r : 0;
}

static int check(const struct states *s, const struct guard_rules *r, struct guard_check *ret,
		 struct err *e)
{
	struct guard_where *where cleanup_free = calloc(1, sizeof(*where));
	int code = where ? guard_state_where(s, where, e) : -ENOMEM;

	if (code == 0 && r->mode == GUARD_OFF)
		return 0; /* none ever was */
	return code < 0 ? code : guard_check(s, &where->place, r, false, ret, e);
}

bool applying_guard_is_applied(const struct options *o, const struct planned *p)
{
	struct states cleanup_call(states_close) s = {.dir_fd = -1, .lock_fd = -1};
	struct guard_check *c cleanup_free = calloc(1, sizeof(*c));
	struct guard_rules r = {0};
	struct err ignored;
	int code = states_open(&s, o->state_dir, false, &ignored);
	bool same;

	if (!c || guard_rules_make(p, &r) < 0)
		return false;
	if (code == -ENOENT)
		same = r.mode == GUARD_OFF;
	else
		same = code == 0 && check(&s, &r, c, &ignored) == 0 && !c->fault_total &&
		       c->there == (r.mode != GUARD_OFF);
	guard_rules_done(&r);
	return same;
}

bool applying_guard_is_kept(const struct states *s, uint32_t state, const struct planned *p)
{
	struct guard_rules cleanup_call(guard_rules_done) kept = {0};
	struct guard_rules cleanup_call(guard_rules_done) wanted = {0};
	char cleanup_free *is = NULL;
	char cleanup_free *is_to_be = NULL;
	struct err ignored;

	if (guard_rules_make(p, &wanted) < 0 || guard_state_read(s, state, &kept, &ignored) < 0 ||
	    kept.mode != wanted.mode)
		return false;
	if (wanted.mode == GUARD_OFF)
		return true;
	is = guard_rules_format(&kept);
	is_to_be = guard_rules_format(&wanted);
	return is && is_to_be && strcmp(is, is_to_be) == 0;
}

bool applying_guard_tell(const struct states *s, const struct applying_guard *g)
{
	struct guard_check *c cleanup_free = calloc(1, sizeof(*c));
	struct err e = {0};

	if (g->rules.mode == GUARD_OFF)
		return true;
	if (!c)
		return false;
	fflush(stdout);
	if (check(s, &g->rules, c, &e) < 0) {
		command_fail(_("whether the guard is in force could not be looked at: %s"), e.msg);
		return false;
	}
	if (!c->there)
		command_fail("%s",
			     _("the guard is not in force: this kernel cannot run it (portero "
			       "doctor tells why); the firewall does its half"));
	else
		guard_words_print_faults(c, stderr);
	guard_words_print_weaker(c, stderr);
	return c->there;
}

void applying_guard_done(struct applying_guard *g)
{
	guard_rules_done(&g->rules);
	free(g->text);
	g->text = NULL;
}
