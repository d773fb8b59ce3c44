/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 65536 };

struct arena_block {
	struct arena_block *before;
	char *end;
	char bytes[];
};

static int add_block(struct arena *a, size_t size)
{
	struct arena_block *block = malloc(sizeof(*block) + size);

	if (!block)
		return -1;
	block->before = a->last;
	block->end = block->bytes + size;
	a->last = block;
	a->left = size;
	return 0;
}

const char *arena_add(struct arena *a, const char *text, size_t len)
{
	char *to;

	if (len > (size_t)-1 / 2)
		return NULL;
	if (len >= a->left && add_block(a, len < BLOCK_SIZE ? BLOCK_SIZE : len + 1) < 0)
		return NULL;
	to = a->last->end - a->left;
	a->left -= len + 1;
	to[len] = '\0';
	return memcpy(to, text, len);
}

void arena_done(struct arena *a)
{
	while (a->last) {
		struct arena_block *before = a->last->before;

		free(a->last);
		a->last = before;
	}
	a->left = 0;
}
