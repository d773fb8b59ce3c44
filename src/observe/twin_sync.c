/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_sync.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/twin.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { BATCH = 4096 }; /* messages at a time: the answers must fit into the socket */

static const struct {
	uint16_t make, remove, flags;
} verbs[RT_KIND_COUNT] = {
	[RT_ADDRESS] = {RTM_NEWADDR, RTM_DELADDR, NLM_F_CREATE},
	[RT_NEXTHOP] = {RTM_NEWNEXTHOP, RTM_DELNEXTHOP, NLM_F_CREATE},
	/* appended: routes that differ in their gateways only are several, in this order */
	[RT_ROUTE] = {RTM_NEWROUTE, RTM_DELROUTE, NLM_F_CREATE | NLM_F_APPEND},
	[RT_RULE] = {RTM_NEWRULE, RTM_DELRULE, NLM_F_CREATE},
};

/* Some of an image's items, by index. */
struct selection {
	uint32_t *items;
	size_t count, cap;
};

static void selection_done(struct selection *s)
{
	free(s->items);
}

static int selection_add(struct selection *s, size_t item)
{
	if (mem_grow(&s->items, &s->cap, s->count + 1, sizeof(*s->items)) < 0)
		return -ENOMEM;
	s->items[s->count++] = (uint32_t)item;
	return 0;
}

enum { NO_FAMILY = 255 };

/* The items of `kind` of `a` that `b` lacks, but for those of the family `but`. */
static int select_missing(const struct rt_image *a, const struct rt_image *b, enum rt_kind kind,
			  uint8_t but, struct selection *ret)
{
	struct map cleanup_call(map_done) known = {0};
	uint32_t unused;

	for (size_t i = 0; i < b->count; i++)
		if (b->items[i].kind == kind && map_set(&known, b->items[i].hash, 0) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < a->count; i++)
		if (a->items[i].kind == kind && a->items[i].family != but &&
		    !map_get(&known, a->items[i].hash, &unused) && selection_add(ret, i) < 0)
			return -ENOMEM;
	return 0;
}

/* The kernel puts a new IPv6 address before its likes, and tells of them in that order. */
static void turn_ipv6_around(const struct rt_image *image, struct selection *s)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		if (image->items[s->items[low]].family != AF_INET6) {
			low++;
		} else if (image->items[s->items[--high]].family == AF_INET6 && low < high) {
			uint32_t other = s->items[low];

			s->items[low++] = s->items[high];
			s->items[high] = other;
		}
	}
}

struct sending {
	const struct selection *selection;
	size_t first;
	struct rt_image *image; /* NULL: refusals are of no interest */
};

static void mark_refused(size_t index, int error, const char *reason, void *context)
{
	const struct sending *s = context;

	(void)reason;
	if (s->image && error != EEXIST)
		s->image->items[s->selection->items[s->first + index]].refused = true;
}

static int send_batch(struct twin *t, const struct rt_image *from, struct sending *s, size_t count,
		      bool make, struct err *e)
{
	struct buf cleanup_call(buf_done) b = {0};
	int r;

	for (size_t i = s->first; i < s->first + count; i++) {
		const struct rt_item *item = &from->items[s->selection->items[i]];
		size_t at = nla_begin_message(
			&b, make ? verbs[item->kind].make : verbs[item->kind].remove,
			make ? verbs[item->kind].flags : 0, rt_image_payload(from, item),
			item->len);

		nla_end_message(&b, at);
	}
	r = nl_send(&t->route, &b, mark_refused, s, e);
	return r < 0 ? r : 0;
}

static int send_all(struct twin *t, const struct rt_image *from, const struct selection *selection,
		    struct rt_image *marked, struct err *e)
{
	struct sending s = {.selection = selection, .image = marked};
	int r = 0;

	for (; s.first < selection->count && r == 0; s.first += BATCH) {
		size_t left = selection->count - s.first;

		r = send_batch(t, from, &s, left < BATCH ? left : BATCH, marked != NULL, e);
	}
	return r;
}

static int select_refused(struct rt_image *image, enum rt_kind kind, struct selection *ret)
{
	ret->count = 0;
	for (size_t i = 0; i < image->count; i++) {
		if (image->items[i].kind != kind || !image->items[i].refused)
			continue;
		if (selection_add(ret, i) < 0)
			return -ENOMEM;
		image->items[i].refused = false;
	}
	return 0;
}

int twin_sync_again(struct twin *t, enum rt_kind kind, struct err *e)
{
	struct selection cleanup_call(selection_done) s = {0};
	size_t before = SIZE_MAX;

	for (;;) {
		int r;

		if (select_refused(&t->host, kind, &s) < 0)
			return err_set(e, -ENOMEM, _("out of memory"));
		if (s.count == 0)
			return 0;
		if (s.count == before) { /* nothing more fits */
			for (size_t i = 0; i < s.count; i++)
				t->host.items[s.items[i]].refused = true;
			return (int)s.count;
		}
		before = s.count;
		r = send_all(t, &t->host, &s, &t->host, e);
		if (r < 0)
			return r;
	}
}

/* Removes from the twin what the machine lacks, but for what is of the family `but`. */
static int remove_surplus(struct twin *t, const struct rt_image *twin, enum rt_kind kind,
			  uint8_t but, struct err *e)
{
	struct selection cleanup_call(selection_done) surplus = {0};

	if (select_missing(twin, &t->host, kind, but, &surplus) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	return send_all(t, twin, &surplus, NULL, e);
}

static int make_missing(struct twin *t, const struct rt_image *twin, enum rt_kind kind,
			struct err *e)
{
	struct selection cleanup_call(selection_done) missing = {0};
	int r;

	if (select_missing(&t->host, twin, kind, NO_FAMILY, &missing) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	if (kind == RT_ADDRESS)
		turn_ipv6_around(&t->host, &missing);
	r = send_all(t, &t->host, &missing, &t->host, e);
	return r < 0 ? r : twin_sync_again(t, kind, e);
}

/*
 * Routes of IPv4 are removed at the end: one with a gateway stays on the machine when the one by
 * which its gateway was found is deleted. Others first, since the kernel looks at less of them when
 * it is told to remove one, and might take the new one.
 */
int twin_sync(struct twin *t, const struct rt_image *twin, enum rt_kind kind, struct err *e)
{
	bool late = kind == RT_ROUTE;
	int r = remove_surplus(t, twin, kind, late ? AF_INET : NO_FAMILY, e), refused;

	if (r == 0)
		r = make_missing(t, twin, kind, e);
	refused = r;
	if (r >= 0 && late)
		r = remove_surplus(t, twin, kind, AF_INET6, e);
	return r < 0 ? r : refused;
}
