/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unit_file: the lines of systemd's unit files (systemd.syntax(7)): sections, assignments,
 * continued lines, comments. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { UNIT_VALUE_SIZE = 2048 };

struct unit_line {
	char section[64]; /* without the brackets */
	char key[64];
	char value[UNIT_VALUE_SIZE]; /* continued lines joined by a space */
	bool cut;		     /* the value was longer: this is its beginning */
};

/*
 * Steps to the next assignment of text[0..len): advances *at (start it at 0), keeps the section in
 * *line between calls (start it zeroed). Lines with a NUL, and keys over the limit, are passed
 * over. False at the end.
 */
bool unit_file_next(const char *text, size_t len, size_t *at, struct unit_line *line);
