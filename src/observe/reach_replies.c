/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_replies.h"
#include "base/mem.h"
#include "base/nla.h"
#include "model/snapshot.h"
#include "observe/mirror.h"
#include "observe/reach_plan.h"
#include "observe/way_out.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { WALKED_PORTS = 1024 }; /* twin_probe goes through so many source ports */

/* No rule ties the copies to a port: they are asked about at all. */
static uint64_t reply_group(uint64_t group)
{
	return map_mix(group, 0x7265706c79);
}

/* What rules for output say in one field of answers is of packets that come in another's. */
static int add_copies(const struct rule_constants *out, enum rule_field from,
		      struct rule_constants *c, enum rule_field to)
{
	const struct rule_conditions *list = &out->fields[from];
	struct rule_conditions *copies = &c->fields[to];

	for (size_t i = 0; i < list->range_count; i++)
		if (rule_constants_add_range(c, to, list->ranges[i].first, list->ranges[i].last,
					     reply_group(list->ranges[i].group)) < 0)
			return -ENOMEM;
	if (list->mask_count &&
	    mem_grow(&copies->masks, &copies->mask_cap, copies->mask_count + list->mask_count,
		     sizeof(*copies->masks)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < list->mask_count; i++) {
		copies->masks[copies->mask_count] = list->masks[i];
		copies->masks[copies->mask_count++].group = reply_group(list->masks[i].group);
	}
	if (list->opaque)
		rule_constants_make_opaque(c, to, rule_constants_text(out, list->why_str));
	return 0;
}

static int turn_around(const struct rule_constants *out, struct rule_constants *c)
{
	static const enum rule_field pairs[][2] = {
		{RULE_SOURCE4, RULE_DESTINATION4},
		{RULE_SOURCE6, RULE_DESTINATION6},
	};
	struct port_cuts *ports = &c->destination_ports;

	for (size_t i = 0; i < RULE_PORT_WORDS; i++) {
		ports->cut[i] |= out->source_ports.cut[i];
		ports->always[i] |= out->source_ports.cut[i];
	}
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (add_copies(out, pairs[i][0], c, pairs[i][1]) < 0 ||
		    add_copies(out, pairs[i][1], c, pairs[i][0]) < 0)
			return -ENOMEM;
	return 0;
}

static bool is_cut(const struct port_cuts *cuts, uint32_t port)
{
	return cuts->cut[port / 64] >> (port % 64) & 1;
}

/*
 * One of each interval of the sender's ports, but for the ordinary one's: who attacks may send from
 * port 80, to which the machine may send.
 */
static void find_client_ports(const struct port_cuts *cuts, struct reach_replies *ret)
{
	uint32_t first = 1;

	for (uint32_t port = 2; port <= 65536; port++) {
		if (port < 65536 && !is_cut(cuts, port))
			continue;
		if (first > REACH_ORDINARY_PORT || port <= REACH_ORDINARY_PORT) {
			if (ret->port_count < REPLY_PORT_LIMIT)
				ret->ports[ret->port_count++] = (uint16_t)(port - 1);
			else
				ret->more_ports = true;
		}
		first = port;
	}
}

/* Does routing look at whose socket it is? */
static bool asks_for_sockets(const struct rt_image *image)
{
	for (size_t i = 0; i < image->count; i++) {
		const struct rt_item *item = &image->items[i];
		struct cur c = cur_init(rt_image_payload(image, item), item->len), value;
		uint32_t mark = 0;

		if (item->kind != RT_RULE)
			continue;
		cur_take(&c, sizeof(struct fib_rule_hdr));
		if (nla_find(c, FRA_UID_RANGE, &value)) {
			struct fib_rule_uid_range range = {0};

			cur_read(&value, &range, sizeof(range));
			if (range.start != 0 || range.end != UINT32_MAX)
				return true;
		}
		if (nla_find(c, FRA_FWMARK, &value))
			cur_read(&value, &mark, sizeof(mark));
		if (mark)
			return true;
	}
	return false;
}

static bool has_bound_listener(const struct snapshot *s)
{
	for (size_t i = 0; i < s->socket_count; i++)
		if (s->sockets[i].kind == SOCKET_PORT && s->sockets[i].netns == 0 &&
		    s->sockets[i].proto == PROTO_TCP && s->sockets[i].ifindex)
			return true;
	return false;
}

int reach_replies_find(const struct mirror *m, const struct snapshot *s,
		       const struct ipset_messages *ipsets, struct rule_constants *c,
		       struct reach_replies *ret, struct err *e)
{
	struct way_out cleanup_free *out = calloc(1, sizeof(*out));
	int r = out ? way_out_find(&m->nft, &m->legacy, ipsets, out, e) : -ENOMEM;

	*ret = (struct reach_replies){0};
	if (r >= 0) {
		ret->rules = out->rules;
		ret->egress = out->egress;
		ret->opaque = out->constants.source_ports.opaque;
		ret->odd = asks_for_sockets(&m->twin.host) || has_bound_listener(s) ||
			   out->constants.destination_ports.opaque;
		ret->one_port = c->source_ports.opaque;
		for (uint32_t i = 1; i < WALKED_PORTS; i++)
			ret->one_port |= is_cut(&c->source_ports, REACH_ORDINARY_PORT + i);
		find_client_ports(&out->constants.destination_ports, ret);
		r = turn_around(&out->constants, c);
	}
	if (out)
		way_out_done(out);
	return r;
}
