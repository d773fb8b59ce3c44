/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/doubts.h"
#include "base/i18n.h"

#include <stdio.h>

size_t doubts_add(struct doubt_list *list, enum doubt_kind kind, const char *text)
{
	struct doubt *d;

	if (list->count == DOUBT_LIMIT) {
		d = &list->items[DOUBT_LIMIT - 1];
		d->kind = DOUBT_STOP;
		snprintf(d->text, sizeof(d->text),
			 _("more than %d conditions that a single packet "
			   "cannot decide"),
			 DOUBT_LIMIT - 1);
		list->overflow = true;
		return DOUBT_LIMIT - 1;
	}
	d = &list->items[list->count];
	d->kind = kind;
	snprintf(d->text, sizeof(d->text), "%s", text);
	return list->count++;
}

bool assignment_has(const struct assignment *a, size_t doubt)
{
	return doubt < DOUBT_LIMIT && a->bits[doubt / 64] >> doubt % 64 & 1;
}

void assignment_set(struct assignment *a, size_t doubt)
{
	if (doubt < DOUBT_LIMIT)
		a->bits[doubt / 64] |= 1ull << doubt % 64;
}
