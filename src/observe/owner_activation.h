/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owner_activation: sockets that systemd holds for a service which starts when somebody connects
 * (systemd.socket(5)). The unit is told by the cgroup in which systemd created the socket, else by
 * the ListenStream= and ListenDatagram= lines of the unit files.
 */
#pragma once

#include "model/snapshot.h"

/* Is this the executable of systemd (system or user manager)? */
bool owner_is_manager(const char *program);

/* Adds an activation for each socket that a manager holds. */
void owner_resolve_activation(struct snapshot *s);
