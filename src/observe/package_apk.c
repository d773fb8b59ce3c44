/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/package_apk.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

enum { DATABASE_LIMIT = 128 << 20 };

/* apk-tools 2, and 3 with merged directories */
static const char *const places[] = {"lib/apk/db/installed", "usr/lib/apk/db/installed"};

/* Where the reading of the database stands. */
struct state {
	const char *package;
	size_t package_len;
	char path[PACKAGE_PATH_LIMIT]; /* "/folder/", then room for the file */
	size_t folder_len;	       /* 0 = no folder, or one that is too long to be wanted */
};

static void set_folder(struct state *s, const char *folder, size_t len)
{
	s->folder_len = 0;
	if (len + 2 >= sizeof(s->path))
		return;
	s->path[0] = '/';
	memcpy(s->path + 1, folder, len);
	s->folder_len = len + 1;
	if (len > 0)
		s->path[s->folder_len++] = '/';
}

static int match_name(struct state *s, struct package_wanted *w, const char *name, size_t len)
{
	if (s->package_len == 0 || s->folder_len == 0 || len == 0 ||
	    s->folder_len + len >= sizeof(s->path))
		return 0;
	memcpy(s->path + s->folder_len, name, len);
	return package_wanted_match(w, s->path, s->folder_len + len, s->package, s->package_len);
}

static int match_line(struct state *s, struct package_wanted *w, const char *line, size_t len)
{
	if (len == 0) { /* the end of a package */
		s->package_len = 0;
		s->folder_len = 0;
	}
	if (len < 2 || line[1] != ':')
		return 0;
	switch (line[0]) {
	case 'P':
		s->package = line + 2;
		s->package_len = len - 2 <= PACKAGE_NAME_LIMIT ? len - 2 : 0;
		s->folder_len = 0;
		return 0;
	case 'F':
		set_folder(s, line + 2, len - 2);
		return 0;
	case 'R':
		return match_name(s, w, line + 2, len - 2);
	default:
		return 0;
	}
}

int package_apk_match(struct package_wanted *w, const char *text, size_t len)
{
	struct state s = {.package_len = 0};
	const char *line;
	size_t at = 0, line_len;
	int r = 0;

	while (r == 0 && w->open_count > 0 && file_next_line(text, len, &at, &line, &line_len))
		r = match_line(&s, w, line, line_len);
	return r;
}

int package_apk_find(int root_fd, struct package_wanted *w)
{
	struct buf cleanup_call(buf_done) text = {0};
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < ARRAY_LEN(places); i++)
		r = file_read_in_root(root_fd, places[i], DATABASE_LIMIT, &text);
	for (size_t i = 0; r == 0 && i < w->query_count; i++)
		r = package_wanted_add(w, w->queries[i].path, strlen(w->queries[i].path),
				       (uint32_t)i, NULL, NULL);
	return r < 0 ? r : package_apk_match(w, buf_text(&text), text.len);
}
