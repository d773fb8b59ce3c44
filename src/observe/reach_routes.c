/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_routes.h"
#include "base/mem.h"
#include "base/nla.h"

#include <errno.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int add(struct reach_routes *r, const struct reach_prefix *prefix, uint32_t ifindex)
{
	if (ifindex == 0 || (r->count >= REACH_ROUTE_LIMIT && prefix->bits > 0))
		return 0;
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].ifindex == ifindex && r->items[i].prefix.bits == prefix->bits &&
		    address_equal(&r->items[i].prefix.address, &prefix->address))
			return 0;
	if (mem_grow(&r->items, &r->cap, r->count + 1, sizeof(*r->items)) < 0)
		return -ENOMEM;
	r->items[r->count++] = (struct reach_route){*prefix, ifindex};
	return 0;
}

/* The interfaces of a multipath route (struct rtnexthop, each with attributes of its own). */
static int add_hops(struct reach_routes *r, const struct reach_prefix *prefix, struct cur hops)
{
	while (hops.ok && hops.left >= sizeof(struct rtnexthop)) {
		struct rtnexthop hop;
		size_t more;

		cur_read(&hops, &hop, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop))
			return 0;
		more = RTNH_ALIGN(hop.rtnh_len) - sizeof(hop);
		cur_take(&hops, more < hops.left ? more : hops.left);
		if (add(r, prefix, (uint32_t)hop.rtnh_ifindex) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Of a nexthop object: the interface; of a group of them, none is told here. */
static uint32_t hop_interface(const struct rt_image *image, uint32_t id)
{
	for (size_t i = 0; i < image->count; i++) {
		const struct rt_item *item = &image->items[i];
		struct cur c = cur_init(rt_image_payload(image, item), item->len), value;
		uint32_t number = 0;

		if (item->kind != RT_NEXTHOP)
			continue;
		cur_take(&c, sizeof(struct nhmsg));
		if (!nla_find(c, NHA_ID, &value))
			continue;
		cur_read(&value, &number, sizeof(number));
		if (number == id)
			return item->ifindex;
	}
	return 0;
}

static int read_route(struct reach_routes *r, const struct rt_image *image,
		      const struct rt_item *item)
{
	struct cur c = cur_init(rt_image_payload(image, item), item->len), value;
	struct reach_prefix prefix = {0};
	struct rtmsg m;
	uint32_t id = 0;

	cur_read(&c, &m, sizeof(m));
	if (!c.ok || m.rtm_type != RTN_UNICAST || m.rtm_dst_len > 128)
		return 0;
	prefix.address.family = item->family;
	prefix.bits = m.rtm_dst_len;
	if (nla_find(c, RTA_DST, &value) && value.left <= sizeof(prefix.address.bytes))
		cur_read(&value, prefix.address.bytes, value.left);
	if (item->family == AF_INET6 && address_is_multicast(&prefix.address))
		return 0;
	if (nla_find(c, RTA_MULTIPATH, &value))
		return add_hops(r, &prefix, value);
	if (item->ifindex == 0 && nla_find(c, RTA_NH_ID, &value)) {
		cur_read(&value, &id, sizeof(id));
		return add(r, &prefix, hop_interface(image, id));
	}
	return add(r, &prefix, item->ifindex);
}

int reach_routes_read(const struct rt_image *image, struct reach_routes *ret)
{
	*ret = (struct reach_routes){0};
	for (size_t i = 0; i < image->count; i++)
		if (image->items[i].kind == RT_ROUTE &&
		    read_route(ret, image, &image->items[i]) < 0)
			return -ENOMEM;
	return 0;
}

void reach_routes_done(struct reach_routes *r)
{
	free(r->items);
	*r = (struct reach_routes){0};
}

bool reach_routes_has_default(const struct reach_routes *r, uint8_t family, uint32_t ifindex)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].prefix.bits == 0 && r->items[i].prefix.address.family == family &&
		    (ifindex == 0 || r->items[i].ifindex == ifindex))
			return true;
	return false;
}
