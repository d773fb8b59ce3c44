/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/outside.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/save.h"
#include "cli/json.h"
#include "cli/outside_host.h"
#include "enforce/states.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

static const char file_name[] = "outside.json", schema_name[] = "portero.outside/2";

enum {
	FILE_LIMIT = 4 << 20, /* bytes */
	HOSTS_KEPT = 4096,    /* addresses, of each onlooker */
	LOCK_TRIES = 100,
	LOCK_STEP_MS = 10,
};

static void cleanup_json(json_t **root)
{
	json_decref(*root);
}

/* Of this start of the machine; "": not to be told. */
static void read_boot(char text[64])
{
	struct buf cleanup_call(buf_done) id = {0};

	text[0] = '\0';
	if (file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 63, &id) == 0)
		service_text(text, 64, buf_text(&id), id.len);
}

/* --- the file ----------------------------------------------------------------------------------
 */

static int fail(const struct states *at, int r, struct err *e)
{
	return err_set(e, r, "%s/%s: %s", at->dir, file_name, strerror(-r));
}

static int bad_file(const struct states *at, struct err *e)
{
	return err_set(e, -EBADMSG, _("%s/%s is not as portero wrote it: remove it"), at->dir,
		       file_name);
}

/* An older portero's, or a newer one's. */
static int other_version(const struct states *at, struct err *e)
{
	return err_set(e, -EPROTONOSUPPORT,
		       _("%s/%s is of another version of portero: the next portero verify "
			 "replaces it"),
		       at->dir, file_name);
}

static int check_schema(const struct states *at, const char *schema, struct err *e)
{
	size_t len = strlen(schema_name) - 1; /* without the version's number */

	if (schema && strcmp(schema, schema_name) == 0)
		return 0;
	if (schema && strncmp(schema, schema_name, len) == 0 && schema[len])
		return other_version(at, e);
	return bad_file(at, e);
}

/* An array of entries, a new reference; empty when there is no file. NULL: *e says why. */
static json_t *read_hosts(const struct states *at, struct err *e)
{
	struct buf cleanup_call(buf_done) text = {0};
	json_t *root __attribute__((cleanup(cleanup_json))) = NULL;
	json_t *hosts;
	int r = file_read_at(at->dir_fd, file_name, FILE_LIMIT, &text);

	if (r == -ENOENT)
		return json_array();
	if (r < 0) {
		fail(at, r, e);
		return NULL;
	}
	root = json_loadb(buf_text(&text), text.len, JSON_REJECT_DUPLICATES, NULL);
	if (check_schema(at, json_string_value(json_object_get(root, "schema")), e) < 0)
		return NULL;
	hosts = json_object_get(root, "hosts");
	if (!json_is_array(hosts) || json_array_size(hosts) > HOSTS_KEPT) {
		bad_file(at, e);
		return NULL;
	}
	return json_incref(hosts);
}

static int write_hosts(const struct states *at, json_t *hosts, struct err *e)
{
	json_t *root __attribute__((cleanup(cleanup_json))) =
		json_pack("{s:s, s:O}", "schema", schema_name, "hosts", hosts);
	char *text = root ? json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REALS) : NULL;
	size_t len = text ? strlen(text) : 0;
	int r;

	if (!text)
		return err_set(e, -ENOMEM, _("out of memory"));
	r = len > FILE_LIMIT ? -EFBIG : save_at(at->dir_fd, file_name, text, len, 0600);
	free(text);
	return r == -EFBIG || r == 0 ? r : fail(at, r, e);
}

/* --- keeping a look ----------------------------------------------------------------------------
 */

static bool is_of(const json_t *entry, const char *address, const char *from)
{
	const char *its_address = json_string_value(json_object_get(entry, "address")),
		   *its_from = json_string_value(json_object_get(entry, "from"));

	return its_address && strcmp(its_address, address) == 0 &&
	       strcmp(its_from ? its_from : "", from) == 0;
}

