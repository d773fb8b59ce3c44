/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_constants_nft: walks the rules of nf_tables, each with registers of its own, expression by
 * expression: loads, what is done with them, comparisons, lookups, NAT. An expression that is not
 * known here makes everything opaque.
 *
 * Attributes: linux/netfilter/nf_tables.h; numbers in them are big-endian, data is as the
 * registers have it.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/rule_nft_sets.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <stdio.h>
#include <string.h>

/* What an expression reader works on. */
struct walk {
	struct rule_collector k;
	struct nft_sets sets;
	struct registers registers;
	uint64_t table_key;
	/* `>= a` that may be followed by `<= b`: together they are one range */
	bool has_border;
	int border_at;
	struct cur border;
};

struct expression_reader {
	const char *name;
	void (*read)(struct walk *w, struct cur data);
};

/* A number; `absent` when there is no such attribute. */
static uint64_t number(struct cur data, uint16_t type, uint64_t absent)
{
	struct cur value;

	return nla_find(data, type, &value) ? nla_number_be(value) : absent;
}

/* The first byte of the register that an attribute names; -1: none. */
static int register_at(struct cur data, uint16_t type)
{
	return registers_offset(number(data, type, 0));
}

/* The bytes of a nested NFTA_DATA_VALUE; empty when it has none. */
static struct cur data_value(struct cur data, uint16_t type)
{
	struct cur nested, value;

	if (nla_find(data, type, &nested) && nla_find(nested, NFTA_DATA_VALUE, &value))
		return value;
	return cur_init(NULL, 0);
}

/* --- loads -------------------------------------------------------------------------------------
 */

static void read_immediate(struct walk *w, struct cur data)
{
	registers_set_constant(&w->registers, register_at(data, NFTA_IMMEDIATE_DREG),
			       data_value(data, NFTA_IMMEDIATE_DATA));
}

