/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owner_activation: sockets that systemd holds for a service which starts when somebody connects
 * (systemd.socket(5)). The unit is told by the cgroup in which systemd created the socket, else by
 * the ListenStream= and ListenDatagram= lines of the unit files.
 */
#pragma once

#include "model/snapshot.h"

/*
 * Is this a program that holds sockets for others: systemd (system or user manager), or
 * systemd-socket-activate(1)?
 */
bool owner_is_manager(const char *program);

enum { ACTIVATED_PROGRAM_SIZE = 1024 };
/*
 * The program that systemd-socket-activate will start, from its arguments (each ended by a NUL):
 * the first that is no option. 0 or -ENOENT.
 */
int owner_parse_activator(const char *arguments, size_t len, char program[ACTIVATED_PROGRAM_SIZE]);

/* Adds an activation for each socket that a manager holds. */
void owner_resolve_activation(struct snapshot *s);
