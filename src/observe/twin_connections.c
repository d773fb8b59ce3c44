/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_connections.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"
#include "base/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* 1: the kernel keeps some; 0: none, or it does not track them at all. */
static int has_some(void *context)
{
	char text[2] = "";
	int cleanup_close fd =
		open("/proc/sys/net/netfilter/nf_conntrack_count", O_RDONLY | O_CLOEXEC);

	(void)context;
	return fd >= 0 && read(fd, text, sizeof(text)) > 0 && text[0] != '0';
}

static int empty_table(struct twin_connections *c, struct err *e)
{
	struct buf cleanup_call(buf_done) b = {0};
	struct nfgenmsg header = {.nfgen_family = AF_UNSPEC};

	nla_end_message(&b, nla_begin_message(&b, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
					      0, &header, sizeof(header)));
	return nl_request(c->filter, &b, _("cannot empty the twin's connections"), e);
}

int twin_connections_forget(struct twin_connections *c, struct err *e)
{
	int r = c->cannot ? -EOPNOTSUPP : 0;

	if (c->count == 0)
		return 0;
	if (!c->cannot)
		r = empty_table(c, e);
	if (r == -EINVAL || r == -EOPNOTSUPP || r == -ENOENT) {
		c->cannot = true;
		r = ns_run(c->netns, has_some, NULL, e);
		if (r > 0)
			return err_set(e, -EOPNOTSUPP,
				       _("the twin's connections cannot be emptied: this kernel "
					 "has no netlink for them (nf_conntrack_netlink)"));
	}
	if (r == 0)
		c->count = 0;
	return r;
}

static void put_tuple(struct buf *b, const struct flow *flow, uint16_t port)
{
	bool ip6 = flow->source.family == AF_INET6;
	size_t len = ip6 ? 16 : 4, tuple = nla_begin_nest(b, CTA_TUPLE_ORIG),
	       nest = nla_begin_nest(b, CTA_TUPLE_IP);

	nla_put(b, ip6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, flow->source.bytes, len);
	nla_put(b, ip6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, flow->destination.bytes, len);
	nla_end_nest(b, nest);
	nest = nla_begin_nest(b, CTA_TUPLE_PROTO);
	nla_put_u8(b, CTA_PROTO_NUM, flow->proto == PROTO_TCP ? IPPROTO_TCP : IPPROTO_UDP);
	nla_put_u16_be(b, CTA_PROTO_SRC_PORT, flow->source_port);
	nla_put_u16_be(b, CTA_PROTO_DST_PORT, port);
	nla_end_nest(b, nest);
	nla_end_nest(b, tuple);
}

int twin_connections_forget_some(struct twin_connections *c, const struct flow *flow,
				 const uint16_t *ports, size_t count, struct err *e)
{
	struct buf cleanup_call(buf_done) b = {0};
	struct nfgenmsg header = {.nfgen_family = (uint8_t)flow->source.family};

	for (size_t i = 0; i < count; i++) {
		size_t message =
			nla_begin_message(&b, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0,
					  &header, sizeof(header));

		put_tuple(&b, flow, ports[i]);
		nla_end_message(&b, message);
	}
	if (nl_send(c->filter, &b, NULL, NULL, NULL) == 0)
		return 0;
	c->count++;
	return twin_connections_forget(c, e);
}
