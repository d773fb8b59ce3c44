/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pending_fuzz: any bytes as pending.json. What is accepted must come back from its own text as it
 * was, and name files by absolute paths, and copies without a way out of their folder.
 */
#include "base/mem.h"
#include "enforce/pending.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct pending *p)
{
	struct pending cleanup_call(pending_done) again = {0};
	char cleanup_free *text = pending_format(p);

	if (strspn(p->id, "0123456789abcdef") != PENDING_ID_SIZE - 1)
		abort();
	if (!text || pending_parse(text, strlen(text), &again) < 0)
		abort();
	if (again.state != p->state || again.previous != p->previous ||
	    again.deadline_ms != p->deadline_ms || again.file_count != p->file_count)
		abort();
	for (size_t i = 0; i < p->file_count; i++)
		if (p->files[i].path[0] != '/' ||
		    strcmp(p->files[i].path, again.files[i].path) != 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pending cleanup_call(pending_done) p = {0};

	if (pending_parse((const char *)data, size, &p) == 0)
		check(&p);
	return 0;
}
