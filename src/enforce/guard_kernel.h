/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_kernel: the guard's programs and maps in the kernel: puts them there, attached to a cgroup
 * and pinned in a bpffs, so that they outlive every process; finds them again; takes them away.
 * What the maps say is not its matter (enforce/guard).
 *
 * What is put up anew judges nothing until `guard_active` is turned: whoever is killed meanwhile
 * leaves a guard that only watches.
 */
#pragma once

#include "base/err.h"
#include "enforce/guard_pins.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guard_kernel {
	int map_fds[GUARD_MAP_COUNT];	   /* -1: not open */
	int program_fds[GUARD_PART_COUNT]; /* -1: not loaded; all, when only the maps were opened */
	uint64_t cgroup_id;
	struct guard_bpf *programs;
	char *beside; /* where it is, when it is to replace one that is there; NULL: in its place */
};

/*
 * The guard in the kernel, put up where it is not, with the programs of this version, attached
 * again where somebody detached it. Where the one that is there has not all its maps, or other ones
 * than this version (GUARD_ABI), another is put up beside it: guard_kernel_take_over() once its
 * rules are in force. 0, or a negative errno with a sentence: -EOPNOTSUPP when the kernel lacks
 * what is needed, -EPERM, -EXDEV when the pins are of another network namespace or cgroup. *k is to
 * be closed in every case.
 */
int guard_kernel_open(const struct guard_place *place, struct guard_kernel *k, struct err *e);
/* Takes away the one that `k` stands beside, if it does, and puts it in that one's place. */
int guard_kernel_take_over(const struct guard_place *place, const struct guard_kernel *k,
			   struct err *e);
/* Only the maps of one that is there: -ENOENT when one of them is not pinned, -EPROTO when they are
 * another version's. */
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

/*
 * Could the guard be put up here? Loads its programs without attaching or pinning anything. 0 and
 * *ret_absent, bits of optional parts that the kernel refuses; or a negative errno with a sentence.
 */
int guard_kernel_try(const struct guard_place *place, unsigned *ret_absent, struct err *e);
/* The tags that the programs of this version get from this kernel. 0 or -1. */
int guard_kernel_tags(uint8_t tags[GUARD_PART_ATTACHED][8]);
