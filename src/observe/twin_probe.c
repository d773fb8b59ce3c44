/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_probe: a batch of packets goes in; then what the kernel logged about them is read (accepted,
 * doubts), and what came back out of the TAPs (refused). Cookies tell which is which: those of a
 * batch follow one another, and never come again.
 */
#include "observe/twin_probe.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/ns.h"
#include "observe/twin_probe_inner.h"
#include "observe/twin_replies.h"
#include "observe/twin_sinks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BATCH = 64,
	SOURCE_PORT = 40000,
	/*
	 * Packets through lo, and those that are to be answered, leave a connection each in the
	 * kernel's table: they get as many source ports, so that none meets another's, and then the
	 * table is emptied.
	 */
	CONNECTIONS = 1024,
	FRAME_ROOM = 2048, /* answers are shorter; the rest of others is not needed */
};

/* What is being asked in one call. */
struct asking {
	struct twin_probe *p;
	const struct flow *flow;
	const struct probe_port *in; /* NULL: through lo */
	const uint16_t *ports;
	size_t count;
	struct outcome *ret;
	bool connects;		   /* each packet leaves a connection */
	struct answer_batch batch; /* the part of it that is on its way */
	struct frame_knock knock;
};

/* --- what comes back -----------------------------------------------------------------------------
 */

/* All that waits in one TAP. */
static int read_tap(struct asking *a, const struct probe_port *port)
{
	uint8_t room[FRAME_ROOM];
	struct frame_seen seen;
	ssize_t got;

	while ((got = read(port->tap_fd, room, sizeof(room))) >= 0 || errno == EINTR) {
		if (got < 0)
			continue;
		if ((port->tun ? frame_decode(room, (size_t)got, &seen)
			       : frame_decode_ethernet(room, (size_t)got, &seen)) == 0)
			twin_answers_take_packet(&a->batch, &seen);
	}
	return errno == EAGAIN ? 0 : -errno;
}

/* An answer may leave by another interface than the packet came in by. */
static int read_taps(struct asking *a, struct err *e)
{
	struct epoll_event events[16];
	int count, r = 0;

	do {
		count = epoll_wait(a->p->answers, events, ARRAY_LEN(events), 0);
		if (count < 0)
			r = errno == EINTR ? 0 : -errno;
		for (int i = 0; i < count && r == 0; i++)
			r = read_tap(a, &a->p->ports[events[i].data.u64]);
	} while (r == 0 && count != 0);
	return r < 0 ? err_set(e, r, _("cannot read an interface of the twin: %s"), strerror(-r))
		     : 0;
}

static int read_answers(struct asking *a, struct err *e)
{
	int r = nflog_read(&a->p->log, twin_answers_take_logged, &a->batch, e);

	return r < 0 ? r : read_taps(a, e);
}

/* --- sending -------------------------------------------------------------------------------------
 */

/* 0 or a negative errno: it could not be sent. */
static int send_one(struct asking *a)
{
	uint8_t bytes[FRAME_LIMIT];
	int len = frame_encode(&a->knock, bytes), r;

	if (len < 0)
		return len;
	if (a->in)
		return write(a->in->tap_fd, bytes, (size_t)len) == len ? 0 : -EIO;
	r = twin_loop_send(&a->p->loop, bytes, (size_t)len, &a->flow->destination);
	return r == -EPERM ? 0 : r; /* sent, and dropped by a rule for output */
}

static void send_batch(struct asking *a, const uint16_t *ports)
{
	struct twin_probe *p = a->p;
	struct answer_batch *b = &a->batch;

	b->first_cookie = p->next_cookie | (b->replied ? TWIN_REPLY_COOKIE : 0);
	b->open = 0;
	p->next_cookie += (uint32_t)b->count;
	for (size_t i = 0; i < b->count; i++) {
		b->outcomes[i] = (struct outcome){.verdict = VERDICT_UNKNOWN};
		a->knock.destination_port = ports[i];
		a->knock.cookie = b->first_cookie + (uint32_t)i;
		if (a->connects && !a->flow->source_port)
			a->knock.source_port = (uint16_t)(SOURCE_PORT + p->connections.count);
		p->connections.count += a->connects && !a->flow->source_port;
		if (send_one(a) < 0)
			continue;
		b->outcomes[i].verdict = VERDICT_DROP; /* unless something else is seen of it */
		b->open++;
	}
}

