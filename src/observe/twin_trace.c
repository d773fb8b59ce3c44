/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_trace.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/ns.h"
#include "observe/nft_batch.h"
#include "observe/twin_probe.h"
#include "observe/twin_sinks.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	RECEIVE_BUFFER = 16 << 20,
	ROOM_LEN = 32 << 10,
	CHAIN_LIMIT = 1 << 16,
};

/* --- switching it on and off ---------------------------------------------------------------------
 */

static void add_chain(struct buf *b, struct nft_batch_chain chain)
{
	struct nft_batch_rule rule;

	chain.table = TWIN_TRACE_TABLE;
	chain.priority = INT32_MIN;
	nft_batch_add_chain(b, &chain);
	rule = nft_batch_begin_rule(b, &chain);
	nft_batch_trace(b);
	nft_batch_end_rule(b, rule);
}

static void add_family(struct buf *b, uint8_t family)
{
	nft_batch_add_table(b, family, TWIN_TRACE_TABLE);
	add_chain(b, (struct nft_batch_chain){
			     .family = family, .name = "prerouting", .hook = NF_INET_PRE_ROUTING});
	add_chain(b, (struct nft_batch_chain){
			     .family = family, .name = "output", .hook = NF_INET_LOCAL_OUT});
}

/* For one family; netdev's needs the interface. */
static int load_family(struct nl *n, uint8_t family, const char *device, struct err *e)
{
	struct buf cleanup_call(buf_done) b = {0};

	nft_batch_begin(&b);
	if (family != NFPROTO_NETDEV) {
		add_family(&b, family);
	} else {
		nft_batch_add_table(&b, family, TWIN_TRACE_TABLE);
		add_chain(&b, (struct nft_batch_chain){.family = family,
						       .name = "ingress",
						       .hook = NF_NETDEV_INGRESS,
						       .device = device});
	}
	nft_batch_end(&b);
	return nft_batch_send(n, &b, _("the rules that trace packets in the twin"), e);
}

static const uint8_t families[] = {NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_NETDEV};

static void unload(struct nl *n)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct buf cleanup_call(buf_done) b = {0};

		nft_batch_begin(&b);
		nft_batch_delete_table(&b, families[i], TWIN_TRACE_TABLE);
		nft_batch_end(&b);
		nft_batch_send(n, &b, "", NULL); /* most are not there */
	}
}

static int load(struct nl *n, const char *device, struct err *e)
{
	int r = load_family(n, NFPROTO_INET, NULL, e);

	if (r < 0 && load_family(n, NFPROTO_IPV4, NULL, e) == 0)
		r = load_family(n, NFPROTO_IPV6, NULL, e);
	if (r == 0 && device[0])
		load_family(n, NFPROTO_NETDEV, device,
			    NULL); /* kernels without have no rules there */
	return r;
}

/* --- listening -----------------------------------------------------------------------------------
 */

struct listening {
	struct nl nl;
	struct err *e;
};

static int listen_inside(void *context)
{
	struct listening *l = context;
	int group = NFNLGRP_NFTRACE, size = RECEIVE_BUFFER, fd,
	    r = nl_open(&l->nl, NETLINK_NETFILTER, l->e);

	if (r < 0)
		return r;
	fd = mnl_socket_get_fd(l->nl.socket);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == 0)
		return 0;
	r = -errno;
	nl_close(&l->nl);
	return err_set(l->e, r, _("cannot listen to traces in the twin: %s"), strerror(-r));
}

static bool is_own_table(const char *table)
{
	return strcmp(table, TWIN_TRACE_TABLE) == 0 || strcmp(table, TWIN_SINKS_TABLE) == 0;
}

struct collecting {
	struct trace *trace;
	uint32_t cookie, packet;
	bool has_packet; /* the kernel calls the one that was sent `packet` now */
	bool replied;	 /* the answer is wanted, too */
	bool has_seen;	 /* the end of a chain had the packet, of which its policy tells next */
	struct frame_seen seen;
	struct trace_step step;
};

/*
 * Is the step the sent packet's? Each base chain's first message has the packet, of which the
 * cookie tells. Those of the answer stand between, with another number.
 */
static bool is_ours(struct collecting *c)
{
	const struct trace_step *step = &c->step;

	if (step->has_seen) {
		bool sent = step->seen.has_cookie && step->seen.cookie == c->cookie &&
			    (step->seen.what == FRAME_SYN || step->seen.what == FRAME_UDP ||
			     (c->replied &&
			      (step->seen.what == FRAME_RST || step->seen.what == FRAME_SYN_ACK)));

		if (sent)
			c->packet = step->packet;
		if (sent || step->packet == c->packet)
			c->has_packet = sent;
	}
	return c->has_packet && step->packet == c->packet;
}

/* The kernel ends each chain with a rule 0, which says nothing. */
static bool is_end(const struct trace_step *step)
{
	return step->kind == TRACE_RULE && step->handle == 0 && step->verdict == TRACE_CONTINUE;
}

