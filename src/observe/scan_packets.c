/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_packets: asks TCP ports by SYNs.
 *
 * An answer is ours when it comes from the address and port that were asked, to the source port of
 * the slot, and acknowledges the cookie in the sequence number: a SipHash of all these under a key
 * that only this run knows.
 */
#include "base/clock.h"
#include "observe/icmp_reply.h"
#include "observe/rawsock.h"
#include "observe/scan_inner.h"

#include <poll.h>
#include <string.h>

static uint32_t cookie(const struct run *run, const struct address *to, uint16_t port,
		       uint16_t slot)
{
	uint8_t hash[crypto_shorthash_BYTES], text[sizeof(to->bytes) + 4] = {0};
	uint32_t value;

	memcpy(text, to->bytes, sizeof(to->bytes));
	text[16] = (uint8_t)(port >> 8);
	text[17] = (uint8_t)port;
	text[18] = (uint8_t)(slot >> 8);
	text[19] = (uint8_t)slot;
	crypto_shorthash(hash, text, sizeof(text), run->key);
	memcpy(&value, hash, sizeof(value));
	return value;
}

static enum scan_reply reply_of(const struct frame_seen *seen)
{
	switch (seen->what) {
	case FRAME_SYN_ACK:
		return SCAN_SYN_ACK;
	case FRAME_RST:
		return SCAN_RST;
	case FRAME_ICMP_ERROR:
		return frame_is_refusal(seen)
			       ? icmp_reply(seen->source.family == AF_INET6, seen->icmp_code)
			       : SCAN_UNSURE;
	default:
		return SCAN_UNSURE;
	}
}

static void take_packet(const void *bytes, size_t len, void *context)
{
	struct group *g = context;
	const struct run *run = g->run;
	struct frame_seen seen;
	const struct address *host;
	uint16_t port, source_port;
	enum scan_reply reply;
	struct probe to;

	if (frame_decode(bytes, len, &seen) < 0 || seen.proto != PROTO_TCP || !seen.has_cookie)
		return;
	reply = reply_of(&seen);
	/* an ICMP error quotes our packet, in our direction */
	host = seen.what == FRAME_ICMP_ERROR ? &seen.quoted_destination : &seen.source;
	port = seen.what == FRAME_ICMP_ERROR ? seen.destination_port : seen.source_port;
	source_port = seen.what == FRAME_ICMP_ERROR ? seen.source_port : seen.destination_port;
	if (reply == SCAN_UNSURE || source_port < run->first_port ||
	    source_port - run->first_port >= PROBE_SLOT_COUNT ||
	    run->index[PROTO_TCP][port] == NO_PORT || !scan_group_find(g, host, &to.host))
		return;
	to.slot = (uint16_t)(source_port - run->first_port);
	to.port = run->index[PROTO_TCP][port];
	if (seen.cookie == cookie(run, host, port, to.slot))
		scan_group_answer(g, &to, reply);
}

static void make_packet(const struct group *g, const struct probe *probe,
			struct rawsock_packet *packet)
{
	const struct run *run = g->run;
	const struct scan_way *way = &run->ways[g->indexes[probe->host]];
	const struct address *to = &g->hosts[probe->host].address;
	uint16_t port = run->scan->ports[probe->port];
	struct frame_knock knock = {.proto = PROTO_TCP,
				    .source = way->source,
				    .destination = *to,
				    .source_port = (uint16_t)(run->first_port + probe->slot),
				    .destination_port = port,
				    .cookie = cookie(run, to, port, probe->slot)};

	packet->way = &way->way;
	packet->len = (size_t)frame_encode(&knock, packet->bytes);
}

static int send_packets(struct group *g, struct rawsock *raw, const struct probe *probes,
			size_t count)
{
	struct rawsock_packet packets[RAWSOCK_BATCH];
	int r;

	for (size_t i = 0; i < count; i++)
		make_packet(g, &probes[i], &packets[i]);
	r = rawsock_send(raw, packets, count, g->run->e);
	for (size_t i = 0; i < count; i++)
		if (packets[i].kept_back)
			probe_kept_back(g->engine, &probes[i]);
	if (raw->link_lost) {
		probe_spoil_pass(g->engine);
		g->look_ns = 0;
	}
	raw->link_lost = false;
	return r;
}

static void wait_for_packets(struct group *g, struct rawsock *raw)
{
	uint64_t wake = probe_wake_ns(g->engine, g->now_ns), now = clock_mono_ns();
	struct timespec wait = {0};
	struct pollfd fd = {.fd = raw->ring_fd, .events = POLLIN};

	if (wake <= now)
		return;
	wait.tv_sec = (time_t)((wake - now) / (1000 * MS_NS));
	wait.tv_nsec = (long)((wake - now) % (1000 * MS_NS));
	ppoll(&fd, 1, &wait, NULL);
}

int scan_packets_ask(struct group *g)
{
	struct run *run = g->run;
	struct probe probes[RAWSOCK_BATCH];
	struct rawsock raw;
	int r = rawsock_open(&raw, g->hosts[0].address.family, run->first_port, PROBE_SLOT_COUNT,
			     run->e);

	while (r == 0 && !probe_finished(g->engine) && !scan_is_stopped(run)) {
		size_t count;

		/* what came until now is told before it is decided what that means */
		g->now_ns = clock_mono_ns();
		scan_group_look_tcp(g, false);
		rawsock_receive(&raw, take_packet, g);
		count = probe_next(g->engine, g->now_ns, probes, RAWSOCK_BATCH);
		scan_group_report_tcp(g);
		if (count) {
			r = send_packets(g, &raw, probes, count);
			continue;
		}
		if (rawsock_overflows(&raw))
			probe_spoil_pass(g->engine);
		wait_for_packets(g, &raw);
	}
	rawsock_close(&raw);
	return r;
}
