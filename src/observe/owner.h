/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owner: who the processes of a snapshot are: program and what became of its file, user, systemd
 * unit, container, package; and which service a socket that systemd holds is for.
 *
 * Each thing is read once: processes that share an executable, a set of cgroups or a root directory
 * (by the identities that the iterator gave) share the answer. A process that has ended meanwhile,
 * or whose pid was used again, keeps what is known and stays unknown in the rest.
 */
#pragma once

#include "base/err.h"
#include "model/snapshot.h"

#include <stdbool.h>

/* 0 or a negative errno (out of memory). What could not be read becomes a gap of the snapshot. */
int owner_resolve(struct snapshot *s, bool cmdlines, bool numeric, struct err *e);
