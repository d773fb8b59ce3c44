/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * services: how this site calls its ports, from the text of /etc/services (services(5)); the file
 * is read by observe/services_file. These names go before those of model/registry. Aliases are only
 * searched for, never shown.
 */
#pragma once

#include "base/err.h"
#include "base/map.h"
#include "model/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SERVICES_FILE_LIMIT = 4 << 20, /* bytes */
	SERVICES_NAME_LIMIT = 63,      /* bytes; a line with a longer name is no valid line */
};

struct services {
	struct strpool names;
	struct map by_port; /* port and protocol -> offset in names */
	struct map aliases; /* the same -> offset of all aliases, as they stand in the file */
};

/*
 * Adds what the text of a services(5) file says to *s (start from {0}). Any bytes will do: a line
 * that is not "name port/protocol aliases" with a name of printable ASCII, a port 1-65535 and a
 * protocol of enum proto says nothing; '#' begins a comment. Where several lines are about one
 * port, the first one counts. 0 or -ENOMEM.
 */
int services_parse(struct services *s, const char *text, size_t len);

/*
 * What the file calls port/proto, or NULL; udplite has the names of udp where it has none of its
 * own. The text is printable ASCII and lives until *s changes.
 */
const char *services_name(const struct services *s, uint16_t port, enum proto proto);

/* True when the file has `name` among the aliases of port/proto (of the line that counts). */
bool services_has_alias(const struct services *s, uint16_t port, enum proto proto,
			const char *name);

void services_done(struct services *s);
