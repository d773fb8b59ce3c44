/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_reach: the parts of the JSON output that tell who can reach a port.
 */
#pragma once

#include "cli/view.h"

#include <jansson.h>

/* The member "reach" of a port: who reaches it, and the ways. New reference. */
json_t *json_reach_row(const struct view *v, const struct port_row *row);
/* The member "rest" of the status: holes, and what is sent on to where nobody is seen. */
json_t *json_reach_rest(const struct view *v);
