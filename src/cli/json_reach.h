/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_reach: the parts of the JSON output that tell who can reach a port.
 */
#pragma once

#include "cli/view.h"

#include <jansson.h>

/*
 * The member "reach" of a port: who reaches it, by the row `most` (the most exposed), and the ways
 * to all of its rows. New reference.
 */
json_t *json_reach_port(const struct view *v, const struct port_row *rows, size_t count,
			const struct port_row *most);
/* The member "rest" of the status: holes, and what is sent on to where nobody is seen. */
json_t *json_reach_rest(const struct view *v);
/* Of FAMILY_* flags, at least one: "ipv4", "ipv6", "both". */
const char *json_families_id(uint8_t families);
