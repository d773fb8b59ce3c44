/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/scan_targets.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LAST_PORT = 65535 };

static uint64_t address_key(const struct address *a)
{
	return map_hash_bytes(a, sizeof(*a));
}

static int out_of_memory(struct err *e)
{
	return err_set(e, -ENOMEM, _("out of memory"));
}

/* Two addresses with the same hash: then all are looked through. */
static bool is_known(const struct scan_targets *t, const struct address *a)
{
	uint32_t at;

	if (!map_get(&t->known, address_key(a), &at))
		return false;
	if (address_equal(&t->items[at], a))
		return true;
	for (size_t i = 0; i < t->count; i++)
		if (address_equal(&t->items[i], a))
			return true;
	return false;
}

int scan_targets_add(struct scan_targets *t, const struct address *a, struct err *e)
{
	if (is_known(t, a))
		return 0;
	if (t->count == SCAN_TARGET_LIMIT)
		return err_set(e, -E2BIG, _("more than %d addresses: scan them in parts"),
			       SCAN_TARGET_LIMIT);
	if (mem_grow(&t->items, &t->cap, t->count + 1, sizeof(*t->items)) < 0 ||
	    map_set(&t->known, address_key(a), (uint32_t)t->count) < 0)
		return out_of_memory(e);
	t->items[t->count++] = *a;
	return 0;
}

/* The address behind; wraps at the end. */
static void step(struct address *a)
{
	for (int i = a->family == AF_INET ? 3 : 15; i >= 0 && ++a->bytes[i] == 0; i--)
		;
}

int scan_targets_add_network(struct scan_targets *t, const struct network *n, struct err *e)
{
	unsigned free_bits = (n->address.family == AF_INET ? 32U : 128U) - n->bits;
	struct address a = n->address;
	int r = 0;

	if (free_bits > 16)
		return err_set(e, -E2BIG, _("more than %d addresses: scan them in parts"),
			       SCAN_TARGET_LIMIT);
	for (uint32_t i = 0; i < 1U << free_bits && r == 0; i++, step(&a))
		r = scan_targets_add(t, &a, e);
	return r;
}

void scan_targets_exclude(struct scan_targets *t, const struct network *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->count; i++)
		if (!address_in_network(&t->items[i], &n->address, n->bits))
			t->items[kept++] = t->items[i];
	t->count = kept;
}

void scan_targets_done(struct scan_targets *t)
{
	map_done(&t->known);
	free(t->items);
	*t = (struct scan_targets){0};
}

/* --- ports -------------------------------------------------------------------------------------
 */

static int bad_ports(const char *text, struct err *e)
{
	return err_set(e, -EINVAL,
		       _("'%.64s' are no ports: write 22,80,8000-8100 (1 to 65535), or - for all"),
		       text);
}

/* "8000", "8000-8100", "-1024", "60000-", "-" */
static int parse_part(const char *part, size_t len, uint64_t *first, uint64_t *last)
{
	const char *dash = memchr(part, '-', len);
	size_t first_len = dash ? (size_t)(dash - part) : len;

	*first = 1;
	*last = LAST_PORT;
	if ((!dash || first_len) && text_parse_number(part, first_len, LAST_PORT, first) < 0)
		return -EINVAL;
	if (!dash)
		*last = *first;
	else if (first_len + 1 < len &&
		 text_parse_number(dash + 1, len - first_len - 1, LAST_PORT, last) < 0)
		return -EINVAL;
	return *first >= 1 && *first <= *last ? 0 : -EINVAL;
}

int scan_ports_parse(const char *text, uint16_t ports[65535], struct err *e)
{
	uint8_t wanted[LAST_PORT + 1] = {0};
	int count = 0;

	for (const char *at = text;;) {
		size_t len = strcspn(at, ",");
		uint64_t first, last;

		if (parse_part(at, len, &first, &last) < 0)
			return bad_ports(text, e);
		memset(wanted + first, 1, last - first + 1);
		if (!at[len])
			break;
		at += len + 1;
	}
	for (unsigned i = 1; i <= LAST_PORT; i++)
		if (wanted[i])
			ports[count++] = (uint16_t)i;
	return count;
}
