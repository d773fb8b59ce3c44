/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rt_canonical: the pure half of rt_image: messages of the kernel to the form in which they can be
 * sent back, compared and hashed. Attributes that this file does not know are kept, but for those
 * of addresses and nexthops: a route or rule that the kernel then refuses is reported, one that
 * lost a condition would lie.
 */
#include "base/cur.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/rt_image.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* of newer headers than Debian 12's */
enum { ROUTE_EXPIRES = 23, ROUTE_NEXTHOP_ID = 30 };

static bool is_ip(uint8_t family)
{
	return family == AF_INET || family == AF_INET6;
}

static uint32_t number(struct cur value)
{
	uint32_t n;

	cur_read(&value, &n, sizeof(n));
	return n;
}

static void keep(struct buf *out, uint16_t type, struct cur value)
{
	nla_put(out, type, value.at ? (const void *)value.at : "", value.left);
}

/* --- links ---------------------------------------------------------------------------------------
 */

static uint32_t decode_conf(struct cur value, int32_t conf[RT_CONF_LIMIT])
{
	size_t count = value.left / sizeof(conf[0]);

	if (count > RT_CONF_LIMIT)
		count = RT_CONF_LIMIT; /* newer than what is asked for (twin_sysctls) */
	cur_read(&value, conf, count * sizeof(conf[0]));
	return (uint32_t)count;
}

static void decode_af_spec(struct cur families, struct rt_link *link)
{
	struct cur family, value;
	uint16_t type;

	while (nla_next(&families, &type, &family)) {
		if (type == AF_INET && nla_find(family, IFLA_INET_CONF, &value))
			link->conf4_count = decode_conf(value, link->conf4);
		else if (type == AF_INET6 && nla_find(family, IFLA_INET6_CONF, &value))
			link->conf6_count = decode_conf(value, link->conf6);
	}
}

static void decode_link_info(struct cur info, struct rt_link *link)
{
	struct cur value;

	if (nla_find(info, IFLA_INFO_KIND, &value))
		nla_string(value, link->kind, sizeof(link->kind));
	if (nla_find(info, IFLA_INFO_SLAVE_KIND, &value))
		nla_string(value, link->slave_kind, sizeof(link->slave_kind));
}

static void decode_link_attribute(uint16_t type, struct cur value, struct rt_link *link)
{
	switch (type) {
	case IFLA_IFNAME:
		nla_string(value, link->name, sizeof(link->name));
		break;
	case IFLA_ADDRESS:
		link->mac_len = value.left <= RT_MAC_LIMIT ? (uint32_t)value.left : 0;
		cur_read(&value, link->mac, link->mac_len);
		break;
	case IFLA_MTU:
		link->mtu = number(value);
		break;
	case IFLA_MASTER:
		link->master = number(value);
		break;
	case IFLA_LINK:
		link->lower = number(value);
		break;
	case IFLA_GROUP:
		link->group = number(value);
		break;
	case IFLA_LINKINFO:
		decode_link_info(value, link);
		break;
	case IFLA_AF_SPEC:
		decode_af_spec(value, link);
		break;
	default:
		break;
	}
}

/* IFLA_LINK says other things of other kinds, such as the far end of a veth or a tunnel. */
static bool has_lower(const struct rt_link *link)
{
	static const char *const kinds[] = {"vlan",   "macvlan", "macvtap",
					    "ipvlan", "ipvtap",	 "macsec"};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(link->kind, kinds[i]) == 0)
			return true;
	return false;
}

