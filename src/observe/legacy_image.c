/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything is read twice: the tables have no generation to compare, so only two readings that
 * agree are taken for one state.
 */
#include "observe/legacy_image.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "observe/legacy_rewrite.h"
#include "observe/legacy_sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ATTEMPTS = 4,
	NAMES_LIMIT = 4096, /* bytes of a list of table names */
	REFUSED_LIMIT = 64, /* rules of a table that a kernel may refuse */
};

/* --- sockets -----------------------------------------------------------------------------------
 */

int legacy_open(struct legacy_sockets *s, struct err *e)
{
	s->ipv6 = -1;
	s->ipv4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->ipv4 < 0)
		return err_set(e, -errno, _("cannot open a socket: %s"), strerror(errno));
	s->ipv6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* not without IPv6 */
	return 0;
}

void legacy_close(struct legacy_sockets *s)
{
	if (s->ipv4 >= 0)
		close(s->ipv4);
	if (s->ipv6 >= 0)
		close(s->ipv6);
	s->ipv4 = s->ipv6 = -1;
}

static int socket_of(const struct legacy_sockets *s, uint8_t family)
{
	return family == AF_INET6 ? s->ipv6 : s->ipv4;
}

/* --- reading -----------------------------------------------------------------------------------
 */

void legacy_image_done(struct legacy_image *image)
{
	for (size_t i = 0; i < image->count; i++)
		free(image->tables[i].refused);
	buf_done(&image->bytes);
	*image = (struct legacy_image){0};
}

const uint8_t *legacy_image_blob(const struct legacy_image *image, const struct legacy_table *t)
{
	return (const uint8_t *)buf_text(&image->bytes) + t->offset;
}

/* Path order first; tables of other names, which no kernel has so far, at the end. */
static const char *const known_tables[] = {"raw", "mangle", "nat", "filter", "security"};

static size_t rank_of(const char *name)
{
	size_t i = 0;

	while (i < ARRAY_LEN(known_tables) && strcmp(known_tables[i], name) != 0)
		i++;
	return i;
}

struct names {
	char names[LEGACY_TABLE_LIMIT][LEGACY_NAME];
	size_t count;
};

static int compare_names(const void *a, const void *b)
{
	size_t rank_a = rank_of(a), rank_b = rank_of(b);

	return rank_a < rank_b ? -1 : rank_a > rank_b ? 1 : strcmp(a, b);
}

/* The registered tables; none where the kernel has no such list. */
static int read_names(const char *file, struct names *ret)
{
	struct buf cleanup_call(buf_done) text = {0};
	size_t at = 0, len;
	const char *line;
	int r = file_read_at(AT_FDCWD, file, NAMES_LIMIT, &text);

	ret->count = 0;
	if (r == -ENOENT)
		return 0;
	while (r >= 0 && file_next_line(text.data, text.len, &at, &line, &len)) {
		if (len == 0)
			continue;
		if (len >= LEGACY_NAME || ret->count == LEGACY_TABLE_LIMIT / 2)
			return -E2BIG;
		snprintf(ret->names[ret->count++], LEGACY_NAME, "%.*s", (int)len, line);
	}
	qsort(ret->names, ret->count, sizeof(ret->names[0]), compare_names);
	return r < 0 ? r : 0;
}

static int check_table(const struct legacy_image *image, const struct legacy_table *t)
{
	struct legacy_walk cleanup_call(legacy_walk_done) walk = {0};
	int r = legacy_walk_read(&walk, t, legacy_image_blob(image, t));

	return r == -EINVAL ? -EBADMSG : r;
}

static int read_family(struct legacy_image *image, int fd, uint8_t family, const char *file)
{
	struct names names;
	int r = read_names(file, &names);

	for (size_t i = 0; i < names.count && r == 0; i++) {
		struct legacy_table *t = &image->tables[image->count];

		if (fd < 0)
			return -EAFNOSUPPORT;
		r = legacy_sock_read(fd, family, names.names[i], &image->bytes, t);
		if (r == 0)
			r = check_table(image, t);
		if (r == 0)
			image->count++;
	}
	return r;
}

