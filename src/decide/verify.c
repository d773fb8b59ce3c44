/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/verify.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

const char *verify_kind_id(enum verify_kind kind)
{
	static const char *const ids[VERIFY_KIND_COUNT] = {
		[VERIFY_GHOST] = "ghost",	  [VERIFY_BELIEVED_CLOSED] = "believed-closed",
		[VERIFY_SHADOWED] = "shadowed",	  [VERIFY_IMPOSTOR] = "impostor",
		[VERIFY_MIDDLEBOX] = "middlebox",
	};

	return ids[kind];
}

/* What the inside says of one port. */
struct belief {
	enum { SURE_CLOSED, SURE_OPEN, UNSURE } open;
	enum verdict verdict;
	uint32_t listener;
};

static const struct reach_class *class_of(const struct reach *r, const struct address *destination)
{
	for (size_t i = 0; i < r->class_count; i++)
		if (r->classes[i].proto == PROTO_TCP && !r->classes[i].behind &&
		    r->classes[i].source_class != SOURCE_HOST &&
		    address_equal(&r->classes[i].destination, destination))
			return &r->classes[i];
	return NULL;
}

/* Packets that are sent on to where no listener is known may be answered there all the same. */
static void believe_rules(const struct reach *r, const struct reach_class *c,
			  struct belief *beliefs)
{
	for (uint32_t k = 0; k < c->interval_count; k++) {
		const struct reach_interval *i = &r->intervals[c->first_interval + k];
		bool sure = i->verdict == VERDICT_DROP || i->verdict == VERDICT_REJECT ||
			    (i->verdict == VERDICT_ACCEPT && !i->forwarded);

		for (unsigned port = i->first; port <= i->last; port++)
			beliefs[port] = (struct belief){.open = sure ? SURE_CLOSED : UNSURE,
							.verdict = i->verdict,
							.listener = SNAPSHOT_NONE};
	}
}

/* Of several listeners on one port, the one that nobody is sure of decides. */
static void believe_listeners(const struct verify_inside *in, const struct reach_class *c,
			      struct belief *beliefs)
{
	for (size_t i = 0; i < in->join->way_count; i++) {
		const struct reach_way *way = &in->join->ways[i];
		struct belief *b = &beliefs[way->port];
		bool unsure =
			way->verdict == VERDICT_UNKNOWN || way->verdict == VERDICT_RATE_LIMITED;

		if (way->class != (uint32_t)(c - in->reach->classes) ||
		    (b->listener != SNAPSHOT_NONE && b->open == UNSURE))
			continue;
		b->listener = way->listener;
		b->verdict = way->verdict;
		if (unsure)
			b->open = UNSURE;
		else if (way->verdict == VERDICT_ACCEPT)
			b->open = SURE_OPEN;
	}
}

/* Nothing that is known says that it is closed, where nothing was asked. */
static void believe(const struct verify_inside *in, const struct scan_host *host,
		    struct belief *beliefs)
{
	const struct reach_class *c =
		in->reach->available ? class_of(in->reach, &host->address) : NULL;

	for (unsigned port = 0; port <= UINT16_MAX; port++)
		beliefs[port] = (struct belief){
			.open = UNSURE, .verdict = VERDICT_UNKNOWN, .listener = SNAPSHOT_NONE};
	if (!c)
		return;
	believe_rules(in->reach, c, beliefs);
	believe_listeners(in, c, beliefs);
}

static int add(struct verify *ret, const struct verify_difference *d)
{
	if (mem_grow(&ret->differences, &ret->cap, ret->count + 1, sizeof(*ret->differences)) < 0)
		return -ENOMEM;
	ret->differences[ret->count++] = *d;
	return 0;
}

static int compare_service(const struct verify_inside *in, const struct belief *b,
			   struct verify_difference *d, struct verify *ret)
{
	const struct impostor_case c = {
		.snapshot = in->snapshot,
		.listener = b->listener == SNAPSHOT_NONE ? NULL : &in->list->listeners[b->listener],
		.policy = in->policy,
		.now_s = in->now_s,
		.port = d->port,
		.service = d->service,
	};

	d->impostor = impostor_judge(&c, &d->expected);
	if (d->impostor == IMPOSTOR_NONE)
		return 0;
	d->kind = VERIFY_IMPOSTOR;
	return add(ret, d);
}

static int compare_open(const struct verify_inside *in, const struct belief *b,
			struct verify_difference *d, bool all, struct verify *ret)
{
	if (b->open != SURE_CLOSED) {
		ret->open += b->open == SURE_OPEN;
		ret->unsure_inside += b->open == UNSURE;
		return compare_service(in, b, d, ret);
	}
	if (all) /* told once */
		return 0;
	d->kind = d->listens ? VERIFY_BELIEVED_CLOSED : VERIFY_GHOST;
	return add(ret, d);
}

static int compare_not_open(const struct belief *b, struct verify_difference *d, struct verify *ret)
{
	if (b->open == SURE_OPEN) {
		d->kind = VERIFY_SHADOWED;
		return add(ret, d);
	}
	if (b->open == UNSURE)
		ret->unsure_inside++;
	else
		ret->not_open++;
	return 0;
}

int verify_compare(const struct verify_inside *inside, const struct scan *scan,
		   const struct scan_host *host, struct verify *ret)
{
	struct belief cleanup_free *beliefs = calloc((size_t)UINT16_MAX + 1, sizeof(*beliefs));
	bool all = scan_host_opens_all(scan, host);
	int r = beliefs ? 0 : -ENOMEM;

	if (r == 0)
		believe(inside, host, beliefs);
	if (r == 0 && all)
		r = add(ret, &(struct verify_difference){.kind = VERIFY_MIDDLEBOX,
							 .address = host->address,
							 .reply = SCAN_SYN_ACK,
							 .owner = SNAPSHOT_NONE});
	for (size_t i = 0; i < scan->port_count && r == 0; i++) {
		const struct belief *b = &beliefs[scan->ports[i]];
		enum scan_state state = scan_reply_state(host->replies[i]);
		struct verify_difference d = {
			.address = host->address,
			.port = scan->ports[i],
			.verdict = b->verdict,
			.reply = host->replies[i],
			.listens = b->listener != SNAPSHOT_NONE,
			.owner = SNAPSHOT_NONE,
			.service = scan_find_service(scan, (size_t)(host - scan->hosts), i)};

		if (d.listens)
			d.owner = inside->list->listeners[b->listener].owner;

		if (state == SCAN_UNKNOWN)
			ret->unsure_outside++;
		else if (state == SCAN_OPEN)
			r = compare_open(inside, b, &d, all, ret);
		else
			r = compare_not_open(b, &d, ret);
	}
	return r;
}

void verify_done(struct verify *v)
{
	free(v->differences);
	*v = (struct verify){0};
}

const struct verify_difference *verify_find(const struct verify *v,
					    const struct verify_difference *d)
{
	for (size_t i = 0; i < v->count; i++)
		if (v->differences[i].kind == d->kind && v->differences[i].port == d->port &&
		    address_equal(&v->differences[i].address, &d->address))
			return &v->differences[i];
	return NULL;
}
