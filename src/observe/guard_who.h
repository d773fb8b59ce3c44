/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_who: what this machine calls those that the guard's events tell of: by /proc where the
 * process is still there (its start time is compared), by the cgroup that the event names where it
 * has ended. Each process is read once. Texts are not escaped.
 */
#pragma once

#include "bpf/guard_abi.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Texts are NULL where nothing is known. */
struct guard_who {
	bool alive;
	uint32_t slot;	 /* below GUARD_WHO_SLOTS: one that comes later may have the same */
	uint64_t serial; /* but another of these */
	char *program;	 /* path, when it is still the program of the event that runs */
	char *unit;
	char *runtime, *container_id, *container; /* the last: its name */
	char *user;				  /* of this machine */
	char *netns; /* of `ip netns`, where it is not the guarded one */
};

enum { GUARD_WHO_SLOTS = 256 };

struct guard_whos {
	int cgroup_fd; /* in the cgroup v2 file system; -1: cgroups of the dead stay unknown */
	bool numeric;
	uint64_t serial; /* the last one that was given */
	struct stat own_root;
	struct guard_who_slot {
		struct guard_identity of;
		uint32_t netns;
		struct guard_who who;
	} * slots; /* GUARD_WHO_SLOTS */
};

/* `cgroup` is any folder of cgroup v2, or NULL; `numeric`: no user names. 0 or -ENOMEM. */
int guard_whos_init(struct guard_whos *w, const char *cgroup, bool numeric);
void guard_whos_done(struct guard_whos *w);
/* Valid until the next call. */
const struct guard_who *guard_whos_look(struct guard_whos *w, const struct guard_event *e);
