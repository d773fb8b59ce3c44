/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unit: what every unit test needs: cmocka with the headers it wants before it, copies that end
 * where their memory ends, a random number generator with a seed, and recorded bytes.
 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A heap copy of just these bytes, so that a read past them is seen by AddressSanitizer. */
static inline void *unit_copy(const void *bytes, size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	if (len)
		memcpy(copy, bytes, len);
	return copy;
}

/* xorshift64: the same numbers in every run. */
static inline uint64_t unit_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* The whole file tests/unit/data/NAME; the caller frees it. */
static inline char *unit_read_data(const char *name, size_t *len)
{
	enum { LIMIT = 1 << 20 };
	char path[512], *text = malloc(LIMIT);
	FILE *file;

	assert_non_null(text);
	snprintf(path, sizeof(path), "%s/unit/data/%s", TEST_DATA, name);
	file = fopen(path, "r");
	assert_non_null(file);
	*len = fread(text, 1, LIMIT - 1, file);
	text[*len] = '\0';
	fclose(file);
	return text;
}

/* Bytes with a name, from a file of lines "NAME HEXDIGITS". */
struct recorded {
	char name[32];
	uint8_t *bytes;
	size_t len;
};

struct recorded_list {
	struct recorded items[64];
	size_t count;
};

static inline void recorded_add(struct recorded_list *list, const char *line)
{
	struct recorded *item = &list->items[list->count++];
	size_t name_len = strcspn(line, " "), digits;
	const char *hex = line + name_len + 1;

	assert_true(list->count <= 64 && name_len < sizeof(item->name));
	memcpy(item->name, line, name_len);
	digits = strlen(hex);
	item->len = digits / 2;
	item->bytes = malloc(item->len);
	assert_non_null(item->bytes);
	for (size_t i = 0; i < item->len; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + i * 2, "%2x", &byte), 1);
		item->bytes[i] = (uint8_t)byte;
	}
}

static inline void recorded_load(struct recorded_list *list, const char *name)
{
	size_t len;
	char *text = unit_read_data(name, &len), *rest = NULL;

	memset(list, 0, sizeof(*list));
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (line[0] != '#')
			recorded_add(list, line);
	free(text);
	assert_true(list->count > 0);
}

static inline void recorded_done(struct recorded_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].bytes);
}

static inline const struct recorded *recorded_find(const struct recorded_list *list,
						   const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].name, name) == 0)
			return &list->items[i];
	fail_msg("no recorded bytes called %s", name);
	return NULL;
}