int rt_decode_link(const void *payload, size_t len, struct rt_link *ret)
{
	struct cur c = cur_init(payload, len), again = c, value;
	struct ifinfomsg head;
	struct rt_link link;
	uint16_t type;

	memset(&link, 0, sizeof(link));
	cur_read(&c, &head, sizeof(head));
	if (!c.ok || head.ifi_index <= 0)
		return -EBADMSG;
	link.ifindex = (uint32_t)head.ifi_index;
	link.type = head.ifi_type;
	link.flags = head.ifi_flags &
		     (IFF_UP | IFF_LOWER_UP | IFF_LOOPBACK | IFF_POINTOPOINT | IFF_BROADCAST);
	while (nla_next(&c, &type, &value))
		decode_link_attribute(type, value, &link);
	if (!c.ok || !link.name[0])
		return -EBADMSG;
	cur_take(&again, sizeof(head));
	if (!has_lower(&link) || nla_find(again, IFLA_LINK_NETNSID, &value))
		link.lower = 0;
	*ret = link;
	return 0;
}

/* --- addresses -----------------------------------------------------------------------------------
 */

static uint32_t address_flags(const struct ifaddrmsg *head, struct cur attributes)
{
	struct cur value;

	return nla_find(attributes, IFA_FLAGS, &value) ? number(value) : head->ifa_flags;
}

static int canonical_address(struct cur c, struct buf *out, struct rt_item *item)
{
	static const uint16_t kept[] = {IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_BROADCAST,
					IFA_RT_PRIORITY};
	struct ifaddrmsg head;
	struct cur value;
	uint32_t flags;
	uint16_t type;

	cur_read(&c, &head, sizeof(head));
	if (!c.ok)
		return -EBADMSG;
	item->family = head.ifa_family;
	item->ifindex = head.ifa_index;
	flags = address_flags(&head, c);
	if (!is_ip(head.ifa_family))
		return 1;
	if (head.ifa_family == AF_INET6 && flags & IFA_F_DADFAILED)
		return 1; /* another machine has it: never in use */
	if (head.ifa_family == AF_INET6 && flags & IFA_F_TENTATIVE && !(flags & IFA_F_OPTIMISTIC))
		return RT_TENTATIVE;
	/* what the kernel worked out of the others; lifetimes and how it came into being */
	flags &= IFA_F_NOPREFIXROUTE | (head.ifa_family == AF_INET ? IFA_F_SECONDARY : 0);
	if (head.ifa_family == AF_INET6)
		head.ifa_scope = 0;
	head.ifa_flags = 0;
	buf_add(out, &head, sizeof(head));
	while (nla_next(&c, &type, &value))
		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			if (type == kept[i])
				keep(out, type, value);
	nla_put_u32(out, IFA_FLAGS, flags);
	return c.ok ? 0 : -EBADMSG;
}

/* --- nexthops and routes -------------------------------------------------------------------------
 */

static void canonical_resilient(struct cur c, struct buf *out)
{
	size_t nest = nla_begin_nest(out, NHA_RES_GROUP);
	struct cur value;
	uint16_t type;

	while (nla_next(&c, &type, &value))
		if (type == NHA_RES_GROUP_BUCKETS || type == NHA_RES_GROUP_IDLE_TIMER ||
		    type == NHA_RES_GROUP_UNBALANCED_TIMER)
			keep(out, type, value);
	nla_end_nest(out, nest);
}

static int canonical_nexthop(struct cur c, struct buf *out, struct rt_item *item)
{
	struct nhmsg head;
	struct cur value;
	uint16_t type;

	cur_read(&c, &head, sizeof(head));
	if (!c.ok)
		return -EBADMSG;
	item->family = head.nh_family;
	head.nh_flags &= RTNH_F_ONLINK;
	head.nh_scope = head.resvd = 0; /* the kernel wants to work it out by itself */
	buf_add(out, &head, sizeof(head));
	while (nla_next(&c, &type, &value)) {
		if (type == NHA_OIF)
			item->ifindex = number(value);
		if (type == NHA_RES_GROUP)
			canonical_resilient(value, out);
		else if (type == NHA_ENCAP)
			keep(out, NHA_ENCAP | NLA_F_NESTED, value);
		else if ((type >= NHA_ID && type <= NHA_ENCAP_TYPE) || type == NHA_FDB)
			keep(out, type, value);
	}
	return c.ok ? 0 : -EBADMSG;
}