/* What is not answered comes again, as whoever sends it would do. */
static void send_again(struct asking *a, const uint16_t *ports)
{
	const struct answer_batch *b = &a->batch;
	size_t behind = a->p->connections.count - b->count;

	for (size_t i = 0; i < b->count; i++) {
		if (b->outcomes[i].verdict != VERDICT_DROP)
			continue;
		a->knock.destination_port = ports[i];
		a->knock.cookie = b->first_cookie + (uint32_t)i;
		if (!a->flow->source_port)
			a->knock.source_port = (uint16_t)(SOURCE_PORT + behind + i);
		send_one(a);
	}
}

static int settle(struct asking *a, struct err *e)
{
	int r = read_answers(a, e);

	if (r < 0 || a->batch.open == 0)
		return r;
	r = twin_loop_settle(&a->p->loop, e);
	return r < 0 ? r : read_answers(a, e);
}

/*
 * `index`: of its first packet in the caller's array. What the machine sends itself has a
 * connection already when it comes in, also if it is dropped then: rules may let the next packet of
 * that pass.
 */
static int ask_batch(struct asking *a, size_t first, uint32_t index, struct err *e)
{
	int r;

	a->batch.outcomes = a->ret + first;
	a->batch.first_index = index;
	send_batch(a, a->ports + first);
	if (a->in)
		return read_answers(a, e);
	r = settle(a, e);
	if (r < 0 || a->batch.open == 0 || !a->flow->again)
		return r;
	send_again(a, a->ports + first);
	return settle(a, e);
}

/* What the machine sends itself must also come in again. */
static enum reply reply_of(const struct asking *a, const struct outcome *o)
{
	return !a->in && o->reply == REPLY_SENT ? REPLY_DROPPED : o->reply;
}

/*
 * A packet that the machine took, and of which no answer was seen to get out. Nobody listens in the
 * twin: that was a RST. Rules may tell it from the answer of somebody who does.
 */
static int look_for_reply(struct asking *a, size_t index, struct err *e)
{
	struct outcome *o = &a->ret[index], again = {0};
	struct asking one = *a;
	int cleanup_close listener = -1;
	int r;

	listener = twin_replies_listen(a->p->netns, o->target.family, o->target_port);
	if (listener < 0) {
		o->reply = REPLY_NONE;
		return 0;
	}
	one.ret = &again;
	one.batch.count = 1;
	one.ports = a->ports + index;
	r = ask_batch(&one, 0, (uint32_t)index, e);
	if (r < 0)
		return r;
	o->reply = again.verdict == VERDICT_ACCEPT ? reply_of(a, &again) : REPLY_NONE;
	if (o->reply != REPLY_NONE)
		return 0;
	if (twin_replies_route(a->p->netns, &o->target, &a->flow->source, a->flow->ifindex) == 0)
		o->reply = REPLY_NO_ROUTE;
	return 0;
}

static int look_for_replies(struct asking *a, size_t first, struct err *e)
{
	int r = 0;

	for (size_t i = first; i < first + a->batch.count && r == 0; i++) {
		const struct outcome *o = &a->ret[i];

		if (o->verdict != VERDICT_ACCEPT || o->forwarded ||
		    (reply_of(a, o) >= REPLY_SENT && !a->flow->exact))
			continue;
		if (a->p->connections.count >= CONNECTIONS)
			r = twin_connections_forget(&a->p->connections, e);
		if (r == 0)
			r = look_for_reply(a, i, e);
		if (r == 0 && a->flow->source_port)
			r = twin_connections_forget_some(&a->p->connections, a->flow, a->ports + i,
							 1, e);
	}
	return r;
}

/*
 * A given source port is that of every packet: two could meet, behind NAT, and one would be
 * dropped. So these leave nothing behind.
 */
static int clear_batch(struct asking *a, size_t first, struct err *e)
{
	uint16_t ports[BATCH];
	size_t count = 0;

	for (size_t i = first; i < first + a->batch.count; i++)
		if (!a->in || (a->ret[i].verdict == VERDICT_ACCEPT && !a->ret[i].forwarded))
			ports[count++] = a->ports[i];
	return twin_connections_forget_some(&a->p->connections, a->flow, ports, count, e);
}

/* May one of its packets meet a connection that was left by another, which had a port for itself?
 */
static bool may_meet(const struct asking *a)
{
	uint16_t port = a->flow->source_port ? a->flow->source_port : SOURCE_PORT;

	if (a->connects && !a->flow->source_port)
		return false;
	return port >= SOURCE_PORT && port < SOURCE_PORT + CONNECTIONS &&
	       (!a->in || a->flow->proto == PROTO_TCP);
}

