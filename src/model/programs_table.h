/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * programs_table: the shape of the tables that tools/gen-programs makes from data/programs.tsv.
 * Only programs.c and the generated file need it; everyone else asks model/programs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum program_class {
	PROGRAM_SERVER,	     /* speaks the services listed, and is not expected to speak others */
	PROGRAM_INTERPRETER, /* may be any program; the services are those of servers written for it
			      */
	PROGRAM_ANYTHING,    /* a proxy, a super-server: speaks whatever it is told to */
};

struct program_row {
	const char *name; /* basename without version; the rows are sorted by it */
	uint8_t class;	  /* enum program_class */
	bool runs_scripts;
	bool only; /* it never speaks anything else, however it is configured */
	uint16_t first,
		count; /* what it speaks: programs_spoken[first..first+count), its own first */
};

extern const struct program_row programs_rows[];
extern const unsigned programs_row_count;
extern const uint16_t programs_spoken[];      /* indexes into programs_services */
extern const char *const programs_services[]; /* every service that some program speaks, sorted */
extern const unsigned programs_service_count;
