/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_nft_index: the sets of an image by name, and which messages have their elements.
 */
#include "base/mem.h"
#include "base/nla.h"
#include "observe/rule_nft_sets.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

struct cur nft_item_attributes(const struct nft_image *image, const struct nft_item *item)
{
	struct cur bytes = cur_init(image->bytes.data, image->bytes.len);

	cur_take(&bytes, item->offset);
	return cur_slice(&bytes, item->len);
}

uint64_t nft_name_hash(struct cur name)
{
	return map_hash_bytes(name.at, strnlen((const char *)name.at, name.left));
}

uint64_t nft_table_key(uint8_t family, struct cur table_name)
{
	return map_mix(family, nft_name_hash(table_name));
}

static int add_set(struct nft_sets *s, uint64_t key, struct cur attributes)
{
	struct nft_set *set;
	struct cur value;

	if (mem_grow(&s->sets, &s->cap, s->count + 1, sizeof(*set)) < 0)
		return -ENOMEM;
	set = &s->sets[s->count];
	*set = (struct nft_set){.key = key};
	if (nla_find(attributes, NFTA_SET_NAME, &value))
		set->name = value;
	if (nla_find(attributes, NFTA_SET_FLAGS, &value))
		set->flags = (uint32_t)nla_number_be(value);
	if (nla_find(attributes, NFTA_SET_KEY_LEN, &value))
		set->key_len = (size_t)nla_number_be(value);
	if (nla_find(attributes, NFTA_SET_DATA_LEN, &value))
		set->data_len = (size_t)nla_number_be(value);
	return map_set(&s->by_name, key, (uint32_t)s->count++);
}

static void add_elements(struct nft_sets *s, uint64_t key, uint32_t item)
{
	struct nft_set *set;
	uint32_t index;

	if (!map_get(&s->by_name, key, &index))
		return;
	set = &s->sets[index];
	if (set->last_item)
		s->next[set->last_item] = item;
	else
		set->first_item = item;
	set->last_item = item;
}

int nft_sets_index(struct nft_sets *s, const struct nft_image *image)
{
	struct cur attributes, table, name;

	*s = (struct nft_sets){.image = image};
	s->next = calloc(image->count + 1, sizeof(*s->next));
	if (!s->next)
		return -ENOMEM;
	for (uint32_t i = 0; i < image->count; i++) {
		const struct nft_item *item = &image->items[i];
		bool is_set = item->type == NFT_MSG_NEWSET;
		uint64_t key;

		if (!is_set && item->type != NFT_MSG_NEWSETELEM)
			continue;
		/* NFTA_SET_TABLE and NFTA_SET_ELEM_LIST_TABLE are both 1, the names are 2 */
		attributes = nft_item_attributes(image, item);
		if (!nla_find(attributes, NFTA_SET_TABLE, &table) ||
		    !nla_find(attributes, NFTA_SET_NAME, &name))
			continue;
		key = map_mix(nft_table_key(item->family, table), nft_name_hash(name));
		if (!is_set)
			add_elements(s, key, i);
		else if (add_set(s, key, attributes) < 0)
			return -ENOMEM;
	}
	return 0;
}

void nft_sets_done(struct nft_sets *s)
{
	map_done(&s->by_name);
	free(s->sets);
	free(s->next);
	*s = (struct nft_sets){0};
}

size_t nft_sets_data_len(const struct nft_sets *s, uint64_t table_key, struct cur set_name)
{
	uint32_t index;

	if (!map_get(&s->by_name, map_mix(table_key, nft_name_hash(set_name)), &index))
		return 0;
	return s->sets[index].data_len;
}
