/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_output: where the files go. A name in a folder that others may write to is not followed when
 * it is replaced; what is no regular file is opened, and written into, as a shell would.
 */
#include "cli/scan_output.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/save.h"
#include "cli/scan_output_formats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIED_BYTES = 64 << 10 };

static const struct {
	const char *ending;
	void (*make)(const struct scan_report *r, struct buf *out);
} formats[SCAN_FORMAT_COUNT] = {
	[SCAN_XML] = {".xml", scan_output_xml},
	[SCAN_GREPPABLE] = {".gnmap", scan_output_greppable},
	[SCAN_NORMAL] = {".nmap", scan_output_normal},
};

static bool is_standard(const char *path)
{
	return path && (strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0);
}

static int cannot_write(const char *path, int r, struct err *e)
{
	return err_set(e, r, _("%.200s cannot be written: %s"), path, strerror(-r));
}

/* --- one file ----------------------------------------------------------------------------------
 */

/* 1: a regular file, or none; 0: something else, that can be written into; or a negative errno. */
static int is_replaced(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 1 : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return S_ISREG(st.st_mode);
}

/* The mode of the file that is replaced, or that of a new one. */
static mode_t mode_of(const char *path)
{
	mode_t mask = umask(077);
	struct stat st;

	umask(mask);
	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) ? st.st_mode & 0777 : 0666 & ~mask;
}

static int try_file(const char *path)
{
	int r = is_replaced(path), fd;

	if (r == 0) { /* a pipe without a reader would be waited for: later */
		fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
		r = fd < 0 && errno != ENXIO ? -errno : 0;
		if (fd >= 0)
			close(fd);
		return r;
	}
	return r < 0 ? r : save_path_try(path, TRIED_BYTES);
}

static int write_file(const char *path, const struct buf *text)
{
	int cleanup_close fd = -1;
	int r = is_replaced(path);

	if (r < 0)
		return r;
	if (r > 0)
		return save_path(path, text->data, text->len, mode_of(path));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC, 0666);
	return fd < 0 ? -errno : file_write(fd, text->data, text->len);
}

/* --- all of them -------------------------------------------------------------------------------
 */

/* Their names as the command line has them. */
static int take_paths(struct scan_output *o, const struct options *options)
{
	const char *const wanted[SCAN_FORMAT_COUNT] = {
		[SCAN_XML] = options->xml,
		[SCAN_GREPPABLE] = options->greppable,
		[SCAN_NORMAL] = options->normal,
	};

	for (int i = 0; i < SCAN_FORMAT_COUNT; i++) {
		if (wanted[i])
			o->paths[i] = strdup(wanted[i]);
		else if (!options->all_formats)
			continue;
		else if (asprintf(&o->paths[i], "%s%s", options->all_formats, formats[i].ending) <
			 0)
			o->paths[i] = NULL;
		if (!o->paths[i])
			return -ENOMEM;
	}
	return 0;
}

static int check_standard(const struct scan_output *o, const struct options *options, struct err *e)
{
	int count = options->json + options->json_lines;

	for (int i = 0; i < SCAN_FORMAT_COUNT; i++)
		count += is_standard(o->paths[i]);
	if (is_standard(options->all_formats))
		return err_set(e, -EINVAL, _("-oA makes three files: it cannot be -, the output"));
	return count <= 1 ? 0
			  : err_set(e, -EINVAL,
				    _("only one of --json, --json-lines, -oX -, -oG - and -oN - "
				      "can have the output: give the others a file"));
}

int scan_output_init(struct scan_output *o, const struct options *options, struct err *e)
{
	int r;

	*o = (struct scan_output){0};
	if (take_paths(o, options) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	r = check_standard(o, options, e);
	for (int i = 0; i < SCAN_FORMAT_COUNT && r == 0; i++) {
		if (!o->paths[i] || is_standard(o->paths[i]))
			continue;
		r = try_file(o->paths[i]);
		if (r < 0)
			return cannot_write(o->paths[i], r, e);
	}
	return r;
}

void scan_output_done(struct scan_output *o)
{
	for (int i = 0; i < SCAN_FORMAT_COUNT; i++)
		free(o->paths[i]);
	*o = (struct scan_output){0};
}

bool scan_output_is_shown(const struct scan_output *o)
{
	for (int i = 0; i < SCAN_FORMAT_COUNT; i++)
		if (is_standard(o->paths[i]))
			return true;
	return false;
}

/* What stdout cannot take is told at the end, as of every command. */
static int write_one(const char *path, const struct buf *text)
{
	if (text->failed)
		return -ENOMEM;
	if (!is_standard(path))
		return write_file(path, text);
	fwrite(text->data, 1, text->len, stdout);
	return 0;
}

int scan_output_write(const struct scan_output *o, const struct scan_report *report, struct err *e)
{
	int first = 0;

	for (int i = 0; i < SCAN_FORMAT_COUNT; i++) {
		struct buf cleanup_call(buf_done) text = {0};
		int r;

		if (!o->paths[i])
			continue;
		formats[i].make(report, &text);
		r = write_one(o->paths[i], &text);
		if (r < 0 && first == 0)
			first = cannot_write(o->paths[i], r, e);
	}
	return first;
}
