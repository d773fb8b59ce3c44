/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/reach_replies.h"
#include "base/mem.h"
#include "model/snapshot.h"
#include "observe/hook_effects.h"
#include "observe/mirror.h"
#include "observe/nft_attr.h"
#include "observe/reach_plan.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netfilter.h>
#include <string.h>
#include <sys/socket.h>

enum { WALKED_PORTS = 1024 }; /* twin_probe goes through so many source ports */

/* Is it a base chain that packets pass on their way out? Those of NAT see no answer. */
static bool is_way_out(const struct nft_image *image, size_t item)
{
	uint8_t family = image->items[item].family;
	struct cur attributes = nft_image_attributes(image, item), hook;
	char type[NFT_NAME_SIZE];
	uint64_t number;

	if (image->items[item].type != NFT_MSG_NEWCHAIN ||
	    (family != NFPROTO_INET && family != NFPROTO_IPV4 && family != NFPROTO_IPV6) ||
	    !nla_find(attributes, NFTA_CHAIN_HOOK, &hook))
		return false;
	number = nft_attr_number(hook, NFTA_HOOK_HOOKNUM);
	nft_attr_name(attributes, NFTA_CHAIN_TYPE, type);
	return (number == NF_INET_LOCAL_OUT || number == NF_INET_POST_ROUTING) &&
	       strcmp(type, "nat") != 0;
}

/* One of those that see packets last, by device? */
static bool is_egress(const struct nft_image *image, size_t item)
{
	uint8_t family = image->items[item].family;
	struct cur hook;

	if (image->items[item].type != NFT_MSG_NEWCHAIN || family != NFPROTO_NETDEV ||
	    !nla_find(nft_image_attributes(image, item), NFTA_CHAIN_HOOK, &hook))
		return false;
	return nft_attr_number(hook, NFTA_HOOK_HOOKNUM) != NF_NETDEV_INGRESS;
}

static int look_at_nft(const struct nft_image *image, struct reach_replies *ret)
{
	struct hook_effects cleanup_call(hook_effects_done) effects = {0};
	int r = hook_effects_find(image, &effects);

	for (size_t i = 0; i < image->count && r == 0; i++) {
		ret->rules |= is_way_out(image, i) && hook_effects_of_chain(&effects, image, i);
		ret->egress |= is_egress(image, i);
	}
	return r;
}

static bool legacy_matters(const struct legacy_image *legacy)
{
	for (size_t i = 0; i < legacy->count; i++)
		if (strcmp(legacy->tables[i].name, "nat") != 0 &&
		    (hook_effects_of_legacy(legacy, i, NF_INET_LOCAL_OUT) ||
		     hook_effects_of_legacy(legacy, i, NF_INET_POST_ROUTING)))
			return true;
	return false;
}

/* No rule ties the copies to a port: they are asked about at all. */
static uint64_t reply_group(uint64_t group)
{
	return map_mix(group, 0x7265706c79);
}

static int copy_masks(struct rule_constants *c, enum rule_field from, size_t count,
		      enum rule_field to)
{
	struct rule_conditions *list = &c->fields[to];

	if (count == 0)
		return 0;
	if (mem_grow(&list->masks, &list->mask_cap, list->mask_count + count,
		     sizeof(*list->masks)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		list->masks[list->mask_count] = c->fields[from].masks[i];
		list->masks[list->mask_count].group =
			reply_group(list->masks[list->mask_count].group);
		list->mask_count++;
	}
	return 0;
}

static int copy_ranges(struct rule_constants *c, enum rule_field from, size_t count,
		       enum rule_field to)
{
	for (size_t i = 0; i < count; i++) {
		const struct rule_range range = c->fields[from].ranges[i];

		if (rule_constants_add_range(c, to, range.first, range.last,
					     reply_group(range.group)) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* What is said of one is also of the other. */
static int join_fields(struct rule_constants *c, enum rule_field source,
		       enum rule_field destination)
{
	const struct rule_conditions s = c->fields[source], d = c->fields[destination];

	if (copy_ranges(c, source, s.range_count, destination) < 0 ||
	    copy_ranges(c, destination, d.range_count, source) < 0 ||
	    copy_masks(c, source, s.mask_count, destination) < 0 ||
	    copy_masks(c, destination, d.mask_count, source) < 0)
		return -ENOMEM;
	if (s.opaque)
		rule_constants_make_opaque(c, destination, rule_constants_text(c, s.why_str));
	if (d.opaque)
		rule_constants_make_opaque(c, source, rule_constants_text(c, d.why_str));
	return 0;
}

static bool is_cut(const struct port_cuts *cuts, uint32_t port)
{
	return cuts->cut[port / 64] >> (port % 64) & 1;
}

/* One of each interval of the ports that clients have, but for the ordinary one's. */
static void find_client_ports(const struct port_cuts *cuts, struct reach_replies *ret)
{
	uint32_t first = 1024;

	for (uint32_t port = 1025; port <= 65536; port++) {
		if (port < 65536 && !is_cut(cuts, port))
			continue;
		if ((REACH_ORDINARY_PORT < first || REACH_ORDINARY_PORT >= port) &&
		    ret->port_count < REPLY_PORT_LIMIT)
			ret->ports[ret->port_count++] = (uint16_t)(port - 1);
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

int reach_replies_find(const struct mirror *m, const struct snapshot *s, struct rule_constants *c,
		       struct reach_replies *ret)
{
	struct port_cuts *ports = &c->destination_ports;
	int r;

	*ret = (struct reach_replies){.rules = legacy_matters(&m->legacy)};
	r = look_at_nft(&m->nft, ret);
	ret->odd = asks_for_sockets(&m->twin.host) || has_bound_listener(s);
	ret->opaque = c->source_ports.opaque;
	ret->one_port = c->source_ports.opaque;
	for (uint32_t i = 1; i < WALKED_PORTS; i++)
		ret->one_port |= is_cut(&c->source_ports, REACH_ORDINARY_PORT + i);
	if (r < 0 || !ret->rules)
		return r;
	find_client_ports(ports, ret);
	for (size_t i = 0; i < RULE_PORT_WORDS; i++) {
		ports->cut[i] |= c->source_ports.cut[i];
		ports->always[i] |= c->source_ports.cut[i];
	}
	r = join_fields(c, RULE_SOURCE4, RULE_DESTINATION4);
	return r < 0 ? r : join_fields(c, RULE_SOURCE6, RULE_DESTINATION6);
}
