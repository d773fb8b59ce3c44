/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_image: the dumps of nf_tables, kept as they came. Only lengths are looked at here, and the
 * names of sets, which are needed to ask for their elements.
 */
#include "observe/nft_image.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"
#include "observe/nft_attr.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
	ATTEMPTS = 8,
	GROWTH_ATTEMPTS = 20, /* for a set whose hash is growing */
	GROWTH_PAUSE_MS = 10,
	BYTES_LIMIT = 192 << 20, /* some 4 million set elements */
	ITEMS_LIMIT = 1 << 20,	 /* messages; elements come by the hundred */
};

void nft_image_done(struct nft_image *image)
{
	buf_done(&image->bytes);
	free(image->items);
	*image = (struct nft_image){0};
}

static bool is_ours(uint16_t type)
{
	switch (type & 0xff) {
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_NEWRULE:
	case NFT_MSG_NEWSET:
	case NFT_MSG_NEWSETELEM:
	case NFT_MSG_NEWOBJ:
	case NFT_MSG_NEWFLOWTABLE:
		return type >> 8 == NFNL_SUBSYS_NFTABLES;
	default:
		return false;
	}
}

int nft_image_add(struct nft_image *image, uint16_t type, const void *payload, size_t len)
{
	struct cur c = cur_init(payload, len);
	struct nfgenmsg header;

	cur_read(&c, &header, sizeof(header));
	if (!c.ok || !is_ours(type))
		return -EBADMSG;
	if (image->bytes.len + len > BYTES_LIMIT || image->count >= ITEMS_LIMIT)
		return -E2BIG;
	if (mem_grow(&image->items, &image->cap, image->count + 1, sizeof(*image->items)) < 0)
		return -ENOMEM;
	image->items[image->count] = (struct nft_item){.type = (uint8_t)type,
						       .family = header.nfgen_family,
						       .offset = (uint32_t)image->bytes.len,
						       .len = (uint32_t)c.left};
	buf_add(&image->bytes, c.at, c.left);
	if (image->bytes.failed)
		return -ENOMEM;
	image->count++;
	return 0;
}

struct cur nft_image_attributes(const struct nft_image *image, size_t index)
{
	const struct nft_item *item = &image->items[index];

	return cur_init(image->bytes.data + item->offset, item->len);
}

/* Which attribute has the name: of elements, that of their set; of rules, their chain's. */
static uint16_t name_attribute(uint8_t type)
{
	switch (type) {
	case NFT_MSG_NEWTABLE:
		return NFTA_TABLE_NAME;
	case NFT_MSG_NEWCHAIN:
		return NFTA_CHAIN_NAME;
	default:
		return 2; /* NFTA_{SET,OBJ,FLOWTABLE}_NAME, NFTA_SET_ELEM_LIST_SET, NFTA_RULE_CHAIN
			   */
	}
}

void nft_image_place(const struct nft_image *image, size_t index, struct nft_place *ret)
{
	struct cur attributes = nft_image_attributes(image, index);
	const struct nft_item *item = &image->items[index];

	*ret = (struct nft_place){.family = item->family};
	nft_attr_name(attributes, 1, ret->table); /* NFTA_..._TABLE of all */
	if (item->type != NFT_MSG_NEWTABLE)
		nft_attr_name(attributes, name_attribute(item->type), ret->chain);
	if (item->type == NFT_MSG_NEWRULE)
		ret->handle = nft_attr_number(attributes, NFTA_RULE_HANDLE);
}

/* Names end at their NUL, where they have one. */
static uint64_t hash_name(struct cur name)
{
	return map_hash_bytes(name.at, strnlen((const char *)name.at, name.left));
}

uint64_t nft_image_key(uint8_t kind, uint8_t family, struct cur table, struct cur name)
{
	uint64_t key = map_mix(kind << 8 | family, map_mix(hash_name(table), hash_name(name)));

	return key ? key : 1;
}

uint64_t nft_image_item_key(const struct nft_image *image, size_t index)
{
	struct cur attributes = nft_image_attributes(image, index), table = cur_init("", 0),
		   name = cur_init("", 0);
	const struct nft_item *item = &image->items[index];
	uint8_t kind = item->type;

	if (kind == NFT_MSG_NEWSETELEM)
		kind = NFT_MSG_NEWSET;
	if (kind == NFT_MSG_NEWRULE)
		kind = NFT_MSG_NEWCHAIN;
	nla_find(attributes, 1, &table);
	nla_find(attributes, name_attribute(item->type), &name);
	return nft_image_key(kind, item->family, table, name);
}

