/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/unit_file.h"
#include "base/file.h"

#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **text, size_t *len)
{
	while (*len && is_blank((*text)[0])) {
		(*text)++;
		(*len)--;
	}
	while (*len && is_blank((*text)[*len - 1]))
		(*len)--;
}

static bool copy(char *to, size_t size, const char *text, size_t len)
{
	if (len >= size || memchr(text, '\0', len))
		return false;
	memcpy(to, text, len);
	to[len] = '\0';
	return true;
}

/* A logical line: what fits of it, and whether that is all. */
struct joined {
	char text[UNIT_VALUE_SIZE + 64];
	size_t len;
	bool cut, has_nul;
};

static void join(struct joined *j, const char *text, size_t len)
{
	size_t room = sizeof(j->text) - 1 - j->len;

	j->has_nul |= memchr(text, '\0', len) != NULL;
	if (j->len && room) {
		j->text[j->len++] = ' ';
		room--;
	}
	j->cut |= len > room;
	if (len > room)
		len = room;
	memcpy(j->text + j->len, text, len);
	j->len += len;
	j->text[j->len] = '\0';
}

/* Takes off the backslash that continues a line; two of them are an escaped one, which does not. */
static bool take_backslash(const char *line, size_t *len)
{
	size_t count = 0;

	while (count < *len && line[*len - 1 - count] == '\\')
		count++;
	*len -= count % 2;
	return count % 2;
}

static bool is_comment(const char *line, size_t len)
{
	return len > 0 && (line[0] == '#' || line[0] == ';');
}

/* Joins a line that is continued with the next ones; comments among them are passed over. */
static void join_lines(const char *text, size_t len, size_t *at, const char *line, size_t line_len,
		       struct joined *j)
{
	bool more;

	do {
		more = take_backslash(line, &line_len);
		trim(&line, &line_len);
		join(j, line, line_len);
		do {
			more = more && file_next_line(text, len, at, &line, &line_len);
			if (more)
				trim(&line, &line_len);
		} while (more && is_comment(line, line_len));
	} while (more);
}

static bool take_section(const char *line, size_t len, struct unit_line *ret)
{
	if (len < 2 || line[0] != '[' || line[len - 1] != ']')
		return false;
	if (!copy(ret->section, sizeof(ret->section), line + 1, len - 2))
		ret->section[0] = '\0';
	return true;
}

/* Splits "KEY = VALUE". */
static bool take_assignment(const struct joined *j, struct unit_line *ret)
{
	const char *equals = strchr(j->text, '='), *key = j->text, *value;
	size_t key_len, value_len;

	if (!equals || j->has_nul)
		return false;
	value = equals + 1;
	key_len = (size_t)(equals - key);
	value_len = strlen(value);
	trim(&key, &key_len);
	trim(&value, &value_len);
	ret->cut = j->cut || value_len >= sizeof(ret->value);
	if (value_len >= sizeof(ret->value))
		value_len = sizeof(ret->value) - 1;
	return copy(ret->key, sizeof(ret->key), key, key_len) &&
	       copy(ret->value, sizeof(ret->value), value, value_len);
}

bool unit_file_next(const char *text, size_t len, size_t *at, struct unit_line *ret)
{
	const char *line;
	size_t line_len;

	while (file_next_line(text, len, at, &line, &line_len)) {
		struct joined j = {.len = 0};

		trim(&line, &line_len);
		if (line_len == 0 || is_comment(line, line_len) ||
		    take_section(line, line_len, ret))
			continue;
		join_lines(text, len, at, line, line_len, &j);
		if (take_assignment(&j, ret))
			return true;
	}
	return false;
}
