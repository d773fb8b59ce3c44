/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem: cleanup attributes and growing arrays. No product knowledge.
 */
#pragma once

#include <stddef.h>

/* free(*p), for char * and other plain heap pointers */
#define cleanup_free __attribute__((cleanup(mem_free_cleanup)))
/* close(*fd) when it is not negative */
#define cleanup_close __attribute__((cleanup(mem_close_cleanup)))
/* any `_done`-style function over a pointer to the variable */
#define cleanup_call(function) __attribute__((cleanup(function)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

void mem_free_cleanup(void *pointer_to_pointer);
void mem_close_cleanup(const int *fd);

/*
 * Makes room for at least `need` items of `item_size` bytes in the heap array *items, whose
 * capacity in items is *cap. New room is zeroed. Returns 0, or -ENOMEM with the array unchanged.
 */
int mem_grow(void *items_pointer, size_t *cap, size_t need, size_t item_size);
/* The same, with new room as it is: for large arrays whose items are filled in when they are added,
 * since much of the room may never be touched. */
int mem_grow_unset(void *items_pointer, size_t *cap, size_t need, size_t item_size);
