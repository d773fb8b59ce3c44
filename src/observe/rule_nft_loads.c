/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_nft_loads: the expressions of nf_tables that put something into registers, that change what
 * is there, and those that make of it another destination.
 */
#include "base/i18n.h"
#include "base/nla.h"
#include "observe/rule_nft_walk.h"

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* A number; `absent` when there is no such attribute. */
uint64_t walk_number(struct cur data, uint16_t type, uint64_t absent)
{
	struct cur value;

	return nla_find(data, type, &value) ? nla_number_be(value) : absent;
}

/* The first byte of the register that an attribute names; -1: none. */
int walk_register(struct cur data, uint16_t type)
{
	return registers_offset(walk_number(data, type, 0));
}

/* The bytes of a nested NFTA_DATA_VALUE; empty when it has none. */
struct cur walk_value(struct cur data, uint16_t type)
{
	struct cur nested, value;

	if (nla_find(data, type, &nested) && nla_find(nested, NFTA_DATA_VALUE, &value))
		return value;
	return cur_init(NULL, 0);
}

/* --- loads -------------------------------------------------------------------------------------
 */

/* A jump or goto. */
static void note_jump(struct walk *w, struct cur data)
{
	struct cur value, verdict, name;

	if (nla_find(data, NFTA_IMMEDIATE_DATA, &value) &&
	    nla_find(value, NFTA_DATA_VERDICT, &verdict) &&
	    nla_find(verdict, NFTA_VERDICT_CHAIN, &name))
		scope_leads(&w->k, map_mix(w->table_key, nft_name_hash(name)), 0, 0, UINT16_MAX);
}

void walk_read_immediate(struct walk *w, struct cur data)
{
	note_jump(w, data);
	registers_set_constant(&w->registers, walk_register(data, NFTA_IMMEDIATE_DREG),
			       walk_value(data, NFTA_IMMEDIATE_DATA));
}

void walk_read_payload(struct walk *w, struct cur data)
{
	uint64_t len = walk_number(data, NFTA_PAYLOAD_LEN, 0);
	struct cur value;

	if (nla_find(data, NFTA_PAYLOAD_SREG, &value))
		w->k.out->ties.off = true;
	if (nla_find(data, NFTA_PAYLOAD_SREG, &value))
		registers_reject(&w->k, &w->registers, walk_register(data, NFTA_PAYLOAD_SREG),
				 (size_t)(len < REGISTER_BYTES ? len : REGISTER_BYTES),
				 _("it is written into the packet elsewhere"));
	else
		registers_load_payload(&w->registers, walk_register(data, NFTA_PAYLOAD_DREG),
				       walk_number(data, NFTA_PAYLOAD_BASE, UINT64_MAX),
				       walk_number(data, NFTA_PAYLOAD_OFFSET, 0), len);
}

static void load_meta(struct walk *w, uint64_t key, int at)
{
	struct registers *r = &w->registers;

	switch (key) {
	case NFT_META_IIFNAME:
		registers_load(r, at, ORIGIN_IIFNAME, 16);
		break;
	case NFT_META_IIFKIND:
		registers_load(r, at, ORIGIN_IIFKIND, 16);
		break;
	case NFT_META_IIF:
		registers_load_number(r, at, ORIGIN_IIF, 4);
		break;
	case NFT_META_IIFGROUP:
		registers_load_number(r, at, ORIGIN_IIFGROUP, 4);
		break;
	case NFT_META_IIFTYPE:
		registers_clear(r, at, 4);
		registers_load_number(r, at, ORIGIN_IIFTYPE + 2, 2);
		break;
	case NFT_META_NFPROTO:
		registers_clear(r, at, 4);
		registers_load(r, at, ORIGIN_NFPROTO, 1);
		break;
	case NFT_META_L4PROTO:
		registers_clear(r, at, 4);
		registers_load(r, at, ORIGIN_L4PROTO, 1);
		break;
	case NFT_META_PROTOCOL:
		registers_clear(r, at, 4);
		registers_load(r, at, ORIGIN_ETHERTYPE, 2);
		break;
	default:
		/* no more than is sure to be overwritten */
		registers_clear(r, at, 4);
		break;
	}
}

void walk_read_meta(struct walk *w, struct cur data)
{
	uint64_t key = walk_number(data, NFTA_META_KEY, UINT64_MAX);
	struct cur value;

	if (nla_find(data, NFTA_META_SREG, &value)) {
		registers_reject(&w->k, &w->registers, walk_register(data, NFTA_META_SREG), 4,
				 _("it is written into a mark"));
		return;
	}
	if (key == NFT_META_SDIF || key == NFT_META_SDIFNAME || key == NFT_META_BRI_IIFNAME ||
	    key == NFT_META_BRI_IIFPVID || key == NFT_META_BRI_IIFVPROTO)
		collect_opaque(&w->k, RULE_IIF, _("the bridge or VRF of an interface decides"));
	if (key == NFT_META_RTCLASSID)
		w->k.out->uses_fib = w->k.out->asks_source_routes = true;
	load_meta(w, key, walk_register(data, NFTA_META_DREG));
}