const char *nft_family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_ARP:
		return "arp";
	case NFPROTO_NETDEV:
		return "netdev";
	case NFPROTO_BRIDGE:
		return "bridge";
	default:
		return "?";
	}
}

uint64_t nft_image_fingerprint(const struct nft_image *image)
{
	uint64_t hash = 4, elements = 0;

	for (size_t i = 0; i < image->count; i++) {
		const struct nft_item *item = &image->items[i];
		uint64_t one = nft_attr_hash(item->type, nft_image_attributes(image, i), NULL);

		/* the elements of a set come in any order, cut into messages anywhere */
		if (item->type == NFT_MSG_NEWSETELEM)
			elements += one * (nft_image_item_key(image, i) | 1);
		else
			hash = map_mix(hash, map_mix(one, item->family));
	}
	return map_mix(hash, elements);
}

/* --- asking the kernel ---------------------------------------------------------------------------
 */

struct reading {
	struct nft_image *image;
	size_t count, bytes; /* of the image before this dump */
};

static void restart(void *context)
{
	struct reading *r = context;

	r->image->count = r->count;
	r->image->bytes.len = r->bytes;
}

static int take_item(uint16_t type, const void *payload, size_t len, void *context)
{
	struct reading *r = context;

	return nft_image_add(r->image, type, payload, len);
}

static void begin(struct buf *b, uint8_t message, uint8_t family)
{
	struct nfgenmsg header = {.nfgen_family = family};

	buf_clear(b);
	nla_begin_message(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message), 0, &header,
			  sizeof(header));
}

static int dump(struct nl *host, struct buf *request, struct nft_image *image, struct err *e)
{
	struct reading r = {.image = image, .count = image->count, .bytes = image->bytes.len};
	struct nl_dump_ops ops = {restart, take_item, &r};

	nla_end_message(request, 0);
	if (request->failed)
		return err_set(e, -ENOMEM, _("out of memory"));
	return nl_dump(host, (void *)request->data, &ops, e);
}

struct generation {
	uint32_t number;
	bool seen;
};

static void forget_generation(void *context)
{
	struct generation *g = context;

	*g = (struct generation){0};
}

/* GETGEN is answered by one message, and no end of a dump: reading stops at that one. */
static int take_generation(uint16_t type, const void *payload, size_t len, void *context)
{
	struct generation *g = context;
	struct cur c = cur_init(payload, len);

	cur_take(&c, sizeof(struct nfgenmsg));
	if (!c.ok || type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN))
		return -EBADMSG;
	g->number = (uint32_t)nft_attr_number(c, NFTA_GEN_ID);
	g->seen = true;
	return -ECANCELED;
}

static int read_generation(struct nl *host, uint32_t *ret, struct err *e)
{
	struct buf cleanup_call(buf_done) request = {0};
	struct generation g = {0};
	struct nl_dump_ops ops = {forget_generation, take_generation, &g};
	struct err why = {0};
	int r;

	begin(&request, NFT_MSG_GETGEN, AF_UNSPEC);
	nla_end_message(&request, 0);
	if (request.failed)
		return err_set(e, -ENOMEM, _("out of memory"));
	r = nl_dump(host, (void *)request.data, &ops, &why);
	if (g.seen) {
		*ret = g.number;
		return 0;
	}
	return err_set(e, r < 0 ? r : -EBADMSG, "%s", why.msg);
}

/* "There is no such subsystem", or no such message: the kernel has none of it. */
static bool is_absent(int r)
{
	return r == -EINVAL || r == -EOPNOTSUPP || r == -EPROTONOSUPPORT;
}

/*
 * Is an element there twice among the items from `first` on? Each message of a dump skips as many
 * elements as were sent before. When the kernel grows a hash meanwhile (it does so in a worker,
 * after the commit that filled it: no generation tells), their order is another, and each element
 * that is left out goes with one that is sent again.
 */
