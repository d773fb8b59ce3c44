/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_fuzz: any bytes as a command line, of which a NUL ends each argument. It looks for a
 * failure without a sentence, and for words that are none of the arguments.
 */
#include "cli/options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENT_LIMIT = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct options *o, int argc, const char *first, const char *end)
{
	if (o->word_count >= (size_t)argc)
		abort();
	for (size_t i = 0; i < o->word_count; i++)
		if (o->words[i] < first || o->words[i] > end)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char program[] = "portero", *text = malloc(size + 1);
	char *argv[ARGUMENT_LIMIT + 1] = {program};
	struct options o;
	struct err e = {0};
	int argc = 1;

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t at = 0; at < size && argc < ARGUMENT_LIMIT; at += strlen(text + at) + 1)
		argv[argc++] = text + at;
	if (options_parse(argc, argv, &o, &e) < 0 && (!e.code || !e.msg[0]))
		abort();
	check(&o, argc, text, text + size);
	free(o.words);
	free(text);
	return 0;
}