/* The entry of that address and onlooker, a new reference, taken out; NULL: there is none. */
static json_t *take_out(json_t *hosts, const char *address, const char *from)
{
	for (size_t i = 0; i < json_array_size(hosts); i++) {
		json_t *entry = json_array_get(hosts, i);

		if (!is_of(entry, address, from))
			continue;
		json_incref(entry);
		json_array_remove(hosts, i);
		return entry;
	}
	return NULL;
}

/* What was looked at last stands first. */
static int merge(json_t *hosts, const struct outside_look *look, const struct scan *s,
		 const struct verify *found)
{
	json_t *when __attribute__((cleanup(cleanup_json))) = NULL;
	char boot[64], address[ADDRESS_TEXT_SIZE];
	int r = 0;

	read_boot(boot);
	when = outside_host_look(look->time_s, boot);
	for (size_t i = s->host_count; i-- && r == 0;) {
		json_t *before;

		address_format(&s->hosts[i].address, address);
		before = take_out(hosts, address, look->from);
		r = json_array_insert_new(
			hosts, 0, outside_host_merge(before, when, look->from, s, i, found));
		json_decref(before);
	}
	return r < 0 ? -ENOMEM : 0;
}

static void cut(json_t *hosts, size_t count)
{
	while (json_array_size(hosts) > count)
		json_array_remove(hosts, json_array_size(hosts) - 1);
}

/* The older ones go before the new one does. */
static int write_what_fits(const struct states *at, json_t *hosts, struct err *e)
{
	size_t count;
	int r;

	cut(hosts, HOSTS_KEPT);
	r = write_hosts(at, hosts, e);
	while (r == -EFBIG && (count = json_array_size(hosts)) > 1) {
		cut(hosts, count - (count + 3) / 4); /* few steps: each writes all of it */
		r = write_hosts(at, hosts, e);
	}
	if (r == -EFBIG)
		err_set(e, r, _("%s/%s would be larger than %d MiB"), at->dir, file_name,
			FILE_LIMIT >> 20);
	return r;
}

/* Two at once would lose what one of them saw. The lock ends with the descriptor. */
static int lock(const struct states *at, struct err *e)
{
	const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};

	for (int i = 0; flock(at->dir_fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return fail(at, -errno, e);
		nanosleep(&step, NULL);
	}
	return 0;
}

int outside_save(const char *state_dir, const struct outside_look *look, const struct scan *s,
		 const struct verify *found, struct err *e)
{
	json_t *hosts __attribute__((cleanup(cleanup_json))) = NULL;
	struct states cleanup_call(states_close) at;
	struct err ignored;
	int r;

	mkdir(state_dir, 0700); /* it may be there, or not be possible: then the next one says so */
	r = states_open(&at, state_dir, false, e);
	if (r == 0)
		r = lock(&at, e);
	if (r < 0)
		return r;
	hosts = read_hosts(&at, &ignored);
	if (!hosts) /* nonsense makes room */
		hosts = json_array();
	if (!hosts || merge(hosts, look, s, found) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	return write_what_fits(&at, hosts, e);
}

/* --- reading -----------------------------------------------------------------------------------
 */

int outside_load(const char *state_dir, uint16_t port, struct outside *ret, struct err *e)
{
	json_t *hosts __attribute__((cleanup(cleanup_json))) = NULL;
	struct states cleanup_call(states_close) at;
	int r = states_open(&at, state_dir, false, e);
	char boot[64];

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	hosts = read_hosts(&at, e);
	if (!hosts)
		return e->code;
	read_boot(boot);
	for (size_t i = 0; i < json_array_size(hosts); i++) {
		if (mem_grow(&ret->ports, &ret->cap, ret->count + 1, sizeof(*ret->ports)) < 0)
			return err_set(e, -ENOMEM, _("out of memory"));
		r = outside_host_read(json_array_get(hosts, i), port, boot,
				      &ret->ports[ret->count]);
		if (r < 0)
			return bad_file(&at, e);
		ret->count += (size_t)r;
	}
	return 0;
}

void outside_done(struct outside *o)
{
	free(o->ports);
	*o = (struct outside){0};
}
