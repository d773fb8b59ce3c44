/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/guard_look.h"
#include "base/mem.h"
#include "enforce/pending.h"

#include <errno.h>
#include <stdlib.h>

struct guard_look *guard_look_new(void)
{
	struct guard_look *l = calloc(1, sizeof(*l));

	if (l)
		l->states.dir_fd = l->states.lock_fd = -1;
	return l;
}

void guard_look_free(struct guard_look **l)
{
	if (!*l)
		return;
	guard_rules_done(&(*l)->rules);
	states_close(&(*l)->states);
	free(*l);
}

/* What is pending is in force already. */
static int find_state(const struct states *s, uint32_t *ret, struct err *e)
{
	struct pending cleanup_call(pending_done) p = {0};
	int r = pending_read(s, &p, e);

	if (r == 1)
		*ret = p.state;
	return r == 0 ? states_confirmed(s, ret, e) : r < 0 ? r : 0;
}

int guard_look_read(struct guard_look *l, struct err *e)
{
	int r = guard_state_where(&l->states, &l->where, e);

	if (r >= 0)
		r = find_state(&l->states, &l->state, e);
	return r < 0 ? r : guard_state_read(&l->states, l->state, &l->rules, e);
}

int guard_look_take(struct guard_look *l, const char *state_dir, struct err *e)
{
	int r = states_open(&l->states, state_dir, false, e);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = guard_look_read(l, e);
	if (r == 0)
		r = guard_check(&l->states, &l->where.place, &l->rules, true, &l->check, e);
	return r < 0 ? r : 1;
}
