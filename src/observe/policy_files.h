/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_files: reads the files of a policy's folder, without knowing what is in them. A file that
 * somebody else may change is no policy: whoever can write it would decide who gets in. So folder
 * and files must belong to root (or to who runs portero), and no other group or user may write.
 */
#pragma once

#include "base/buf.h"
#include "model/policy_problems.h"

struct policy_file {
	size_t name;	   /* of its name, in `names` */
	size_t first, len; /* of its text, in `texts` */
};

struct policy_files {
	struct policy_file *files; /* by name, byte for byte */
	size_t count, cap;
	struct buf names, texts;
};

/*
 * Reads DIR/NAME.yaml, not those whose names begin with a dot; symbolic links are followed. What is
 * wrong with single files goes to the problems, as errors (who may write it; too large; cannot be
 * read) or warnings (NAME.yml); such files are left out. 0, or a negative errno with a sentence:
 * -ENOENT when there is no folder, or nothing is in it. policy_files_done() in every case.
 */
int policy_files_read(const char *dir, struct policy_files *ret, struct policy_problems *problems,
		      struct err *e);
void policy_files_done(struct policy_files *f);
const char *policy_files_name(const struct policy_files *f, size_t index);
const char *policy_files_text(const struct policy_files *f, size_t index);
