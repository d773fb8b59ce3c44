/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * risks: services that the internet should hardly ever reach (data/risks.tsv), compiled in; no I/O.
 * It goes by numbers and by names of programs, which anyone can choose: a hint for a person.
 */
#pragma once

#include "model/port.h"

struct risk {
	const char *id, *severity; /* "redis"; "critical", "high", "medium" */
	const char *ports;	   /* "6379/tcp,6380/tcp"; "": none */
	const char *programs;	   /* "redis-server,/tmp/"; "": none */
	const char *name;	   /* "Redis" */
};

extern const struct risk risks_rows[];
extern const unsigned risks_row_count;

/*
 * The risk of a program (its path, or "" when it could not be seen) that listens on any of the
 * ports; NULL: none that is known. The ports are of one protocol.
 */
const struct risk *risks_find(const char *program, const struct port_range *range);
