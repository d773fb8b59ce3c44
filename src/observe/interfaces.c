/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/interfaces.h"
#include "base/cur.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>

int interfaces_decode_address(const void *payload, size_t len, struct interface_address *ret)
{
	struct cur c = cur_init(payload, len), value;
	struct interface_address a = {0};
	struct ifaddrmsg m;
	size_t size;
	uint16_t type;

	cur_read(&c, &m, sizeof(m));
	if (!c.ok || (m.ifa_family != AF_INET && m.ifa_family != AF_INET6))
		return -EBADMSG;
	size = m.ifa_family == AF_INET ? 4 : 16;
	a.ifindex = m.ifa_index;
	a.prefix_len = m.ifa_prefixlen;
	while (nla_next(&c, &type, &value)) {
		/* IFA_LOCAL is the machine's own side of a point-to-point link, and wins */
		if (value.left != size ||
		    !(type == IFA_LOCAL || (type == IFA_ADDRESS && !a.address.family)))
			continue;
		a.address.family = m.ifa_family;
		cur_read(&value, a.address.bytes, size);
	}
	if (!c.ok || !a.address.family || a.prefix_len > size * 8)
		return -EBADMSG;
	*ret = a;
	return 0;
}

static uint32_t number(struct cur value)
{
	uint32_t n = 0;

	cur_read(&value, &n, sizeof(n));
	return value.ok ? n : 0;
}

/* A macvlan or ipvlan interface may be told not to pass packets on to others of its kind. */
static enum link_kind kind_of(struct cur info)
{
	struct cur value, data = cur_init(NULL, 0), mode;
	char kind[16] = "";

	if (nla_find(info, IFLA_INFO_KIND, &value))
		nla_string(value, kind, sizeof(kind));
	nla_find(info, IFLA_INFO_DATA, &data);
	if (strcmp(kind, "veth") == 0 || strcmp(kind, "netkit") == 0)
		return LINK_PAIR;
	if (strcmp(kind, "bridge") == 0)
		return LINK_BRIDGE;
	if (strcmp(kind, "vrf") == 0)
		return LINK_VRF;
	if (strcmp(kind, "macvlan") == 0)
		return nla_find(data, IFLA_MACVLAN_MODE, &mode) &&
				       number(mode) == MACVLAN_MODE_BRIDGE
			       ? LINK_MACVLAN
			       : LINK_OTHER;
	if (strcmp(kind, "ipvlan") == 0)
		return nla_find(data, IFLA_IPVLAN_FLAGS, &mode) && mode.left == sizeof(uint16_t) &&
				       mode.at[0] == 0 && mode.at[1] == 0
			       ? LINK_IPVLAN
			       : LINK_OTHER;
	return LINK_OTHER;
}

static void take_link_attribute(struct interface_info *info, char name[16], uint16_t type,
				struct cur value)
{
	if (type == IFLA_IFNAME)
		cur_read(&value, name, value.left < 15 ? value.left : 15);
	else if (type == IFLA_MASTER)
		info->master = number(value);
	else if (type == IFLA_LINK)
		info->link = number(value);
	else if (type == IFLA_LINK_NETNSID)
		info->link_nsid = (int32_t)number(value);
	else if (type == IFLA_LINKINFO)
		info->kind = kind_of(value);
}

int interfaces_decode_link(const void *payload, size_t len, struct interface_info *ret,
			   char name[16])
{
	struct cur c = cur_init(payload, len), value;
	struct interface_info info = {.link_nsid = -1};
	struct ifinfomsg m;
	uint16_t type;

	memset(name, 0, 16);
	cur_read(&c, &m, sizeof(m));
	if (!c.ok || m.ifi_index <= 0)
		return -EBADMSG;
	info.ifindex = (uint32_t)m.ifi_index;
	info.loopback = m.ifi_flags & IFF_LOOPBACK;
	while (nla_next(&c, &type, &value))
		take_link_attribute(&info, name, type, value);
	if (!c.ok)
		return -EBADMSG;
	*ret = info;
	return 0;
}

struct read {
	struct snapshot *s;
	uint32_t netns;
	size_t first_interface, first_address;
};

static void forget(void *context)
{
	struct read *r = context;

	r->s->interface_count = r->first_interface;
	r->s->address_count = r->first_address;
}

