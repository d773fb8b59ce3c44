/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/cur.h"

#include <string.h>

struct cur cur_init(const void *bytes, size_t len)
{
	return (struct cur){.at = bytes, .left = len, .ok = true};
}

const void *cur_take(struct cur *c, size_t len)
{
	const void *at = c->at;

	if (!c->ok || len > c->left) {
		c->ok = false;
		return NULL;
	}
	c->at += len;
	c->left -= len;
	return at;
}

void cur_read(struct cur *c, void *to, size_t len)
{
	const void *at = cur_take(c, len);

	if (at)
		memcpy(to, at, len);
	else
		memset(to, 0, len);
}

struct cur cur_slice(struct cur *c, size_t len)
{
	const void *at = cur_take(c, len);

	return (struct cur){.at = at, .left = at ? len : 0, .ok = at != NULL};
}
