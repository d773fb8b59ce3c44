/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_group_addresses: where datagrams are taken that are for several: the groups that the
 * machine has joined (/proc/net/igmp, igmp6), and broadcast addresses. A rule may let those in and
 * keep all others out, as those of ufw and firewalld do for mDNS.
 */
#include "base/mem.h"
#include "base/nla.h"
#include "base/ns.h"
#include "observe/reach_planner.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { GROUP_LIMIT = 512, LINE_SIZE = 256 };

struct groups {
	struct reach_destination *items;
	size_t count, cap;
	size_t joined; /* the first of them are to be joined */
	struct planner *p;
};

static int add(struct groups *g, const struct address *a, uint32_t ifindex)
{
	if (g->count >= GROUP_LIMIT)
		return 0;
	if (mem_grow(&g->items, &g->cap, g->count + 1, sizeof(*g->items)) < 0)
		return -ENOMEM;
	g->items[g->count++] = (struct reach_destination){*a, ifindex};
	return 0;
}

/* --- what there is -------------------------------------------------------------------------------
 */

/* "2\teth0      :     1      V3", and below each interface "\t\t\t\tFB0000E0     1 ...". */
static int read_igmp(struct groups *g)
{
	FILE *f = fopen("/proc/thread-self/net/igmp", "re");
	char line[LINE_SIZE], *end;
	uint32_t ifindex = 0;
	int r = 0;

	while (f && r == 0 && fgets(line, sizeof(line), f)) {
		struct address a = {.family = AF_INET};
		uint32_t word;

		if (line[0] != '\t') {
			ifindex = (uint32_t)strtoul(line, NULL, 10);
			continue;
		}
		word = (uint32_t)strtoul(line, &end, 16); /* as it stands in memory */
		memcpy(a.bytes, &word, sizeof(word));
		if (end != line && ifindex && address_is_multicast(&a))
			r = add(g, &a, ifindex);
	}
	if (f)
		fclose(f);
	return r;
}

/* Those by which neighbours ask for an address (RFC 4291, 2.7.1) carry nothing else. */
static bool is_solicited(const struct address *a)
{
	static const uint8_t prefix[13] = {0xff, 2, [11] = 1, [12] = 0xff};

	return memcmp(a->bytes, prefix, sizeof(prefix)) == 0;
}

/*
 * A group of interface-local scope, ff01::1: no packet of a neighbour has it, and ip6_rcv() drops
 * those that do, before any rule (RFC 4291, 2.7).
 */
static bool is_interface_local(const struct address *a)
{
	return (a->bytes[1] & 0x0f) <= 1;
}

/* "2    eth0            ff0200000000000000000000000000fb     1 0000000C 0" */
static int read_igmp6(struct groups *g)
{
	FILE *f = fopen("/proc/thread-self/net/igmp6", "re");
	char line[LINE_SIZE], digits[33];
	int r = 0;

	while (f && r == 0 && fgets(line, sizeof(line), f)) {
		struct address a = {.family = AF_INET6};
		unsigned ifindex, byte;
		/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers, of limited length */
		bool good = sscanf(line, "%u %*s %32[0-9a-f]", &ifindex, digits) == 2 &&
			    strlen(digits) == 32;

		for (size_t i = 0; good && i < 16; i++) {
			/* NOLINTNEXTLINE(cert-err34-c): two digits, which were looked at */
			good = sscanf(digits + 2 * i, "%2x", &byte) == 1;
			a.bytes[i] = (uint8_t)byte;
		}
		if (good && address_is_multicast(&a) && !is_solicited(&a) &&
		    !is_interface_local(&a))
			r = add(g, &a, ifindex);
	}
	if (f)
		fclose(f);
	return r;
}

static int add_broadcast_route(struct groups *g, const struct rt_image *image,
			       const struct rt_item *item)
{
	struct cur c = cur_init(rt_image_payload(image, item), item->len), value;
	struct address a = {.family = AF_INET};
	struct rtmsg m;

	if (item->kind != RT_ROUTE || item->family != AF_INET)
		return 0;
	cur_read(&c, &m, sizeof(m));
	if (!c.ok || m.rtm_type != RTN_BROADCAST || !nla_find(c, RTA_DST, &value) ||
	    value.left != sizeof(struct in_addr))
		return 0;
	cur_read(&value, a.bytes, sizeof(struct in_addr));
	return address_is_loopback(&a) ? 0 : add(g, &a, item->ifindex);
}

