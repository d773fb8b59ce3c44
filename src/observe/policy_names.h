/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_names: does this machine have what a policy names? What cannot be told is taken to be
 * there: nobody is to be warned of what nobody knows.
 */
#pragma once

#include "base/map.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

struct policy_names {
	/* read when they are first asked for */
	struct if_nameindex *interfaces; /* of the own namespace */
	struct map units;		 /* hashes of the names of unit files */
	bool units_read, units_known;
};

void policy_names_done(struct policy_names *n);
/* "eth0"; "veth*": one that begins so. */
bool policy_names_has_interface(struct policy_names *n, const char *name);
/* A service or socket, from files as systemd would find them: of scopes and slices there need be
 * none. Without systemd: true. */
bool policy_names_has_unit(struct policy_names *n, const char *name);
bool policy_names_has_user(const char *name);
bool policy_names_has_program(const char *path);
/*
 * Does the file begin with "#!" (execve(2))? Then *ret is the program that will run, as
 * /proc/PID/exe shows it: without links, behind env(1), and of an interpreter that is a script, its
 * interpreter;
 * "" when that cannot be told. What cannot be read is no script.
 */
bool policy_names_is_script(const char *path, char *ret, size_t size);
