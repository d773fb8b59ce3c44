/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * save: writing files so that whoever is killed, and whatever disk is full, leaves the old content
 * or the new one, never a part. All return 0 or a negative errno. No product knowledge.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Makes the file `name` in the directory, which is not there yet, and has the kernel write it out.
 * For files of a directory that gets its own name later. */
int save_new_at(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode);

/* The same for one of many: save_all() has the kernel write out all of them at once. */
int save_later_at(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode);
/* Has the kernel write out all of the file system that the directory is on. */
int save_all(int dir_fd);

/* Puts this content in the place of the file `name`, if there is one, in one step that lasts: a
 * file ".NAME.new" beside it is written out, and renamed. */
int save_at(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode);

/* The same of a path: what stands behind its last '/' is the name, which is not followed. */
int save_path(const char *path, const void *bytes, size_t len, mode_t mode);
/* Could save_path() write `len` bytes? Tried with a file beside it, which is gone again. */
int save_path_try(const char *path, size_t len);

/* Has the kernel write out the names in the directory. */
int save_names(int dir_fd);

/* Renames within the directory, and that lasts. */
int save_rename(int dir_fd, const char *from, const char *to);

/* Removes a file, or a directory with all in it, down to 8 levels; 0 also when it is not there. */
int save_remove(int dir_fd, const char *name);