static int has_repeated(const struct nft_image *image, size_t first)
{
	struct map cleanup_call(map_done) seen = {0};
	struct cur list, each, value;
	uint16_t type;
	uint32_t item;

	for (size_t i = first; i < image->count; i++) {
		if (!nla_find(nft_image_attributes(image, i), NFTA_SET_ELEM_LIST_ELEMENTS, &list))
			continue;
		while (nla_next(&list, &type, &each)) {
			uint64_t key = nft_attr_number(each, NFTA_SET_ELEM_FLAGS) + 1;

			if (nla_find(each, NFTA_SET_ELEM_KEY, &value))
				key = map_mix(key, map_hash_bytes(value.at, value.left));
			if (nla_find(each, NFTA_SET_ELEM_KEY_END, &value))
				key = map_mix(key, map_hash_bytes(value.at, value.left));
			if (map_get(&seen, key, &item))
				return 1;
			if (map_set(&seen, key, 0) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

/* The elements of one set, once more while its hash grows. 1: they changed meanwhile. */
static int read_set(struct nl *host, struct buf *request, struct nft_image *image, struct err *e)
{
	const struct timespec pause = {.tv_nsec = GROWTH_PAUSE_MS * 1000000L};
	struct reading r = {.image = image, .count = image->count, .bytes = image->bytes.len};
	int interrupted = 0, repeated = 1;

	for (int i = 0; i < GROWTH_ATTEMPTS && repeated == 1; i++) {
		if (i > 0) {
			restart(&r);
			nanosleep(&pause, NULL);
		}
		interrupted = dump(host, request, image, e);
		if (interrupted < 0)
			return interrupted;
		repeated = has_repeated(image, r.count);
		if (repeated < 0)
			return err_set(e, repeated, _("out of memory"));
	}
	return interrupted | repeated;
}

/* The elements of each set, which has been read. 1: a set is gone, or changed meanwhile. */
static int read_elements(struct nl *host, struct nft_image *image, struct err *e)
{
	struct buf cleanup_call(buf_done) request = {0};
	size_t count = image->count;
	int r, interrupted = 0;

	for (size_t i = 0; i < count; i++) {
		struct nft_place place;

		if (image->items[i].type != NFT_MSG_NEWSET)
			continue;
		nft_image_place(image, i, &place);
		begin(&request, NFT_MSG_GETSETELEM, place.family);
		nla_put_text(&request, NFTA_SET_ELEM_LIST_TABLE, place.table);
		nla_put_text(&request, NFTA_SET_ELEM_LIST_SET, place.chain);
		r = read_set(host, &request, image, e);
		if (r == -ENOENT)
			return 1;
		if (r < 0)
			return r;
		interrupted |= r;
	}
	return interrupted;
}

static int read_kind(struct nl *host, uint8_t message, struct nft_image *image, struct err *e)
{
	struct buf cleanup_call(buf_done) request = {0};
	struct err why = {0};
	int r;

	begin(&request, message, AF_UNSPEC);
	r = dump(host, &request, image, &why);
	/* objects: Linux 4.10, flowtables: 4.16 */
	if (is_absent(r) && (message == NFT_MSG_GETOBJ || message == NFT_MSG_GETFLOWTABLE))
		return 0;
	if (r < 0)
		return err_set(e, r, "%s", why.msg);
	return r;
}

/* One attempt: 0, 1 (it changed meanwhile) or a negative errno. */
static int read_once(struct nl *host, struct nft_image *image, struct err *e)
{
	static const uint8_t kinds[] = {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETOBJ,
					NFT_MSG_GETFLOWTABLE, NFT_MSG_GETSET};
	uint32_t after;
	int r, interrupted = 0;

	image->count = 0;
	buf_clear(&image->bytes);
	r = read_generation(host, &image->generation, e);
	if (is_absent(r))
		return 0;
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(kinds); i++) {
		interrupted |= r;
		r = read_kind(host, kinds[i], image, e);
	}
	if (r < 0)
		return r;
	interrupted |= r;
	r = read_elements(host, image, e);
	if (r != 0)
		return r;
	r = read_kind(host, NFT_MSG_GETRULE, image, e);
	if (r < 0)
		return r;
	interrupted |= r;
	r = read_generation(host, &after, e);
	if (r < 0)
		return r;
	return interrupted || after != image->generation;
}

int nft_image_read(struct nl *host, struct nft_image *image, struct err *e)
{
	struct err why = {0};
	int r = 1;

	nft_image_done(image);
	for (int i = 0; i < ATTEMPTS && r == 1; i++)
		r = read_once(host, image, &why);
	if (r < 0) {
		nft_image_done(image);
		return err_set(e, r, _("the nf_tables rules could not be read: %s"),
			       why.msg[0] ? why.msg : strerror(-r));
	}
	image->changing = r == 1;
	return 0;
}

int nft_image_read_tables(struct nl *host, struct nft_image *image, struct err *e)
{
	int r;

	nft_image_done(image);
	r = read_kind(host, NFT_MSG_GETTABLE, image, e);
	image->changing = r == 1;
	return r < 0 ? r : 0;
}
