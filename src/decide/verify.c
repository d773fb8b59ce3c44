/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/verify.h"
#include "base/mem.h"
#include "base/text.h"
#include "decide/belief.h"

#include <errno.h>
#include <stdio.h>
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

static const char *program_of(const struct verify_inside *in, const struct verify_difference *d)
{
	if (d->owner == SNAPSHOT_NONE)
		return "";
	return snapshot_text(in->snapshot, in->snapshot->processes[d->owner].program_str);
}

static void add_port(const struct verify_inside *in, const struct belief *b,
		     const struct verify_difference *d, struct verify_ports *ret)
{
	struct verify_port *to;

	if (ret->count++ >= VERIFY_TOLD)
		return;
	to = &ret->first[ret->count - 1];
	*to = (struct verify_port){.address = d->address,
				   .port = d->port,
				   .reply = d->reply,
				   .verdict = b->verdict,
				   .listens = d->listens};
	snprintf(to->program, sizeof(to->program), "%s", text_base_name(program_of(in, d)));
}

static void add_unsure(const struct verify_inside *in, const struct belief *b,
		       const struct verify_difference *d, struct verify *ret)
{
	ret->unsure_inside++;
	if (d->reply != SCAN_UDP_SILENT)
		add_port(in, b, d, &ret->unsures);
}

static int compare_open(const struct verify_inside *in, const struct belief *b,
			struct verify_difference *d, bool all, struct verify *ret)
{
	if (b->open != SURE_CLOSED) {
		ret->open += b->open == SURE_OPEN;
		if (b->open == UNSURE)
			add_unsure(in, b, d, ret);
		return compare_service(in, b, d, ret);
	}
	if (all) /* told once */
		return 0;
	d->kind = d->listens ? VERIFY_BELIEVED_CLOSED : VERIFY_GHOST;
	return add(ret, d);
}

static int compare_not_open(const struct verify_inside *in, const struct belief *b,
			    struct verify_difference *d, struct verify *ret)
{
	if (d->reply == SCAN_UDP_SILENT && b->open == SURE_CLOSED && !d->listens &&
	    b->verdict != VERDICT_ACCEPT)
		ret->silent_kept_out++;
	else if (d->reply == SCAN_UDP_SILENT)
		add_port(in, b, d, &ret->silents);
	if (b->open == SURE_OPEN && d->reply == SCAN_UDP_SILENT) {
		ret->silent++;
		return 0;
	}
	if (b->open == SURE_OPEN && !in->guarded) {
		d->kind = VERIFY_SHADOWED;
		return add(ret, d);
	}
	if (b->open != SURE_CLOSED)
		add_unsure(in, b, d, ret);
	else
		ret->not_open++;
	return 0;
}

int verify_compare(const struct verify_inside *inside, const struct scan *scan,
		   const struct scan_host *host, struct verify *ret)
{
	struct belief cleanup_free *beliefs = calloc((size_t)UINT16_MAX + 1, sizeof(*beliefs));
	bool all = !inside->partial && scan_host_opens_all(scan, host);
	int r = beliefs ? 0 : -ENOMEM;

	if (r == 0)
		belief_take(&(struct belief_question){.list = inside->list,
						      .reach = inside->reach,
						      .join = inside->join,
						      .to = host->address,
						      .proto = scan_port_proto(scan, 0)},
			    beliefs);
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
			r = compare_not_open(inside, b, &d, ret);
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
