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

/* The folders that units are found in, in systemd's order, without a leading '/'. NULL behind the
 * last. */
const char *socket_unit_folder(size_t index);

struct socket_unit_service {
	char name[SOCKET_UNIT_NAME_SIZE]; /* "ssh.service"; with Accept=yes "ssh@.service" */
	char program[1024];		  /* first word of its ExecStart=, or "" */
};

/*
 * The service that `unit` ("ssh.socket", "web@1.socket") starts. 0 or a negative errno. The name is
 * systemd's default when the files cannot be read, and "" when it depends on a specifier (%i);
 * specifiers are not resolved, but %% in a program.
 */
int socket_unit_service(int root_fd, const char *unit, struct socket_unit_service *ret);

/*
 * Finds the socket unit that listens on the address and port. 0, -ENOENT, -ENOTUNIQ when several
 * do, or another negative errno.
 */
int socket_unit_find(int root_fd, enum proto proto, const struct address *a, uint16_t port,
		     char *unit, size_t size);

/* Does "80", "0.0.0.0:80", "[::1]:80" (ListenStream= and its sisters) mean this address and port?
 * An interface in it ("[fe80::1]:80%eth0") is not compared. */
bool socket_unit_listens(const char *value, const struct address *a, uint16_t port);
/*
 * The program of an ExecStart= value: prefixes and quotes taken off; "" when it is not an absolute
 * path that can be told from the text alone (specifiers, escapes), or does not fit.
 */
void socket_unit_program(const char *value, char *program, size_t size);
