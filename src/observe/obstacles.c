/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/obstacles.h"
#include "base/cur.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"
#include "observe/obstacles_bpf.h"
#include "observe/obstacles_layers.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int obstacles_add(struct obstacles *o, enum obstacle_scope scope, uint8_t family, uint32_t index,
		  const char *format, ...)
{
	struct obstacle *added;
	va_list args;

	if (mem_grow(&o->items, &o->cap, o->count + 1, sizeof(*o->items)) < 0)
		return -ENOMEM;
	added = &o->items[o->count++];
	*added = (struct obstacle){.scope = scope, .family = family, .ifindex = index};
	va_start(args, format);
	vsnprintf(added->what, sizeof(added->what), format, args);
	va_end(args);
	return 0;
}

void obstacles_done(struct obstacles *o)
{
	free(o->items);
	*o = (struct obstacles){0};
}

/* --- interfaces: XDP, tc ------------------------------------------------------------------------
 */

struct look {
	struct obstacles *found;
	size_t start; /* of what the dump that runs now has found */
	struct nl *route;
	struct layers layers;
	uint32_t *qdiscs; /* interfaces with a place for tc filters, and their parents */
	size_t qdisc_count, qdisc_cap;
	uint32_t ifindex; /* whose filters are dumped: those of a shared block do not say */
};

static void forget(void *context)
{
	struct look *look = context;

	look->found->count = look->start;
	look->qdisc_count = 0;
}

static void forget_links(void *context)
{
	struct look *look = context;

	forget(look);
	look->layers.count = 0;
}

static int take_link(uint16_t type, const void *payload, size_t len, void *context)
{
	struct look *look = context;
	struct cur c = cur_init(payload, len), xdp, attached, value;
	struct ifinfomsg m;
	char name[IF_NAMESIZE] = "?";

	cur_read(&c, &m, sizeof(m));
	if (!c.ok || type != RTM_NEWLINK)
		return 0;
	if (obstacles_layers_add(&look->layers, (uint32_t)m.ifi_index, c) < 0)
		return -ENOMEM;
	if (nla_find(c, IFLA_IFNAME, &value))
		nla_string(value, name, sizeof(name));
	if (!nla_find(c, IFLA_XDP, &xdp) || !nla_find(xdp, IFLA_XDP_ATTACHED, &attached) ||
	    nla_number_be(attached) == XDP_ATTACHED_NONE)
		return 0;
	return obstacles_add(look->found, OBSTACLE_INTERFACE, 0, (uint32_t)m.ifi_index,
			     _("an XDP program on %s"), name);
}

static int take_qdisc(uint16_t type, const void *payload, size_t len, void *context)
{
	struct look *look = context;
	struct cur c = cur_init(payload, len), value;
	struct tcmsg m;
	char kind[16] = "";
	uint32_t parent;

	cur_read(&c, &m, sizeof(m));
	if (!c.ok || type != RTM_NEWQDISC || !nla_find(c, TCA_KIND, &value) ||
	    !nla_string(value, kind, sizeof(kind)))
		return 0;
	if (strcmp(kind, "clsact") == 0)
		parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
	else if (strcmp(kind, "ingress") == 0)
		parent = TC_H_MAKE(TC_H_INGRESS, 0);
	else
		return 0;
	if (mem_grow(&look->qdiscs, &look->qdisc_cap, look->qdisc_count + 2,
		     sizeof(*look->qdiscs)) < 0)
		return -ENOMEM;
	look->qdiscs[look->qdisc_count++] = (uint32_t)m.tcm_ifindex;
	look->qdiscs[look->qdisc_count++] = parent;
	return 0;
}

static int take_filter(uint16_t type, const void *payload, size_t len, void *context)
{
	struct look *look = context;
	struct cur c = cur_init(payload, len);
	char name[IF_NAMESIZE] = "?";
	struct tcmsg m;

	cur_read(&c, &m, sizeof(m));
	if (!c.ok || type != RTM_NEWTFILTER || look->found->count > look->start)
		return 0;
	if_indextoname(look->ifindex, name);
	return obstacles_add(look->found, OBSTACLE_INTERFACE, 0, look->ifindex,
			     _("a tc filter on what comes in by %s"), name);
}

static int dump(struct look *look, struct nl *n, uint16_t type, const void *extra, size_t extra_len,
		int (*take)(uint16_t, const void *, size_t, void *))
{
	struct nl_dump_ops ops = {type == RTM_GETLINK ? forget_links : forget, take, look};
	struct buf cleanup_call(buf_done) b = {0};
	size_t message;

	look->start = look->found->count;
	message = nla_begin_message(&b, type, 0, extra, extra_len);
	nla_end_message(&b, message);
	return b.failed ? -ENOMEM : nl_dump(n, (void *)b.data, &ops, NULL);
}

