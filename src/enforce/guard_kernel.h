/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_kernel: the guard's programs and maps in the kernel: puts them there, attached to a cgroup
 * and pinned in a bpffs, so that they outlive every process; finds them again; takes them away.
 * What the maps say is not its matter (enforce/guard).
 *
 *	PINS/guard_active, guard_config, ...	maps, by their names
 *	PINS/link_bind4, link_ingress, ...	links: while one is pinned, its program is attached
 *
 * What is put up anew judges nothing until `guard_active` is turned: whoever is killed meanwhile
 * leaves a guard that only watches.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUARD_PINS "/sys/fs/bpf/portero"

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
	GUARD_MAP_RING,
	GUARD_MAP_COUNT,
};
const char *guard_map_name(enum guard_map map); /* "guard_active" */

struct guard_kernel {
	int map_fds[GUARD_MAP_COUNT];	   /* -1: not open */
	int program_fds[GUARD_PART_COUNT]; /* -1: not loaded; all, when only the maps were opened */
	uint64_t cgroup_id;
	bool attached_anew; /* a link was put up just now: there are sockets that nobody marked */
	struct guard_bpf *programs;
};

/*
 * The guard in the kernel, put up where it is not, brought up to this version where it is of
 * another, attached again where somebody detached it. 0, or a negative errno with a sentence:
 * -EOPNOTSUPP when the kernel lacks what is needed, -EPERM, -EXDEV when the pins are of another
 * network namespace or cgroup. *k is to be closed in every case.
 */
int guard_kernel_open(const struct guard_place *place, struct guard_kernel *k, struct err *e);
/* Only the maps of one that is there: -ENOENT when none is. */
int guard_kernel_find(const struct guard_place *place, struct guard_kernel *k, struct err *e);
void guard_kernel_close(struct guard_kernel *k);
/* Detaches and removes all of it, judging nothing from the first step on. 0 also when none is. */
int guard_kernel_remove(const struct guard_place *place, struct err *e);

/* Does the guard that is there guard another network namespace than the caller's? */
bool guard_kernel_is_elsewhere(const struct guard_place *place);

/* Runs an iterator (GUARD_PART_SEED, GUARD_PART_LEARN) to its end; pid 0: over all processes. */
int guard_kernel_run(const struct guard_kernel *k, enum guard_part part, uint32_t pid,
		     struct err *e);
/* What the next runs of GUARD_PART_SEED write into `pass`: another number than those before. */
uint32_t guard_kernel_next_pass(struct guard_kernel *k);
/* Ends when no program runs any more that began before: what none can see may be written to. */
void guard_kernel_wait(void);

/* What is attached of a part now. */
struct guard_link {
	bool pinned;
	uint64_t cgroup_id; /* 0: somebody detached it */
	bool everywhere;    /* of a security module: of no cgroup, and nobody can detach it */
	uint32_t program_id;
	uint8_t tag[8]; /* of the program */
	bool ours;	/* the program uses the pinned maps */
};
int guard_kernel_link(const struct guard_place *place, enum guard_part part, struct guard_link *ret,
		      struct err *e);

/*
 * Could the guard be put up here? Loads its programs without attaching or pinning anything. 0 and
 * *ret_absent, bits of optional parts that the kernel refuses; or a negative errno with a sentence.
 */
int guard_kernel_try(const struct guard_place *place, unsigned *ret_absent, struct err *e);
/* The tags that the programs of this version get from this kernel; the maps must be there. 0 or -1.
 */
int guard_kernel_tags(const struct guard_place *place, uint8_t tags[GUARD_PART_ATTACHED][8]);

/* Path of the root of cgroup v2, or NULL. */
const char *guard_kernel_cgroup_root(void);