/* An address in a tuple of connection tracking: `wide` when it may be of both families. */
static void load_tuple_address(struct walk *w, int at, bool source, uint64_t key)
{
	bool is_v4 = key == NFT_CT_SRC_IP || key == NFT_CT_DST_IP || w->k.families == FAMILY4;

	registers_load(&w->registers, at, source ? ORIGIN_SOURCE : ORIGIN_DESTINATION,
		       is_v4 ? 4 : 16);
	for (size_t i = 0; at >= 0 && i < 16 && (size_t)at + i < REGISTER_BYTES; i++) {
		struct register_byte *b = &w->registers.bytes[(size_t)at + i];

		if (is_v4 && i < 4)
			b->origin[1] = ORIGIN_NONE;
		if (key == NFT_CT_SRC_IP6 || key == NFT_CT_DST_IP6)
			b->origin[0] = ORIGIN_NONE;
	}
}

static void load_ct(struct walk *w, uint64_t key, bool reply, int at)
{
	switch (key) {
	/* the reply comes from where the packet goes to */
	case NFT_CT_SRC:
	case NFT_CT_SRC_IP:
	case NFT_CT_SRC_IP6:
		load_tuple_address(w, at, !reply, key);
		break;
	case NFT_CT_DST:
	case NFT_CT_DST_IP:
	case NFT_CT_DST_IP6:
		load_tuple_address(w, at, reply, key);
		break;
	case NFT_CT_PROTO_SRC:
	case NFT_CT_PROTO_DST:
		registers_clear(&w->registers, at, 4);
		registers_load(&w->registers, at,
			       (key == NFT_CT_PROTO_SRC) != reply ? ORIGIN_SOURCE_PORT
								  : ORIGIN_DESTINATION_PORT,
			       2);
		break;
	case NFT_CT_PROTOCOL:
		registers_clear(&w->registers, at, 4);
		registers_load(&w->registers, at, ORIGIN_L4PROTO, 1);
		break;
	case NFT_CT_ID: /* a hash of the tuple */
		registers_load(&w->registers, at, ORIGIN_TAINTED, 1);
		break;
	default:
		registers_clear(&w->registers, at, 4);
		break;
	}
}

void walk_read_ct(struct walk *w, struct cur data)
{
	uint64_t key = walk_number(data, NFTA_CT_KEY, UINT64_MAX);
	struct cur value;

	if (nla_find(data, NFTA_CT_SREG, &value))
		registers_reject(&w->k, &w->registers, walk_register(data, NFTA_CT_SREG),
				 key == NFT_CT_LABELS ? 16 : 4,
				 _("it is written into a connection's mark"));
	else
		load_ct(w, key, walk_number(data, NFTA_CT_DIRECTION, 0) == 1,
			walk_register(data, NFTA_CT_DREG));
}

/* What loads something that is not asked about: 4 bytes are sure to be overwritten. */
void walk_read_other(struct walk *w, struct cur data)
{
	/* the destination register is attribute 1 of all of these */
	registers_clear(&w->registers, walk_register(data, 1), 4);
}

void walk_read_exthdr(struct walk *w, struct cur data)
{
	struct cur value;

	if (nla_find(data, NFTA_EXTHDR_SREG, &value))
		registers_reject(&w->k, &w->registers, walk_register(data, NFTA_EXTHDR_SREG), 16,
				 _("it is written into the packet elsewhere"));
	else
		walk_read_other(w, data);
}

void walk_read_routes(struct walk *w, struct cur data)
{
	w->k.out->uses_fib = true;
	if (walk_number(data, NFTA_FIB_FLAGS, NFTA_FIB_F_SADDR) & NFTA_FIB_F_SADDR)
		w->k.out->asks_source_routes = true;
	walk_read_other(w, data);
}

void walk_read_socket(struct walk *w, struct cur data)
{
	registers_clear(&w->registers, walk_register(data, NFTA_SOCKET_DREG), 4);
}

void walk_read_xfrm(struct walk *w, struct cur data)
{
	registers_clear(&w->registers, walk_register(data, NFTA_XFRM_DREG), 4);
}

void walk_read_tunnel(struct walk *w, struct cur data)
{
	registers_clear(&w->registers, walk_register(data, NFTA_TUNNEL_DREG), 4);
}

