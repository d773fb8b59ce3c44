/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/ipset_messages.h"
#include "base/nla.h"

#include <errno.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <stdlib.h>

/* A set's heading: who it is, and what it was created with. */
static void add_heading(struct buf *b, const struct ipset_image *image, const struct ipset_set *set)
{
	size_t nest;

	nla_put_text(b, IPSET_ATTR_SETNAME, set->name);
	nla_put_text(b, IPSET_ATTR_TYPENAME, set->type);
	nla_put_u8(b, IPSET_ATTR_FAMILY, set->family);
	/* a nest, as numbers of attributes mean something else in it: flags are what ADT is here */
	nest = nla_begin_nest(b, IPSET_ATTR_DATA);
	buf_add(b, image->bytes.data + set->header_offset, set->header_len);
	nla_end_nest(b, nest);
}

static void add_elements(struct buf *b, const struct ipset_image *image,
			 const struct ipset_chunk *chunk)
{
	size_t nest = nla_begin_nest(b, IPSET_ATTR_ADT);

	buf_add(b, image->bytes.data + chunk->offset, chunk->len);
	nla_end_nest(b, nest);
}

/* Notes where a message begins; the bytes may still move. */
static void begin(struct ipset_list *list, uint16_t index)
{
	list->items[list->messages.count] =
		(struct ipset_message){.index = index, .len = list->bytes.len};
}

static void end(struct ipset_list *list)
{
	struct ipset_message *m = &list->items[list->messages.count++];

	m->len = list->bytes.len - m->len;
}

int ipset_list_build(const struct ipset_image *image, struct ipset_list *ret)
{
	size_t at = 0;

	*ret = (struct ipset_list){0};
	ret->items = calloc(image->count + image->chunk_count + 1, sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	for (size_t i = 0; i < image->count; i++) {
		begin(ret, image->sets[i].index);
		add_heading(&ret->bytes, image, &image->sets[i]);
		end(ret);
		for (size_t k = 0; k < image->chunk_count; k++) {
			if (image->chunks[k].set != i)
				continue;
			begin(ret, image->sets[i].index);
			add_elements(&ret->bytes, image, &image->chunks[k]);
			end(ret);
		}
	}
	if (ret->bytes.failed)
		return -ENOMEM;
	for (size_t i = 0; i < ret->messages.count; i++) {
		ret->items[i].bytes = ret->bytes.data + at;
		at += ret->items[i].len;
	}
	ret->messages.items = ret->items;
	return 0;
}

void ipset_list_done(struct ipset_list *list)
{
	free(list->items);
	buf_done(&list->bytes);
	*list = (struct ipset_list){0};
}
