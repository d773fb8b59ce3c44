/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

static bool grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 64;
	char *data;

	while (cap < need)
		cap = cap > (size_t)-1 / 2 ? need : cap * 2;
	data = realloc(b->data, cap);
	if (!data)
		return false;
	b->data = data;
	b->cap = cap;
	b->data[b->len] = '\0';
	return true;
}

char *buf_reserve(struct buf *b, size_t more)
{
	if (b->failed || more > (size_t)-1 - b->len - 1 ||
	    (b->len + more + 1 > b->cap && !grow(b, b->len + more + 1))) {
		b->failed = true;
		return NULL;
	}
	return b->data + b->len;
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
	char *to = buf_reserve(b, len);

	if (!to)
		return;
	if (len)
		memcpy(to, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_add_text(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

/* Has it no directive but %s? Most have not, and vsnprintf() takes some thousand instructions. */
static bool is_plain(const char *format)
{
	while ((format = strchr(format, '%'))) {
		if (format[1] != 's')
			return false;
		format += 2;
	}
	return true;
}

static void add_plain(struct buf *b, const char *format, va_list args)
{
	for (const char *mark; (mark = strchr(format, '%')); format = mark + 2) {
		const char *text = va_arg(args, const char *);

		buf_add(b, format, (size_t)(mark - format));
		buf_add_text(b, text ? text : "(null)");
	}
	buf_add_text(b, format);
}

/* Into the room that is there; once more, if that was too little. */
__attribute__((format(printf, 2, 0))) static void add_formatted(struct buf *b, const char *format,
								va_list args)
{
	size_t room = b->failed ? 0 : b->cap - b->len;
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(room ? b->data + b->len : NULL, room, format, args);
	if (room && (len < 0 || (size_t)len >= room))
		b->data[b->len] = '\0';
	if (len < 0)
		b->failed = true;
	else if ((size_t)len < room)
		b->len += (size_t)len;
	else if (buf_reserve(b, (size_t)len))
		b->len += (size_t)vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
	va_end(again);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (is_plain(format))
		add_plain(b, format, args);
	else
		add_formatted(b, format, args);
	va_end(args);
}

const char *buf_text(const struct buf *b)
{
	return b->data ? b->data : "";
}
