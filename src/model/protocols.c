/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/protocols.h"
#include "model/programs.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Is the word one of the list's, which has commas between them? */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; *at; at += *at == ',') {
		size_t here = strcspn(at, ",");

		if (here == len && memcmp(at, word, len) == 0)
			return true;
		at += here;
	}
	return false;
}

static const struct protocol_row *find_service(const char *service)
{
	for (unsigned i = 0; i < protocols_row_count; i++)
		if (strcmp(protocols_rows[i].service, service) == 0)
			return &protocols_rows[i];
	return NULL;
}

static bool is_known(const char *protocol)
{
	for (unsigned i = 0; *protocol && i < protocols_row_count; i++)
		if (has_word(protocols_rows[i].protocols, protocol))
			return true;
	return false;
}

bool protocols_contradict_program(const char *protocol, const char *program,
				  const char **ret_service)
{
	const char *service;

	if (!is_known(protocol) || !programs_speak_only(program))
		return false;
	for (unsigned i = 0; (service = programs_service(program, i)); i++) {
		const struct protocol_row *row = find_service(service);

		if (!row || has_word(row->protocols, protocol))
			return false;
	}
	*ret_service = programs_service(program, 0);
	return true;
}

bool protocols_contradict_port(const char *protocol, uint16_t port, const char **ret_service)
{
	char number[8];

	snprintf(number, sizeof(number), "%u", port);
	if (!is_known(protocol))
		return false;
	for (unsigned i = 0; i < protocols_row_count; i++) {
		const struct protocol_row *row = &protocols_rows[i];

		if (!has_word(row->ports, number))
			continue;
		if (has_word(row->protocols, protocol))
			return false;
		*ret_service = row->service;
		return true;
	}
	return false;
}
