/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/connections.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { TRACKED_LIMIT = 1 << 20 };

/* --- sockets ------------------------------------------------------------------------------------
 */

static void copy_address(const struct address *from, __be32 to[4])
{
	memcpy(to, from->bytes, from->family == AF_INET ? 4 : 16);
}

static int destroy(struct nl *diag, const struct connection_info *c, struct err *e)
{
	struct buf cleanup_call(buf_done) message = {0};
	struct inet_diag_req_v2 request = {
		.sdiag_family = c->local.family,
		.sdiag_protocol = c->proto == PROTO_TCP ? IPPROTO_TCP : IPPROTO_UDP,
		.idiag_states = UINT32_MAX,
		.id = {.idiag_sport = htons(c->local_port),
		       .idiag_dport = htons(c->peer_port),
		       .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
	};
	size_t at;

	copy_address(&c->local, request.id.idiag_src);
	copy_address(&c->peer, request.id.idiag_dst);
	at = nla_begin_message(&message, SOCK_DESTROY, 0, &request, sizeof(request));
	nla_end_message(&message, at);
	return nl_request(diag, &message, _("a connection cannot be ended"), e);
}

int connections_end_sockets(const struct snapshot *s, connections_choose *choose, void *context,
			    size_t *ret_count, struct err *e)
{
	struct nl cleanup_call(nl_close) diag = {0};
	int r = nl_open(&diag, NETLINK_SOCK_DIAG, e);

	*ret_count = 0;
	for (size_t i = 0; i < s->connection_count && r >= 0; i++) {
		const struct connection_info *c = &s->connections[i];

		if (c->netns != 0 || (c->proto != PROTO_TCP && c->proto != PROTO_UDP) ||
		    !choose(c, context))
			continue;
		r = destroy(&diag, c, e);
		*ret_count += r >= 0;
		if (r == -ENOENT) /* it has ended by itself */
			r = 0;
	}
	if (r == -EOPNOTSUPP)
		return err_set(e, r,
			       _("this kernel cannot end connections (CONFIG_INET_DIAG_DESTROY)"));
	return r < 0 ? r : 0;
}

/* --- connection tracking ------------------------------------------------------------------------
 */

static bool decode_protocol(struct cur tuple, struct connection_info *ret)
{
	struct cur proto, value;
	uint64_t number;

	if (!nla_find(tuple, CTA_TUPLE_PROTO, &proto) || !nla_find(proto, CTA_PROTO_NUM, &value))
		return false;
	number = nla_number_be(value);
	if (number != IPPROTO_TCP && number != IPPROTO_UDP)
		return false;
	ret->proto = number == IPPROTO_TCP ? PROTO_TCP : PROTO_UDP;
	if (!nla_find(proto, CTA_PROTO_SRC_PORT, &value) || value.left != 2)
		return false;
	ret->peer_port = (uint16_t)nla_number_be(value);
	if (!nla_find(proto, CTA_PROTO_DST_PORT, &value) || value.left != 2)
		return false;
	ret->local_port = (uint16_t)nla_number_be(value);
	return true;
}

static bool decode_address(struct cur ip, uint16_t v4, uint16_t v6, struct address *ret)
{
	struct cur value;

	if (nla_find(ip, v4, &value) && value.left == 4)
		ret->family = AF_INET;
	else if (nla_find(ip, v6, &value) && value.left == 16)
		ret->family = AF_INET6;
	else
		return false;
	cur_read(&value, ret->bytes, ret->family == AF_INET ? 4 : 16);
	return value.ok;
}

bool connections_decode(uint16_t type, const void *payload, size_t len, struct connection_info *ret)
{
	struct cur c = cur_init(payload, len), tuple, ip;

	*ret = (struct connection_info){0};
	cur_take(&c, sizeof(struct nfgenmsg));
	if (!c.ok || type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
	    !nla_find(c, CTA_TUPLE_ORIG, &tuple) || !nla_find(tuple, CTA_TUPLE_IP, &ip))
		return false;
	return decode_address(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC, &ret->peer) &&
	       decode_address(ip, CTA_IP_V4_DST, CTA_IP_V6_DST, &ret->local) &&
	       ret->peer.family == ret->local.family && decode_protocol(tuple, ret);
}

struct tracked {
	struct connection_info *items;
	size_t count, cap;
	connections_choose *choose;
	void *context;
};

static void restart(void *context)
{
	struct tracked *t = context;

	t->count = 0;
}

static int take(uint16_t type, const void *payload, size_t len, void *context)
{
	struct tracked *t = context;
	struct connection_info c;

	if (!connections_decode(type, payload, len, &c) || !t->choose(&c, t->context))
		return 0;
	if (t->count >= TRACKED_LIMIT)
		return -E2BIG;
	if (mem_grow(&t->items, &t->cap, t->count + 1, sizeof(*t->items)) < 0)
		return -ENOMEM;
	t->items[t->count++] = c;
	return 0;
}

static void put_tuple(const struct connection_info *c, struct buf *out)
{
	bool v4 = c->local.family == AF_INET;
	size_t len = v4 ? 4 : 16, tuple = nla_begin_nest(out, CTA_TUPLE_ORIG), inner;

	inner = nla_begin_nest(out, CTA_TUPLE_IP);
	nla_put(out, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, c->peer.bytes, len);
	nla_put(out, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, c->local.bytes, len);
	nla_end_nest(out, inner);
	inner = nla_begin_nest(out, CTA_TUPLE_PROTO);
	nla_put_u8(out, CTA_PROTO_NUM, c->proto == PROTO_TCP ? IPPROTO_TCP : IPPROTO_UDP);
	nla_put_u16_be(out, CTA_PROTO_SRC_PORT, c->peer_port);
	nla_put_u16_be(out, CTA_PROTO_DST_PORT, c->local_port);
	nla_end_nest(out, inner);
	nla_end_nest(out, tuple);
}

static int forget(struct nl *filter, const struct connection_info *c, struct err *e)
{
	struct nfgenmsg header = {.nfgen_family = c->local.family};
	struct buf cleanup_call(buf_done) message = {0};
	size_t at = nla_begin_message(&message, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
				      0, &header, sizeof(header));

	put_tuple(c, &message);
	nla_end_message(&message, at);
	return nl_request(filter, &message, _("a connection cannot be forgotten"), e);
}

static int list_tracked(struct nl *filter, struct tracked *t, struct err *e)
{
	struct nl_dump_ops ops = {restart, take, t};
	struct nfgenmsg header = {.nfgen_family = AF_UNSPEC};
	struct buf cleanup_call(buf_done) request = {0};
	size_t at = nla_begin_message(&request, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, 0,
				      &header, sizeof(header));

	nla_end_message(&request, at);
	if (request.failed)
		return err_set(e, -ENOMEM, _("out of memory"));
	return nl_dump(filter, (void *)request.data, &ops, e);
}

int connections_end_tracked(connections_choose *choose, void *context, size_t *ret_count,
			    struct err *e)
{
	struct nl cleanup_call(nl_close) filter = {0};
	struct tracked t = {.choose = choose, .context = context};
	int r = nl_open(&filter, NETLINK_NETFILTER, e);

	*ret_count = 0;
	if (r >= 0)
		r = list_tracked(&filter, &t, e);
	/* no such subsystem: nothing is tracked */
	if (r == -EINVAL || r == -EOPNOTSUPP || r == -ENOENT)
		r = 0;
	for (size_t i = 0; i < t.count && r >= 0; i++) {
		r = forget(&filter, &t.items[i], e);
		*ret_count += r >= 0;
		if (r == -ENOENT) /* it has ended by itself */
			r = 0;
	}
	free(t.items);
	return r < 0 ? r : 0;
}
