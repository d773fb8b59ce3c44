/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/scan_targets.h"
#include "base/i18n.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

static uint64_t address_key(const struct address *a)
{
	return map_hash_bytes(a, sizeof(*a));
}

static int out_of_memory(struct err *e)
{
	return err_set(e, -ENOMEM, _("out of memory"));
}

static int too_many(struct err *e)
{
	return err_set(e, -E2BIG, _("more than %d addresses: scan them in parts"),
		       SCAN_TARGET_LIMIT);
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
		return too_many(e);
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
		return too_many(e);
	for (uint32_t i = 0; i < 1U << free_bits && r == 0; i++, step(&a))
		r = scan_targets_add(t, &a, e);
	return r;
}

int scan_targets_add_range(struct scan_targets *t, const struct scan_range *range, struct err *e)
{
	uint64_t count = scan_range_count(range);
	int r = 0;

	if (count > SCAN_TARGET_LIMIT)
		return too_many(e);
	for (uint64_t i = 0; i < count && r == 0; i++) {
		struct address a = scan_range_at(range, i);

		r = scan_targets_add(t, &a, e);
	}
	return r;
}

/* Those that are left out lose their family until scan_targets_settle(): numbers stay. */
static void leave_out(struct address *a)
{
	a->family = AF_UNSPEC;
}

void scan_targets_exclude(struct scan_targets *t, const struct network *n)
{
	uint32_t at;

	if (n->bits == address_len(&n->address) * 8 &&
	    map_get(&t->known, address_key(&n->address), &at) &&
	    address_equal(&t->items[at], &n->address)) {
		leave_out(&t->items[at]);
		return;
	}
	for (size_t i = 0; i < t->count; i++)
		if (address_in_network(&t->items[i], &n->address, n->bits))
			leave_out(&t->items[i]);
}

void scan_targets_exclude_range(struct scan_targets *t, const struct scan_range *range)
{
	for (size_t i = 0; i < t->count; i++)
		if (scan_range_has(range, &t->items[i]))
			leave_out(&t->items[i]);
}

void scan_targets_settle(struct scan_targets *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->count; i++)
		if (t->items[i].family != AF_UNSPEC)
			t->items[kept++] = t->items[i];
	t->count = kept;
}

void scan_targets_done(struct scan_targets *t)
{
	map_done(&t->known);
	free(t->items);
	*t = (struct scan_targets){0};
}
