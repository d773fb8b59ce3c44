/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/visitor.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"
#include "base/ns.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Addresses for documentation (RFC 5737, RFC 3849, RFC 9637), which nobody has: while the visitor
 * is there, the machine sends what is for its address to the visitor.
 */
static const char *const candidates[] = {"198.51.100.1", "203.0.113.1", "192.0.2.1",
					 "2001:db8::1",	 "3fff::1",	"2001:db8:ffff::1"};

static const char inner_name[] = "eth0";

/* Both ends have it: without ARP, frames are sent to the sender's own address. */
static const uint8_t mac[6] = {0x02, 'p', 'o', 'r', 't', '0'};

/* --- messages ----------------------------------------------------------------------------------
 */

static int request(struct nl *n, struct buf *b, size_t message, struct err *e)
{
	nla_end_message(b, message);
	return nl_request(n, b, _("cannot join a visitor's namespace with this machine"), e);
}

static void put_link(struct buf *b, const char *name)
{
	nla_put_text(b, IFLA_IFNAME, name);
	nla_put(b, IFLA_ADDRESS, mac, sizeof(mac));
}

static int make_pair(const struct visitor *v, struct nl *host, struct err *e)
{
	struct ifinfomsg head = {0};
	struct buf cleanup_call(buf_done) b = {0};
	size_t at =
		nla_begin_message(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	size_t info, data, peer;

	put_link(&b, v->ifname);
	info = nla_begin_nest(&b, IFLA_LINKINFO);
	nla_put_text(&b, IFLA_INFO_KIND, "veth");
	data = nla_begin_nest(&b, IFLA_INFO_DATA);
	peer = nla_begin_nest(&b, VETH_INFO_PEER);
	buf_add(&b, &head, sizeof(head));
	put_link(&b, inner_name);
	nla_put_u32(&b, IFLA_NET_NS_FD, (uint32_t)v->ns);
	nla_end_nest(&b, peer);
	nla_end_nest(&b, data);
	nla_end_nest(&b, info);
	return request(host, &b, at, e);
}

/* No link-local address: nobody needs it, and its announcement would be a packet. */
static void make_quiet(struct nl *n, uint32_t ifindex)
{
	struct ifinfomsg head = {.ifi_index = (int)ifindex};
	struct buf cleanup_call(buf_done) b = {0};
	size_t at = nla_begin_message(&b, RTM_NEWLINK, 0, &head, sizeof(head)), spec, inet6;
	struct err ignored; /* there is no IPv6 */

	spec = nla_begin_nest(&b, IFLA_AF_SPEC);
	inet6 = nla_begin_nest(&b, AF_INET6);
	nla_put_u8(&b, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	nla_end_nest(&b, inet6);
	nla_end_nest(&b, spec);
	request(n, &b, at, &ignored);
}

static int start(struct nl *n, uint32_t ifindex, struct err *e)
{
	const unsigned flags = IFF_UP | IFF_NOARP;
	struct ifinfomsg head = {
		.ifi_index = (int)ifindex, .ifi_flags = flags, .ifi_change = flags};
	struct buf cleanup_call(buf_done) b = {0};
	size_t at = nla_begin_message(&b, RTM_NEWLINK, 0, &head, sizeof(head));

	make_quiet(n, ifindex);
	return request(n, &b, at, e);
}

/* To one address, or (NULL) to all. */
static int add_route(struct nl *n, uint8_t family, const struct address *to, uint32_t ifindex,
		     struct err *e)
{
	struct rtmsg head = {.rtm_family = family,
			     .rtm_dst_len = to ? (unsigned char)(address_len(to) * 8) : 0,
			     .rtm_table = RT_TABLE_MAIN,
			     .rtm_protocol = RTPROT_STATIC,
			     .rtm_scope = RT_SCOPE_LINK,
			     .rtm_type = RTN_UNICAST};
	struct buf cleanup_call(buf_done) b = {0};
	size_t at =
		nla_begin_message(&b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));

	if (to)
		nla_put(&b, RTA_DST, to->bytes, address_len(to));
	nla_put_u32(&b, RTA_OIF, ifindex);
	return request(n, &b, at, e);
}

static int add_address(struct nl *n, const struct address *a, uint32_t ifindex, struct err *e)
{
	struct ifaddrmsg head = {.ifa_family = a->family,
				 .ifa_prefixlen = (unsigned char)(address_len(a) * 8),
				 .ifa_flags = IFA_F_NODAD,
				 .ifa_index = ifindex};
	struct buf cleanup_call(buf_done) b = {0};
	size_t at =
		nla_begin_message(&b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));

	nla_put(&b, IFA_LOCAL, a->bytes, address_len(a));
	nla_put(&b, IFA_ADDRESS, a->bytes, address_len(a));
	return request(n, &b, at, e);
}

/* --- addresses ---------------------------------------------------------------------------------
 */

static int take_route(uint16_t type, const void *payload, size_t len, void *context)
{
	const struct rtmsg *head = payload;
	bool *known = context;

	if (type == RTM_NEWROUTE && len >= sizeof(*head))
		*known = head->rtm_dst_len != 0;
	return 0;
}

/* Does a route of the machine lead to the address, other than to all the world? (Linux 4.13) */
static bool is_routed(struct nl *host, const struct address *a)
{
	struct rtmsg head = {.rtm_family = a->family,
			     .rtm_dst_len = (unsigned char)(address_len(a) * 8),
			     .rtm_flags = RTM_F_FIB_MATCH};
	struct buf cleanup_call(buf_done) b = {0};
	size_t at = nla_begin_message(&b, RTM_GETROUTE, 0, &head, sizeof(head));
	bool known = false;
	const struct nl_dump_ops ops = {.message = take_route, .context = &known};
	struct err ignored;

	nla_put(&b, RTA_DST, a->bytes, address_len(a));
	nla_end_message(&b, at);
	if (!b.failed)
		nl_get(host, (void *)b.data, &ops, &ignored);
	return known;
}