/* The next hop and its attributes; of its flags only the one that somebody set. */
static bool next_hop(struct cur *c, struct rtnexthop *hop, struct cur *attributes)
{
	cur_read(c, hop, sizeof(*hop));
	if (!c->ok || hop->rtnh_len < sizeof(*hop) || hop->rtnh_len % RTNH_ALIGNTO)
		return false;
	*attributes = cur_slice(c, hop->rtnh_len - sizeof(*hop));
	hop->rtnh_flags &= RTNH_F_ONLINK;
	return c->ok;
}

enum { EVERY_HOP = UINT32_MAX };

/* 0; 1: there is no such hop; -EBADMSG. */
static int canonical_multipath(struct cur c, uint32_t which, struct buf *out)
{
	size_t nest = out->len;
	uint32_t count = 0;

	nla_put(out, RTA_MULTIPATH, "", 0);
	for (; c.left > 0; count++) {
		struct rtnexthop hop;
		struct cur attributes;

		if (!next_hop(&c, &hop, &attributes))
			return -EBADMSG;
		if (which != EVERY_HOP && which != count)
			continue;
		buf_add(out, &hop, sizeof(hop));
		buf_add(out, attributes.at, attributes.left);
	}
	nla_end_nest(out, nest);
	return which != EVERY_HOP && which >= count;
}

static bool is_of_hop(uint16_t type)
{
	return type == RTA_GATEWAY || type == RTA_ENCAP || type == RTA_ENCAP_TYPE;
}

/* A route with one gateway as the only hop of many. */
static void canonical_single(struct cur attributes, uint8_t flags, struct buf *out)
{
	struct rtnexthop hop = {.rtnh_flags = flags & RTNH_F_ONLINK};
	size_t nest = out->len, start;
	struct cur value;
	uint16_t type;

	if (nla_find(attributes, RTA_OIF, &value))
		hop.rtnh_ifindex = (int)number(value);
	nla_put(out, RTA_MULTIPATH, "", 0);
	start = out->len;
	buf_add(out, &hop, sizeof(hop));
	while (nla_next(&attributes, &type, &value))
		if (is_of_hop(type))
			keep(out, type, value);
	hop.rtnh_len = (unsigned short)(out->len - start);
	if (!out->failed)
		memcpy(out->data + start, &hop, sizeof(hop));
	nla_end_nest(out, nest);
}

static bool is_route_state(uint16_t type)
{
	return type == RTA_CACHEINFO || type == RTA_SESSION || type == RTA_MP_ALGO ||
	       type == RTA_UID || type == ROUTE_EXPIRES || type == RTA_PAD;
}

/* What a route with a nexthop object repeats from it; it may not be sent along. */
static bool is_of_nexthop(uint16_t type)
{
	return type == RTA_OIF || type == RTA_GATEWAY || type == RTA_VIA || type == RTA_MULTIPATH ||
	       type == RTA_ENCAP || type == RTA_ENCAP_TYPE || type == RTA_FLOW;
}

/*
 * IPv6 routes to one destination with one metric become one of several hops when they are made by
 * netlink, but not when routers announced them: so each hop is an item of its own, in one form.
 */
static int canonical_hops(struct cur attributes, uint8_t family, uint8_t flags, uint32_t which,
			  struct buf *out)
{
	struct cur value;

	if (nla_find(attributes, RTA_MULTIPATH, &value))
		return canonical_multipath(value, family == AF_INET6 ? which : EVERY_HOP, out);
	if (family == AF_INET6 && nla_find(attributes, RTA_GATEWAY, &value))
		canonical_single(attributes, flags, out);
	return 0;
}