static int find_filters(struct look *look)
{
	for (size_t i = 0; i + 1 < look->qdisc_count; i += 2) {
		struct tcmsg m = {.tcm_family = AF_UNSPEC,
				  .tcm_ifindex = (int)look->qdiscs[i],
				  .tcm_parent = look->qdiscs[i + 1]};
		size_t count = look->qdisc_count;
		int r;

		look->ifindex = look->qdiscs[i];
		r = dump(look, look->route, RTM_GETTFILTER, &m, sizeof(m), take_filter);

		look->qdisc_count = count; /* forget() emptied it */
		if (r < 0)
			return r;
	}
	return 0;
}

/* A kernel without traffic control has no such dumps, and no such filters. */
static int or_none(int r)
{
	return r == -EOPNOTSUPP || r == -EINVAL ? 0 : r;
}

static int look_at_interfaces(struct look *look)
{
	struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
	struct tcmsg qdisc = {.tcm_family = AF_UNSPEC};
	int r = dump(look, look->route, RTM_GETLINK, &link, sizeof(link), take_link);

	if (r >= 0)
		r = or_none(
			dump(look, look->route, RTM_GETQDISC, &qdisc, sizeof(qdisc), take_qdisc));
	return r < 0 ? r : or_none(find_filters(look));
}

/* --- IPsec, IPVS --------------------------------------------------------------------------------
 */

static int take_policy(uint16_t type, const void *payload, size_t len, void *context)
{
	struct look *look = context;
	struct cur c = cur_init(payload, len);
	struct xfrm_userpolicy_info m;

	cur_read(&c, &m, sizeof(m));
	if (!c.ok || type != XFRM_MSG_NEWPOLICY ||
	    (m.dir != XFRM_POLICY_IN && m.dir != XFRM_POLICY_FWD))
		return 0;
	for (size_t i = look->start; i < look->found->count; i++)
		if (look->found->items[i].family == m.sel.family)
			return 0;
	return obstacles_add(look->found, m.sel.family ? OBSTACLE_FAMILY : OBSTACLE_ALL,
			     (uint8_t)m.sel.family, 0,
			     _("an IPsec policy (ip xfrm policy) for incoming packets"));
}

static int look_at_ipsec(struct look *look)
{
	struct nl cleanup_call(nl_close) n = {0};
	struct xfrm_userpolicy_id m = {0};
	int r = nl_open(&n, NETLINK_XFRM, NULL);

	if (r == -EPROTONOSUPPORT)
		return 0; /* this kernel has no IPsec */
	if (r >= 0)
		r = dump(look, &n, XFRM_MSG_GETPOLICY, &m, sizeof(m), take_policy);
	if (r == -EPERM)
		return obstacles_add(look->found, OBSTACLE_ALL, 0, 0,
				     _("IPsec policies, maybe: they cannot be read without root"));
	return or_none(r);
}

static int look_at_ipvs(struct look *look)
{
	FILE *f = fopen("/proc/thread-self/net/ip_vs", "re");
	char line[256];
	int lines = 0;

	while (f && fgets(line, sizeof(line), f))
		lines++;
	if (f)
		fclose(f);
	/* its heading has three lines */
	return lines > 3 ? obstacles_add(look->found, OBSTACLE_ALL, 0, 0,
					 _("IPVS, which takes the packets of its services"))
			 : 0;
}

int obstacles_find(const struct nft_image *nft, const struct snapshot *s, struct obstacles *ret,
		   struct err *e)
{
	struct nl cleanup_call(nl_close) route = {0};
	struct look look = {.found = ret, .route = &route};
	int r = nl_open(&route, NETLINK_ROUTE, e);

	if (r >= 0)
		r = look_at_interfaces(&look);
	free(look.qdiscs);
	if (r >= 0)
		r = look_at_ipsec(&look);
	if (r >= 0)
		r = look_at_ipvs(&look);
	if (r >= 0)
		r = obstacles_bpf_find(s, ret);
	if (r >= 0 && nft)
		r = obstacles_layers_find_nft(&look.layers, nft, ret);
	if (r >= 0)
		r = obstacles_layers_spread(&look.layers, ret);
	obstacles_layers_done(&look.layers);
	if (r < 0)
		return err_set(e, r, _("what stands in the way of packets could not be read: %s"),
			       strerror(-r));
	return 0;
}
