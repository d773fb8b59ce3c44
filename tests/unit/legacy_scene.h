/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * legacy_scene: an image of iptables-legacy's tables from recorded bytes, and what the tests of
 * legacy_* do with it. Bytes: valid_hooks, hook_entry[5], underflow[5] (32 bits each), entries.
 */
#pragma once

#include "base/cur.h"
#include "observe/legacy_rewrite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Adds a table; false when there is not even a head. */
static inline bool scene_add_table(struct legacy_image *image, const char *name, const void *bytes,
				   size_t len)
{
	struct legacy_table *t = &image->tables[image->count];
	struct cur c = cur_init(bytes, len);

	*t = (struct legacy_table){.family = strncmp(name, "ip6", 3) == 0 ? AF_INET6 : AF_INET};
	cur_read(&c, &t->valid_hooks, sizeof(t->valid_hooks));
	cur_read(&c, t->hook_entry, sizeof(t->hook_entry));
	cur_read(&c, t->underflow, sizeof(t->underflow));
	if (!c.ok || image->count == LEGACY_TABLE_LIMIT - 1)
		return false;
	snprintf(t->name, sizeof(t->name), "%s", strchr(name, '-') ? strchr(name, '-') + 1 : name);
	t->offset = image->bytes.len;
	t->size = c.left;
	buf_add(&image->bytes, c.at, c.left);
	image->count++;
	return !image->bytes.failed;
}

/* Cuts the image's memory off where its bytes end, so that a read past them is seen. */
static inline void scene_shrink(struct legacy_image *image)
{
	char *exact = image->bytes.len ? realloc(image->bytes.data, image->bytes.len) : NULL;

	if (exact) {
		image->bytes.data = exact;
		image->bytes.cap = image->bytes.len;
	}
}
