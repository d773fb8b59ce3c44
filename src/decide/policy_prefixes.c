/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_prefixes.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int prefixes_add(struct prefixes *list, uint32_t group, const struct address *network, uint8_t len)
{
	if (mem_grow(&list->items, &list->cap, list->count + 1, sizeof(*list->items)) < 0)
		return -ENOMEM;
	list->items[list->count++] =
		(struct prefix){.group = group, .network = *network, .len = len};
	return 0;
}

void prefixes_done(struct prefixes *list)
{
	free(list->items);
	*list = (struct prefixes){0};
}

/* A network stands behind those that hold it. */
static int compare(const void *a_, const void *b_)
{
	const struct prefix *a = a_, *b = b_;
	int order;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	if (a->network.family != b->network.family)
		return a->network.family < b->network.family ? -1 : 1;
	order = memcmp(a->network.bytes, b->network.bytes, sizeof(a->network.bytes));
	return order ? order : (int)a->len - (int)b->len;
}

static bool holds(const struct prefix *a, const struct prefix *b)
{
	return a->group == b->group && a->len <= b->len &&
	       address_in_network(&b->network, &a->network, a->len);
}

void prefixes_tidy(struct prefixes *list)
{
	size_t kept = 0;

	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), compare);
	for (size_t i = 0; i < list->count; i++)
		if (kept == 0 || !holds(&list->items[kept - 1], &list->items[i]))
			list->items[kept++] = list->items[i];
	list->count = kept;
}

static uint64_t hash_of(const struct prefix *items, size_t count)
{
	uint64_t hash = count;

	for (size_t i = 0; i < count; i++) {
		hash = map_mix(hash, items[i].len);
		hash = map_mix(hash, map_hash_bytes(items[i].network.bytes,
						    sizeof(items[i].network.bytes)));
	}
	return hash;
}

static bool same(const struct prefix *a, const struct prefix *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (compare(&a[i], &b[i]) != 0)
			return false;
	return true;
}

int prefix_store_add(struct prefix_store *s, const struct prefix *items, size_t count,
		     uint32_t *ret, bool *ret_is_new)
{
	uint64_t hash = hash_of(items, count);
	uint32_t known;

	/* two lists with one hash are kept apart by trying the next key */
	for (; map_get(&s->by_hash, hash, &known); hash++) {
		const struct prefix_slice *slice = &s->slices[known];

		if (slice->count == count && same(s->all.items + slice->first, items, count)) {
			*ret = known;
			*ret_is_new = false;
			return 0;
		}
	}
	if (mem_grow(&s->slices, &s->slice_cap, s->slice_count + 1, sizeof(*s->slices)) < 0 ||
	    mem_grow(&s->all.items, &s->all.cap, s->all.count + count, sizeof(*items)) < 0 ||
	    map_set(&s->by_hash, hash, (uint32_t)s->slice_count) < 0)
		return -ENOMEM;
	if (count)
		memcpy(s->all.items + s->all.count, items, count * sizeof(*items));
	s->slices[s->slice_count] = (struct prefix_slice){s->all.count, count};
	s->all.count += count;
	*ret = (uint32_t)s->slice_count++;
	*ret_is_new = true;
	return 0;
}

void prefix_store_done(struct prefix_store *s)
{
	prefixes_done(&s->all);
	free(s->slices);
	map_done(&s->by_hash);
	*s = (struct prefix_store){0};
}
