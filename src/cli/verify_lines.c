/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/verify_lines.h"
#include "base/i18n.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { ADDRESSES_TOLD = 8 }; /* in one line */

void verify_lines_add(struct verify_lines *lines, uint16_t port, const struct address *a,
		      const char *text)
{
	char *copy = strdup(text);

	if (!copy ||
	    mem_grow(&lines->items, &lines->cap, lines->count + 1, sizeof(*lines->items)) < 0) {
		free(copy);
		lines->failed = true;
		return;
	}
	lines->items[lines->count++] = (struct verify_line){port, *a, copy};
}

static int by_port_and_text(const void *left, const void *right)
{
	const struct verify_line *a = left, *b = right;
	int order = (a->port > b->port) - (a->port < b->port);

	if (order == 0)
		order = strcmp(a->text, b->text);
	if (order == 0)
		order = a->address.family - b->address.family;
	return order ? order : memcmp(a->address.bytes, b->address.bytes, address_len(&a->address));
}

static bool is_same(const struct verify_line *a, const struct verify_line *b)
{
	return a->port == b->port && strcmp(a->text, b->text) == 0;
}

static void add_addresses(const struct verify_line *first, size_t count, struct buf *out)
{
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < count && i < ADDRESSES_TOLD; i++) {
		address_format(&first[i].address, text);
		buf_printf(out, "%s%s", i ? ", " : "", text);
	}
	if (count > ADDRESSES_TOLD)
		buf_printf(out, _(" and %zu more"), count - ADDRESSES_TOLD);
}

static void print_line(const struct view *v, enum proto proto, const struct verify_line *first,
		       size_t count)
{
	struct buf cleanup_call(buf_done) addresses = {0}, shown = {0};

	add_addresses(first, count, &addresses);
	view_print_line(v, "%u/%s (%s): %s", first->port, proto_name(proto), buf_text(&addresses),
			view_escape(v, first->text, &shown));
}

void verify_lines_print(struct verify_lines *lines, const struct view *v, enum proto proto)
{
	if (lines->count)
		qsort(lines->items, lines->count, sizeof(*lines->items), by_port_and_text);
	for (size_t i = 0, first = 0; i < lines->count; i++) {
		if (i + 1 < lines->count && is_same(&lines->items[first], &lines->items[i + 1]))
			continue;
		print_line(v, proto, &lines->items[first], i + 1 - first);
		first = i + 1;
	}
}

void verify_lines_done(struct verify_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->items[i].text);
	free(lines->items);
	*lines = (struct verify_lines){0};
}
