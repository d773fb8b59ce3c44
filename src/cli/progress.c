/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/progress.h"
#include "base/clock.h"
#include "base/i18n.h"

#include <stdio.h>
#include <unistd.h>

enum { FIRST_MS = 1000, EVERY_MS = 200 };

struct progress progress_begin(void)
{
	return (struct progress){.wanted = isatty(STDERR_FILENO),
				 .next_ms = clock_mono_ms() + FIRST_MS};
}

void progress_write(struct progress *p, const char *text)
{
	uint64_t now = p->wanted ? clock_mono_ms() : 0;

	if (!p->wanted || now < p->next_ms)
		return;
	p->next_ms = now + EVERY_MS;
	p->shown = true;
	fputs("\r\033[K", stderr);
	fputs(text, stderr);
	fflush(stderr);
}

void progress_show(size_t asked, size_t total, void *context)
{
	char text[160];

	snprintf(text, sizeof(text), _("asking a copy of this machine: %zu of %zu packets"), asked,
		 total);
	progress_write(context, text);
}

void progress_clear(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
