/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_answers.h"
#include "base/mem.h"
#include "observe/doubts.h"
#include "observe/twin_sinks.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdlib.h>

void met_doubts_done(struct met_doubts *met)
{
	free(met->items);
	*met = (struct met_doubts){0};
}

/* The answer is about which packet of the batch? SIZE_MAX: none. */
static size_t find_packet(const struct answer_batch *b, const struct frame_seen *seen)
{
	size_t index = (uint32_t)(seen->cookie - b->first_cookie);

	if (!seen->has_cookie || seen->proto != b->proto || index >= b->count)
		return SIZE_MAX;
	return index;
}

/* Its outcome, when it has no answer yet. */
static struct outcome *find_open(struct answer_batch *b, const struct frame_seen *seen)
{
	size_t index = find_packet(b, seen);

	if (index == SIZE_MAX || b->outcomes[index].verdict != VERDICT_DROP)
		return NULL;
	b->open--;
	return &b->outcomes[index];
}

/* The machine's own answer, of which the log tells that the packet itself was let in before. */
static void take_reply(struct answer_batch *b, const struct frame_seen *seen, enum reply reply)
{
	size_t index = find_packet(b, seen);
	struct outcome *o = index == SIZE_MAX ? NULL : &b->outcomes[index];

	if (o && o->verdict == VERDICT_ACCEPT && !o->forwarded && o->reply < reply)
		o->reply = reply;
}

void twin_answers_take_packet(struct answer_batch *b, const struct frame_seen *seen)
{
	struct outcome *o = frame_is_refusal(seen) ? find_open(b, seen) : NULL;

	if (o)
		o->verdict = VERDICT_REJECT;
	else if (seen->what == FRAME_RST || seen->what == FRAME_SYN_ACK)
		take_reply(b, seen, REPLY_LEFT);
}

static void take_sunk(struct answer_batch *b, const struct nflog_message *m,
		      const struct frame_seen *seen)
{
	struct outcome *o;

	if (m->prefix[0] == TWIN_SINK_REPLY[0] || m->prefix[0] == TWIN_SINK_SENT[0]) {
		take_reply(b, seen, m->prefix[0] == TWIN_SINK_SENT[0] ? REPLY_SENT : REPLY_DROPPED);
		return;
	}
	if (seen->what != FRAME_SYN && seen->what != FRAME_UDP) {
		twin_answers_take_packet(b, seen); /* on its way back to the machine itself */
		return;
	}
	o = find_open(b, seen);
	if (!o)
		return;
	o->verdict = VERDICT_ACCEPT;
	o->forwarded = m->prefix[0] != TWIN_SINK_INPUT[0];
	o->target = seen->destination;
	o->target_port = seen->destination_port;
	o->out_ifindex = o->forwarded ? m->out_ifindex : 0;
	if (b->replied && !o->forwarded)
		o->reply = REPLY_NONE; /* until one is seen */
}

/* "D12": a recorder's. Answers meet doubts too: those count for the packet that they answer. */
static int take_doubt(struct answer_batch *b, const struct nflog_message *m,
		      const struct frame_seen *seen)
{
	size_t index = find_packet(b, seen);
	struct met_doubts *met = b->met;
	char *end;
	unsigned long doubt;

	if (index == SIZE_MAX || !met)
		return 0;
	doubt = strtoul(m->prefix + 1, &end, 10);
	if (m->prefix[0] != 'D' || m->prefix[1] < '0' || m->prefix[1] > '9' || *end ||
	    doubt >= DOUBT_LIMIT)
		return -EBADMSG;
	if (mem_grow(&met->items, &met->cap, met->count + 1, sizeof(*met->items)) < 0)
		return -ENOMEM;
	met->items[met->count++] = (struct met_doubt){.index = (uint32_t)(b->first_index + index),
						      .doubt = (uint16_t)doubt};
	return 0;
}

int twin_answers_take_logged(const struct nflog_message *m, void *context)
{
	struct answer_batch *b = context;
	struct frame_seen seen;
	bool egress = m->family == NFPROTO_NETDEV && m->hook != NF_NETDEV_INGRESS;
	int r = egress ? frame_decode_ethernet(m->packet.at, m->packet.left, &seen)
		       : frame_decode(m->packet.at, m->packet.left, &seen);

	if (r < 0)
		return 0; /* not IP: none of ours */
	if (m->group == GROUP_RECORDER)
		return take_doubt(b, m, &seen);
	if (m->group == GROUP_SINK)
		take_sunk(b, m, &seen);
	return 0;
}
