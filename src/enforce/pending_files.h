/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pending_files: what a change that waits to be confirmed did to files of the policy, and how it is
 * taken back. Beside each file is a copy of what it was, `.NAME.undo-ID`: no file of the policy by
 * its name, and on the same file system, so that putting it back is one rename.
 */
#pragma once

#include "enforce/pending.h"

/*
 * Notes that the change is going to write or remove this file, and copies what it has now. One that
 * is noted already keeps its first copy. 0 or a negative errno with a sentence; then nothing of it
 * is left.
 */
int pending_note_file(struct pending *p, const char *path, struct err *e);
/* Puts all files from number `first` on back, as they were. Those that are back already stay. */
int pending_restore_files(const struct pending *p, size_t first, struct err *e);
/* Files from number `first` on stay as they are now: their copies go. */
void pending_drop_copies(const struct pending *p, size_t first);