static int canonical_route(struct cur c, uint32_t which, struct buf *out, struct rt_item *item)
{
	bool has_nexthop, single, multi;
	struct cur value, all;
	struct rtmsg head;
	uint16_t type;
	uint8_t flags;

	cur_read(&c, &head, sizeof(head));
	if (!c.ok)
		return -EBADMSG;
	item->family = head.rtm_family;
	if (!is_ip(head.rtm_family) || head.rtm_flags & RTM_F_CLONED)
		return 1;
	all = c;
	flags = head.rtm_flags & RTNH_F_ONLINK;
	has_nexthop = nla_find(c, ROUTE_NEXTHOP_ID, &value);
	multi = !has_nexthop && nla_find(c, RTA_MULTIPATH, &value);
	single = !has_nexthop && !multi && head.rtm_family == AF_INET6 &&
		 nla_find(c, RTA_GATEWAY, &value);
	if (which > 0 && !(multi && head.rtm_family == AF_INET6))
		return 1;
	head.rtm_flags = has_nexthop || single ? 0 : flags;
	buf_add(out, &head, sizeof(head));
	while (nla_next(&c, &type, &value)) {
		if (type == RTA_OIF)
			item->ifindex = number(value);
		if (is_route_state(type) || type == RTA_MULTIPATH ||
		    (has_nexthop && is_of_nexthop(type)) ||
		    (single && (is_of_hop(type) || type == RTA_OIF)))
			continue;
		keep(out, type, value);
	}
	if (!c.ok)
		return -EBADMSG;
	return has_nexthop ? 0 : canonical_hops(all, head.rtm_family, flags, which, out);
}

/* --- rules ---------------------------------------------------------------------------------------
 */

static int canonical_rule(struct cur c, struct buf *out, struct rt_item *item)
{
	bool has_priority;
	struct fib_rule_hdr head;
	struct cur value;
	uint16_t type;

	cur_read(&c, &head, sizeof(head));
	if (!c.ok)
		return -EBADMSG;
	item->family = head.family;
	if (!is_ip(head.family))
		return 1;
	has_priority = nla_find(c, FRA_PRIORITY, &value);
	head.flags &= FIB_RULE_INVERT; /* the others say what was found, and who made it */
	head.res1 = head.res2 = 0;
	buf_add(out, &head, sizeof(head));
	/* without, it would not get priority 0 but the next that is free */
	if (!has_priority)
		nla_put_u32(out, FRA_PRIORITY, 0);
	while (nla_next(&c, &type, &value))
		if (type != FRA_PAD && type != FRA_UNUSED2 && type != FRA_UNUSED3 &&
		    type != FRA_UNUSED4 && type != FRA_UNUSED5)
			keep(out, type, value);
	return c.ok ? 0 : -EBADMSG;
}

static int canonical(enum rt_kind kind, struct cur c, uint32_t which, struct buf *out,
		     struct rt_item *item)
{
	if (kind == RT_ROUTE)
		return canonical_route(c, which, out, item);
	if (which > 0)
		return 1;
	if (kind == RT_ADDRESS)
		return canonical_address(c, out, item);
	return kind == RT_NEXTHOP ? canonical_nexthop(c, out, item) : canonical_rule(c, out, item);
}

int rt_canonical(enum rt_kind kind, const void *payload, size_t len, uint32_t which,
		 struct buf *out, struct rt_item *ret)
{
	struct rt_item item = {.kind = (uint8_t)kind};
	size_t before = out->len;
	int r;

	if (before % NLMSG_ALIGNTO) {
		buf_add(out, "\0\0\0", NLMSG_ALIGNTO - before % NLMSG_ALIGNTO);
	}
	item.offset = (uint32_t)out->len;
	r = canonical(kind, cur_init(payload, len), which, out, &item);
	item.len = (uint32_t)(out->len - item.offset);
	if (r == 0) {
		*ret = item;
		return 0;
	}
	if (!out->failed)
		out->len = before;
	if (r == RT_TENTATIVE)
		ret->ifindex = item.ifindex;
	return r;
}
