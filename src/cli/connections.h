/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connections: who is connected to a port now, by peer, for `portero show`.
 */
#pragma once

#include "cli/view.h"

/* Prints the connections that the view's snapshot has of this port (inventory_options). */
void connections_print(const struct view *v, uint16_t port, enum proto proto);