static int count_arp(struct legacy_image *image, int fd)
{
	struct names names;
	int r = read_names("/proc/thread-self/net/arp_tables_names", &names);

	for (size_t i = 0; i < names.count && r == 0; i++)
		image->arp_rules += legacy_sock_count_arp(fd, names.names[i]);
	return r;
}

static int read_once(struct legacy_image *image, const struct legacy_sockets *s)
{
	int r = read_family(image, s->ipv4, AF_INET, "/proc/thread-self/net/ip_tables_names");

	if (r == 0)
		r = read_family(image, s->ipv6, AF_INET6, "/proc/thread-self/net/ip6_tables_names");
	if (r == 0)
		r = count_arp(image, s->ipv4);
	return r;
}

static int read_until_same(struct legacy_image *image, const struct legacy_sockets *s)
{
	int r = read_once(image, s);

	for (int i = 0; i < ATTEMPTS && r == 0; i++) {
		struct legacy_image again = {0};
		bool same;

		r = read_once(&again, s);
		same = r == 0 &&
		       legacy_image_fingerprint(image) == legacy_image_fingerprint(&again);
		legacy_image_done(image);
		*image = again;
		if (same)
			return 0;
	}
	image->changing = r == 0;
	return r;
}

int legacy_image_read(struct legacy_image *image, struct err *e)
{
	struct legacy_sockets s;
	int r = legacy_open(&s, e);

	if (r < 0)
		return r;
	r = read_until_same(image, &s);
	legacy_close(&s);
	if (r == 0)
		return 0;
	legacy_image_done(image);
	if (r == -EPERM || r == -EACCES)
		return err_set(e, r,
			       _("the tables of iptables-legacy cannot be read: this needs the "
				 "capability CAP_NET_ADMIN (run it with sudo)"));
	return err_set(e, r, _("the tables of iptables-legacy cannot be read: %s"), strerror(-r));
}

/* --- comparing ---------------------------------------------------------------------------------
 */

/* A copy of a table's entries without what the kernel writes into them while it runs. */
static uint8_t *masked_copy(const struct legacy_table *t, const uint8_t *blob)
{
	struct legacy_walk cleanup_call(legacy_walk_done) walk = {0};
	uint8_t *copy = malloc(t->size);

	if (!copy)
		return NULL;
	memcpy(copy, blob, t->size);
	if (legacy_walk_read(&walk, t, blob) < 0) {
		free(copy);
		return NULL;
	}
	legacy_walk_mask(&walk, t->family, copy);
	return copy;
}

uint64_t legacy_image_fingerprint(const struct legacy_image *image)
{
	uint64_t key = map_mix(image->count, image->arp_rules);

	for (size_t i = 0; i < image->count; i++) {
		const struct legacy_table *t = &image->tables[i];
		uint8_t cleanup_free *copy = masked_copy(t, legacy_image_blob(image, t));

		key = map_mix(key, map_hash_bytes(t->name, strlen(t->name)));
		key = map_mix(key, map_mix(t->family, t->valid_hooks));
		key = map_mix(key, map_hash_bytes(t->hook_entry, sizeof(t->hook_entry)));
		key = map_mix(key, map_hash_bytes(t->underflow, sizeof(t->underflow)));
		key = map_mix(key, copy ? map_hash_bytes(copy, t->size) : 0);
	}
	return key;
}

static bool same_hooks(const struct legacy_table *t, const struct legacy_blob *blob)
{
	for (size_t i = 0; i < LEGACY_HOOKS; i++)
		if (t->valid_hooks >> i & 1 && (t->hook_entry[i] != blob->hook_entry[i] ||
						t->underflow[i] != blob->underflow[i]))
			return false;
	return true;
}

