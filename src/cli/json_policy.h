/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_policy: the parts of the JSON output that tell of the policy.
 */
#pragma once

#include "cli/view.h"

#include <jansson.h>

/* {"file", "line", "column"} of a place; `file` is escaped here, "" becomes null. New reference. */
json_t *json_policy_place(const char *file, const struct policy_place *place);
/* The member "policy" of a port, whose rows these are: of the one that is the least meant to be
 * open; null: there is no policy. New reference. */
json_t *json_policy_port(const struct view *v, const struct port_row *rows, size_t count);
