/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_routes: nexthop objects, the routes of all tables, and the policy rules, as the machine has
 * them. What the kernel made in the twin by itself and the machine lacks is taken away.
 */
#pragma once

#include "base/err.h"

struct twin;
struct twin_report;

/*
 * From t->host, after the addresses. What the kernel refuses is tried again after the others, until
 * nothing more fits, and then reported. 0 or a negative errno: the twin could not be talked to.
 */
int twin_routes_copy(struct twin *t, struct twin_report *report, struct err *e);
