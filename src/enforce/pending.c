/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/pending.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/save.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LENGTH_LIMIT = 1 << 20 };

static const char name[] = "pending.json", format[] = "portero.pending/1";

void pending_done(struct pending *p)
{
	for (size_t i = 0; i < p->file_count; i++)
		free(p->files[i].path);
	*p = (struct pending){0};
}

/* --- as text ------------------------------------------------------------------------------------
 */

static json_t *pack_files(const struct pending *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->file_count; i++)
		json_array_append_new(list, json_pack("{s:s, s:b}", "path", p->files[i].path,
						      "existed", p->files[i].existed));
	/* a path that is not UTF-8 cannot be kept */
	if (json_array_size(list) == p->file_count)
		return list;
	json_decref(list);
	return NULL;
}

char *pending_format(const struct pending *p)
{
	json_t *root = json_pack("{s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:o}", "format",
				 format, "id", p->id, "state", (json_int_t)p->state, "previous",
				 (json_int_t)p->previous, "boot", p->boot, "netns",
				 (json_int_t)p->netns, "deadline_boottime_ms",
				 (json_int_t)p->deadline_ms, "deadline", (json_int_t)p->deadline_s,
				 "window", (json_int_t)p->window_s, "files", pack_files(p));
	char *text = json_dumps(root, JSON_INDENT(2));

	json_decref(root);
	return text;
}

struct field {
	const char *key;
	int64_t max, value;
};

static bool take_number(const json_t *root, struct field *f)
{
	const json_t *number = json_object_get(root, f->key);

	f->value = json_integer_value(number);
	return json_is_integer(number) && f->value >= 0 && f->value <= f->max;
}

static bool take_text(const json_t *root, const char *key, char *to, size_t size)
{
	const char *text = json_string_value(json_object_get(root, key));

	return text && text[0] && (size_t)snprintf(to, size, "%s", text) < size;
}

static bool take_file(const json_t *item, struct pending *p)
{
	struct pending_file *f = &p->files[p->file_count];
	const char *path = json_string_value(json_object_get(item, "path"));
	const json_t *existed = json_object_get(item, "existed");

	if (!path || path[0] != '/' || !json_is_boolean(existed))
		return false;
	f->existed = json_is_true(existed);
	f->path = strdup(path);
	p->file_count += f->path != NULL;
	return f->path != NULL;
}

/* It becomes a part of file names. */
static bool is_id(const char *id)
{
	return strlen(id) == PENDING_ID_SIZE - 1 &&
	       strspn(id, "0123456789abcdef") == PENDING_ID_SIZE - 1;
}

static bool take_all(const json_t *root, struct pending *p)
{
	struct field fields[] = {
		{"state", STATES_NUMBER_LIMIT, 0}, {"previous", STATES_NUMBER_LIMIT, 0},
		{"netns", INT64_MAX, 0},	   {"deadline_boottime_ms", INT64_MAX, 0},
		{"deadline", INT64_MAX, 0},	   {"window", UINT32_MAX, 0}};
	const char *is = json_string_value(json_object_get(root, "format"));
	const json_t *files = json_object_get(root, "files");

	if (!is || strcmp(is, format) != 0 || !take_text(root, "id", p->id, sizeof(p->id)) ||
	    !is_id(p->id) || !take_text(root, "boot", p->boot, sizeof(p->boot)) ||
	    !json_is_array(files) || json_array_size(files) > PENDING_FILES_LIMIT)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (!take_number(root, &fields[i]))
			return false;
	p->state = (uint32_t)fields[0].value;
	p->previous = (uint32_t)fields[1].value;
	p->netns = (uint64_t)fields[2].value;
	p->deadline_ms = fields[3].value;
	p->deadline_s = fields[4].value;
	p->window_s = (uint32_t)fields[5].value;
	for (size_t i = 0; i < json_array_size(files); i++)
		if (!take_file(json_array_get(files, i), p))
			return false;
	return true;
}

int pending_parse(const char *text, size_t len, struct pending *ret)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	struct pending p = {0};
	bool good = take_all(root, &p);

	json_decref(root);
	if (!good) {
		pending_done(&p);
		return -EBADMSG;
	}
	*ret = p;
	return 0;
}

/* --- as a file ----------------------------------------------------------------------------------
 */

int pending_read(const struct states *s, struct pending *ret, struct err *e)
{
	struct buf cleanup_call(buf_done) text = {0};
	int r = file_read_at(s->dir_fd, name, LENGTH_LIMIT, &text);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = pending_parse(buf_text(&text), text.len, ret);
	if (r == -EBADMSG)
		return err_set(e, r,
			       _("%s/%s is damaged: 'portero rollback' brings the confirmed state "
				 "back"),
			       s->dir, name);
	return r < 0 ? states_fail(s, r, name, e) : 1;
}

int pending_write(const struct states *s, const struct pending *p, struct err *e)
{
	char cleanup_free *text = pending_format(p);
	int r;

	if (!text)
		return err_set(e, -ENOMEM, _("out of memory"));
	r = save_at(s->dir_fd, name, text, strlen(text), 0600);
	return r < 0 ? states_fail(s, r, name, e) : 0;
}

int pending_remove(const struct states *s, struct err *e)
{
	int r = unlinkat(s->dir_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;

	if (r == 0)
		r = save_names(s->dir_fd);
	return r < 0 ? states_fail(s, r, name, e) : 0;
}

/* --- where and when -----------------------------------------------------------------------------
 */

static int read_boot(char boot[PENDING_BOOT_SIZE])
{
	struct buf cleanup_call(buf_done) text = {0};
	int r = file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text);
	size_t len = strcspn(buf_text(&text), "\n");

	if (r < 0)
		return r;
	if (len == 0 || len >= PENDING_BOOT_SIZE)
		return -EBADMSG;
	memcpy(boot, text.data, len);
	boot[len] = '\0';
	return 0;
}

static uint64_t own_netns(void)
{
	struct stat st;

	return stat("/proc/thread-self/ns/net", &st) < 0 ? 0 : (uint64_t)st.st_ino;
}

static int64_t boottime_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void pending_set_deadline(struct pending *p, uint32_t window_s, uint32_t more_s)
{
	int64_t left_s = (int64_t)window_s + more_s;

	p->window_s = window_s;
	p->deadline_ms = boottime_ms() + left_s * 1000;
	p->deadline_s = (int64_t)time(NULL) + left_s;
}

int pending_begin(struct pending *p, struct err *e)
{
	struct pending fresh = {.netns = own_netns()};
	unsigned char random[(PENDING_ID_SIZE - 1) / 2];
	int r = read_boot(fresh.boot);

	if (r < 0)
		return err_set(e, r, _("cannot read /proc/sys/kernel/random/boot_id: %s"),
			       strerror(-r));
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_set(e, -EIO, _("the kernel gives no random numbers"));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(fresh.id + 2 * i, 3, "%02x", random[i]);
	*p = fresh;
	return 0;
}

int64_t pending_left_ms(const struct pending *p)
{
	return p->deadline_ms - boottime_ms();
}

bool pending_is_of_old_boot(const struct pending *p)
{
	char boot[PENDING_BOOT_SIZE];

	return read_boot(boot) == 0 && strcmp(boot, p->boot) != 0;
}

bool pending_is_here(const struct pending *p)
{
	return p->netns == own_netns();
}
