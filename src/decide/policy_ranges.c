/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_ranges.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* --- numbers --- */

static int compare_keys(const void *a_, const void *b_)
{
	const struct range_key *a = a_, *b = b_;

	if (a->over != b->over)
		return a->over < b->over ? -1 : 1;
	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	return a->low < b->low ? -1 : a->low > b->low;
}

static bool same_key(const struct range_key *a, const struct range_key *b)
{
	return compare_keys(a, b) == 0;
}

static struct range_key key_after(struct range_key key)
{
	if (++key.low == 0 && ++key.high == 0)
		key.over = 1;
	return key;
}

static struct range_key key_before(struct range_key key)
{
	if (key.low-- == 0)
		key.high--;
	key.over = 0;
	return key;
}

static struct range_key key_of_address(const struct address *a)
{
	struct range_key key = {0};

	if (a->family == AF_INET) {
		for (int i = 0; i < 4; i++)
			key.low = key.low << 8 | a->bytes[i];
		return key;
	}
	for (int i = 0; i < 8; i++) {
		key.high = key.high << 8 | a->bytes[i];
		key.low = key.low << 8 | a->bytes[8 + i];
	}
	return key;
}

static struct address address_of_key(struct range_key key, int family)
{
	struct address a = {.family = (uint8_t)family};

	if (family == AF_INET) {
		for (int i = 0; i < 4; i++)
			a.bytes[i] = (uint8_t)(key.low >> (24 - 8 * i));
		return a;
	}
	for (int i = 0; i < 8; i++) {
		a.bytes[i] = (uint8_t)(key.high >> (56 - 8 * i));
		a.bytes[8 + i] = (uint8_t)(key.low >> (56 - 8 * i));
	}
	return a;
}

uint16_t range_first_port(const struct range_segment *s)
{
	return (uint16_t)s->first.low;
}

uint16_t range_last_port(const struct range_segment *s)
{
	return (uint16_t)(s->end.low - 1);
}

struct address range_first_address(const struct range_segment *s, int family)
{
	return address_of_key(s->first, family);
}

struct address range_last_address(const struct range_segment *s, int family)
{
	return address_of_key(key_before(s->end), family);
}

/* --- items --- */

static int add_item(struct policy_ranges *r, struct range_key first, struct range_key last,
		    uint32_t target)
{
	if (mem_grow(&r->items, &r->item_cap, r->item_count + 1, sizeof(*r->items)) < 0)
		return -ENOMEM;
	r->items[r->item_count++] =
		(struct range_item){.first = first, .end = key_after(last), .target = target};
	return 0;
}

int policy_ranges_add_ports(struct policy_ranges *r, uint16_t first, uint16_t last, uint32_t target)
{
	const struct range_key from = {.low = first}, to = {.low = last};

	return add_item(r, from, to, target);
}

