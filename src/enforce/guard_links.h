/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_links: the links that attach the guard's programs to a cgroup: which program is attached by
 * each, and putting the programs of this version there without a moment in which none is.
 */
#pragma once

#include "enforce/guard_kernel.h"

/* What is attached of a part now. */
struct guard_link {
	bool pinned;
	uint64_t cgroup_id; /* 0: somebody detached it */
	bool everywhere;    /* of a security module: of no cgroup, and nobody can detach it */
	uint32_t program_id;
	uint8_t tag[8]; /* of the program */
	bool ours;	/* the program uses the pinned maps, and no others */
};
int guard_links_read(const struct guard_place *place, enum guard_part part, struct guard_link *ret,
		     struct err *e);

/*
 * Attaches all programs of `k` that were loaded, in the order of their parts. A link that has this
 * very program is kept; one that has another gets it in its place, at once; where none is attached,
 * a new one is put up. 0, or a negative errno with a sentence.
 */
int guard_links_attach(const struct guard_kernel *k, const struct guard_place *place, int cgroup_fd,
		       struct err *e);
/* The tag that the kernel gave to a program that is loaded: what is in it. 0 or a negative errno.
 */
int guard_links_tag(int program_fd, uint8_t tag[8]);
