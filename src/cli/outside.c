/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/outside.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/save.h"
#include "cli/json_scan.h"
#include "cli/json_scan_read.h"
#include "enforce/states.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

static const char file_name[] = "outside.json", schema_name[] = "portero.outside/1";

enum {
	LOOKS_KEPT = 8,
	FILE_LIMIT = 4 << 20, /* bytes */
	ADDRESS_LIMIT = 4096, /* of a look */
	LOCK_TRIES = 100,
	LOCK_STEP_MS = 10,
};
#define LAST_TIME_S 253402300799 /* the end of the year 9999 */

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

/* An array of looks, a new reference; empty when there is no file. NULL: *e says why. */
static json_t *read_looks(const struct states *at, struct err *e)
{
	struct buf cleanup_call(buf_done) text = {0};
	json_t *root, *looks;
	const char *schema;
	int r = file_read_at(at->dir_fd, file_name, FILE_LIMIT, &text);

	if (r == -ENOENT)
		return json_array();
	if (r < 0) {
		fail(at, r, e);
		return NULL;
	}
	root = json_loadb(buf_text(&text), text.len, JSON_REJECT_DUPLICATES, NULL);
	schema = json_string_value(json_object_get(root, "schema"));
	looks = json_object_get(root, "looks");
	if (schema && strcmp(schema, schema_name) == 0 && json_is_array(looks))
		json_incref(looks);
	else
		looks = NULL;
	json_decref(root);
	if (!looks)
		bad_file(at, e);
	return looks;
}

