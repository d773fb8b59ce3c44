/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_routes.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nla.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int add(struct reach_routes *r, const struct reach_prefix *prefix, uint32_t ifindex,
	       const struct address *gateway)
{
	if (ifindex == 0 || (r->count >= REACH_ROUTE_LIMIT && prefix->bits > 0))
		return 0;
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].ifindex == ifindex && r->items[i].prefix.bits == prefix->bits &&
		    address_equal(&r->items[i].prefix.address, &prefix->address) &&
		    address_equal(&r->items[i].gateway, gateway))
			return 0;
	if (mem_grow(&r->items, &r->cap, r->count + 1, sizeof(*r->items)) < 0)
		return -ENOMEM;
	r->items[r->count++] = (struct reach_route){*prefix, ifindex, *gateway};
	return 0;
}

/* Of a route or hop: RTA_GATEWAY is of the route's family, RTA_VIA says of which it is. */
static struct address gateway_of(struct cur attributes, uint8_t family)
{
	struct address gateway = {0};
	struct cur value;
	uint16_t its_family;

	if (nla_find(attributes, RTA_GATEWAY, &value)) {
		gateway.family = family;
	} else if (nla_find(attributes, RTA_VIA, &value)) {
		cur_read(&value, &its_family, sizeof(its_family));
		gateway.family = (uint8_t)its_family;
	}
	if (gateway.family)
		cur_read(&value, gateway.bytes, gateway.family == AF_INET ? 4 : 16);
	return gateway;
}

/* The interfaces of a multipath route (struct rtnexthop, each with attributes of its own). */
static int add_hops(struct reach_routes *r, const struct reach_prefix *prefix, struct cur hops)
{
	while (hops.ok && hops.left >= sizeof(struct rtnexthop)) {
		struct rtnexthop hop;
		struct address gateway;
		size_t more;

		cur_read(&hops, &hop, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop))
			return 0;
		more = RTNH_ALIGN(hop.rtnh_len) - sizeof(hop);
		gateway = gateway_of(cur_slice(&hops, more < hops.left ? more : hops.left),
				     prefix->address.family);
		if (add(r, prefix, (uint32_t)hop.rtnh_ifindex, &gateway) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Of a nexthop object: the interface and gateway; of a group of them, none is told here. */
static uint32_t hop_interface(const struct rt_image *image, uint32_t id, struct address *gateway)
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
		if (number != id)
			continue;
		if (nla_find(c, NHA_GATEWAY, &value)) {
			gateway->family = value.left == 4 ? AF_INET : AF_INET6;
			cur_read(&value, gateway->bytes, value.left == 4 ? 4 : 16);
		}
		return item->ifindex;
	}
	return 0;
}

static int read_route(struct reach_routes *r, const struct rt_image *image,
		      const struct rt_item *item)
{
	struct cur c = cur_init(rt_image_payload(image, item), item->len), value;
	struct reach_prefix prefix = {0};
	struct address gateway;
	struct rtmsg m;
	uint32_t id = 0, ifindex = item->ifindex;

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
	gateway = gateway_of(c, item->family);
	if (ifindex == 0 && nla_find(c, RTA_NH_ID, &value)) {
		cur_read(&value, &id, sizeof(id));
		ifindex = hop_interface(image, id, &gateway);
	}
	return add(r, &prefix, ifindex, &gateway);
}

/* --- what routing compares with -----------------------------------------------------------------
 */

/* Routes of one kind that lead to the same place are alike. */
static int add_route_constant(const struct rt_image *image, const struct rt_item *item,
			      struct rule_constants *c)
{
	struct cur attributes = cur_init(rt_image_payload(image, item), item->len), value;
	uint8_t destination[RULE_VALUE_SIZE] = {0};
	struct rtmsg m;
	uint64_t group;

	cur_read(&attributes, &m, sizeof(m));
	if (!attributes.ok || m.rtm_dst_len == 0 || m.rtm_type == RTN_LOCAL ||
	    m.rtm_type == RTN_BROADCAST || m.rtm_type == RTN_MULTICAST || m.rtm_type == RTN_ANYCAST)
		return 0;
	if (!nla_find(attributes, RTA_DST, &value) || value.left > sizeof(destination))
		return 0;
	cur_read(&value, destination, value.left);
	group = map_mix(map_mix(item->ifindex, m.rtm_type), map_mix(m.rtm_table, 0x726f757465));
	return rule_constants_add_route(c, item->family == AF_INET ? RULE_SOURCE4 : RULE_SOURCE6,
					destination, m.rtm_dst_len, group);
}

static int add_rule_prefix(struct rule_constants *c, enum rule_field field, struct cur value,
			   uint8_t bits, uint64_t group)
{
	uint8_t prefix[RULE_VALUE_SIZE] = {0};

	if (bits == 0 || value.left > sizeof(prefix))
		return 0;
	cur_read(&value, prefix, value.left);
	return rule_constants_add_prefix(c, field, prefix, bits, group);
}

