/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json: machine output, as described by data/schemas/. Never translated: it is made while the
 * message locale is "C". Text that is not safe to show is escaped as in the table; non-ASCII is
 * written as \uNNNN.
 */
#pragma once

#include "cli/view.h"

#include <jansson.h>

/* Real numbers as they were meant: 0.95, and not 0.94999999999999996. */
#define JSON_REALS JSON_REAL_PRECISION(15)

/* portero.status/1: all rows of the view. 0 or -ENOMEM. */
int json_print_status(const struct view *v);
/*
 * portero.show/1: the rows of the view that are in the ranges, what the numbers are for, and how
 * they looked from outside (show_outside_pack; the reference is taken).
 */
int json_print_show(const struct view *v, const struct port_range *ranges, size_t count,
		    json_t *outside);

/* portero.reach/1: the classes of the view. 0 or -ENOMEM. */
int json_print_reach(const struct view *v);

/* The heading that every output begins with: schema, host, time, complete, missing. New reference.
 */
json_t *json_heading(const struct view *v, const char *schema);
/* Prints and releases. 0 or -ENOMEM (also when root is NULL). */
int json_print(json_t *root);
