/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_pins: where the guard is kept, what is pinned there, and how it is taken away.
 *
 *	PINS/guard_active, guard_config, ...	maps, by their names
 *	PINS/link_bind4, link_ingress, ...	links: while one is pinned, its program is attached
 *	PINS-next				a guard that is to replace the one in PINS
 *
 * A guard that is not whole, or of another version of portero, cannot be mended: its programs have
 * maps that nobody can get at, or that are laid out otherwise. So another one is put up beside it,
 * attached to the same cgroup (what both let through gets through), and takes its place once its
 * rules are in force: there is no moment without. Whoever is killed meanwhile leaves a PINS-next
 * that guard_pins_settle() brings in order.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUARD_PINS "/sys/fs/bpf/portero"
enum { GUARD_PIN_PATH_SIZE = 4096 };

struct guard_place {
	const char *cgroup; /* path of a cgroup v2; NULL: its root */
	const char *pins;   /* a folder in a bpffs that need not be there; NULL: GUARD_PINS */
};

/* Parts of the guard, in the order in which they are attached. */
enum guard_part {
	GUARD_PART_BIND4,
	GUARD_PART_BIND6,
	GUARD_PART_SOCKOPS,
	GUARD_PART_RELEASE, /* optional: who closes is not told */
	GUARD_PART_CREATE,  /* optional: raw sockets are not told */
	/* optional, and for the whole machine: where BPF programs may be security modules */
	GUARD_PART_LSM_LISTEN, /* SCTP and DCCP are not refused, vsock is not told */
	GUARD_PART_LSM_CREATE, /* AF_PACKET and AF_XDP are not told */
	GUARD_PART_INGRESS,
	GUARD_PART_ATTACHED, /* those above are attached; those below are called by portero */
	GUARD_PART_SEED =
		GUARD_PART_ATTACHED, /* optional: what is older than the guard is let be */
	GUARD_PART_LEARN,
	GUARD_PART_COUNT,
};
enum { GUARD_PARTS_LSM = 1 << GUARD_PART_LSM_LISTEN | 1 << GUARD_PART_LSM_CREATE };
const char *guard_part_name(enum guard_part part); /* "bind4" */
bool guard_part_is_optional(enum guard_part part);

enum guard_map {
	GUARD_MAP_ACTIVE,
	GUARD_MAP_CONFIG,
	GUARD_MAP_PORTS,
	GUARD_MAP_RULES,
	GUARD_MAP_PROGRAMS,
	GUARD_MAP_CONTAINERS,
	GUARD_MAP_CGROUPS,
	GUARD_MAP_SEEDS,
	GUARD_MAP_LEARNED,
	GUARD_MAP_COUNTS,
	GUARD_MAP_SOCKETS,
	GUARD_MAP_LISTENS,
	GUARD_MAP_RING,
	GUARD_MAP_COUNT,
};
const char *guard_map_name(enum guard_map map); /* "guard_active" */

/* Path of the root of cgroup v2, or NULL. */
const char *guard_pins_cgroup_root(void);
/* A descriptor of the place's cgroup, and its id; or a negative errno with a sentence. */
int guard_pins_open_cgroup(const struct guard_place *place, uint64_t *ret_id, struct err *e);

/* Makes the folder, where it is not; and a bpffs for the standard one. */
int guard_pins_make(const struct guard_place *place, struct err *e);
/* 0, or -ENAMETOOLONG with a sentence. */
int guard_pins_map_path(const struct guard_place *place, enum guard_map map,
			char path[GUARD_PIN_PATH_SIZE], struct err *e);
int guard_pins_link_path(const struct guard_place *place, enum guard_part part,
			 char path[GUARD_PIN_PATH_SIZE], struct err *e);

/* What stands in every version's guard_config, first and in this order. */
struct guard_head {
	uint32_t abi;
	uint32_t mode; /* enum guard_abi_mode */
	uint32_t generation;
	uint32_t netns; /* inode number of the namespace that is guarded */
};

struct guard_pinned {
	bool any;	 /* some map or link is */
	unsigned maps;	 /* bits 1 << enum guard_map */
	unsigned links;	 /* bits 1 << enum guard_part */
	bool knows_head; /* the map that has it is there */
	struct guard_head
		head; /* of what is in force; zeroes in a guard that was never turned to */
};
/* 0, or a negative errno with a sentence when it could not be looked at (-EPERM). */
int guard_pins_look(const struct guard_place *place, struct guard_pinned *ret, struct err *e);
/* Are all maps there, and laid out as this version has them? */
bool guard_pins_are_whole(const struct guard_pinned *p);

/*
 * Detaches and removes all of a guard, of whatever version, and however much of it is there;
 * judging nothing from the first step on, where that can still be told to it. 0 also when none is.
 */
int guard_pins_remove(const struct guard_place *place, struct err *e);

/* The path of PINS-next (a bpffs takes no names with dots); the caller's. NULL: out of memory. */
char *guard_pins_beside(const struct guard_place *place);
/* As guard_pins_look(), of PINS-next. */
int guard_pins_look_beside(const struct guard_place *place, struct guard_pinned *ret,
			   struct err *e);
/* Is anything pinned, in PINS or in PINS-next? Also true when that cannot be looked at. */
bool guard_pins_have_any(const struct guard_place *place);
/* The guard in PINS-next, whose rules are in force, takes the place of the one in PINS. */
int guard_pins_take_over(const struct guard_place *place, struct err *e);
/* Ends what somebody who was killed has begun: PINS-next takes over, or is removed. */
int guard_pins_settle(const struct guard_place *place, struct err *e);
