/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/rt_image.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"
#include "model/port.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How each kind is asked for, and told. */
static const struct table {
	uint16_t get, tell;
	size_t head;
} tables[RT_KIND_COUNT] = {
	[RT_ADDRESS] = {RTM_GETADDR, RTM_NEWADDR, sizeof(struct ifaddrmsg)},
	[RT_NEXTHOP] = {RTM_GETNEXTHOP, RTM_NEWNEXTHOP, sizeof(struct nhmsg)},
	[RT_ROUTE] = {RTM_GETROUTE, RTM_NEWROUTE, sizeof(struct rtmsg)},
	[RT_RULE] = {RTM_GETRULE, RTM_NEWRULE, sizeof(struct fib_rule_hdr)},
};

void rt_image_done(struct rt_image *image)
{
	free(image->links);
	free(image->items);
	buf_done(&image->bytes);
	*image = (struct rt_image){0};
}

const void *rt_image_payload(const struct rt_image *image, const struct rt_item *item)
{
	return image->bytes.data + item->offset;
}

const struct rt_link *rt_image_link(const struct rt_image *image, uint32_t ifindex)
{
	for (size_t i = 0; i < image->link_count; i++)
		if (image->links[i].ifindex == ifindex)
			return &image->links[i];
	return NULL;
}

struct reading {
	struct rt_image *image;
	enum rt_kind kind;
	size_t first_item, first_byte;
};

static void restart_items(void *context)
{
	struct reading *r = context;

	r->image->count = r->first_item;
	r->image->bytes.len = r->first_byte;
	if (r->kind == RT_ADDRESS)
		r->image->tentative = 0;
}

static int add_item(struct rt_image *image, struct rt_item *item)
{
	if (image->count >= RT_ITEM_LIMIT || image->bytes.len > RT_BYTES_LIMIT)
		return -E2BIG;
	if (image->bytes.failed ||
	    mem_grow(&image->items, &image->cap, image->count + 1, sizeof(*image->items)) < 0)
		return -ENOMEM;
	item->hash =
		map_mix(map_hash_bytes(image->bytes.data + item->offset, item->len), item->kind);
	image->items[image->count++] = *item;
	return 0;
}

static void count_tentative(struct rt_image *image, uint32_t ifindex)
{
	const struct rt_link *link = rt_image_link(image, ifindex);

	/* without a carrier it stays so, and nothing can arrive */
	if (!link || link->flags & IFF_LOWER_UP)
		image->tentative++;
}

static int take_item(uint16_t type, const void *payload, size_t len, void *context)
{
	struct reading *r = context;
	int code = 0;

	if (type != tables[r->kind].tell)
		return 0;
	for (uint32_t which = 0; code == 0; which++) {
		struct rt_item item = {0};

		code = rt_canonical(r->kind, payload, len, which, &r->image->bytes, &item);
		if (code == RT_TENTATIVE)
			count_tentative(r->image, item.ifindex);
		if (code == 0)
			code = add_item(r->image, &item);
	}
	return code < 0 ? code : 0;
}

static void restart_links(void *context)
{
	struct reading *r = context;

	r->image->link_count = 0;
}

static int take_link(uint16_t type, const void *payload, size_t len, void *context)
{
	struct reading *r = context;
	struct rt_image *image = r->image;
	int code;

	if (type != RTM_NEWLINK)
		return 0;
	if (mem_grow(&image->links, &image->link_cap, image->link_count + 1,
		     sizeof(*image->links)) < 0)
		return -ENOMEM;
	code = rt_decode_link(payload, len, &image->links[image->link_count]);
	if (code == 0)
		image->link_count++;
	return code;
}