/* By packet, and in the order of meeting for each. They nearly are: only answers come late. */
static void sort_met(struct met_doubts *met)
{
	for (size_t i = 1; i < met->count; i++) {
		struct met_doubt item = met->items[i];
		size_t at = i;

		for (; at > 0 && met->items[at - 1].index > item.index; at--)
			met->items[at] = met->items[at - 1];
		met->items[at] = item;
	}
}

static int ask_all(struct asking *a, struct err *e)
{
	struct twin_connections *connections = &a->p->connections;
	size_t batch = !a->in && a->flow->source_port ? 1 : BATCH;
	/* without sinks every answer would be "drop" */
	int r = twin_sinks_check(a->p->filter, a->p->split_sinks, e);

	if (r == 0 && may_meet(a))
		r = twin_connections_forget(connections, e);
	for (size_t first = 0; first < a->count && r == 0; first += a->batch.count) {
		a->batch.count = a->count - first < batch ? a->count - first : batch;
		if (a->connects && !a->flow->source_port &&
		    connections->count + a->batch.count > CONNECTIONS)
			r = twin_connections_forget(connections, e);
		if (r == 0)
			r = ask_batch(a, first, (uint32_t)first, e);
		if (r == 0 && a->connects && a->flow->source_port)
			r = clear_batch(a, first, e);
		if (r == 0 && a->batch.replied)
			r = look_for_replies(a, first, e);
	}
	if (a->batch.met)
		sort_met(a->batch.met);
	return r;
}

static const struct probe_port *find_port(const struct twin_probe *p, uint32_t ifindex)
{
	for (size_t i = 0; i < p->port_count; i++)
		if (p->ports[i].ifindex == ifindex)
			return &p->ports[i];
	return NULL;
}

/* Frames for groups have addresses of their own (RFC 1112, RFC 2464). */
static void put_group_mac(const struct address *group, uint8_t mac[FRAME_MAC_LEN])
{
	static const uint8_t ip4[] = {0x01, 0x00, 0x5e};

	if (!address_is_multicast(group)) {
		memset(mac, 0xff, FRAME_MAC_LEN);
	} else if (group->family == AF_INET) {
		memcpy(mac, ip4, sizeof(ip4));
		memcpy(mac + 3, group->bytes + 1, 3);
		mac[3] &= 0x7f;
	} else {
		memset(mac, 0x33, 2);
		memcpy(mac + 2, group->bytes + 12, 4);
	}
}

static void prepare_knock(struct asking *a)
{
	/* a neighbour that nobody has: locally administered */
	static const uint8_t neighbour[FRAME_MAC_LEN] = {0x02, 'p', 'o', 'r', 't', 0x01};

	a->knock = (struct frame_knock){
		.proto = a->flow->proto,
		.source = a->flow->source,
		.destination = a->flow->destination,
		.source_port = a->flow->source_port ? a->flow->source_port : SOURCE_PORT,
		.ethernet = a->in && !a->in->tun,
	};
	memcpy(a->knock.source_mac, neighbour, sizeof(neighbour));
	if (a->in)
		memcpy(a->knock.destination_mac, a->in->mac, sizeof(a->in->mac));
	if (a->flow->group)
		put_group_mac(&a->flow->destination, a->knock.destination_mac);
}

/* NOLINTNEXTLINE(readability-function-size): a flow, an array with its length, and two results */
int twin_probe(struct twin_probe *p, const struct flow *flow, const uint16_t *ports, size_t count,
	       struct outcome *ret, struct met_doubts *met, struct err *e)
{
	struct asking a = {.p = p,
			   .flow = flow,
			   .ports = ports,
			   .count = count,
			   .ret = ret,
			   .batch = {.proto = flow->proto, .met = met}};
	int r;

	if (met)
		met->count = 0;
	a.in = flow->ifindex ? find_port(p, flow->ifindex) : NULL;
	if (flow->ifindex && !a.in)
		return err_set(e, -ENODEV, _("the twin has no interface with index %u"),
			       flow->ifindex);
	a.batch.replied = flow->replied && flow->proto == PROTO_TCP;
	a.connects = !a.in || a.batch.replied;
	prepare_knock(&a);
	if (a.in)
		return ask_all(&a, e);
	r = twin_loop_pin(&p->loop, e);
	if (r < 0)
		return r;
	r = ask_all(&a, e);
	twin_loop_unpin(&p->loop);
	return r;
}
