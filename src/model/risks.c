/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/risks.h"
#include "base/text.h"
#include "model/programs.h"

#include <string.h>

/* The next of the words between commas; false at the end. */
static bool next_word(const char **at, const char **word, size_t *len)
{
	if (!**at)
		return false;
	*word = *at;
	*len = strcspn(*at, ",");
	*at += *len + ((*at)[*len] == ',');
	return true;
}

/* "redis-server" is "redis-server7.2" too. */
static bool is_program(const char *program, const char *name, size_t len)
{
	const char *base = text_base_name(program);

	if (len && name[len - 1] == '/')
		return strncmp(program, name, len) == 0;
	return strncmp(base, name, len) == 0 &&
	       strspn(base + len, "0123456789.-") == strlen(base + len);
}

static bool has_program(const struct risk *risk, const char *program)
{
	const char *at = risk->programs, *word;
	size_t len;

	while (next_word(&at, &word, &len))
		if (is_program(program, word, len))
			return true;
	return false;
}

static bool has_port(const struct risk *risk, const struct port_range *range)
{
	const char *at = risk->ports, *word;
	struct port_range r;
	char text[32];
	size_t len;

	while (next_word(&at, &word, &len)) {
		if (len >= sizeof(text))
			continue;
		memcpy(text, word, len);
		text[len] = '\0';
		if (port_range_parse(text, &r, NULL) == 0 && r.proto == range->proto &&
		    r.first <= range->last && range->first <= r.last)
			return true;
	}
	return false;
}

/* nginx on 6379 is no Redis. */
static bool speaks_other(const char *program, const struct port_range *range)
{
	return program[0] && programs_fit(text_base_name(program), range->first, range->proto, NULL,
					  NULL) == PROGRAM_FIT_OTHER;
}

const struct risk *risks_find(const char *program, const struct port_range *range)
{
	for (unsigned i = 0; i < risks_row_count; i++)
		if (program[0] && has_program(&risks_rows[i], program))
			return &risks_rows[i];
	if (speaks_other(program, range))
		return NULL;
	for (unsigned i = 0; i < risks_row_count; i++)
		if (has_port(&risks_rows[i], range))
			return &risks_rows[i];
	return NULL;
}
