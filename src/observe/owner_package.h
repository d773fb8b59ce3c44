/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owner_package: which package each program of a snapshot is from, asked once for each root
 * directory (the machine's own, and each container's).
 */
#pragma once

#include "model/snapshot.h"

/* Fills package_str and packaged of all processes, and package_str of the activations. */
void owner_resolve_packages(struct snapshot *s);