void walk_read_hash(struct walk *w, struct cur data)
{
	const char *why = _("a hash of it decides");
	uint64_t len = walk_number(data, NFTA_HASH_LEN, 0);

	if (walk_number(data, NFTA_HASH_TYPE, NFT_HASH_JENKINS) == NFT_HASH_JENKINS)
		registers_reject(&w->k, &w->registers, walk_register(data, NFTA_HASH_SREG),
				 (size_t)(len < REGISTER_BYTES ? len : REGISTER_BYTES), why);
	else
		collect_opaque_all(&w->k, why);
	registers_clear(&w->registers, walk_register(data, NFTA_HASH_DREG), 4);
}

/* --- what is done with registers ---------------------------------------------------------------
 */

void walk_read_bitwise(struct walk *w, struct cur data)
{
	int from = walk_register(data, NFTA_BITWISE_SREG),
	    to = walk_register(data, NFTA_BITWISE_DREG);
	uint64_t len = walk_number(data, NFTA_BITWISE_LEN, 0);
	struct cur mask = walk_value(data, NFTA_BITWISE_MASK);
	struct cur flip = walk_value(data, NFTA_BITWISE_XOR);

	if (len > REGISTER_BYTES)
		len = REGISTER_BYTES;
	if (walk_number(data, NFTA_BITWISE_OP, NFT_BITWISE_MASK_XOR) != NFT_BITWISE_MASK_XOR) {
		registers_reject(&w->k, &w->registers, from, (size_t)len,
				 _("its bits are shifted"));
		registers_clear(&w->registers, to, (size_t)len);
	} else {
		registers_mask(&w->registers, from, to, (size_t)len, mask, flip);
	}
}

void walk_read_byteorder(struct walk *w, struct cur data)
{
	uint64_t len = walk_number(data, NFTA_BYTEORDER_LEN, 0);

	registers_swap(&w->registers, walk_register(data, NFTA_BYTEORDER_SREG),
		       walk_register(data, NFTA_BYTEORDER_DREG),
		       (size_t)(len < REGISTER_BYTES ? len : REGISTER_BYTES),
		       (size_t)walk_number(data, NFTA_BYTEORDER_SIZE, 0));
}

/* --- NAT ---------------------------------------------------------------------------------------
 */

/* Whether two registers have the same, when both are constants; false when they are not. */
static bool same_constant(const struct registers *r, int a, int b, size_t len)
{
	if (!registers_are_constant(r, a, len) || !registers_are_constant(r, b, len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (r->bytes[(size_t)a + i].flip != r->bytes[(size_t)b + i].flip)
			return false;
	return true;
}

static uint16_t constant_port(const struct registers *r, int at)
{
	return (uint16_t)(r->bytes[at].flip << 8 | r->bytes[at + 1].flip);
}

static void nat_ports(struct walk *w, int min, int max)
{
	const struct registers *r = &w->registers;

	registers_reject(&w->k, r, min, 2, _("it becomes the port of a destination"));
	if (max < 0)
		max = min;
	if (registers_are_constant(r, min, 2) && registers_are_constant(r, max, 2))
		collect_nat_ports(&w->k, constant_port(r, min), constant_port(r, max), false);
	else if (max != min)
		collect_opaque_ports(&w->k, &w->k.out->destination_ports,
				     _("ports become those of a range from a map"));
}

void walk_read_nat(struct walk *w, struct cur data)
{
	uint64_t flags = walk_number(data, NFTA_NAT_FLAGS, 0);
	size_t len = walk_number(data, NFTA_NAT_FAMILY, 0) == NFPROTO_IPV6 ? 16 : 4;
	int min = walk_register(data, NFTA_NAT_REG_ADDR_MIN);
	int max = walk_register(data, NFTA_NAT_REG_ADDR_MAX);

	if (walk_number(data, NFTA_NAT_TYPE, NFT_NAT_DNAT) != NFT_NAT_DNAT)
		return; /* after every verdict that is asked for */
	scope_moves(&w->k);
	nat_ports(w, walk_register(data, NFTA_NAT_REG_PROTO_MIN),
		  walk_register(data, NFTA_NAT_REG_PROTO_MAX));
	registers_reject(&w->k, &w->registers, min, len, _("it becomes the destination"));
	if (flags & NF_NAT_RANGE_NETMAP)
		collect_netmap(&w->k);
	else if (max >= 0 && max != min && !same_constant(&w->registers, min, max, len))
		collect_nat_addresses(&w->k);
}

void walk_read_redir(struct walk *w, struct cur data)
{
	scope_moves(&w->k);
	nat_ports(w, walk_register(data, NFTA_REDIR_REG_PROTO_MIN),
		  walk_register(data, NFTA_REDIR_REG_PROTO_MAX));
}

void walk_read_tproxy(struct walk *w, struct cur data)
{
	(void)data;
	scope_moves(&w->k);
}
