/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/change_log.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* When the file is longer than this, it becomes log.jsonl.1, and a new one begins. */
enum { LOG_LENGTH = 1 << 20, READ_LIMIT = 4 << 20 };

static const char name[] = "log.jsonl", name_before[] = "log.jsonl.1";

static const char *const ids[CHANGE_COUNT] = {
	[CHANGE_APPLY] = "apply",     [CHANGE_CONFIRM] = "confirm",   [CHANGE_EXTEND] = "extend",
	[CHANGE_UNDO] = "undo",	      [CHANGE_ROLLBACK] = "rollback", [CHANGE_RESTORE] = "restore",
	[CHANGE_FAILURE] = "failure",
};

const char *change_id(enum change what)
{
	return ids[what];
}

/* --- writing ------------------------------------------------------------------------------------
 */

static char *format_line(const struct change_entry *entry)
{
	json_t *line =
		json_pack("{s:I, s:s, s:I, s:I, s:o, s:s, s:s}", "time", (json_int_t)entry->time_s,
			  "what", ids[entry->what], "state", (json_int_t)entry->state, "loaded",
			  (json_int_t)entry->loaded, "by", who_pack(&entry->who), "why", entry->why,
			  "command", entry->command);
	char *text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);

	json_decref(line);
	return text;
}

/* Does the file end in the middle of a line? Somebody was killed, or the disk was full. */
static bool is_torn(int fd, off_t len)
{
	char last = '\n';

	return len > 0 && pread(fd, &last, 1, len - 1) == 1 && last != '\n';
}

static void append(const struct states *s, const char *line)
{
	int cleanup_close fd =
		openat(s->dir_fd, name, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct buf cleanup_call(buf_done) text = {0};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	if (is_torn(fd, st.st_size))
		buf_add_char(&text, '\n');
	buf_add_text(&text, line);
	buf_add_char(&text, '\n');
	if (!text.failed && write(fd, text.data, text.len) > 0)
		fsync(fd);
	if (st.st_size > LOG_LENGTH)
		save_rename(s->dir_fd, name, name_before);
}

void change_log_add(const struct states *s, enum change what, uint32_t state, uint32_t loaded,
		    const char *why, const char *command)
{
	struct change_entry entry = {
		.time_s = time(NULL), .what = what, .state = state, .loaded = loaded};
	char cleanup_free *line = NULL;

	who_look(&entry.who);
	states_text(why, entry.why);
	states_text(command, entry.command);
	line = format_line(&entry);
	if (line)
		append(s, line);
}

/* --- reading ------------------------------------------------------------------------------------
 */

static bool take_text(const json_t *line, const char *key, char to[STATES_TEXT_SIZE])
{
	const char *text = json_string_value(json_object_get(line, key));

	if (text)
		snprintf(to, STATES_TEXT_SIZE, "%s", text);
	return text != NULL;
}

static bool take_number(const json_t *line, const char *key, uint32_t *ret)
{
	const json_t *number = json_object_get(line, key);
	json_int_t value = json_integer_value(number);

	if (!json_is_integer(number) || value < 0 || value > STATES_NUMBER_LIMIT)
		return false;
	*ret = (uint32_t)value;
	return true;
}

bool change_log_parse(const char *line, size_t len, struct change_entry *ret)
{
	json_t *root = json_loadb(line, len, 0, NULL);
	const char *what = json_string_value(json_object_get(root, "what"));
	struct change_entry entry = {.time_s = json_integer_value(json_object_get(root, "time")),
				     .what = CHANGE_COUNT};
	bool good;

	for (int i = 0; what && i < CHANGE_COUNT; i++)
		if (strcmp(ids[i], what) == 0)
			entry.what = (enum change)i;
	good = entry.what != CHANGE_COUNT && take_number(root, "state", &entry.state) &&
	       take_number(root, "loaded", &entry.loaded) && take_text(root, "why", entry.why) &&
	       take_text(root, "command", entry.command);
	if (good) {
		who_unpack(&entry.who, json_object_get(root, "by"));
		*ret = entry;
	}
	json_decref(root);
	return good;
}

struct reading {
	struct change_entry *items;
	size_t count, cap;
};

static int read_file(const struct states *s, const char *file, struct reading *reading)
{
	struct buf cleanup_call(buf_done) text = {0};
	int r = file_read_at(s->dir_fd, file, READ_LIMIT, &text);
	const char *line;
	size_t at = 0, len;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while (r == 0 && file_next_line(buf_text(&text), text.len, &at, &line, &len)) {
		r = mem_grow(&reading->items, &reading->cap, reading->count + 1,
			     sizeof(*reading->items));
		if (r == 0 && change_log_parse(line, len, &reading->items[reading->count]))
			reading->count++;
	}
	return r;
}

int change_log_read(const struct states *s, size_t limit, struct change_entry **ret,
		    size_t *ret_count, struct err *e)
{
	struct reading reading = {0};
	int r = read_file(s, name_before, &reading);
	size_t skip;

	if (r == 0)
		r = read_file(s, name, &reading);
	if (r < 0) {
		free(reading.items);
		return states_fail(s, r, name, e);
	}
	skip = reading.count > limit ? reading.count - limit : 0;
	if (skip)
		memmove(reading.items, reading.items + skip,
			(reading.count - skip) * sizeof(*reading.items));
	*ret = reading.items;
	*ret_count = reading.count - skip;
	return 0;
}