static int find_broadcasts(struct groups *g)
{
	static const struct address all = {AF_INET, {255, 255, 255, 255}};
	const struct rt_image *image = &g->p->m->twin.host;
	int r = 0;

	for (size_t i = 0; i < image->count && r == 0; i++)
		r = add_broadcast_route(g, image, &image->items[i]);
	for (size_t i = 0; i < image->link_count && r == 0; i++)
		if (image->links[i].flags & IFF_BROADCAST && image->links[i].flags & IFF_UP)
			r = add(g, &all, image->links[i].ifindex);
	return r;
}

/* --- joining -------------------------------------------------------------------------------------
 */

static void allow_many(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/igmp_max_memberships", "we");

	if (f) {
		fprintf(f, "%d", GROUP_LIMIT);
		fclose(f);
	}
}

/* What cannot be joined is not taken by the twin, either: the answer is "dropped". */
static int join(void *context)
{
	struct groups *g = context;
	int *sockets = g->p->plan->group_sockets;

	allow_many();
	sockets[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sockets[1] = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (size_t i = 0; i < g->joined; i++) {
		const struct address *a = &g->items[i].address;
		bool ip4 = a->family == AF_INET;
		struct group_req request = {.gr_interface = g->items[i].ifindex};
		struct sockaddr_in in4 = {.sin_family = AF_INET};
		struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

		memcpy(&in4.sin_addr, a->bytes, sizeof(in4.sin_addr));
		memcpy(&in6.sin6_addr, a->bytes, sizeof(in6.sin6_addr));
		memcpy(&request.gr_group, ip4 ? (void *)&in4 : (void *)&in6,
		       ip4 ? sizeof(in4) : sizeof(in6));
		setsockopt(sockets[!ip4], ip4 ? IPPROTO_IP : IPPROTO_IPV6, MCAST_JOIN_GROUP,
			   &request, sizeof(request));
	}
	return 0;
}

/* --- the whole -----------------------------------------------------------------------------------
 */

/* Does no rule tell it from an address of the same family that is asked anyway? */
static int is_known(const struct planner *p, const struct address *a, bool *ret)
{
	const struct rule_constants *c = &p->plan->constants;
	bool ip4 = a->family == AF_INET;
	enum rule_field field = ip4 ? RULE_DESTINATION4 : RULE_DESTINATION6;
	uint8_t value[RULE_VALUE_SIZE] = {0};
	uint64_t wanted, other;

	*ret = false;
	if (c->uses_fib || c->fields[field].opaque)
		return 0;
	memcpy(value, a->bytes, ip4 ? 4 : 16);
	if (rule_constants_signature(c, field, value, &wanted) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < p->destination_count && !*ret; i++) {
		const struct destination *d = &p->destinations[i];

		if (d->address.family != a->family || d->behind || d->group ||
		    address_is_loopback(&d->address))
			continue;
		memcpy(value, d->address.bytes, ip4 ? 4 : 16);
		if (rule_constants_signature(c, field, value, &other) < 0)
			return -ENOMEM;
		*ret = wanted == other;
	}
	return 0;
}

static int add_unknown(struct groups *g)
{
	for (size_t i = 0; i < g->count; i++) {
		const struct destination d = {.address = g->items[i].address,
					      .ifindex = g->items[i].ifindex,
					      .group = true};
		bool known;

		if (is_known(g->p, &d.address, &known) < 0 ||
		    (!known && planner_add_destination(g->p, &d) < 0))
			return -ENOMEM;
	}
	return 0;
}

int planner_add_groups(struct planner *p)
{
	struct groups g = {.p = p};
	size_t before = p->destination_count;
	int r = 0;

	if (p->options->protos && !(p->options->protos & 1u << PROTO_UDP))
		return 0;
	r = read_igmp(&g);
	if (r == 0)
		r = read_igmp6(&g);
	g.joined = g.count;
	if (r == 0)
		r = find_broadcasts(&g);
	if (r == 0)
		r = add_unknown(&g);
	if (r == 0 && p->destination_count > before)
		r = ns_run(p->m->twin.ns, join, &g, p->e);
	free(g.items);
	return r;
}