static void read_payload(struct walk *w, struct cur data)
{
	uint64_t len = number(data, NFTA_PAYLOAD_LEN, 0);
	struct cur value;

	if (nla_find(data, NFTA_PAYLOAD_SREG, &value))
		w->k.out->ties.off = true;
	if (nla_find(data, NFTA_PAYLOAD_SREG, &value))
		registers_reject(&w->k, &w->registers, register_at(data, NFTA_PAYLOAD_SREG),
				 (size_t)(len < REGISTER_BYTES ? len : REGISTER_BYTES),
				 _("it is written into the packet elsewhere"));
	else
		registers_load_payload(&w->registers, register_at(data, NFTA_PAYLOAD_DREG),
				       number(data, NFTA_PAYLOAD_BASE, UINT64_MAX),
				       number(data, NFTA_PAYLOAD_OFFSET, 0), len);
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

static void read_meta(struct walk *w, struct cur data)
{
	uint64_t key = number(data, NFTA_META_KEY, UINT64_MAX);
	struct cur value;

	if (nla_find(data, NFTA_META_SREG, &value)) {
		registers_reject(&w->k, &w->registers, register_at(data, NFTA_META_SREG), 4,
				 _("it is written into a mark"));
		return;
	}
	if (key == NFT_META_SDIF || key == NFT_META_SDIFNAME || key == NFT_META_BRI_IIFNAME ||
	    key == NFT_META_BRI_IIFPVID || key == NFT_META_BRI_IIFVPROTO)
		collect_opaque(&w->k, RULE_IIF, _("the bridge or VRF of an interface decides"));
	if (key == NFT_META_RTCLASSID)
		w->k.out->uses_fib = true;
	load_meta(w, key, register_at(data, NFTA_META_DREG));
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

static void read_ct(struct walk *w, struct cur data)
{
	uint64_t key = number(data, NFTA_CT_KEY, UINT64_MAX);
	struct cur value;

	if (nla_find(data, NFTA_CT_SREG, &value))
		registers_reject(&w->k, &w->registers, register_at(data, NFTA_CT_SREG),
				 key == NFT_CT_LABELS ? 16 : 4,
				 _("it is written into a connection's mark"));
	else
		load_ct(w, key, number(data, NFTA_CT_DIRECTION, 0) == 1,
			register_at(data, NFTA_CT_DREG));
}

/* What loads something that is not asked about: 4 bytes are sure to be overwritten. */
static void read_other(struct walk *w, struct cur data)
{
	/* the destination register is attribute 1 of all of these */
	registers_clear(&w->registers, register_at(data, 1), 4);
}

static void read_exthdr(struct walk *w, struct cur data)
{
	struct cur value;

	if (nla_find(data, NFTA_EXTHDR_SREG, &value))
		registers_reject(&w->k, &w->registers, register_at(data, NFTA_EXTHDR_SREG), 16,
				 _("it is written into the packet elsewhere"));
	else
		read_other(w, data);
}

static void read_routes(struct walk *w, struct cur data)
{
	w->k.out->uses_fib = true;
	read_other(w, data);
}

static void read_socket(struct walk *w, struct cur data)
{
	w->k.out->uses_sockets = true;
	registers_clear(&w->registers, register_at(data, NFTA_SOCKET_DREG), 4);
}

static void read_xfrm(struct walk *w, struct cur data)
{
	registers_clear(&w->registers, register_at(data, NFTA_XFRM_DREG), 4);
}

static void read_tunnel(struct walk *w, struct cur data)
{
	registers_clear(&w->registers, register_at(data, NFTA_TUNNEL_DREG), 4);
}

static void read_hash(struct walk *w, struct cur data)
{
	const char *why = _("a hash of it decides");
	uint64_t len = number(data, NFTA_HASH_LEN, 0);

	if (number(data, NFTA_HASH_TYPE, NFT_HASH_JENKINS) == NFT_HASH_JENKINS)
		registers_reject(&w->k, &w->registers, register_at(data, NFTA_HASH_SREG),
				 (size_t)(len < REGISTER_BYTES ? len : REGISTER_BYTES), why);
	else
		collect_opaque_all(&w->k, why);
	registers_clear(&w->registers, register_at(data, NFTA_HASH_DREG), 4);
}

/* --- what is done with registers ---------------------------------------------------------------
 */

static void read_bitwise(struct walk *w, struct cur data)
{
	int from = register_at(data, NFTA_BITWISE_SREG), to = register_at(data, NFTA_BITWISE_DREG);
	uint64_t len = number(data, NFTA_BITWISE_LEN, 0);
	struct cur mask = data_value(data, NFTA_BITWISE_MASK);
	struct cur flip = data_value(data, NFTA_BITWISE_XOR);

	if (len > REGISTER_BYTES)
		len = REGISTER_BYTES;
	if (number(data, NFTA_BITWISE_OP, NFT_BITWISE_MASK_XOR) != NFT_BITWISE_MASK_XOR) {
		registers_reject(&w->k, &w->registers, from, (size_t)len,
				 _("its bits are shifted"));
		registers_clear(&w->registers, to, (size_t)len);
	} else {
		registers_mask(&w->registers, from, to, (size_t)len, mask, flip);
	}
}

static void read_byteorder(struct walk *w, struct cur data)
{
	uint64_t len = number(data, NFTA_BYTEORDER_LEN, 0);

	registers_swap(&w->registers, register_at(data, NFTA_BYTEORDER_SREG),
		       register_at(data, NFTA_BYTEORDER_DREG),
		       (size_t)(len < REGISTER_BYTES ? len : REGISTER_BYTES),
		       (size_t)number(data, NFTA_BYTEORDER_SIZE, 0));
}

/* --- comparing ---------------------------------------------------------------------------------
 */

/* What a comparison says about the rule: nothing that follows is about other packets. */
static void narrow(struct walk *w, int at, struct cur value)
{
	const struct register_byte *b = &w->registers.bytes[at];
	unsigned origin = b->origin[0], first;

	/* the protocol stands elsewhere in IPv6: then the rule is about one family by now */
	if (w->k.families == FAMILY6)
		origin = b->origin[1];
	if (value.left == 0 || b->mask != 0xff || b->flip != 0)
		return;
	first = value.at[0];
	if (origin == ORIGIN_L4PROTO && value.left == 1 &&
	    (b->origin[0] == b->origin[1] || w->k.families != FAMILY_BOTH)) {
		w->registers.l4proto = (uint16_t)first;
		scope_narrow_proto(&w->k, first);
	}
	if (origin == ORIGIN_NFPROTO && first == NFPROTO_IPV4)
		w->k.families &= FAMILY4;
	if (origin == ORIGIN_NFPROTO && first == NFPROTO_IPV6)
		w->k.families &= FAMILY6;
	if (origin != ORIGIN_ETHERTYPE || value.left < 2)
		return;
	if ((first << 8 | value.at[1]) == ETH_P_IP)
		w->k.families &= FAMILY4;
	else if ((first << 8 | value.at[1]) == ETH_P_IPV6)
		w->k.families &= FAMILY6;
}

/* Between two values, as the kernel compares them: byte by byte from the first. */
static void compare_between(struct walk *w, const struct key_field *f, size_t len,
			    const uint8_t *first, const uint8_t *last)
{
	if (f->prefix != len)
		key_field_reject(&w->k, f, _("it is compared with a range together with others"));
	else
		key_field_between(&w->k, f, first, last, 0);
}

/* key - 1, or key + 1; false when there is none. */
static bool step(uint8_t *key, size_t len, int by)
{
	for (size_t i = len; i-- > 0;) {
		key[i] = (uint8_t)(key[i] + by);
		if (key[i] != (by > 0 ? 0 : 0xff))
			return true;
	}
	return false;
}

static void compare(struct walk *w, const struct key_field *f, uint64_t op, struct cur value)
{
	uint8_t first[REGISTER_BYTES], last[REGISTER_BYTES];

	memset(first, 0, sizeof(first));
	memset(last, 0xff, sizeof(last));
	switch (op) {
	case NFT_CMP_EQ:
	case NFT_CMP_NEQ:
		key_field_equals(&w->k, f, value.at, 0);
		return;
	case NFT_CMP_LT:
	case NFT_CMP_GTE: /* the two sides of one border */
		memcpy(last, value.at, value.left);
		if (!step(last, value.left, -1))
			return;
		break;
	case NFT_CMP_LTE:
	case NFT_CMP_GT:
		memcpy(last, value.at, value.left);
		break;
	default:
		key_field_reject(&w->k, f, _("a comparison of an unknown kind"));
		return;
	}
	compare_between(w, f, value.left, first, last);
}

/* What a rule asks for, it is about: one group of sources, ports up to the last of those that the
 * comparison named. */
static void note_condition(struct walk *w, uint64_t op, size_t sources, size_t cuts)
{
	const struct rule_scope *s = &w->k.scope;

	if (op != NFT_CMP_EQ)
		return;
	if (s->source_count == sources + 1)
		scope_need(&w->k, s->sources[sources]);
	if (s->cut_count == cuts + 1)
		scope_narrow_ports(&w->k, s->cuts[cuts].first, s->cuts[cuts].last);
}

static void compare_layout(struct walk *w, int at, uint64_t op, struct cur value)
{
	size_t sources = w->k.scope.source_count, cuts = w->k.scope.cut_count;
	struct key_layout layout;

	registers_layout(&w->k, &w->registers, at, value.left, &layout);
	if (layout.tainted)
		collect_opaque_all(&w->k, _("what is compared is not understood"));
	for (size_t i = 0; i < layout.count; i++)
		compare(w, &layout.fields[i], op, value);
	note_condition(w, op, sources, cuts);
}

static void compare_range(struct walk *w, int at, struct cur first, struct cur last, bool inside)
{
	size_t sources = w->k.scope.source_count, cuts = w->k.scope.cut_count;
	struct key_layout layout;

	registers_layout(&w->k, &w->registers, at, first.left, &layout);
	if (layout.tainted)
		collect_opaque_all(&w->k, _("what is compared is not understood"));
	for (size_t i = 0; i < layout.count; i++)
		compare_between(w, &layout.fields[i], first.left, first.at, last.at);
	note_condition(w, inside ? NFT_CMP_EQ : NFT_CMP_NEQ, sources, cuts);
}

/* Whatever comes next is not the other end of a range. */
static void flush_border(struct walk *w)
{
	if (w->has_border)
		compare_layout(w, w->border_at, NFT_CMP_GTE, w->border);
	w->has_border = false;
}

static void read_cmp(struct walk *w, struct cur data)
{
	uint64_t op = number(data, NFTA_CMP_OP, UINT64_MAX);
	int at = register_at(data, NFTA_CMP_SREG);
	struct cur value = data_value(data, NFTA_CMP_DATA);

	if (at < 0 || value.left == 0 || value.left > REGISTER_BYTES - (size_t)at) {
		collect_malformed(&w->k);
		return;
	}
	if (w->has_border && op == NFT_CMP_LTE && w->border_at == at &&
	    w->border.left == value.left) {
		w->has_border = false;
		compare_range(w, at, w->border, value, true);
		return;
	}
	flush_border(w);
	w->has_border = op == NFT_CMP_GTE;
	if (w->has_border) {
		w->border_at = at;
		w->border = value;
		return;
	}
	compare_layout(w, at, op, value);
	if (op == NFT_CMP_EQ)
		narrow(w, at, value);
}

static void read_range(struct walk *w, struct cur data)
{
	int at = register_at(data, NFTA_RANGE_SREG);
	struct cur first = data_value(data, NFTA_RANGE_FROM_DATA);
	struct cur last = data_value(data, NFTA_RANGE_TO_DATA);

	if (at < 0 || first.left == 0 || first.left != last.left ||
	    first.left > REGISTER_BYTES - (size_t)at) {
		collect_malformed(&w->k);
		return;
	}
	compare_range(w, at, first, last,
		      number(data, NFTA_RANGE_OP, NFT_RANGE_NEQ) == NFT_RANGE_EQ);
}

static void look_up(struct walk *w, struct cur data, uint16_t name_type, uint16_t register_type)
{
	bool is_lookup = name_type == NFTA_LOOKUP_SET;
	struct nft_lookup lookup = {
		.table_key = w->table_key,
		.at = register_at(data, register_type),
		.inverted = is_lookup && number(data, NFTA_LOOKUP_FLAGS, 0) & NFT_LOOKUP_F_INV,
	};

	if (nla_find(data, name_type, &lookup.set_name))
		nft_sets_collect(&w->k, &w->sets, &lookup, &w->registers);
	else
		collect_malformed(&w->k);
}

static void read_lookup(struct walk *w, struct cur data)
{
	struct cur name;
	size_t len = 0;

	look_up(w, data, NFTA_LOOKUP_SET, NFTA_LOOKUP_SREG);
	/* an address and a port are 20 bytes, of which the last stand where a port that was looked
	 * up may still be */
	if (nla_find(data, NFTA_LOOKUP_SET, &name))
		len = nft_sets_data_len(&w->sets, w->table_key, name);
	registers_clear(&w->registers, register_at(data, NFTA_LOOKUP_DREG), len > 4 ? len : 4);
}

static void read_objref(struct walk *w, struct cur data)
{
	struct cur value;

	if (nla_find(data, NFTA_OBJREF_SET_NAME, &value))
		look_up(w, data, NFTA_OBJREF_SET_NAME, NFTA_OBJREF_SET_SREG);
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

static void nat_ports(struct walk *w, int min, int max)
{
	const struct registers *r = &w->registers;

	registers_reject(&w->k, r, min, 2, _("it becomes the port of a destination"));
	if (max < 0 || max == min || same_constant(r, min, max, 2))
		return; /* all ports become one */
	if (registers_are_constant(r, min, 2) && registers_are_constant(r, max, 2))
		collect_nat_ports(
			&w->k, (uint16_t)(r->bytes[min].flip << 8 | r->bytes[min + 1].flip),
			(uint16_t)(r->bytes[max].flip << 8 | r->bytes[max + 1].flip), false);
	else
		collect_opaque_ports(&w->k, &w->k.out->destination_ports,
				     _("ports become those of a range from a map"));
}

static void read_nat(struct walk *w, struct cur data)
{
	uint64_t flags = number(data, NFTA_NAT_FLAGS, 0);
	size_t len = number(data, NFTA_NAT_FAMILY, 0) == NFPROTO_IPV6 ? 16 : 4;
	int min = register_at(data, NFTA_NAT_REG_ADDR_MIN);
	int max = register_at(data, NFTA_NAT_REG_ADDR_MAX);

	if (number(data, NFTA_NAT_TYPE, NFT_NAT_DNAT) != NFT_NAT_DNAT)
		return; /* after every verdict that is asked for */
	scope_moves(&w->k);
	nat_ports(w, register_at(data, NFTA_NAT_REG_PROTO_MIN),
		  register_at(data, NFTA_NAT_REG_PROTO_MAX));
	registers_reject(&w->k, &w->registers, min, len, _("it becomes the destination"));
	if (flags & NF_NAT_RANGE_NETMAP)
		collect_netmap(&w->k);
	else if (max >= 0 && max != min && !same_constant(&w->registers, min, max, len))
		collect_nat_addresses(&w->k);
}

static void read_redir(struct walk *w, struct cur data)
{
	scope_moves(&w->k);
	nat_ports(w, register_at(data, NFTA_REDIR_REG_PROTO_MIN),
		  register_at(data, NFTA_REDIR_REG_PROTO_MAX));
}

static void read_tproxy(struct walk *w, struct cur data)
{
	(void)data;
	scope_moves(&w->k);
	w->k.out->uses_sockets = true;
}

/* --- x_tables ----------------------------------------------------------------------------------
 */

static void read_match(struct walk *w, struct cur data)
{
	char name[32] = "?";
	struct cur value, info = cur_init(NULL, 0);

	if (nla_find(data, NFTA_MATCH_NAME, &value))
		nla_string(value, name, sizeof(name));
	if (nla_find(data, NFTA_MATCH_INFO, &value))
		info = value;
	collect_xt_match(&w->k, name, (unsigned)number(data, NFTA_MATCH_REV, 0), info);
}

static void read_target(struct walk *w, struct cur data)
{
	char name[32] = "?";
	struct cur value, info = cur_init(NULL, 0);

	if (nla_find(data, NFTA_TARGET_NAME, &value))
		nla_string(value, name, sizeof(name));
	if (nla_find(data, NFTA_TARGET_INFO, &value))
		info = value;
	collect_xt_target(&w->k, name, (unsigned)number(data, NFTA_TARGET_REV, 0), info);
}

/* --- rules -------------------------------------------------------------------------------------
 */

/* It reads no register, or does with it what changes no verdict. */
static void read_nothing(struct walk *w, struct cur data)
{
	(void)w;
	(void)data;
}

static const struct expression_reader readers[] = {
	{"payload", read_payload},
	{"cmp", read_cmp},
	{"meta", read_meta},
	{"lookup", read_lookup},
	{"immediate", read_immediate},
	{"counter", read_nothing},
	{"ct", read_ct},
	{"bitwise", read_bitwise},
	{"match", read_match},
	{"target", read_target},
	{"range", read_range},
	{"log", read_nothing},
	{"limit", read_nothing},
	{"reject", read_nothing},
	{"nat", read_nat},
	{"masq", read_nothing},
	{"redir", read_redir},
	{"fib", read_routes},
	{"objref", read_objref},
	{"byteorder", read_byteorder},
	{"quota", read_nothing},
	{"connlimit", read_nothing},
	{"dynset", read_nothing},
	{"rt", read_routes},
	{"exthdr", read_exthdr},
	{"socket", read_socket},
	{"tproxy", read_tproxy},
	{"osf", read_other},
	{"numgen", read_other},
	{"hash", read_hash},
	{"queue", read_nothing},
	{"notrack", read_nothing},
	{"flow_offload", read_nothing},
	{"synproxy", read_nothing},
	{"dup", read_nothing},
	{"fwd", read_nothing},
	{"last", read_nothing},
	{"secmark", read_nothing},
	{"xfrm", read_xfrm},
	{"tunnel", read_tunnel},
};

/* Is anything of the packet, or of what is known of it, another one after the expression? */
static bool does_something(const struct expression_reader *reader, struct cur data)
{
	static const char *const plain[] = {
		"payload", "cmp",	"lookup", "immediate", "counter", "bitwise",
		"match",   "range",	"log",	  "limit",     "fib",	  "byteorder",
		"quota",   "connlimit", "rt",	  "socket",    "osf",	  "numgen",
		"hash",	   "last",	"xfrm",	  "tunnel",
	};
	struct cur value;

	if (strcmp(reader->name, "meta") == 0)
		return nla_find(data, NFTA_META_SREG, &value);
	if (strcmp(reader->name, "ct") == 0)
		return nla_find(data, NFTA_CT_SREG, &value);
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (strcmp(reader->name, plain[i]) == 0)
			return false;
	return true;
}

static void read_expression(struct walk *w, struct cur expression)
{
	struct cur value, data = cur_init(NULL, 0);
	char name[32], what[80];

	if (!nla_find(expression, NFTA_EXPR_NAME, &value) ||
	    !nla_string(value, name, sizeof(name))) {
		collect_malformed(&w->k);
		return;
	}
	if (nla_find(expression, NFTA_EXPR_DATA, &value))
		data = value;
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		if (strcmp(name, readers[i].name) == 0) {
			if (readers[i].read != read_cmp)
				flush_border(w);
			readers[i].read(w, data);
			if (does_something(&readers[i], data))
				scope_freeze(&w->k);
			return;
		}
	snprintf(what, sizeof(what), _("'%s' may look at anything"), name);
	collect_opaque_all(&w->k, what);
}

static unsigned table_families(uint8_t family)
{
	if (family == NFPROTO_IPV4)
		return FAMILY4;
	return family == NFPROTO_IPV6 ? FAMILY6 : FAMILY_BOTH;
}

static const char *family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_NETDEV:
		return "netdev";
	case NFPROTO_BRIDGE:
		return "bridge";
	default:
		return "?";
	}
}

static void read_rule(struct walk *w, uint8_t family, struct cur attributes)
{
	struct cur value, expressions, one;
	char table[64] = "?", chain[64] = "?";
	uint16_t type;

	if (nla_find(attributes, NFTA_RULE_CHAIN, &value))
		nla_string(value, chain, sizeof(chain));
	if (!nla_find(attributes, NFTA_RULE_TABLE, &value)) {
		collect_malformed(&w->k);
		return;
	}
	nla_string(value, table, sizeof(table));
	snprintf(w->k.place, sizeof(w->k.place), "%s %s %s", family_name(family), table, chain);
	w->table_key = nft_table_key(family, value);
	w->k.families = table_families(family);
	scope_begin(&w->k);
	w->registers = (struct registers){.l4proto = 256};
	if (!nla_find(attributes, NFTA_RULE_EXPRESSIONS, &expressions))
		expressions = cur_init(NULL, 0); /* a rule without any */
	while (nla_next(&expressions, &type, &one))
		read_expression(w, one);
	flush_border(w);
	if (!expressions.ok)
		collect_malformed(&w->k);
	scope_end(&w->k);
}

static void add_device(struct rule_collector *k, struct cur value)
{
	uint8_t name[RULE_VALUE_SIZE] = {0}, mask[RULE_VALUE_SIZE];
	size_t len = strnlen((const char *)value.at, value.left);

	if (len > sizeof(name))
		len = sizeof(name);
	memcpy(name, value.at, len);
	memset(mask, 0xff, sizeof(mask));
	collect_masked(k, RULE_IIFNAME, mask, name, 0);
}

/* A chain that hangs at devices is a condition on the interface. */
static void read_chain(struct walk *w, struct cur attributes)
{
	struct cur hook, value, one;
	uint16_t type;

	if (!nla_find(attributes, NFTA_CHAIN_HOOK, &hook))
		return;
	if (nla_find(hook, NFTA_HOOK_DEV, &value))
		add_device(&w->k, value);
	if (nla_find(hook, NFTA_HOOK_DEVS, &value)) {
		while (nla_next(&value, &type, &one)) {
			if (type == NFTA_DEVICE_NAME)
				add_device(&w->k, one);
			else
				collect_opaque(&w->k, RULE_IIFNAME,
					       _("a chain hangs at devices by a pattern"));
		}
	}
}

int rule_constants_add_nft(struct rule_constants *c, const struct nft_image *image,
			   const struct ipset_messages *ipsets, struct err *e)
{
	struct walk w = {0};

	collect_begin(&w.k, c, ipsets);
	if (nft_sets_index(&w.sets, image) < 0)
		w.k.error = -ENOMEM;
	for (size_t i = 0; i < image->count && w.k.error == 0; i++) {
		const struct nft_item *item = &image->items[i];
		struct cur attributes = nft_item_attributes(image, item);

		if (item->family == NFPROTO_ARP)
			continue;
		if (!attributes.ok)
			collect_malformed(&w.k);
		else if (item->type == NFT_MSG_NEWRULE)
			read_rule(&w, item->family, attributes);
		else if (item->type == NFT_MSG_NEWCHAIN)
			read_chain(&w, attributes);
	}
	nft_sets_done(&w.sets);
	return collect_end(&w.k, e);
}
