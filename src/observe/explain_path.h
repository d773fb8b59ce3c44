/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain_path: the way of one packet through the rules of a mirror, in the words of the machine.
 */
#pragma once

#include "base/err.h"
#include "observe/explain.h"

struct assignment;
struct mirror;

/*
 * Sends the packet of x->flow to x->port, with the rules as they are loaded (with `assignment`),
 * and fills in steps, decides and translates. 0 or a negative errno.
 */
int explain_path(struct mirror *m, const struct assignment *assignment, struct explanation *x,
		 struct err *e);