/* Whether the twin's table is what was sent. 0 or a negative errno. */
static int compare_table(int fd, const struct legacy_table *t, const struct legacy_blob *sent,
			 bool *ret_different)
{
	struct buf cleanup_call(buf_done) bytes = {0};
	struct legacy_table got;
	uint8_t cleanup_free *got_copy = NULL, *sent_copy = NULL;
	int r = legacy_sock_read(fd, t->family, t->name, &bytes, &got);

	if (r < 0)
		return r;
	*ret_different = true;
	if (got.size != sent->bytes.len || got.num_entries != sent->num_entries ||
	    got.valid_hooks != t->valid_hooks || !same_hooks(&got, sent))
		return 0;
	got_copy = masked_copy(&got, (const uint8_t *)bytes.data);
	sent_copy = masked_copy(&got, (const uint8_t *)sent->bytes.data);
	if (!got_copy || !sent_copy)
		return -ENOMEM;
	*ret_different = memcmp(got_copy, sent_copy, got.size) != 0;
	return 0;
}

/* --- loading -----------------------------------------------------------------------------------
 */

static int try_prefix(const struct legacy_image *image, size_t table, int fd, size_t limit)
{
	struct legacy_rewritten cleanup_call(legacy_rewritten_done) w = {0};
	int r = legacy_rewrite_trial(image, table, limit, &w);

	return r < 0 ? r : legacy_sock_replace(fd, &image->tables[table], &w.blob);
}

static int add_refused(struct legacy_table *t, size_t entry)
{
	if (t->refused_count == REFUSED_LIMIT)
		return -E2BIG;
	if (mem_grow(&t->refused, &t->refused_cap, t->refused_count + 1, sizeof(*t->refused)) < 0)
		return -ENOMEM;
	t->refused[t->refused_count++] = (uint32_t)entry;
	return 0;
}

/*
 * Finds by halving the first entry that the kernel refuses, leaves it out, and goes on with the
 * rest. -ENOMEM ends it: a table that is too large is not one with a bad rule.
 */
static int try_table(struct legacy_image *image, size_t table, int fd)
{
	struct legacy_table *t = &image->tables[table];
	size_t good = 0, all = t->num_entries, bad;
	int r = fd < 0 ? -EAFNOSUPPORT : try_prefix(image, table, fd, all);

	if (r == 0 || r == -ENOMEM || r == -EAFNOSUPPORT)
		return r;
	r = try_prefix(image, table, fd, 0);
	while (r == 0 && try_prefix(image, table, fd, all) < 0) {
		bad = all;
		while (bad - good > 1) {
			size_t middle = good + (bad - good) / 2;

			if (try_prefix(image, table, fd, middle) < 0)
				bad = middle;
			else
				good = middle;
		}
		r = add_refused(t, bad - 1);
		good = bad - 1;
	}
	return r;
}

int legacy_image_try(struct legacy_image *image, const struct legacy_sockets *twin, struct err *e)
{
	int first = 0;

	for (size_t i = 0; i < image->count; i++) {
		const struct legacy_table *t = &image->tables[i];
		int r = try_table(image, i, socket_of(twin, t->family));

		if (r < 0 && first == 0)
			first = err_set(e, r, _("the table %s of %s cannot be copied: %s"), t->name,
					t->family == AF_INET6 ? "ip6tables-legacy"
							      : "iptables-legacy",
					strerror(-r));
	}
	return first;
}

static int load_table(const struct legacy_image *image, size_t table,
		      const struct legacy_sockets *twin, const struct assignment *assignment,
		      bool *ret_different)
{
	struct legacy_rewritten cleanup_call(legacy_rewritten_done) w = {0};
	const struct legacy_table *t = &image->tables[table];
	int fd = socket_of(twin, t->family), r;

	if (fd < 0)
		return -EAFNOSUPPORT;
	r = legacy_rewrite_table(image, table, assignment, &w);
	if (r == 0)
		r = legacy_sock_replace(fd, t, &w.blob);
	return r < 0 ? r : compare_table(fd, t, &w.blob, ret_different);
}

int legacy_image_load(const struct legacy_image *image, const struct legacy_sockets *twin,
		      const struct assignment *assignment, struct legacy_report *ret, struct err *e)
{
	struct legacy_report report = {0};

	for (size_t i = 0; i < image->count; i++) {
		int r = load_table(image, i, twin, assignment, &report.tables[i].different);

		if (r == -ENOMEM)
			return err_set(e, r, _("out of memory"));
		report.tables[i].error = r;
		report.failed += r < 0 || report.tables[i].different;
	}
	*ret = report;
	return 0;
}
