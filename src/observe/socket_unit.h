/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket_unit: systemd's socket units on disk: which service one starts, and which one listens on a
 * port. Reads unit files and drop-ins in systemd's order (systemd.unit(5)) below a root directory;
 * systemd itself is not asked, so units changed but not reloaded are seen as they will be.
 */
#pragma once

#include "model/port.h"

#include <stdbool.h>
#include <stddef.h>

enum { SOCKET_UNIT_NAME_SIZE = 256, SOCKET_UNIT_LIMIT = 4096 };

struct socket_unit_service {
	char name[SOCKET_UNIT_NAME_SIZE]; /* "ssh.service"; with Accept=yes "ssh@.service" */
	char program[1024];		  /* first word of its ExecStart=, or "" */
};

/*
 * The service that `unit` ("ssh.socket") starts. 0 or a negative errno; the name is set in any
 * case, by systemd's default when the files cannot be read.
 */
int socket_unit_service(int root_fd, const char *unit, struct socket_unit_service *ret);

/*
 * Finds the socket unit that listens on the address and port. 0, -ENOENT, -ENOTUNIQ when several
 * do, or another negative errno.
 */
int socket_unit_find(int root_fd, enum proto proto, const struct address *a, uint16_t port,
		     char *unit, size_t size);

/* Does "80", "0.0.0.0:80", "[::1]:80" (ListenStream= and its sisters) mean this address and port?
 */
bool socket_unit_listens(const char *value, const struct address *a, uint16_t port);
/* The program of an ExecStart= value: prefixes and quotes taken off; "" when it has specifiers. */
void socket_unit_program(const char *value, char *program, size_t size);
