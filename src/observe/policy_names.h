/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_names: does this machine have what a policy names? What cannot be told is taken to be
 * there: nobody is to be warned of what nobody knows.
 */
#pragma once

#include "base/map.h"
#include "model/port.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

struct policy_names {
	/* read when they are first asked for */
	struct if_nameindex *interfaces; /* of the own namespace */
	struct ifaddrs *addresses;
	struct map units; /* hashes of the names of unit files */
	bool units_read, units_known;
	struct port_range chosen; /* ports that the kernel chooses from (ip_local_port_range) */
	uint8_t *reserved;	  /* a bit for each port that it leaves out */
	bool chosen_read;
};

void policy_names_done(struct policy_names *n);
/* "eth0"; "veth*": one that begins so. */
bool policy_names_has_interface(struct policy_names *n, const char *name);
/*
 * Is another interface attached to a network that has all of this one, and the interface `name` to
 * none? Then *ret is the name of that interface. A pattern ("veth*") is attached to any.
 */
bool policy_names_is_elsewhere(struct policy_names *n, const struct address *network, unsigned bits,
			       const char *name, char *ret, size_t size);
/* A service or socket, from files as systemd would find them: of scopes and slices there need be
 * none. Without systemd: true. */
bool policy_names_has_unit(struct policy_names *n, const char *name);
bool policy_names_has_user(const char *name);
bool policy_names_has_program(const char *path);
/* Is the path that of a link, or does it lead through one? Then *ret is where it leads to. */
bool policy_names_is_link(const char *path, char *ret, size_t size);
/* May others than root write to the file, or put another in its place? Then *ret is the file or
 * folder. */
bool policy_names_is_writable(const char *path, char *ret, size_t size);
/*
 * Is it a port that the kernel may give to a program that asks for none (net.ipv4.
 * ip_local_port_range but for ip_local_reserved_ports, of IPv6 as well)? Of the own namespace.
 */
bool policy_names_is_chosen(struct policy_names *n, uint16_t port);
/*
 * Does the file begin with "#!" (execve(2))? Then *ret is the program that will run, as
 * /proc/PID/exe shows it: without links, behind env(1), and of an interpreter that is a script, its
 * interpreter;
 * "" when that cannot be told. What cannot be read is no script.
 */
bool policy_names_is_script(const char *path, char *ret, size_t size);
