/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * programs: searches the compiled-in tables. Pure: no I/O, no state, no allocation. The name of the
 * program and of the service come from outside and are only compared.
 */
#include "model/programs.h"
#include "base/mem.h"
#include "model/programs_table.h"
#include "model/registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct name {
	const char *text;
	size_t len;
};

/* What the number is called: by the site and by IANA. Either may be NULL. */
struct number_names {
	const char *site, *iana;
};

/* Numbers that everybody uses for HTTP, whatever IANA meant them for. */
static const uint16_t http_alternates[] = {3000, 5000, 8000, 8008, 8080, 8081, 8443, 8888, 9000};

static int compare(struct name name, const char *known)
{
	int order = strncmp(name.text, known, name.len);

	return order ? order : known[name.len] ? -1 : 0;
}

static const struct program_row *find_exactly(struct name name)
{
	unsigned low = 0, high = programs_row_count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int order = compare(name, programs_rows[middle].name);

		if (order == 0)
			return &programs_rows[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* "apache2" as it is; "php-fpm8.2", "guile-3.0" without their versions. */
static const struct program_row *find_program(const char *program)
{
	struct name name = {program, strlen(program)};
	const struct program_row *row = find_exactly(name);

	if (row)
		return row;
	while (name.len > 0 && strchr("0123456789.-", name.text[name.len - 1]))
		name.len--;
	return name.len > 0 ? find_exactly(name) : NULL;
}

static bool service_is_spoken(const char *service)
{
	unsigned low = 0, high = programs_service_count;

	while (service && low < high) {
		unsigned middle = low + (high - low) / 2;
		int order = strcmp(service, programs_services[middle]);

		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

static const char *spoken(const struct program_row *row, unsigned i)
{
	return programs_services[programs_spoken[row->first + i]];
}

static bool speaks(const struct program_row *row, const char *service)
{
	for (unsigned i = 0; row && service && i < row->count; i++)
		if (strcmp(spoken(row, i), service) == 0)
			return true;
	return false;
}

static bool is_http_alternate(uint16_t port)
{
	for (size_t i = 0; i < ARRAY_LEN(http_alternates); i++)
		if (http_alternates[i] == port)
			return true;
	return false;
}

static bool is_known_as_no_web_server(const struct program_row *row)
{
	return row && row->class == PROGRAM_SERVER && !speaks(row, "http") &&
	       !speaks(row, "https") && !speaks(row, "http-alt");
}

static struct number_names find_names(uint16_t port, enum proto proto, const char *service_name)
{
	struct number_names names = {.site = service_name};
	struct registry_entry entry;

	if (registry_find(port, proto, &entry))
		names.iana = entry.name;
	return names;
}

enum program_fit programs_fit(const char *program, uint16_t port, enum proto proto,
			      const char *service_name, const char **ret_speaks)
{
	struct number_names names = find_names(port, proto, service_name);
	const struct program_row *row;

	if (!program || !*program || (!names.site && !names.iana))
		return PROGRAM_FIT_UNKNOWN;
	row = find_program(program);
	if (speaks(row, names.site) || speaks(row, names.iana))
		return PROGRAM_FIT_YES;
	if (row && row->class == PROGRAM_ANYTHING)
		return PROGRAM_FIT_UNKNOWN;
	if (!names.iana || (!service_is_spoken(names.site) && !service_is_spoken(names.iana)))
		return PROGRAM_FIT_UNKNOWN;
	if (is_http_alternate(port) && !is_known_as_no_web_server(row))
		return PROGRAM_FIT_UNKNOWN;
	if (!row || row->class != PROGRAM_SERVER)
		return PROGRAM_FIT_STRANGER;
	if (ret_speaks)
		*ret_speaks = spoken(row, 0);
	return PROGRAM_FIT_OTHER;
}

bool programs_run_scripts(const char *program)
{
	struct name name = {program, strcspn(program, "0123456789")};
	const struct program_row *row = find_program(program);

	/* "perl5.36-x86_64-linux-gnu", "python3.11-dbg"; but "R2D2" is no R */
	while (!row && name.len > 0 && strchr(".-", name.text[name.len - 1]))
		name.len--;
	if (!row && name.len > 2)
		row = find_exactly(name);
	return row && row->runs_scripts;
}

bool programs_speak_only(const char *program)
{
	const struct program_row *row = find_program(program);

	return row && row->only;
}

const char *programs_service(const char *program, unsigned number)
{
	const struct program_row *row = find_program(program);

	return row && number < row->count ? spoken(row, number) : NULL;
}