static bool choose(struct nl *host, uint8_t family, struct address *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(candidates); i++)
		if (address_parse(candidates[i], ret) == 0 && ret->family == family &&
		    !is_routed(host, ret))
			return true;
	*ret = (struct address){0};
	return false;
}

/* --- the whole ---------------------------------------------------------------------------------
 */

struct inside {
	const struct visitor *v;
	struct err *e;
};

static int furnish(const struct visitor *v, struct nl *n, uint32_t ifindex, struct err *e)
{
	const struct address *addresses[] = {&v->ip4, &v->ip6};
	int r = start(n, ifindex, e);

	for (size_t i = 0; i < ARRAY_LEN(addresses) && r == 0; i++) {
		if (!addresses[i]->family)
			continue;
		r = add_address(n, addresses[i], ifindex, e);
		if (r == 0)
			r = add_route(n, addresses[i]->family, NULL, ifindex, e);
	}
	return r;
}

static int furnish_inside(void *context)
{
	const struct inside *in = context;
	struct nl n;
	int r = nl_open(&n, NETLINK_ROUTE, in->e);

	if (r < 0)
		return r;
	r = furnish(in->v, &n, if_nametoindex(inner_name), in->e);
	nl_close(&n);
	return r;
}

/* A machine without one of the families gets no such visitor. */
static int invite(struct visitor *v, struct nl *host, struct err *e)
{
	struct address *addresses[] = {&v->ip4, &v->ip6};
	const uint8_t families[] = {AF_INET, AF_INET6};
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		if (!choose(host, families[i], addresses[i]))
			err_set(e, -EADDRNOTAVAIL,
				_("no address is free for a visitor: all that are for examples are "
				  "in use here"));
		else if (add_route(host, families[i], addresses[i], v->ifindex, e) == 0)
			any = true;
		else
			*addresses[i] = (struct address){0};
	}
	return any ? 0 : e->code;
}

static int join(struct visitor *v, struct nl *host, struct err *e)
{
	struct inside in = {v, e};
	int r = make_pair(v, host, e);

	if (r < 0)
		return r;
	v->ifindex = if_nametoindex(v->ifname);
	r = start(host, v->ifindex, e);
	if (r == 0)
		r = invite(v, host, e);
	return r < 0 ? r : ns_run(v->ns, furnish_inside, &in, e);
}

int visitor_open(struct visitor *v, struct err *e)
{
	struct nl host;
	int r = nl_open(&host, NETLINK_ROUTE, e);

	*v = (struct visitor){.ns = -1};
	if (r < 0)
		return r;
	/* a process has one visitor */
	snprintf(v->ifname, sizeof(v->ifname), "portero-%u", (unsigned)getpid() % 10000000);
	v->ns = ns_new();
	if (v->ns < 0)
		r = err_set(e, v->ns,
			    v->ns == -EPERM
				    ? _("may not make a network namespace for a visitor: run as "
					"root (CAP_SYS_ADMIN)")
				    : _("cannot make a network namespace for a visitor: %s"),
			    strerror(-v->ns));
	else
		r = join(v, &host, e);
	nl_close(&host);
	if (r < 0)
		visitor_close(v);
	return r;
}

/* At once: without its namespace it would go, too, but a little later. */
static void remove_pair(const struct visitor *v)
{
	struct ifinfomsg head = {.ifi_index = (int)v->ifindex};
	struct buf cleanup_call(buf_done) b = {0};
	struct err ignored;
	struct nl host;
	size_t at;

	if (!v->ifindex || nl_open(&host, NETLINK_ROUTE, &ignored) < 0)
		return;
	at = nla_begin_message(&b, RTM_DELLINK, 0, &head, sizeof(head));
	request(&host, &b, at, &ignored);
	nl_close(&host);
}

void visitor_close(struct visitor *v)
{
	remove_pair(v);
	if (v->ns >= 0)
		close(v->ns);
	*v = (struct visitor){.ns = -1};
}

static int furnish_sources(void *context)
{
	struct visitor *v = context;
	uint32_t ifindex = if_nametoindex(inner_name), kept = 0;
	struct err ignored;
	struct nl n;

	if (nl_open(&n, NETLINK_ROUTE, &ignored) < 0)
		return -EIO;
	for (uint32_t i = 0; i < v->source_count; i++)
		if (i == 0 || add_address(&n, &v->sources[i], ifindex, &ignored) == 0)
			v->sources[kept++] = v->sources[i];
	v->source_count = kept;
	nl_close(&n);
	return 0;
}

void visitor_add_sources(struct visitor *v)
{
	struct address next = v->ip4;
	struct err ignored;
	struct nl host;

	v->source_count = 0;
	if (!v->ip4.family || nl_open(&host, NETLINK_ROUTE, &ignored) < 0)
		return;
	v->sources[v->source_count++] = v->ip4;
	while (v->source_count < VISITOR_SOURCES && ++next.bytes[3] < UINT8_MAX)
		if (!is_routed(&host, &next) &&
		    add_route(&host, AF_INET, &next, v->ifindex, &ignored) == 0)
			v->sources[v->source_count++] = next;
	nl_close(&host);
	if (ns_run(v->ns, furnish_sources, v, &ignored) < 0)
		v->source_count = 0;
}

const struct address *visitor_address(const struct visitor *v, uint8_t family)
{
	const struct address *a = family == AF_INET ? &v->ip4 : &v->ip6;

	return a->family ? a : NULL;
}