static int read_links(struct rt_image *image, struct nl *n, struct err *e)
{
	struct reading reading = {.image = image};
	struct nl_dump_ops ops = {restart_links, take_link, &reading};
	char room[128] = {0};
	struct nlmsghdr *header = mnl_nlmsg_put_header(room);

	header->nlmsg_type = RTM_GETLINK;
	mnl_nlmsg_put_extra_header(header, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(header, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return nl_dump(n, header, &ops, e);
}

static int read_items(struct rt_image *image, struct nl *n, enum rt_kind kind, struct err *e)
{
	struct reading reading = {image, kind, image->count, image->bytes.len};
	struct nl_dump_ops ops = {restart_items, take_item, &reading};
	char room[128] = {0};
	struct nlmsghdr *header = mnl_nlmsg_put_header(room);
	int r;

	header->nlmsg_type = tables[kind].get;
	mnl_nlmsg_put_extra_header(header, tables[kind].head);
	r = nl_dump(n, header, &ops, e);
	/* nexthop objects came with Linux 5.3; policy routing may be left out of a kernel */
	if ((kind == RT_NEXTHOP || kind == RT_RULE) && (r == -EOPNOTSUPP || r == -EAFNOSUPPORT))
		return 0;
	return r;
}

int rt_image_read(struct rt_image *image, struct nl *n, unsigned what, struct err *e)
{
	int r = 0;

	image->count = image->link_count = image->bytes.len = image->tentative = 0;
	image->changing = false;
	if (what & RT_READ_LINKS)
		r = read_links(image, n, e);
	image->changing |= r == 1;
	for (unsigned kind = 0; kind < RT_KIND_COUNT && r >= 0; kind++) {
		if (what & 1u << kind)
			r = read_items(image, n, (enum rt_kind)kind, e);
		image->changing |= r == 1;
	}
	if (r == -E2BIG)
		return err_set(e, r, _("there are too many routes to copy (limit: %d)"),
			       RT_ITEM_LIMIT);
	return r < 0 ? r : 0;
}

uint64_t rt_image_hash(const struct rt_image *image)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < image->link_count; i++)
		hash = map_mix(hash, map_hash_bytes(&image->links[i], sizeof(image->links[i])));
	for (size_t i = 0; i < image->count; i++)
		hash = map_mix(hash, image->items[i].hash);
	return hash;
}

/* --- in words ------------------------------------------------------------------------------------
 */

static void format_prefix(uint8_t family, struct cur attributes, uint16_t type, unsigned bits,
			  char text[64])
{
	struct address a = {.family = family};
	char address[ADDRESS_TEXT_SIZE];
	struct cur value;

	if (nla_find(attributes, type, &value) && value.left <= sizeof(a.bytes))
		cur_read(&value, a.bytes, value.left);
	address_format(&a, address);
	snprintf(text, 64, "%s/%u", address, bits);
}

static uint32_t find_number(struct cur attributes, uint16_t type)
{
	struct cur value;
	uint32_t n = 0;

	if (nla_find(attributes, type, &value))
		cur_read(&value, &n, sizeof(n));
	return n;
}

void rt_image_describe(const struct rt_image *image, const struct rt_item *item,
		       char text[RT_TEXT_SIZE])
{
	struct cur c = cur_init(rt_image_payload(image, item), item->len);
	union {
		struct ifaddrmsg address;
		struct rtmsg route;
	} head = {0};
	char prefix[64];

	cur_read(&c, &head, tables[item->kind].head <= sizeof(head) ? tables[item->kind].head : 0);
	switch (item->kind) {
	case RT_ADDRESS:
		format_prefix(item->family, c, IFA_ADDRESS, head.address.ifa_prefixlen, prefix);
		snprintf(text, RT_TEXT_SIZE, _("address %s"), prefix);
		break;
	case RT_NEXTHOP:
		snprintf(text, RT_TEXT_SIZE, _("nexthop %u"), find_number(c, NHA_ID));
		break;
	case RT_ROUTE:
		format_prefix(item->family, c, RTA_DST, head.route.rtm_dst_len, prefix);
		snprintf(text, RT_TEXT_SIZE, _("route %s in table %u"), prefix,
			 find_number(c, RTA_TABLE));
		break;
	default:
		snprintf(text, RT_TEXT_SIZE, _("routing rule with priority %u"),
			 find_number(c, FRA_PRIORITY));
	}
}
