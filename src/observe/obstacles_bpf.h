/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * obstacles_bpf: the obstacles that are BPF programs: of TCX, socket lookup, netfilter, cgroups.
 */
#pragma once

#include "observe/obstacles.h"

/* Adds what is found. 0 or -ENOMEM. */
int obstacles_bpf_find(const struct snapshot *s, struct obstacles *ret);
