/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state_store: a state is made below a temporary name, written out, and gets its name at last; one
 * that goes loses its name first. What names beginning with a dot are left of somebody who was
 * killed is removed by the next one.
 */
#include "enforce/state_store.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/save.h"
#include "base/text.h"
#include "enforce/firewall.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { META_LIMIT = 65536 };

static const char fresh[] = ".new", old[] = ".old";

uint64_t state_fingerprint(const char *script, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)script[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static int open_states(const struct states *s, struct err *e)
{
	int fd = openat(s->dir_fd, "states", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? states_fail(s, -errno, "states", e) : fd;
}

/* --- adding -------------------------------------------------------------------------------------
 */

static char *format_meta(const struct state_wish *wish, uint32_t number)
{
	char why[STATES_TEXT_SIZE], command[STATES_TEXT_SIZE], fingerprint[24];
	struct who who;
	json_t *meta;
	char *text;

	who_look(&who);
	states_text(wish->why, why);
	states_text(wish->command, command);
	snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64,
		 state_fingerprint(wish->script, wish->script_len));
	meta = json_pack("{s:s, s:I, s:I, s:o, s:s, s:s, s:s, s:I}", "format", "portero.state/1",
			 "number", (json_int_t)number, "time", (json_int_t)time(NULL), "by",
			 who_pack(&who), "why", why, "command", command, "fingerprint", fingerprint,
			 "length", (json_int_t)wish->script_len);
	text = json_dumps(meta, JSON_INDENT(2));
	json_decref(meta);
	return text;
}

/* File names of a policy come from a folder, so they hold no slash; "." and ".." are none. */
static bool is_plain_name(const char *name)
{
	return name[0] && name[0] != '.' && !strchr(name, '/');
}

static int write_policy(int fd, const struct state_wish *wish)
{
	int cleanup_close policy = -1;
	int r = 0;

	if (wish->file_count > STATES_FILE_LIMIT)
		return -E2BIG;
	if (mkdirat(fd, "policy", 0700) < 0)
		return -errno;
	policy = openat(fd, "policy", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (policy < 0)
		return -errno;
	for (size_t i = 0; r == 0 && i < wish->file_count; i++) {
		const struct state_file *f = &wish->files[i];

		r = is_plain_name(f->name) ? save_later_at(policy, f->name, f->text, f->len, 0600)
					   : -EINVAL;
	}
	return r < 0 ? r : save_all(policy);
}

static int write_files(int fd, const struct state_wish *wish, uint32_t number)
{
	char cleanup_free *meta = format_meta(wish, number);
	int r;

	if (!meta)
		return -ENOMEM;
	r = save_new_at(fd, "ruleset.nft", wish->script, wish->script_len, 0600);
	if (r == 0 && wish->guard)
		r = save_new_at(fd, "guard.json", wish->guard, strlen(wish->guard), 0600);
	if (r == 0)
		r = save_new_at(fd, "meta.json", meta, strlen(meta), 0600);
	if (r == 0)
		r = save_new_at(fd, "unconfirmed", "", 0, 0600);
	if (r == 0)
		r = write_policy(fd, wish);
	return r < 0 ? r : save_names(fd);
}

static int write_state(int states, const struct state_wish *wish, uint32_t number)
{
	int cleanup_close fd = -1;
	char name[8];
	int r = save_remove(states, fresh);

	if (r < 0)
		return r;
	if (mkdirat(states, fresh, 0700) < 0)
		return -errno;
	fd = openat(states, fresh, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : write_files(fd, wish, number);
	states_name(number, name);
	if (r == 0)
		r = save_rename(states, fresh, name);
	if (r < 0)
		save_remove(states, fresh);
	return r;
}

int state_add(const struct states *s, const struct state_wish *wish, uint32_t *ret_number,
	      struct err *e)
{
	int cleanup_close states = open_states(s, e);
	uint32_t cleanup_free *numbers = NULL;
	uint32_t number;
	size_t count = 0;
	int r;

	if (states < 0)
		return states;
	r = state_list(s, &numbers, &count, e);
	if (r < 0)
		return r;
	number = count ? numbers[count - 1] + 1 : 1;
	if (number > STATES_NUMBER_LIMIT)
		return err_set(e, -EOVERFLOW, _("there are no numbers for states left in %s"),
			       s->dir);
	r = write_state(states, wish, number);
	if (r < 0)
		return states_fail(s, r, "states", e);
	*ret_number = number;
	return 0;
}

void state_remove(const struct states *s, uint32_t number)
{
	struct err ignored;
	int cleanup_close states = open_states(s, &ignored);
	char name[8];

	states_name(number, name);
	if (states >= 0 && save_remove(states, old) == 0 && save_rename(states, name, old) == 0)
		save_remove(states, old);
}

/* --- reading ------------------------------------------------------------------------------------
 */

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int state_list(const struct states *s, uint32_t **ret, size_t *ret_count, struct err *e)
{
	int fd = open_states(s, e);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	uint32_t *numbers = NULL;
	size_t count = 0, cap = 0;
	const struct dirent *entry;
	int r = 0;

	if (fd == -ENOENT) {
		*ret = NULL;
		*ret_count = 0;
		return 0;
	}
	if (fd < 0)
		return fd;
	if (!d) {
		close(fd);
		return err_set(e, -ENOMEM, _("out of memory"));
	}
	while (r == 0 && (entry = readdir(d))) {
		uint64_t number;

		if (strlen(entry->d_name) != 6 ||
		    text_parse_number(entry->d_name, 6, STATES_NUMBER_LIMIT, &number) < 0)
			continue;
		r = mem_grow(&numbers, &cap, count + 1, sizeof(*numbers));
		if (r == 0)
			numbers[count++] = (uint32_t)number;
	}
	closedir(d);
	if (r < 0) {
		free(numbers);
		return err_set(e, r, _("out of memory"));
	}
	if (count)
		qsort(numbers, count, sizeof(*numbers), compare);
	*ret = numbers;
	*ret_count = count;
	return 0;
}

static int no_such_state(const struct states *s, uint32_t number, struct err *e)
{
	uint32_t cleanup_free *numbers = NULL;
	size_t count = 0;

	if (state_list(s, &numbers, &count, e) < 0 || count == 0)
		return err_set(
			e, -ENOENT,
			_("there is no state %u: nothing was applied yet (state 0 is 'no rules "
			  "of portero at all')"),
			(unsigned)number);
	return err_set(
		e, -ENOENT,
		_("there is no state %u: the states that are kept are 0 and %u to %u; portero "
		  "policy log lists them"),
		(unsigned)number, (unsigned)numbers[0], (unsigned)numbers[count - 1]);
}

static int read_file(const struct states *s, uint32_t number, const char *file, size_t limit,
		     struct buf *out)
{
	char path[64], name[8];

	states_name(number, name);
	snprintf(path, sizeof(path), "states/%s/%s", name, file);
	return file_read_at(s->dir_fd, path, limit, out);
}

static int parse_meta(const struct buf *text, struct state_info *ret)
{
	json_t *meta = json_loadb(buf_text(text), text->len, 0, NULL);
	const char *fingerprint = json_string_value(json_object_get(meta, "fingerprint"));
	int r = fingerprint ? text_parse_hex(fingerprint, strlen(fingerprint), UINT64_MAX,
					     &ret->fingerprint)
			    : -EBADMSG;

	if (r == 0) {
		const char *why = json_string_value(json_object_get(meta, "why"));
		const char *command = json_string_value(json_object_get(meta, "command"));

		snprintf(ret->why, sizeof(ret->why), "%s", why ? why : "");
		snprintf(ret->command, sizeof(ret->command), "%s", command ? command : "");
		ret->time_s = json_integer_value(json_object_get(meta, "time"));
		ret->script_len = (uint64_t)json_integer_value(json_object_get(meta, "length"));
		who_unpack(&ret->who, json_object_get(meta, "by"));
	}
	json_decref(meta);
	return r < 0 ? -EBADMSG : 0;
}

int state_read(const struct states *s, uint32_t number, struct state_info *ret, struct err *e)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct state_info info = {.number = number};
	char path[64], name[8];
	int r = 0;

	if (number) {
		states_name(number, name);
		r = read_file(s, number, "meta.json", META_LIMIT, &text);
		if (r == -ENOENT)
			return no_such_state(s, number, e);
		if (r == 0)
			r = parse_meta(&text, &info);
		snprintf(path, sizeof(path), "states/%s/unconfirmed", name);
		info.unconfirmed = faccessat(s->dir_fd, path, F_OK, 0) == 0;
		snprintf(path, sizeof(path), "states/%s/meta.json", name);
		if (r < 0)
			return states_fail(s, r, path, e);
	}
	*ret = info;
	return 0;
}

int state_read_script(const struct states *s, uint32_t number, struct buf *out, struct err *e)
{
	struct state_info info = {0};
	int r = state_read(s, number, &info, e);

	buf_clear(out);
	if (r < 0 || number == 0)
		return r;
	r = read_file(s, number, "ruleset.nft", FIREWALL_SCRIPT_LIMIT, out);
	if (r < 0)
		return err_set(e, r, _("the rules of state %u cannot be read: %s"),
			       (unsigned)number, strerror(-r));
	if (out->len != info.script_len ||
	    state_fingerprint(buf_text(out), out->len) != info.fingerprint) {
		buf_clear(out);
		return err_set(e, -EBADMSG,
			       _("the rules of state %u in %s are not those that were written: the "
				 "file was changed or damaged"),
			       (unsigned)number, s->dir);
	}
	return 0;
}

int state_before(const struct states *s, uint32_t number, uint32_t *ret, struct err *e)
{
	uint32_t cleanup_free *numbers = NULL;
	uint32_t before = 0;
	size_t count = 0;
	int r = state_list(s, &numbers, &count, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count && numbers[i] < number; i++)
		before = numbers[i];
	*ret = before;
	return 0;
}

void state_set_confirmed(const struct states *s, uint32_t number)
{
	char path[64], name[8];

	states_name(number, name);
	snprintf(path, sizeof(path), "states/%s/unconfirmed", name);
	unlinkat(s->dir_fd, path, 0);
}

/* --- letting go ---------------------------------------------------------------------------------
 */

static bool is_kept(const struct state_keep *keep, uint32_t number, uint32_t after)
{
	for (size_t i = 0; i < ARRAY_LEN(keep->numbers); i++)
		if (keep->numbers[i] == number || keep->numbers[i] == after)
			return true;
	return false;
}

void state_prune(const struct states *s, const struct state_keep *keep)
{
	struct err ignored;
	int cleanup_close states = open_states(s, &ignored);
	uint32_t cleanup_free *numbers = NULL;
	size_t count = 0;

	if (states < 0 || save_remove(states, old) < 0 ||
	    state_list(s, &numbers, &count, &ignored) < 0)
		return;
	for (size_t i = 0; i + STATES_KEPT < count; i++) {
		char name[8];

		if (is_kept(keep, numbers[i], numbers[i + 1]))
			continue;
		states_name(numbers[i], name);
		if (save_rename(states, name, old) < 0 || save_remove(states, old) < 0)
			return;
	}
}
