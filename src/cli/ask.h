/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask: the options that say which packets are meant: --from, --to, --in, -4, -6.
 */
#pragma once

#include "cli/options.h"
#include "observe/reach.h"

/* Sets from, to, in and families of *ask. 0, or what command_fail() returned. */
int ask_read(const struct options *o, struct reach_options *ask);