/* Where no rule matched, that end is the message which has the packet: what comes next takes it. */
static bool skips_end(struct collecting *c)
{
	struct trace_step *step = &c->step;

	if (is_end(step)) {
		c->has_seen = step->has_seen;
		c->seen = step->seen;
		return true;
	}
	if (c->has_seen && !step->has_seen) {
		step->has_seen = true;
		step->seen = c->seen;
	}
	c->has_seen = false;
	return false;
}

/* Has it been at that place? Then it was sent again, and the way of before has led nowhere. */
static bool begins_anew(const struct trace *t, const struct trace_step *step)
{
	for (size_t i = 0; i < t->count && step->has_seen; i++)
		if (t->steps[i].has_seen && t->steps[i].seen.what == step->seen.what &&
		    t->steps[i].family == step->family &&
		    strcmp(t->steps[i].table, step->table) == 0 &&
		    strcmp(t->steps[i].chain, step->chain) == 0)
			return true;
	return false;
}

static int collect(const void *payload, size_t len, struct collecting *c)
{
	struct trace *t = c->trace;

	if (trace_step_decode(payload, len, &c->step) < 0)
		return -EBADMSG;
	if (!is_ours(c) || is_own_table(c->step.table) || skips_end(c))
		return 0;
	if (begins_anew(t, &c->step))
		t->count = 0;
	if (t->count >= TRACE_STEP_LIMIT)
		return -E2BIG;
	if (mem_grow(&t->steps, &t->cap, t->count + 1, sizeof(*t->steps)) < 0)
		return -ENOMEM;
	t->steps[t->count++] = c->step;
	return 0;
}

static int read_traces(struct nl *n, struct collecting *c, char *room)
{
	int r = 0;

	while (r == 0) {
		ssize_t got = recv(mnl_socket_get_fd(n->socket), room, ROOM_LEN, MSG_DONTWAIT);
		const struct nlmsghdr *header = (void *)room;
		int left = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? 0 : -errno;
		for (; r == 0 && mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left))
			if (header->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE))
				r = collect(mnl_nlmsg_get_payload(header),
					    mnl_nlmsg_get_payload_len(header), c);
	}
	return r;
}

/* --- where chains are hooked ---------------------------------------------------------------------
 */

struct chains {
	struct base_chain *items;
	size_t count, cap;
	struct base_chain one;
};

static void forget_chains(void *context)
{
	((struct chains *)context)->count = 0;
}

static int take_chain(uint16_t type, const void *payload, size_t len, void *context)
{
	struct chains *c = context;
	int r;

	if (type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN))
		return 0;
	r = base_chain_decode(payload, len, &c->one);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (c->count >= CHAIN_LIMIT)
		return -E2BIG;
	if (mem_grow(&c->items, &c->cap, c->count + 1, sizeof(*c->items)) < 0)
		return -ENOMEM;
	c->items[c->count++] = c->one;
	return 0;
}

static int place(struct nl *n, struct trace *trace, struct err *e)
{
	struct chains chains = {0};
	struct nl_dump_ops ops = {
		.restart = forget_chains, .message = take_chain, .context = &chains};
	struct {
		struct nlmsghdr header;
		struct nfgenmsg nfgen;
	} request = {.header = {.nlmsg_len = sizeof(request),
				.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN}};
	int r = nl_dump(n, &request.header, &ops, e);

	if (r >= 0)
		trace_steps_place(trace->steps, trace->count, chains.items, chains.count);
	free(chains.items);
	return r < 0 ? r : 0;
}

/* --- all of it -----------------------------------------------------------------------------------
 */

static int ask(struct twin_probe *p, const struct flow *flow, uint16_t port,
	       struct listening *listening, struct trace *ret)
{
	struct collecting c = {.trace = ret, .replied = flow->replied};
	char cleanup_free *room = malloc(ROOM_LEN);
	int r;

	if (!room)
		return err_set(listening->e, -ENOMEM, _("out of memory"));
	c.cookie = twin_probe_next_cookie(p) | (flow->replied ? TWIN_REPLY_COOKIE : 0);
	r = twin_probe(p, flow, &port, 1, &ret->outcome, NULL, listening->e);
	if (r < 0)
		return r;
	r = read_traces(&listening->nl, &c, room);
	return r < 0 ? err_set(listening->e, r, _("cannot read the twin's traces: %s"),
			       strerror(-r))
		     : 0;
}

int twin_trace(struct twin_probe *p, const struct flow *flow, uint16_t port, struct trace *ret,
	       struct err *e)
{
	struct nl *filter = twin_probe_filter(p);
	struct listening listening = {.e = e};
	char device[IF_NAMESIZE] = "";
	int r;

	ret->count = 0;
	if (flow->ifindex)
		twin_probe_name(p, flow->ifindex, device);
	r = ns_run(twin_probe_netns(p), listen_inside, &listening, e);
	if (r < 0)
		return r;
	r = load(filter, device, e);
	if (r == 0)
		r = ask(p, flow, port, &listening, ret);
	unload(filter);
	nl_close(&listening.nl);
	return r < 0 ? r : place(filter, ret, e);
}

void trace_done(struct trace *trace)
{
	free(trace->steps);
	*trace = (struct trace){0};
}
