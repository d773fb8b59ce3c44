/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * registry: to which service IANA gave a number (RFC 6335). It says what should be at a port, never
 * what is there. The table is compiled in (data/ports.tsv); no I/O. The site's own names, which go
 * before these, are in model/services.
 */
#pragma once

#include "model/port.h"

#include <stdbool.h>
#include <stdint.h>

struct registry_entry {
	const char *name;	 /* "https"; NULL when the number was set aside without a name */
	const char *description; /* in English, UTF-8 without control characters; "" when there is
				    none */
	const char *reference;	 /* "RFC 9110"; "" when the registry's data has none */
	bool reserved; /* IANA keeps the number back: no service has it, and none may take it */
};

/*
 * What the registry says of port/proto; udplite is looked up as udp. Returns false, and leaves *ret
 * alone, when the number is unassigned or dynamic (49152-65535, RFC 6335 section 6). The strings
 * live as long as the program.
 */
bool registry_find(uint16_t port, enum proto proto, struct registry_entry *ret);
