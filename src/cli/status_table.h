/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status_table: the rows of status, column by column: as a table as wide as the terminal, or as
 * CSV.
 */
#pragma once

#include "cli/view.h"

/* Both print; 0 or -ENOMEM. */
int status_table_print(const struct view *v);
int status_table_print_csv(const struct view *v); /* RFC 4180 */
