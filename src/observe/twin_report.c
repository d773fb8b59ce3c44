/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_report.h"
#include "base/i18n.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void twin_report_done(struct twin_report *r)
{
	free(r->items);
	*r = (struct twin_report){0};
}

static bool is_same(const struct twin_difference *a, const struct twin_difference *b)
{
	return a->scope == b->scope && a->family == b->family && a->ifindex == b->ifindex &&
	       strcmp(a->what, b->what) == 0 && strcmp(a->why, b->why) == 0;
}

static void say_more(struct twin_difference *last)
{
	memset(last, 0, sizeof(*last));
	last->scope = TWIN_ALL;
	snprintf(last->what, sizeof(last->what), "%s", _("much more of the network"));
	snprintf(last->why, sizeof(last->why), "%s", _("it could not be copied into the twin"));
}

void twin_report_add(struct twin_report *r, const struct twin_difference *d)
{
	if (r->count == TWIN_REPORT_LIMIT)
		return;
	for (size_t i = 0; i < r->count; i++)
		if (is_same(&r->items[i], d))
			return;
	if (mem_grow(&r->items, &r->cap, r->count + 1, sizeof(*r->items)) < 0) {
		r->failed = true;
		return;
	}
	r->items[r->count++] = *d;
	if (r->count == TWIN_REPORT_LIMIT)
		say_more(&r->items[r->count - 1]);
}

const struct twin_difference *twin_report_find(const struct twin_report *r, uint8_t family,
					       uint32_t ifindex)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct twin_difference *d = &r->items[i];

		if (d->family && d->family != family)
			continue;
		if (d->scope != TWIN_INTERFACE || d->ifindex == ifindex)
			return d;
	}
	return NULL;
}
