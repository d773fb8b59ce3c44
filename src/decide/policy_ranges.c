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
	struct range_key first_key = {.low = first}, last_key = {.low = last};

	return add_item(r, first_key, last_key, target);
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
	free(r->targets);
	free(r->lists);
	free(r->segments);
	map_done(&r->by_parts);
	*r = (struct policy_ranges){0};
}

/* --- the tree --- */

/* One target at one node of the tree. Nodes are numbered from the root down, level by level. */
struct placed {
	uint32_t node, target;
};

struct tree {
	struct range_key *edges; /* where ranges begin and end: leaf i is from edges[i] on */
	size_t edge_count;
	uint32_t branches;		   /* of each node */
	uint32_t before[RANGES_DEPTH + 1]; /* nodes of the levels above; level 0 has the leaves */
	uint32_t node_count;
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
	return 0;
}

static uint64_t power(uint32_t base, int exponent)
{
	uint64_t result = 1;

	while (exponent-- > 0)
		result *= base;
	return result;
}

/* As few branches as the depth allows for. */
static void number_nodes(struct tree *t)
{
	for (t->branches = 2; power(t->branches, RANGES_DEPTH) < t->edge_count;)
		t->branches++;
	for (int level = RANGES_DEPTH; level >= 0; level--) {
		uint64_t leaves = power(t->branches, level);

		t->before[level] = t->node_count;
		t->node_count += (uint32_t)((t->edge_count + leaves - 1) / leaves);
	}
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
	uint32_t left = edge_at(t, &item->first), right = edge_at(t, &item->end);

	for (int level = 0; left < right; level++) {
		bool is_root = level == RANGES_DEPTH;

		for (; left < right && (is_root || left % t->branches); left++)
			if (place(t, t->before[level] + left, item->target) < 0)
				return -ENOMEM;
		for (; left < right && right % t->branches; right--)
			if (place(t, t->before[level] + right - 1, item->target) < 0)
				return -ENOMEM;
		left /= t->branches;
		right /= t->branches;
	}
	return 0;
}

static int compare_placed(const void *a_, const void *b_)
{
	const struct placed *a = a_, *b = b_;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	return a->target < b->target ? -1 : a->target > b->target;
}

/* --- lists --- */

static bool same_list(const struct policy_ranges *r, const struct range_list *a,
		      const struct range_list *b)
{
	return a->count == b->count && a->rest == b->rest &&
	       memcmp(r->targets + a->first, r->targets + b->first,
		      a->count * sizeof(*r->targets)) == 0;
}

/* The number of the list, whose targets are the last of targets[]; one that is known gives them
 * back. */
static int find_list(struct policy_ranges *r, const struct range_list *list, uint32_t *ret)
{
	uint64_t hash = map_mix(list->rest, map_hash_bytes(r->targets + list->first,
							   list->count * sizeof(*r->targets)));

	/* two lists with one hash are kept apart by trying the next key */
	for (; map_get(&r->by_parts, hash, ret); hash++) {
		if (same_list(r, &r->lists[*ret], list)) {
			r->target_count = list->first;
			return 0;
		}
	}
	if (mem_grow(&r->lists, &r->list_cap, r->list_count + 1, sizeof(*r->lists)) < 0 ||
	    map_set(&r->by_parts, hash, (uint32_t)r->list_count) < 0)
		return -ENOMEM;
	*ret = (uint32_t)r->list_count;
	r->lists[r->list_count++] = *list;
	return 0;
}

/* What is placed at one node, and behind it what is at those above. */
static int make_list(struct policy_ranges *r, const struct placed *placed, size_t count,
		     uint32_t *list)
{
	struct range_list made = {.first = (uint32_t)r->target_count, .rest = *list};

	for (size_t i = 0; i < count; i++) {
		if (i && placed[i].target == placed[i - 1].target)
			continue;
		if (mem_grow(&r->targets, &r->target_cap, r->target_count + 1,
			     sizeof(*r->targets)) < 0)
			return -ENOMEM;
		r->targets[r->target_count++] = placed[i].target;
		made.count++;
	}
	return count ? find_list(r, &made, list) : 0;
}

/* From the root down, so that the list of the node above is there. */
static int make_lists(struct policy_ranges *r, struct tree *t)
{
	size_t at = 0;

	t->lists = calloc(t->node_count + 1, sizeof(*t->lists));
	if (!t->lists || mem_grow(&r->lists, &r->list_cap, 1, sizeof(*r->lists)) < 0)
		return -ENOMEM;
	r->list_count = 1;
	for (int level = RANGES_DEPTH; level >= 0; level--) {
		uint32_t end = level ? t->before[level - 1] : t->node_count;

		for (uint32_t node = t->before[level]; node < end; node++) {
			size_t first = at;

			if (level < RANGES_DEPTH)
				t->lists[node] = t->lists[t->before[level + 1] +
							  (node - t->before[level]) / t->branches];
			while (at < t->placed_count && t->placed[at].node == node)
				at++;
			if (make_list(r, t->placed + first, at - first, &t->lists[node]) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static int make_segments(struct policy_ranges *r, const struct tree *t)
{
	for (size_t i = 0; i + 1 < t->edge_count; i++) {
		struct range_segment *last =
			r->segment_count ? &r->segments[r->segment_count - 1] : NULL;
		uint32_t list = t->lists[t->before[0] + i];

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
	number_nodes(&t);
	for (size_t i = 0; i < r->item_count; i++)
		if (place_item(&t, &r->items[i]) < 0)
			return -ENOMEM;
	if (t.placed_count)
		qsort(t.placed, t.placed_count, sizeof(*t.placed), compare_placed);
	if (make_lists(r, &t) < 0)
		return -ENOMEM;
	return make_segments(r, &t);
}
