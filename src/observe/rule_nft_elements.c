/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/rule_nft_elements.h"

#include "base/mem.h"
#include "base/nla.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

static bool read_key(struct cur nested, size_t len, uint8_t key[NFT_KEY_LIMIT])
{
	struct cur value;

	if (!nla_find(nested, NFTA_DATA_VALUE, &value) || value.left < len)
		return false;
	cur_read(&value, key, len);
	return true;
}

/* Of a verdict that jumps, or goes, to a chain. */
static uint64_t read_target(struct cur data)
{
	struct cur verdict, name;

	if (!nla_find(data, NFTA_DATA_VERDICT, &verdict) ||
	    !nla_find(verdict, NFTA_VERDICT_CHAIN, &name))
		return 0;
	return nft_name_hash(name);
}

static bool read_element(struct cur attributes, size_t key_len, struct nft_set_element *ret)
{
	struct cur value;
	uint16_t type;

	memset(ret, 0, sizeof(*ret));
	while (nla_next(&attributes, &type, &value)) {
		switch (type) {
		case NFTA_SET_ELEM_KEY:
			ret->has_key = read_key(value, key_len, ret->key);
			break;
		case NFTA_SET_ELEM_FLAGS:
			ret->is_end = nla_number_be(value) & NFT_SET_ELEM_INTERVAL_END;
			ret->is_catchall = nla_number_be(value) & NFT_SET_ELEM_CATCHALL;
			break;
		case NFTA_SET_ELEM_DATA:
		case NFTA_SET_ELEM_OBJREF:
			ret->data = map_hash_bytes(value.at, value.left) | 1;
			ret->to = type == NFTA_SET_ELEM_DATA ? read_target(value) : 0;
			break;
		default:
			break;
		}
	}
	if (ret->has_key)
		memcpy(ret->key_end, ret->key, sizeof(ret->key));
	return attributes.ok;
}

/* A limit or the like in an element makes it another one than its neighbours; a counter does
 * not. */
static uint64_t hash_expression(struct cur expression)
{
	struct cur name;

	if (!nla_find(expression, NFTA_EXPR_NAME, &name) || name.left == 0 ||
	    strncmp((const char *)name.at, "counter", name.left) == 0 ||
	    strncmp((const char *)name.at, "last", name.left) == 0)
		return 0;
	return nft_name_hash(name);
}

static uint64_t hash_expressions(struct cur element)
{
	struct cur value, one;
	uint64_t hash = 0;
	uint16_t type;

	if (nla_find(element, NFTA_SET_ELEM_EXPR, &value))
		hash = hash_expression(value);
	if (nla_find(element, NFTA_SET_ELEM_EXPRESSIONS, &value))
		while (nla_next(&value, &type, &one))
			hash = map_mix(hash, hash_expression(one));
	return hash;
}

static void visit_message(struct rule_collector *k, struct cur elements, struct nft_set *set,
			  bool everything, nft_element_taker *take, void *context)
{
	struct nft_set_element e;
	struct cur one, value;
	uint16_t type;

	while (nla_next(&elements, &type, &one)) {
		if (!read_element(one, set->key_len, &e) || (!e.has_key && !e.is_catchall)) {
			collect_malformed(k);
			continue;
		}
		if (nla_find(one, NFTA_SET_ELEM_KEY_END, &value) &&
		    !read_key(value, set->key_len, e.key_end))
			collect_malformed(k);
		e.data = map_mix(e.data, hash_expressions(one));
		set->has_catchall |= e.is_catchall;
		if (!e.is_catchall || everything)
			take(k, &e, context);
	}
	if (!elements.ok)
		collect_malformed(k);
}

void nft_set_each(struct rule_collector *k, const struct nft_sets *s, struct nft_set *set,
		  bool everything, nft_element_taker *take, void *context)
{
	for (uint32_t i = set->first_item; i; i = s->next[i]) {
		struct cur elements;

		if (nla_find(nft_item_attributes(s->image, &s->image->items[i]),
			     NFTA_SET_ELEM_LIST_ELEMENTS, &elements))
			visit_message(k, elements, set, everything, take, context);
	}
}

/* --- intervals ----------------------------------------------------------------------------------
 */

/* A border of an interval. */
struct border {
	uint8_t key[RULE_VALUE_SIZE];
	bool is_end;
	uint64_t data, to;
};

struct borders {
	struct border *items;
	size_t count, cap;
	nft_element_taker *take; /* of what is no border */
	void *context;
};

static void take_border(struct rule_collector *k, const struct nft_set_element *e, void *context)
{
	struct borders *b = context;
	struct border *border;

	if (e->is_catchall || memcmp(e->key, e->key_end, NFT_KEY_LIMIT) != 0) {
		b->take(k, e, b->context);
		return;
	}
	if (mem_grow(&b->items, &b->cap, b->count + 1, sizeof(*border)) < 0) {
		k->error = -ENOMEM;
		return;
	}
	border = &b->items[b->count++];
	memcpy(border->key, e->key, sizeof(border->key));
	border->is_end = e->is_end;
	border->data = e->data;
	border->to = e->to;
}

/* By key; an end before the beginning that stands at the same value. */
static int compare_borders(const void *a, const void *b)
{
	const struct border *x = a, *y = b;
	int order = memcmp(x->key, y->key, sizeof(x->key));

	return order ? order : (int)y->is_end - (int)x->is_end;
}

/* Dumps come sorted, upwards or downwards: both are cheap. */
static void sort_borders(struct border *borders, size_t count)
{
	bool up = true, down = true;

	for (size_t i = 1; i < count; i++) {
		int order = compare_borders(&borders[i - 1], &borders[i]);

		up = up && order <= 0;
		down = down && order >= 0;
	}
	if (up)
		return;
	if (!down) {
		qsort(borders, count, sizeof(*borders), compare_borders);
		return;
	}
	for (size_t i = 0; i < count / 2; i++) {
		struct border swap = borders[i];

		borders[i] = borders[count - 1 - i];
		borders[count - 1 - i] = swap;
	}
}

/* key - 1; false at zero. */
static bool decrement(uint8_t *key, size_t len)
{
	for (size_t i = len; i-- > 0;)
		if (key[i]--)
			return true;
	return false;
}

/* An interval goes from a beginning to before the next border, as the kernel's lookup finds the
 * last border that is not above the value. */
static void join_borders(struct rule_collector *k, const struct nft_set *set, struct borders *b)
{
	if (b->count > 1)
		sort_borders(b->items, b->count);
	for (size_t i = 0; i < b->count; i++) {
		const struct border *from = &b->items[i];
		struct nft_set_element e = {.data = from->data, .to = from->to};

		if (from->is_end)
			continue;
		memcpy(e.key, from->key, sizeof(from->key));
		memset(e.key_end, 0xff, set->key_len);
		if (i + 1 < b->count) {
			memcpy(e.key_end, from[1].key, sizeof(from[1].key));
			if (!decrement(e.key_end, set->key_len))
				continue;
		}
		b->take(k, &e, b->context);
	}
}

void nft_set_each_interval(struct rule_collector *k, const struct nft_sets *s, struct nft_set *set,
			   bool everything, nft_element_taker *take, void *context)
{
	struct borders b = {.take = take, .context = context};

	nft_set_each(k, s, set, everything, take_border, &b);
	join_borders(k, set, &b);
	free(b.items);
}
