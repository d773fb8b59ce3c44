/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/policy_verify.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { DHCP_SERVER = 67, DHCP_CLIENT = 68, DHCP6_SERVER = 547, DHCP6_CLIENT = 546 };

int policy_verify_begin(struct policy_verify *v)
{
	v->blocked = calloc(v->policy->opening_count + 1, sizeof(*v->blocked));
	v->let_in = calloc(v->policy->opening_count + 1, sizeof(*v->let_in));
	if (!v->blocked || !v->let_in)
		return -ENOMEM;
	return policy_index_build(v->policy, &v->index);
}

void policy_verify_done(struct policy_verify *v)
{
	free(v->seen);
	free(v->blocked);
	free(v->let_in);
	strpool_done(&v->texts);
	policy_index_done(&v->index);
	*v = (struct policy_verify){0};
}

static uint64_t hash_address(const struct address *a)
{
	return map_mix(a->family, map_hash_bytes(a->bytes, sizeof(a->bytes)));
}

static uint64_t key_of(const struct policy_question *q)
{
	const struct flow *f = q->flow;
	uint64_t key = map_mix(f->ifindex, (uint64_t)f->proto << 32 | q->port);

	key = map_mix(key, map_mix(hash_address(&f->source), hash_address(&f->destination)));
	return map_mix(key, f->source_port);
}

static uint32_t keep_text(struct policy_verify *v, const char *text)
{
	return text ? strpool_add_text(&v->texts, text) : 0;
}

int policy_verify_without(struct policy_verify *v, const struct policy_question *q)
{
	if (mem_grow_unset(&v->seen, &v->seen_cap, v->seen_count + 1, sizeof(*v->seen)) < 0)
		return -ENOMEM;
	v->seen[v->seen_count++] = (struct policy_seen){.key = key_of(q),
							.why_str = keep_text(v, q->why),
							.arrival_port = q->arrival_port,
							.verdict = q->verdict,
							.taken = q->taken};
	return 0;
}

/* What the rules let in for the machine to get its address, whatever the policy says. */
static bool is_dhcp(const struct policy_question *q)
{
	const struct flow *f = q->flow;

	if (f->proto != PROTO_UDP)
		return false;
	if (f->source.family == AF_INET)
		return f->source_port == DHCP_SERVER && q->port == DHCP_CLIENT;
	return f->source_port == DHCP6_SERVER && q->port == DHCP6_CLIENT &&
	       address_is_link_local(&f->source);
}

/* By which the rules know it: packets of a port of a bridge come in by the bridge. */
static const char *interface_of(const struct snapshot *s, uint32_t ifindex)
{
	const char *name = NULL;

	for (size_t i = 0; i < s->interface_count; i++)
		if (s->interfaces[i].netns == 0 && s->interfaces[i].ifindex == ifindex)
			name = s->interfaces[i].master
				       ? snapshot_interface_name(s, 0, s->interfaces[i].master)
				       : snapshot_text(s, s->interfaces[i].name_str);
	return name ? name : "";
}

/* `without`: what became of it without the policy. */
static enum policy_answer wanted_of(const struct policy_verify *v, const struct policy_question *q,
				    const struct policy_seen *without, uint32_t *ret_opening)
{
	const struct flow *f = q->flow;
	struct policy_packet packet = {.ifname = interface_of(v->snapshot, f->ifindex),
				       .source = f->source,
				       .proto = f->proto,
				       .port = q->port};

	*ret_opening = POLICY_NO_OPENING;
	/* the machine's own packets, and what is only routed through, are no policy's business */
	if (f->ifindex == 0 || is_dhcp(q) || (q->behind && !without->taken))
		return POLICY_OPEN;
	/* NAT takes in what was sent to another: at the port to which it brings it */
	if (q->behind)
		packet.port = without->arrival_port;
	if (v->policy->settings.undeclared == UNDECLARED_OBSERVE)
		return POLICY_OPEN;
	return policy_match_indexed(&v->index, v->links, &packet, v->now_s, ret_opening);
}

static bool is_closed(enum verdict verdict)
{
	return verdict == VERDICT_DROP || verdict == VERDICT_REJECT;
}

static bool is_right(enum policy_answer wanted, enum verdict without, enum verdict with)
{
	switch (wanted) {
	case POLICY_CLOSED:
		return is_closed(with);
	case POLICY_RATED:
		if (verdict_lets_in(without))
			return verdict_lets_in(with);
		/* closed by others, and above the rate by the policy, each in its own way */
		if (is_closed(without))
			return is_closed(with);
		break;
	case POLICY_OPEN:
		break;
	}
	/* who cannot be told of without the policy, may be told of with it */
	return with == without || (without == VERDICT_UNKNOWN && verdict_lets_in(with));
}

/* Kept out, and whether other rules did it cannot be told; or nothing can. */
static bool is_unsure(const struct policy_packet_seen *seen)
{
	return seen->verdict == VERDICT_UNKNOWN ||
	       (seen->wanted != POLICY_CLOSED && seen->without == VERDICT_UNKNOWN);
}

static void note_unsure(struct policy_verify *v, const struct policy_packet_seen *seen,
			uint32_t why_str)
{
	struct policy_unsure *u = v->unsure;

	v->unknown++;
	while (u < v->unsure + v->unsure_count && u->why_str != why_str)
		u++;
	if (u == v->unsure + POLICY_UNSURE_LIMIT)
		return;
	if (u == v->unsure + v->unsure_count) {
		*u = (struct policy_unsure){.why_str = why_str, .first = *seen};
		v->unsure_count++;
	}
	u->count++;
}

static void note_opening(struct policy_verify *v, const struct policy_packet_seen *seen)
{
	if (seen->opening == POLICY_NO_OPENING)
		return;
	if (verdict_lets_in(seen->verdict))
		v->let_in[seen->opening]++;
	else if (v->blocked[seen->opening].wanted == POLICY_CLOSED && is_closed(seen->without))
		v->blocked[seen->opening] = *seen;
}

int policy_verify_with(struct policy_verify *v, const struct policy_question *q)
{
	struct policy_packet_seen seen = {.flow = *q->flow, .port = q->port, .verdict = q->verdict};
	size_t at = v->asked++;

	if (at >= v->seen_count || v->seen[at].key != key_of(q)) {
		v->diverged = true;
		return 0;
	}
	seen.without = v->seen[at].verdict;
	seen.wanted = wanted_of(v, q, &v->seen[at], &seen.opening);
	if (is_right(seen.wanted, seen.without, seen.verdict)) {
		if (!q->unanswered || verdict_lets_in(seen.verdict))
			note_opening(v, &seen);
		return 0;
	}
	if (is_unsure(&seen)) {
		note_unsure(v, &seen, q->why ? keep_text(v, q->why) : v->seen[at].why_str);
		return 0;
	}
	if (v->difference_count < POLICY_DIFFERENCE_LIMIT)
		v->differences[v->difference_count] = seen;
	v->difference_count++;
	return 0;
}

void policy_verify_restart(struct policy_verify *v)
{
	v->seen_count = v->asked = v->unknown = v->unsure_count = v->difference_count = 0;
	v->diverged = false;
	memset(v->blocked, 0, v->policy->opening_count * sizeof(*v->blocked));
	memset(v->let_in, 0, v->policy->opening_count * sizeof(*v->let_in));
}

bool policy_verify_holds(const struct policy_verify *v)
{
	return !v->diverged && v->asked == v->seen_count && v->difference_count == 0;
}
