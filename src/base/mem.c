/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void mem_free_cleanup(void *pointer_to_pointer)
{
	void *p;

	memcpy(&p, pointer_to_pointer, sizeof(p));
	free(p);
}

void mem_close_cleanup(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

int mem_grow_unset(void *items_pointer, size_t *cap, size_t need, size_t item_size)
{
	size_t wanted = *cap ? *cap : 16;
	void *items, *bigger;

	if (need <= *cap)
		return 0;
	while (wanted < need) {
		if (wanted > (size_t)-1 / 2)
			return -ENOMEM;
		wanted *= 2;
	}
	if (wanted > (size_t)-1 / item_size)
		return -ENOMEM;
	memcpy(&items, items_pointer, sizeof(items));
	bigger = realloc(items, wanted * item_size);
	if (!bigger)
		return -ENOMEM;
	memcpy(items_pointer, &bigger, sizeof(bigger));
	*cap = wanted;
	return 0;
}

int mem_grow(void *items_pointer, size_t *cap, size_t need, size_t item_size)
{
	size_t before = *cap;
	int r = mem_grow_unset(items_pointer, cap, need, item_size);
	char *items;

	if (r < 0 || *cap == before)
		return r;
	memcpy(&items, items_pointer, sizeof(items));
	memset(items + before * item_size, 0, (*cap - before) * item_size);
	return 0;
}