static void cut(struct port_cuts *ports, struct cur value)
{
	struct fib_rule_port_range range;

	cur_read(&value, &range, sizeof(range));
	if (value.ok)
		rule_constants_cut_ports(ports, range.start, range.end);
}

static int add_rule_constants(const struct rt_image *image, const struct rt_item *item,
			      struct rule_constants *c)
{
	struct cur attributes = cur_init(rt_image_payload(image, item), item->len), value;
	bool ip4 = item->family == AF_INET;
	uint64_t group = map_mix(item->hash, 0x72756c65);
	struct fib_rule_hdr m;
	int r = 0;

	cur_read(&attributes, &m, sizeof(m));
	if (!attributes.ok)
		return 0;
	if (nla_find(attributes, FRA_SPORT_RANGE, &value))
		cut(&c->source_ports, value);
	if (nla_find(attributes, FRA_DPORT_RANGE, &value))
		cut(&c->destination_ports, value);
	if (nla_find(attributes, FRA_SRC, &value))
		r = add_rule_prefix(c, ip4 ? RULE_SOURCE4 : RULE_SOURCE6, value, m.src_len, group);
	if (r == 0 && nla_find(attributes, FRA_DST, &value))
		r = add_rule_prefix(c, ip4 ? RULE_DESTINATION4 : RULE_DESTINATION6, value,
				    m.dst_len, group);
	/* looked up backwards, and for answers, sources and destinations change places */
	if (r == 0 && nla_find(attributes, FRA_DST, &value))
		r = add_rule_prefix(c, ip4 ? RULE_SOURCE4 : RULE_SOURCE6, value, m.dst_len, group);
	if (r == 0 && nla_find(attributes, FRA_SRC, &value))
		r = add_rule_prefix(c, ip4 ? RULE_DESTINATION4 : RULE_DESTINATION6, value,
				    m.src_len, group);
	if (nla_find(attributes, FRA_SPORT_RANGE, &value))
		cut(&c->destination_ports, value);
	if (nla_find(attributes, FRA_DPORT_RANGE, &value))
		cut(&c->source_ports, value);
	return r;
}

int reach_routes_constants(const struct rt_image *image, struct rule_constants *c)
{
	size_t routes = 0;
	int r = 0;

	for (size_t i = 0; i < image->count && r == 0; i++) {
		const struct rt_item *item = &image->items[i];

		if (item->kind == RT_RULE)
			r = add_rule_constants(image, item, c);
		else if (item->kind == RT_ROUTE && routes++ < REACH_ROUTE_LIMIT)
			r = add_route_constant(image, item, c);
	}
	return r;
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

bool reach_prefix_has(const struct reach_prefix *prefix, const struct address *a)
{
	struct address network = address_network(a, prefix->bits);
	struct address other = address_network(&prefix->address, prefix->bits);

	return a->family == prefix->address.family && address_equal(&network, &other);
}

struct address reach_routes_gateway(const struct reach_routes *r, const struct address *to,
				    uint32_t ifindex)
{
	struct address gateway = {0};
	uint32_t bits = 0;
	bool found = false;

	for (size_t i = 0; i < r->count; i++) {
		const struct reach_route *route = &r->items[i];

		if (route->ifindex != ifindex || !reach_prefix_has(&route->prefix, to) ||
		    (found && route->prefix.bits < bits))
			continue;
		if (!found || route->prefix.bits > bits)
			gateway = route->gateway;
		else if (!address_equal(&gateway, &route->gateway))
			gateway = (struct address){.family = to->family};
		bits = route->prefix.bits;
		found = true;
	}
	return gateway;
}

bool reach_routes_local(const struct rt_image *image, const struct rt_item *item,
			struct reach_prefix *ret)
{
	struct cur c = cur_init(rt_image_payload(image, item), item->len), value;
	struct reach_prefix prefix = {.address.family = item->family};
	struct rtmsg m;

	if (item->kind != RT_ROUTE)
		return false;
	cur_read(&c, &m, sizeof(m));
	if (!c.ok || m.rtm_type != RTN_LOCAL || m.rtm_dst_len == 0 || m.rtm_dst_len > 128 ||
	    !nla_find(c, RTA_DST, &value) || value.left > sizeof(prefix.address.bytes))
		return false;
	prefix.bits = m.rtm_dst_len;
	cur_read(&value, prefix.address.bytes, value.left);
	*ret = prefix;
	return !address_is_loopback(&prefix.address);
}

bool reach_routes_has_any(const struct reach_routes *r, uint8_t family, uint32_t ifindex)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].prefix.address.family == family && r->items[i].ifindex == ifindex)
			return true;
	return false;
}

bool reach_routes_has_default(const struct reach_routes *r, uint8_t family, uint32_t ifindex)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].prefix.bits == 0 && r->items[i].prefix.address.family == family &&
		    (ifindex == 0 || r->items[i].ifindex == ifindex))
			return true;
	return false;
}
