/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/fields.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LABEL_WIDTH = FIELDS_INDENT - 1 };

void fields_label(const char *indent, const char *label)
{
	size_t width = text_width(label) + strlen(indent);

	printf("%s%s", indent, label);
	for (; width < LABEL_WIDTH; width++)
		putchar(' ');
	putchar(' ');
}

void fields_print(const char *indent, const char *label, const char *value)
{
	fields_label(indent, label);
	printf("%s\n", value);
}

void fields_format_time(int64_t seconds, char *text, size_t size)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&t, &tm) || strftime(text, size, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(text, size, "?");
}

void fields_format_span(uint64_t ms, char *text, size_t size)
{
	uint64_t s = ms / 1000;

	if (s < 120)
		snprintf(text, size, _("%lu s"), (unsigned long)s);
	else if (s < 7200)
		snprintf(text, size, _("%lu min"), (unsigned long)(s / 60));
	else if (s < 172800)
		snprintf(text, size, _("%lu h"), (unsigned long)(s / 3600));
	else
		snprintf(text, size, _("%lu d"), (unsigned long)(s / 86400));
}

void fields_format_bytes(uint64_t bytes, char *text, size_t size)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1000 && unit < ARRAY_LEN(units) - 1; unit++)
		value /= 1000;
	snprintf(text, size, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}
