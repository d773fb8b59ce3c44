/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * legacy_fuzz: any bytes as a table of iptables-legacy (first byte: 1 for IPv6), taken apart and
 * rewritten. Besides memory errors, it looks for a result that is no table, for one that has more
 * doubts than were found, and for hooks that do not begin at an entry.
 */
#include "../unit/legacy_scene.h"
#include "observe/legacy_path.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A rewritten table is a table, and has no more recorders than there are doubts. */
static void check(const struct legacy_image *image, const struct legacy_rewritten *w,
		  const struct doubt_list *list)
{
	struct legacy_table t = image->tables[0];
	struct legacy_walk walk;
	size_t recorders = 0;

	t.size = w->blob.bytes.len;
	t.num_entries = w->blob.num_entries;
	memcpy(t.hook_entry, w->blob.hook_entry, sizeof(t.hook_entry));
	memcpy(t.underflow, w->blob.underflow, sizeof(t.underflow));
	if (legacy_walk_read(&walk, &t, (const uint8_t *)w->blob.bytes.data) < 0 ||
	    walk.count != w->blob.num_entries)
		abort();
	for (size_t i = 0; i < walk.count; i++)
		recorders += w->origin[i] == LEGACY_NO_RULE;
	if (recorders > list->count && !list->overflow)
		abort();
	legacy_walk_done(&walk);
}

static void rewrite(struct legacy_image *image, const struct assignment *a, struct doubt_list *list)
{
	struct legacy_rewritten w = {0};

	if (legacy_rewrite_table(image, 0, a, &w) == 0)
		check(image, &w, list);
	legacy_rewritten_done(&w);
	if (legacy_rewrite_trial(image, 0, 2, &w) == 0)
		check(image, &w, list);
	legacy_rewritten_done(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct legacy_image image = {0};
	static struct doubt_list list;
	struct assignment a = {0};
	bool table;

	if (size == 0)
		return 0;
	table = scene_add_table(&image, data[0] & 1 ? "ip6-filter" : "ip-filter", data + 1,
				size - 1);
	scene_shrink(&image);
	memset(&list, 0, sizeof(list));
	if (table && legacy_rewrite_find(&image, &list, NULL, NULL) == 0) {
		rewrite(&image, &a, &list);
		memset(a.bits, 0xff, sizeof(a.bits));
		rewrite(&image, &a, &list);
		for (size_t i = 0; i < sizeof(a.bits) && i < size; i++)
			memcpy((uint8_t *)a.bits + i, data + i, 1);
		rewrite(&image, &a, &list);
		legacy_image_fingerprint(&image);
	}
	legacy_image_done(&image);
	return 0;
}
