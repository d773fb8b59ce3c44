/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_compare: the self-check: what the twin has, read back, beside what the machine has.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct rt_image;
struct twin;
struct twin_report;

/* Adds every interface, address, nexthop, route and rule that only one of the two has. */
int twin_compare_network(struct twin *t, struct twin_report *report, struct err *e);
/* 1: the machine's network is not what t->host says any more; 0; or a negative errno. */
int twin_compare_host(struct twin *t, struct err *e);

/* Says what differs between two images, `host` and `twin`. Pure. 0 or -ENOMEM. */
int twin_compare_images(const struct rt_image *host, const struct rt_image *twin,
			struct twin_report *report);
