/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * services: how this site calls its ports, from /etc/services (services(5)). These names go before
 * those of model/registry. Aliases are not kept.
 */
#pragma once

#include "base/err.h"
#include "base/map.h"
#include "model/port.h"

#include <stddef.h>
#include <stdint.h>

enum {
	SERVICES_FILE_LIMIT = 4 << 20, /* bytes */
	SERVICES_NAME_LIMIT = 63,      /* bytes; a line with a longer name is no valid line */
};

struct services {
	struct strpool names;
	struct map by_port; /* port and protocol -> offset in names */
};

/*
 * Adds what the file says to *s (start from {0}). A file that is not there is an empty one. Returns
 * 0, or a negative errno with a sentence in *e: -EFBIG over SERVICES_FILE_LIMIT, -EINVAL when it is
 * no regular file, -EACCES, -ENOMEM, ...
 */
int services_load(struct services *s, const char *path, struct err *e);

/*
 * The same from memory. Any bytes will do: a line that is not "name port/protocol aliases" with a
 * name of printable ASCII, a port 1-65535 and a protocol of enum proto says nothing; '#' begins a
 * comment. Where several lines are about one port, the first one counts. 0 or -ENOMEM.
 */
int services_parse(struct services *s, const char *text, size_t len);

/*
 * What the file calls port/proto, or NULL; udplite has the names of udp where it has none of its
 * own. The text is printable ASCII and lives until *s changes.
 */
const char *services_name(const struct services *s, uint16_t port, enum proto proto);

void services_done(struct services *s);
