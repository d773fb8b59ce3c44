/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_sysctls: the settings of /proc/sys/net that decide what becomes of a new packet, copied into
 * the twin and compared; and those that the twin needs for itself (no reject is withheld, nothing
 * is logged, nothing is said unasked). Changes nothing outside of the twin.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

struct rt_image;
struct twin;
struct twin_report;

/*
 * Those of the namespace and of conf/all and conf/default; before the twin has interfaces, which
 * take over the defaults. The thread is in the machine's namespace. Sets t->host_sysctls.
 */
int twin_sysctls_copy(struct twin *t, struct twin_report *report, struct err *e);
/* Those of each interface, from t->host; writes only what differs. */
int twin_sysctls_copy_interfaces(struct twin *t, struct twin_report *report, struct err *e);
/* Adds every one that differs; those of interfaces from the two images. */
int twin_sysctls_compare(struct twin *t, const struct rt_image *twin, struct twin_report *report,
			 struct err *e);
/* Of the namespace that the thread is in, without those of interfaces. */
int twin_sysctls_hash(uint64_t *ret, struct err *e);
