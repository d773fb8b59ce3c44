/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/unit_file.h"
#include "base/file.h"

#include <stdio.h>
#include <string.h>

static void trim(const char **text, size_t *len)
{
	while (*len && strchr(" \t\r", (*text)[0])) {
		(*text)++;
		(*len)--;
	}
	while (*len && strchr(" \t\r", (*text)[*len - 1]))
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

/* Joins a line that ends in a backslash with the next ones; comments among them are passed over. */
static bool join_lines(const char *text, size_t len, size_t *at, const char *first,
		       size_t first_len, char joined[UNIT_VALUE_SIZE])
{
	const char *line = first;
	size_t line_len = first_len, used = 0;
	bool fits = true, more;

	do {
		more = line_len && line[line_len - 1] == '\\';
		if (more)
			line_len--;
		trim(&line, &line_len);
		fits = fits && used + line_len + 2 < UNIT_VALUE_SIZE &&
		       !memchr(line, '\0', line_len);
		if (fits) {
			if (used)
				joined[used++] = ' ';
			memcpy(joined + used, line, line_len);
			used += line_len;
		}
		do
			more = more && file_next_line(text, len, at, &line, &line_len);
		while (more && line_len && strchr("#;", line[0]));
	} while (more);
	joined[used] = '\0';
	return fits;
}

static bool take_section(const char *line, size_t len, struct unit_line *ret)
{
	if (len < 2 || line[0] != '[' || line[len - 1] != ']')
		return false;
	if (!copy(ret->section, sizeof(ret->section), line + 1, len - 2))
		ret->section[0] = '\0';
	return true;
}

bool unit_file_next(const char *text, size_t len, size_t *at, struct unit_line *ret)
{
	const char *line;
	size_t line_len;

	while (file_next_line(text, len, at, &line, &line_len)) {
		char joined[UNIT_VALUE_SIZE];
		const char *key = joined, *value;
		size_t key_len, value_len;

		trim(&line, &line_len);
		if (line_len == 0 || strchr("#;", line[0]) || take_section(line, line_len, ret) ||
		    !join_lines(text, len, at, line, line_len, joined))
			continue;
		value = strchr(joined, '=');
		if (!value)
			continue;
		key_len = (size_t)(value - joined);
		value++;
		value_len = strlen(value);
		trim(&key, &key_len);
		trim(&value, &value_len);
		if (copy(ret->key, sizeof(ret->key), key, key_len) &&
		    copy(ret->value, sizeof(ret->value), value, value_len))
			return true;
	}
	return false;
}
