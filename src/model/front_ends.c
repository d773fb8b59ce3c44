/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/front_ends.h"

#include <fnmatch.h>
#include <string.h>

enum { KNOWN = 8 };

const struct front_end *front_ends_find(const char *table, const char *chain)
{
	for (unsigned i = 0; i < front_ends_row_count; i++) {
		const struct front_end *f = &front_ends_rows[i];

		if (fnmatch(f->pattern, f->of_table ? table : chain, 0) == 0)
			return f;
	}
	return NULL;
}

void front_ends_fill(const char *command, const struct front_end_words *words, struct buf *out)
{
	const struct {
		const char *name, *value;
	} known[] = {{"{port}", words->port},	    {"{asked}", words->asked},
		     {"{proto}", words->proto},	    {"{from}", words->from},
		     {"{address}", words->address}, {"{to}", words->to},
		     {"{in}", words->in},	    {"{iptables}", words->iptables}};

	for (const char *at = command; *at;) {
		size_t i = 0;

		while (i < KNOWN && strncmp(at, known[i].name, strlen(known[i].name)) != 0)
			i++;
		if (i == KNOWN) {
			buf_add_char(out, *at++);
			continue;
		}
		buf_add_text(out, known[i].value);
		at += strlen(known[i].name);
	}
}
