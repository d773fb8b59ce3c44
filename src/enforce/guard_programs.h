/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_programs: the program files that the rules name: what the kernel calls each (its identity),
 * and what is in it (its hash). A file is opened once, and both are of what was opened.
 *
 * The identity is learned in the kernel, since stat(2) tells another device than the kernel
 * compares on btrfs and overlayfs. It changes with every change of the file, and with `ln` and
 * `chmod` as well (ctime): then the hash tells whether it is still the same program.
 */
#pragma once

#include "bpf/guard_abi.h"
#include "enforce/guard_kernel.h"
#include "model/guard.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GUARD_SHA256_SIZE = 65 };

enum guard_trust {
	GUARD_TRUST_NONE,    /* there is no file, or it cannot be read: see `error` */
	GUARD_TRUST_NEW,     /* it was never accepted */
	GUARD_TRUST_SAME,    /* it is what was accepted */
	GUARD_TRUST_CHANGED, /* it is not */
};

struct guard_program_file {
	const char *path; /* as the rules have it; theirs */
	int error;	  /* 0, or a negative errno: -ENOENT, -EACCES, -ENOEXEC (no regular file) */
	bool script;	  /* begins with "#!": what runs is its interpreter */
	uint64_t token;	  /* what rules and the kernel's map call it; two paths of a file: one */
	struct guard_file file;
	struct guard_program program;
	char sha256[GUARD_SHA256_SIZE];
	enum guard_trust trust;
	bool accepted_now; /* its hash was accepted just now */
};

struct guard_programs {
	struct guard_program_file *items; /* sorted by path, each once */
	size_t count;
};

/*
 * All programs of the rules, learned by the kernel `k`; NULL: only what is in them, no identity.
 * Files that are missing are no error.
 */
int guard_programs_read(const struct guard_rules *r, const struct guard_kernel *k,
			struct guard_programs *ret, struct err *e);
void guard_programs_done(struct guard_programs *p);
/* By its path, or NULL. */
const struct guard_program_file *guard_programs_find(const struct guard_programs *p,
						     const char *path);
