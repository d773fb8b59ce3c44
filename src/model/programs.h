/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * programs: does this program belong on this number? Knowledge of which services well-known server
 * programs speak (data/programs.tsv), compiled in; no I/O. It goes by the name of the executable,
 * which anyone can choose: an answer is a hint for a person, never a reason to trust a program.
 */
#pragma once

#include "model/port.h"

#include <stdbool.h>
#include <stdint.h>

enum program_fit {
	PROGRAM_FIT_UNKNOWN,  /* neither the program nor the number is known well enough */
	PROGRAM_FIT_YES,      /* the program speaks the service of this number */
	PROGRAM_FIT_OTHER,    /* the program is known, and speaks other services than this one */
	PROGRAM_FIT_STRANGER, /* the programs of this number's service are known: this is none */
};

/*
 * How `program` (basename of the executable, with or without a version: "php-fpm8.2"; NULL when it
 * could not be seen) fits port/proto. `service_name` is what the site calls the number
 * (services_name), or NULL; IANA's name counts as well, either will do.
 *
 * OTHER and STRANGER are only said of a number that IANA gave to a named service which some program
 * of the table speaks; never of a program that may serve anything (haproxy, socat, systemd), never
 * of a program that was not seen. An interpreter (python, java) is nobody in particular: YES on
 * what servers written for it speak, else STRANGER or UNKNOWN. On the numbers that everybody uses
 * for HTTP (8080, 8000, 3000, ...) only a known program that is no web server is OTHER, and nobody
 * is a STRANGER.
 *
 * *ret_speaks (ret_speaks may be NULL) is written for OTHER only: the first service the program
 * speaks, a string that lives as long as the program.
 */
enum program_fit programs_fit(const char *program, uint16_t port, enum proto proto,
			      const char *service_name, const char **ret_speaks);

/*
 * Does it run what anybody wrote: an interpreter, a virtual machine, a shell, also one that is a
 * server besides (php-fpm)? Whoever knows only the program knows nothing about what it does.
 * `program` as above, not NULL; names with anything behind a version are found, too
 * ("perl5.36-x86_64-linux-gnu").
 */
bool programs_run_scripts(const char *program);

/*
 * Does a program of that name never speak anything but its services, however it is configured
 * (sshd, not nginx)? `program` as above, not NULL.
 */
bool programs_speak_only(const char *program);
/* The services that it speaks, its own first; NULL behind the last, and for a stranger. */
const char *programs_service(const char *program, unsigned number);