static void forget_addresses(void *context)
{
	struct read *r = context;

	r->s->address_count = r->first_address;
}

static int take_link(uint16_t type, const void *payload, size_t len, void *context)
{
	struct read *r = context;
	struct interface_info info, *added;
	char name[16];

	if (type != RTM_NEWLINK || interfaces_decode_link(payload, len, &info, name) < 0)
		return 0;
	added = snapshot_add_interface(r->s);
	if (!added)
		return -ENOMEM;
	*added = info;
	added->netns = r->netns;
	added->name_str = snapshot_add_text(r->s, name);
	return 0;
}

static int take_address(uint16_t type, const void *payload, size_t len, void *context)
{
	struct read *r = context;
	struct interface_address a, *added;

	if (type != RTM_NEWADDR || interfaces_decode_address(payload, len, &a) < 0)
		return 0;
	a.netns = r->netns;
	for (size_t i = r->first_interface; i < r->s->interface_count; i++) {
		if (r->s->interfaces[i].ifindex != a.ifindex)
			continue;
		a.ifname_str = r->s->interfaces[i].name_str;
		a.loopback = r->s->interfaces[i].loopback;
	}
	added = snapshot_add_address(r->s);
	if (!added)
		return -ENOMEM;
	*added = a;
	return 0;
}

static int dump(struct nl *n, uint16_t type, size_t extra, const struct nl_dump_ops *ops,
		struct err *e)
{
	char room[128] = {0};
	struct nlmsghdr *header = mnl_nlmsg_put_header(room);

	header->nlmsg_type = type;
	mnl_nlmsg_put_extra_header(header, extra);
	return nl_dump(n, header, ops, e);
}

static int take_nsid(uint16_t type, const void *payload, size_t len, void *context)
{
	struct cur c = cur_init(payload, len), value;

	cur_take(&c, NLMSG_ALIGN(sizeof(struct rtgenmsg)));
	if (type == RTM_NEWNSID && c.ok && nla_find(c, NETNSA_NSID, &value) &&
	    value.left == sizeof(int32_t))
		cur_read(&value, context, sizeof(int32_t));
	return 0;
}

/* The number by which the namespace knows that of the descriptor; -1: it has none, or who knows. */
static int32_t ask_nsid(struct nl *n, int fd)
{
	int32_t id = -1;
	struct nl_dump_ops ops = {.message = take_nsid, .context = &id};
	struct buf cleanup_call(buf_done) message = {0};
	struct rtgenmsg m = {.rtgen_family = AF_UNSPEC};
	size_t at = nla_begin_message(&message, RTM_GETNSID, 0, &m, sizeof(m));

	nla_put_u32(&message, NETNSA_FD, (uint32_t)fd);
	nla_end_message(&message, at);
	if (fd < 0 || message.failed || nl_get(n, (void *)message.data, &ops, NULL) < 0)
		return -1;
	return id;
}

/*
 * Where the links are. A dump of links gives a number to each namespace that they are in: so it
 * must be asked for after it.
 */
static void resolve_links(struct read *r, struct nl *n, int own)
{
	int32_t own_id = r->netns ? ask_nsid(n, own) : -1;

	for (size_t i = r->first_interface; i < r->s->interface_count; i++) {
		struct interface_info *info = &r->s->interfaces[i];

		info->link_netns = info->link_nsid < 0 ? r->netns : 0;
		if (info->link_nsid >= 0 && info->link_nsid != own_id)
			info->link = 0;
	}
}

int interfaces_read(struct snapshot *s, uint32_t netns, int own, struct err *e)
{
	struct read context = {s, netns, s->interface_count, s->address_count};
	struct nl_dump_ops links = {forget, take_link, &context};
	struct nl_dump_ops addresses = {forget_addresses, take_address, &context};
	struct nl cleanup_call(nl_close) n = {0};
	int r = nl_open(&n, NETLINK_ROUTE, e);

	if (r >= 0)
		r = dump(&n, RTM_GETLINK, sizeof(struct ifinfomsg), &links, e);
	if (r >= 0)
		resolve_links(&context, &n, own);
	if (r >= 0)
		r = dump(&n, RTM_GETADDR, sizeof(struct ifaddrmsg), &addresses, e);
	return r < 0 ? r : 0;
}
