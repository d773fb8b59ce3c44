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

int interfaces_decode_link(const void *payload, size_t len, struct interface_info *ret,
			   char name[16])
{
	struct cur c = cur_init(payload, len), value;
	struct interface_info info = {0};
	struct ifinfomsg m;
	uint16_t type;

	memset(name, 0, 16);
	cur_read(&c, &m, sizeof(m));
	if (!c.ok || m.ifi_index <= 0)
		return -EBADMSG;
	info.ifindex = (uint32_t)m.ifi_index;
	info.loopback = m.ifi_flags & IFF_LOOPBACK;
	while (nla_next(&c, &type, &value))
		if (type == IFLA_IFNAME)
			cur_read(&value, name, value.left < 15 ? value.left : 15);
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

int interfaces_read(struct snapshot *s, uint32_t netns, struct err *e)
{
	struct read context = {s, netns, s->interface_count, s->address_count};
	struct nl_dump_ops links = {forget, take_link, &context};
	struct nl_dump_ops addresses = {forget_addresses, take_address, &context};
	struct nl cleanup_call(nl_close) n = {0};
	int r = nl_open(&n, NETLINK_ROUTE, e);

	if (r >= 0)
		r = dump(&n, RTM_GETLINK, sizeof(struct ifinfomsg), &links, e);
	if (r >= 0)
		r = dump(&n, RTM_GETADDR, sizeof(struct ifaddrmsg), &addresses, e);
	return r < 0 ? r : 0;
}
