/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rest: what is below the table of `status`: the ports without a listener, what the firewall lets
 * in although nobody listens, what it sends on to other machines, and what is declared and missing.
 */
#pragma once

#include "cli/view.h"

void rest_print(const struct view *v);
/* Ports that are let in although nobody listens; nothing where that is not known. */
void rest_print_holes(const struct view *v);
