/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/policy_files.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reading {
	struct policy_files *files;
	struct policy_problems *problems;
	int dir;
	struct buf text; /* of the file that is being read */
	const char *path;
};

void policy_files_done(struct policy_files *f)
{
	free(f->files);
	buf_done(&f->names);
	buf_done(&f->texts);
	*f = (struct policy_files){0};
}

const char *policy_files_name(const struct policy_files *f, size_t index)
{
	return f->names.data + f->files[index].name;
}

const char *policy_files_text(const struct policy_files *f, size_t index)
{
	return buf_text(&f->texts) + f->files[index].first;
}

static void close_dir(DIR *const *dir)
{
	if (*dir)
		closedir(*dir);
}

static bool ends_in(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* Who else may change it? An access list shows as the rights of the group. */
static bool is_safe(const struct stat *st)
{
	bool own_user = st->st_uid == 0 || st->st_uid == geteuid();
	bool own_group = st->st_gid == 0 || st->st_gid == getegid();

	return own_user && !(st->st_mode & S_IWOTH) && (own_group || !(st->st_mode & S_IWGRP));
}

static void tell(struct reading *r, const char *name, bool is_error, const char *text)
{
	struct policy_place place = policy_problems_place(r->problems, name, 0, 0);

	policy_problems_add(r->problems, is_error, &place, NULL, "%s", text);
}

static int add_name(struct reading *r, const char *name, struct err *e)
{
	struct policy_files *f = r->files;

	if (f->count >= POLICY_FILES_LIMIT)
		return err_set(e, -E2BIG,
			       _("%.300s has more than %d files: put more openings into "
				 "one file"),
			       r->path, POLICY_FILES_LIMIT);
	if (mem_grow(&f->files, &f->cap, f->count + 1, sizeof(*f->files)) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	f->files[f->count++] = (struct policy_file){.name = f->names.len};
	buf_add(&f->names, name, strlen(name) + 1);
	return f->names.failed ? err_set(e, -ENOMEM, _("out of memory")) : 0;
}

static int list_names(struct reading *r, DIR *dir, struct err *e)
{
	const struct dirent *entry;
	int code = 0;

	errno = 0;
	while (code == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (ends_in(entry->d_name, ".yaml"))
			code = add_name(r, entry->d_name, e);
		else if (ends_in(entry->d_name, ".yml"))
			tell(r, entry->d_name, false,
			     _("this file is not read: rename it, so that it ends in .yaml"));
		errno = 0;
	}
	if (code == 0 && errno)
		return err_set(e, -errno, _("cannot read the folder %.300s: %s"), r->path,
			       strerror(errno));
	return code;
}

static int compare_names(const void *a, const void *b, void *context)
{
	const struct buf *names = context;

	return strcmp(names->data + ((const struct policy_file *)a)->name,
		      names->data + ((const struct policy_file *)b)->name);
}

/* Reads one file into r->text. False, with a problem, when it cannot be taken. */
static bool read_file(struct reading *r, const char *name)
{
	int cleanup_close fd = openat(r->dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	char text[256];
	int code;

	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(text, sizeof(text), _("this file cannot be read: %s"), strerror(errno));
		tell(r, name, true, text);
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		tell(r, name, true, _("this is not a file: a policy is made of files alone"));
		return false;
	}
	if (!is_safe(&st)) {
		snprintf(text, sizeof(text),
			 _("others than root may change this file (owner %u, group %u, mode %o): "
			   "chown root:root, and chmod 644"),
			 st.st_uid, st.st_gid, st.st_mode & 07777u);
		tell(r, name, true, text);
		return false;
	}
	code = file_read_fd(fd, POLICY_FILE_LIMIT, &r->text);
	if (code == -EFBIG)
		snprintf(text, sizeof(text), _("this file is too large: a file may have %d MB"),
			 POLICY_FILE_LIMIT >> 20);
	else if (code < 0)
		snprintf(text, sizeof(text), _("this file cannot be read: %s"), strerror(-code));
	if (code < 0)
		tell(r, name, true, text);
	return code == 0;
}

static int read_files(struct reading *r, struct err *e)
{
	struct policy_files *f = r->files;
	size_t kept = 0;

	for (size_t i = 0; i < f->count; i++) {
		if (!read_file(r, f->names.data + f->files[i].name))
			continue;
		if (f->texts.len + r->text.len > POLICY_TOTAL_LIMIT)
			return err_set(e, -EFBIG,
				       _("the files in %.300s have more than %d MB: that is too "
					 "large for a policy"),
				       r->path, POLICY_TOTAL_LIMIT >> 20);
		f->files[kept++] = (struct policy_file){
			.name = f->files[i].name, .first = f->texts.len, .len = r->text.len};
		buf_add(&f->texts, buf_text(&r->text), r->text.len);
		if (f->texts.failed || r->problems->failed)
			return err_set(e, -ENOMEM, _("out of memory"));
	}
	f->count = kept;
	return 0;
}

static int check_folder(struct reading *r, struct err *e)
{
	struct stat st;

	if (fstat(r->dir, &st) == 0 && !is_safe(&st))
		return err_set(e, -EPERM,
			       _("others than root may change the folder %.300s (owner %u, group "
				 "%u, mode %o): chown root:root, and chmod 755"),
			       r->path, st.st_uid, st.st_gid, st.st_mode & 07777u);
	return 0;
}

static int open_failed(const char *dir, int error, struct err *e)
{
	if (error == ENOENT)
		return err_set(e, -ENOENT,
			       _("there is no policy: the folder %.300s is not there ('portero "
				 "policy init' writes a policy from what is open now)"),
			       dir);
	if (error == ENOTDIR)
		return err_set(e, -ENOTDIR,
			       _("%.300s is not a folder: name the folder that the policy's files "
				 "are in"),
			       dir);
	return err_set(e, -error, _("cannot read the folder %.300s: %s"), dir, strerror(error));
}

int policy_files_read(const char *dir, struct policy_files *ret, struct policy_problems *problems,
		      struct err *e)
{
	DIR cleanup_call(close_dir) *stream = opendir(dir);
	struct reading r = {.files = ret, .problems = problems, .path = dir};
	size_t warnings = problems->count;
	int code;

	*ret = (struct policy_files){0};
	if (!stream)
		return open_failed(dir, errno, e);
	r.dir = dirfd(stream);
	code = check_folder(&r, e);
	if (code == 0)
		code = list_names(&r, stream, e);
	if (code == 0 && ret->count == 0)
		code = err_set(e, -ENOENT,
			       _("there is no policy: %.300s has no file that ends in .yaml%s"),
			       dir,
			       problems->count > warnings
				       ? _(" (those in .yml are not read: rename them)")
				       : _(" ('portero policy init' writes one from what is open "
					   "now)"));
	if (code == 0)
		qsort_r(ret->files, ret->count, sizeof(*ret->files), compare_names, &ret->names);
	if (code == 0)
		code = read_files(&r, e);
	buf_done(&r.text);
	return code;
}
