/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_sysctl_list: which settings below /proc/sys/net decide what becomes of a new packet, and
 * which the twin has of its own. Tables only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of one interface, of all, and the default for new ones. */
struct sysctl_conf {
	const char *name;
	uint8_t index; /* in struct rt_link's conf4 or conf6 */
};

struct sysctl_family {
	const char *name; /* "ipv4" */
	int af;
	const struct sysctl_conf *conf; /* in the order in which they are to be written */
	size_t count;
};

enum { SYSCTL_FAMILY_COUNT = 2 };
extern const struct sysctl_family sysctl_families[SYSCTL_FAMILY_COUNT];

/* Of the whole namespace; what a kernel lacks, the machine and the twin lack both. NULL ends. */
extern const char *const sysctl_globals[];

/* What is lost when the twin cannot have one of its own. */
enum sysctl_loss { SYSCTL_LOSS_NONE, SYSCTL_LOSS_REJECTS, SYSCTL_LOSS_LOG };

struct sysctl_own {
	const char *path, *value; /* "\n": empty */
	enum sysctl_loss loss;
};
extern const struct sysctl_own sysctl_own[]; /* a NULL path ends */
