/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/pending_files.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/save.h"
#include "base/text.h"
#include "model/policy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK ".undo-"

enum { NAME_SIZE = 256, SWEEP_LIMIT = 100000 };

static int fail(const char *path, int r, struct err *e)
{
	return err_set(e, r, "%s: %s", path, strerror(-r));
}

static int open_folder(const char *path)
{
	const char *base = text_base_name(path);
	char cleanup_free *folder = strndup(path, (size_t)(base - path));
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return folder ? fd < 0 ? -errno : fd : -ENOMEM;
}

static int copy_name(const struct pending *p, const char *path, char copy[NAME_SIZE])
{
	int len = snprintf(copy, NAME_SIZE, ".%s" MARK "%s", text_base_name(path), p->id);

	return len < 0 || len >= NAME_SIZE ? -ENAMETOOLONG : 0;
}

/* Copies of one who was killed before it wrote down that it had made them. */
static void sweep(int folder, const char *id)
{
	int fd = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!d && fd >= 0)
		close(fd);
	for (int i = 0; d && i < SWEEP_LIMIT && (entry = readdir(d)); i++) {
		const char *mark = strstr(entry->d_name, MARK);

		if (entry->d_name[0] == '.' && mark &&
		    strlen(mark + strlen(MARK)) == PENDING_ID_SIZE - 1 &&
		    strcmp(mark + strlen(MARK), id) != 0)
			unlinkat(folder, entry->d_name, 0);
	}
	if (d)
		closedir(d);
}

/* 1 it was there, and is copied; 0 it was not there; or a negative errno. */
static int copy_file(int folder, const char *base, const char *copy)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct stat st;
	int r;

	if (fstatat(folder, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISLNK(st.st_mode) ? -ELOOP : -EINVAL;
	r = file_read_at(folder, base, POLICY_FILE_LIMIT, &text);
	if (r == 0 && unlinkat(folder, copy, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0)
		r = save_new_at(folder, copy, buf_text(&text), text.len, st.st_mode & 07777);
	if (r < 0)
		return r;
	if (fchownat(folder, copy, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == 0)
		r = save_names(folder);
	if (r < 0)
		unlinkat(folder, copy, 0);
	return r < 0 ? r : 1;
}

int pending_note_file(struct pending *p, const char *path, struct err *e)
{
	struct pending_file *f = &p->files[p->file_count];
	int cleanup_close folder = -1;
	char copy[NAME_SIZE];
	int r;

	for (size_t i = 0; i < p->file_count; i++)
		if (strcmp(p->files[i].path, path) == 0)
			return 0;
	if (path[0] != '/')
		return fail(path, -EINVAL, e);
	if (p->file_count == PENDING_FILES_LIMIT)
		return err_set(e, -E2BIG,
			       _("more than %d files were changed since the last confirmed state: "
				 "confirm that first (portero confirm)"),
			       PENDING_FILES_LIMIT);
	folder = open_folder(path);
	if (folder < 0)
		return fail(path, folder, e);
	sweep(folder, p->id);
	r = copy_name(p, path, copy);
	if (r == 0)
		r = copy_file(folder, text_base_name(path), copy);
	if (r < 0)
		return fail(path, r, e);
	f->existed = r == 1;
	f->path = strdup(path);
	if (!f->path) {
		unlinkat(folder, copy, 0);
		return err_set(e, -ENOMEM, _("out of memory"));
	}
	p->file_count++;
	return 0;
}

static int restore_file(const struct pending *p, const struct pending_file *f)
{
	int cleanup_close folder = open_folder(f->path);
	const char *base = text_base_name(f->path);
	char copy[NAME_SIZE];
	int r = copy_name(p, f->path, copy);

	if (folder == -ENOENT)
		return 0; /* with its folder, all that could be put back is gone */
	if (folder < 0 || r < 0)
		return folder < 0 ? folder : r;
	/* ENOENT: it is back already */
	if (f->existed ? renameat(folder, copy, folder, base) < 0 : unlinkat(folder, base, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return save_names(folder);
}

int pending_restore_files(const struct pending *p, size_t first, struct err *e)
{
	int r = 0;

	for (size_t i = first; i < p->file_count; i++) {
		int failed = restore_file(p, &p->files[i]);

		if (failed < 0)
			r = fail(p->files[i].path, failed, e);
	}
	return r;
}

void pending_drop_copies(const struct pending *p, size_t first)
{
	for (size_t i = first; i < p->file_count; i++) {
		int cleanup_close folder = open_folder(p->files[i].path);
		char copy[NAME_SIZE];

		if (folder >= 0 && copy_name(p, p->files[i].path, copy) == 0)
			unlinkat(folder, copy, 0);
	}
}