int policy_ranges_add_network(struct policy_ranges *r, const struct address *network,
			      uint8_t prefix_len, uint32_t target)
{
	struct address first = address_network(network, prefix_len), last = first;
	unsigned bits = network->family == AF_INET ? 32 : 128;

	for (unsigned bit = prefix_len; bit < bits; bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
	return add_item(r, key_of_address(&first), key_of_address(&last), target);
}

void policy_ranges_done(struct policy_ranges *r)
{
	free(r->items);
	free(r->lists);
	free(r->segments);
	map_done(&r->by_parts);
	*r = (struct policy_ranges){0};
}

/* --- the tree --- */

/* One target at one node of the tree. The leaves are nodes width, width + 1, ...; the parent of
 * node n is n / 2. */
struct placed {
	uint32_t node, target;
};

struct tree {
	struct range_key *edges; /* where ranges begin and end: leaf i is from edges[i] on */
	size_t edge_count;
	uint32_t width; /* a power of two */
	struct placed *placed;
	size_t placed_count, placed_cap;
	uint32_t *lists; /* of each node: what it and those above it have */
};

static void done_tree(struct tree *t)
{
	free(t->edges);
	free(t->placed);
	free(t->lists);
}

static int find_edges(const struct policy_ranges *r, struct tree *t)
{
	size_t kept = 0;

	t->edges = calloc(r->item_count * 2 + 1, sizeof(*t->edges));
	if (!t->edges)
		return -ENOMEM;
	for (size_t i = 0; i < r->item_count; i++) {
		t->edges[2 * i] = r->items[i].first;
		t->edges[2 * i + 1] = r->items[i].end;
	}
	qsort(t->edges, r->item_count * 2, sizeof(*t->edges), compare_keys);
	for (size_t i = 0; i < r->item_count * 2; i++)
		if (i == 0 || !same_key(&t->edges[i], &t->edges[kept - 1]))
			t->edges[kept++] = t->edges[i];
	t->edge_count = kept;
	for (t->width = 1; t->width < kept;)
		t->width *= 2;
	return 0;
}

static uint32_t edge_at(const struct tree *t, const struct range_key *key)
{
	const struct range_key *edge =
		bsearch(key, t->edges, t->edge_count, sizeof(*t->edges), compare_keys);

	return (uint32_t)(edge - t->edges);
}

static int place(struct tree *t, uint32_t node, uint32_t target)
{
	if (mem_grow_unset(&t->placed, &t->placed_cap, t->placed_count + 1, sizeof(*t->placed)) < 0)
		return -ENOMEM;
	t->placed[t->placed_count++] = (struct placed){node, target};
	return 0;
}

/* The few nodes under which just the leaves of the range are. */
static int place_item(struct tree *t, const struct range_item *item)
{
	uint32_t left = edge_at(t, &item->first) + t->width;
	uint32_t right = edge_at(t, &item->end) + t->width;

	for (; left < right; left /= 2, right /= 2) {
		if (left % 2 && place(t, left++, item->target) < 0)
			return -ENOMEM;
		if (right % 2 && place(t, --right, item->target) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* By node, and so that the smallest target is the last, to come first in the list. */
static int compare_placed(const void *a_, const void *b_)
{
	const struct placed *a = a_, *b = b_;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	return a->target > b->target ? -1 : a->target < b->target;
}

/* *list becomes the list of `target` and *list. */
static int put_before(struct policy_ranges *r, uint32_t target, uint32_t *list)
{
	uint64_t key = (uint64_t)target << 32 | *list;
	uint32_t known;

	if (*list && r->lists[*list].target == target)
		return 0;
	if (map_get(&r->by_parts, key, &known)) {
		*list = known;
		return 0;
	}
	if (mem_grow(&r->lists, &r->list_cap, r->list_count + 1, sizeof(*r->lists)) < 0 ||
	    map_set(&r->by_parts, key, (uint32_t)r->list_count) < 0)
		return -ENOMEM;
	r->lists[r->list_count] = (struct range_list){.target = target, .rest = *list};
	*list = (uint32_t)r->list_count++;
	return 0;
}

/* From the root down, so that the list of the parent is there. */
static int make_lists(struct policy_ranges *r, struct tree *t)
{
	size_t at = 0;

	t->lists = calloc((size_t)t->width * 2, sizeof(*t->lists));
	if (!t->lists || mem_grow(&r->lists, &r->list_cap, 1, sizeof(*r->lists)) < 0)
		return -ENOMEM;
	r->list_count = 1;
	for (uint32_t node = 1; node < t->width * 2; node++) {
		t->lists[node] = t->lists[node / 2];
		for (; at < t->placed_count && t->placed[at].node == node; at++)
			if (put_before(r, t->placed[at].target, &t->lists[node]) < 0)
				return -ENOMEM;
	}
	return 0;
}

static int make_segments(struct policy_ranges *r, const struct tree *t)
{
	for (size_t i = 0; i + 1 < t->edge_count; i++) {
		struct range_segment *last =
			r->segment_count ? &r->segments[r->segment_count - 1] : NULL;
		uint32_t list = t->lists[t->width + i];

		if (!list)
			continue;
		if (last && last->list == list && same_key(&last->end, &t->edges[i])) {
			last->end = t->edges[i + 1];
			continue;
		}
		if (mem_grow(&r->segments, &r->segment_cap, r->segment_count + 1,
			     sizeof(*r->segments)) < 0)
			return -ENOMEM;
		r->segments[r->segment_count++] = (struct range_segment){
			.first = t->edges[i], .end = t->edges[i + 1], .list = list};
	}
	return 0;
}

int policy_ranges_cut(struct policy_ranges *r)
{
	cleanup_call(done_tree) struct tree t = {0};

	if (find_edges(r, &t) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < r->item_count; i++)
		if (place_item(&t, &r->items[i]) < 0)
			return -ENOMEM;
	if (t.placed_count)
		qsort(t.placed, t.placed_count, sizeof(*t.placed), compare_placed);
	if (make_lists(r, &t) < 0)
		return -ENOMEM;
	return make_segments(r, &t);
}
