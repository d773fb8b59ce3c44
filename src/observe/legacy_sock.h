/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * legacy_sock: the three requests by which a table of iptables-legacy is read and replaced:
 * IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES and IPT_SO_SET_REPLACE, which are the same for both families.
 * Knows nothing about entries. Asking for a table that is not registered registers it.
 */
#pragma once

#include "base/buf.h"
#include "observe/legacy_image.h"

/*
 * Reads the table `name` by a socket of `family`: appends its entries to `bytes`, and fills *ret
 * (offset: where they begin there). 0 or a negative errno; -EAGAIN when it changed every time.
 */
int legacy_sock_read(int fd, uint8_t family, const char *name, struct buf *bytes,
		     struct legacy_table *ret);

/* What is loaded: a table's head and its entries. */
struct legacy_blob {
	struct buf bytes;
	uint32_t hook_entry[LEGACY_HOOKS], underflow[LEGACY_HOOKS];
	uint32_t num_entries;
};
/* Replaces the table that `t` names and whose hooks it has. 0 or a negative errno. */
int legacy_sock_replace(int fd, const struct legacy_table *t, const struct legacy_blob *blob);
/* How many entries the table `name` of ARP has besides policies: rules. 0 when it has none. */
uint32_t legacy_sock_count_arp(int fd, const char *name);