static int write_looks(const struct states *at, json_t *looks, struct err *e)
{
	json_t *root __attribute__((cleanup(cleanup_json))) =
		json_pack("{s:s, s:O}", "schema", schema_name, "looks", looks);
	char *text = root ? json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
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

/* Of an address that answers on every port, the ports say nothing and are many. */
static json_t *pack_host(const struct scan *s, const struct scan_host *host)
{
	json_t *o = json_scan_host(s, host);

	if (scan_host_opens_all(s, host))
		json_object_set_new(o, "ports", json_array());
	return o;
}

/* The ports that were asked: [[1, 65535]]. */
static json_t *pack_asked(const struct scan *s)
{
	json_t *list = json_array();

	for (size_t i = 0, first = 0; i < s->port_count; i++) {
		if (i + 1 < s->port_count && s->ports[i + 1] == s->ports[i] + 1)
			continue;
		json_array_append_new(list, json_pack("[i, i]", s->ports[first], s->ports[i]));
		first = i + 1;
	}
	return list;
}

static json_t *pack_look(const struct outside_look *look, const struct scan *s)
{
	json_t *addresses = json_array(), *hosts = json_array();
	char boot[64], text[ADDRESS_TEXT_SIZE];

	read_boot(boot);
	for (size_t i = 0; i < s->host_count; i++) {
		address_format(&s->hosts[i].address, text);
		json_array_append_new(addresses, json_string(text));
		json_array_append_new(hosts, pack_host(s, &s->hosts[i]));
	}
	return json_pack("{s:I, s:s, s:s?, s:o, s:o, s:o}", "time", (json_int_t)look->time_s,
			 "boot", boot, "from", look->from[0] ? look->from : NULL, "addresses",
			 addresses, "asked", pack_asked(s), "hosts", hosts);
}

static bool same(const json_t *a, const json_t *b, const char *name)
{
	return json_equal(json_object_get(a, name), json_object_get(b, name)) != 0;
}

/* Does a newer look tell all that the older one does? */
static bool replaces(const json_t *newer, const json_t *older, bool asked_all)
{
	return same(newer, older, "from") && same(newer, older, "addresses") &&
	       (asked_all || same(newer, older, "asked"));
}

static void put_first(json_t *looks, json_t *look, bool asked_all)
{
	for (size_t i = json_array_size(looks); i--;)
		if (replaces(look, json_array_get(looks, i), asked_all))
			json_array_remove(looks, i);
	json_array_insert(looks, 0, look);
	while (json_array_size(looks) > LOOKS_KEPT)
		json_array_remove(looks, LOOKS_KEPT);
}

/* The older ones go before the new one does. */
static int write_what_fits(const struct states *at, json_t *looks, struct err *e)
{
	int r = write_looks(at, looks, e);

	while (r == -EFBIG && json_array_size(looks) > 1) {
		json_array_remove(looks, json_array_size(looks) - 1);
		r = write_looks(at, looks, e);
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
		 struct err *e)
{
	json_t *looks __attribute__((cleanup(cleanup_json))) = NULL;
	json_t *packed __attribute__((cleanup(cleanup_json))) = NULL;
	struct states cleanup_call(states_close) at;
	struct err ignored;
	int r;

	mkdir(state_dir, 0700); /* it may be there, or not be possible: then the next one says so */
	r = states_open(&at, state_dir, false, e);
	if (r == 0)
		r = lock(&at, e);
	if (r < 0)
		return r;
	packed = pack_look(look, s);
	looks = read_looks(&at, &ignored);
	if (!looks) /* nonsense makes room */
		looks = json_array();
	if (!packed || !looks)
		return err_set(e, -ENOMEM, _("out of memory"));
	put_first(looks, packed, s->port_count == UINT16_MAX);
	return write_what_fits(&at, looks, e);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static bool is_known(const struct outside *o, const struct address *a, const char *from)
{
	for (size_t i = 0; i < o->count; i++)
		if (address_equal(&o->ports[i].address, a) &&
		    strcmp(o->ports[i].look.from, from) == 0)
			return true;
	return false;
}

static int add_ports(const struct outside_look *look, const struct scan *s, struct outside *ret)
{
	for (size_t i = 0; i < s->host_count; i++) {
		const struct service *service = scan_find_service(s, i, 0);
		struct outside_port *to;

		if (s->hosts[i].replies[0] == SCAN_UNASKED ||
		    is_known(ret, &s->hosts[i].address, look->from))
			continue;
		if (mem_grow(&ret->ports, &ret->cap, ret->count + 1, sizeof(*ret->ports)) < 0)
			return -ENOMEM;
		to = &ret->ports[ret->count++];
		*to = (struct outside_port){.look = *look,
					    .address = s->hosts[i].address,
					    .reply = (enum scan_reply)s->hosts[i].replies[0]};
		to->asked = service && service->end != SERVICE_UNASKED;
		if (to->asked)
			to->service = *service;
	}
	return 0;
}

static int read_head(const json_t *from, struct outside_look *ret)
{
	const char *host = json_string_value(json_object_get(from, "from")),
		   *boot = json_string_value(json_object_get(from, "boot"));
	const json_t *when = json_object_get(from, "time");
	char own[64];

	if (!boot || !json_is_integer(when) || json_integer_value(when) < 0 ||
	    json_integer_value(when) > LAST_TIME_S)
		return -EBADMSG;
	read_boot(own);
	*ret = (struct outside_look){.time_s = json_integer_value(when),
				     .other_boot = strcmp(boot, own) != 0};
	if (host)
		service_text(ret->from, sizeof(ret->from), host, strlen(host));
	return 0;
}

static int read_look(const json_t *from, uint16_t port, struct outside *ret)
{
	const json_t *hosts = json_object_get(from, "hosts");
	size_t count = json_array_size(hosts);
	struct address cleanup_free *addresses = calloc(count + 1, sizeof(*addresses));
	struct scan cleanup_call(scan_done) s = {0};
	struct outside_look look;
	int r = addresses ? read_head(from, &look) : -ENOMEM;

	if (r == 0 && count > ADDRESS_LIMIT)
		r = -EBADMSG;
	for (size_t i = 0; i < count && r == 0; i++) {
		const char *text =
			json_string_value(json_object_get(json_array_get(hosts, i), "address"));

		if (!text || address_parse(text, &addresses[i]) < 0)
			r = -EBADMSG;
	}
	if (r == 0)
		r = scan_init(&s, addresses, count, &port, 1);
	if (r == 0)
		r = json_scan_read_hosts(hosts, true, &s);
	return r == 0 ? add_ports(&look, &s, ret) : r;
}

int outside_load(const char *state_dir, uint16_t port, struct outside *ret, struct err *e)
{
	json_t *looks __attribute__((cleanup(cleanup_json))) = NULL;
	struct states cleanup_call(states_close) at;
	int r = states_open(&at, state_dir, false, e);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	looks = read_looks(&at, e);
	if (!looks)
		return e->code;
	/* the newest first */
	for (size_t i = 0; i < json_array_size(looks) && i < LOOKS_KEPT && r == 0; i++)
		r = read_look(json_array_get(looks, i), port, ret);
	if (r == -ENOMEM)
		return err_set(e, r, _("out of memory"));
	return r < 0 ? bad_file(&at, e) : 0;
}

void outside_done(struct outside *o)
{
	free(o->ports);
	*o = (struct outside){0};
}
