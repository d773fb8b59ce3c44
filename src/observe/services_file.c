/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/services_file.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int fail(struct err *e, int code, const char *path)
{
	struct buf cleanup_call(buf_done) shown = {0};

	text_escape(&shown, path, strlen(path), false);
	if (code == -EFBIG)
		return err_set(e, code, _("'%s' is larger than %d MiB, so its names are not used"),
			       buf_text(&shown), SERVICES_FILE_LIMIT >> 20);
	return err_set(e, code, _("'%s' cannot be read, so its names are not used: %s"),
		       buf_text(&shown), strerror(-code));
}

int services_load(struct services *s, const char *path, struct err *e)
{
	struct buf cleanup_call(buf_done) text = {0};
	int r = file_read_at(AT_FDCWD, path, SERVICES_FILE_LIMIT, &text);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = services_parse(s, buf_text(&text), text.len);
	return r < 0 ? fail(e, r, path) : 0;
}
