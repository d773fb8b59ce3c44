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
#include "observe/rule_nft_walk.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <stdio.h>
#include <string.h>

struct expression_reader {
	const char *name;
	void (*read)(struct walk *w, struct cur data);
};

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
	uint64_t op = walk_number(data, NFTA_CMP_OP, UINT64_MAX);
	int at = walk_register(data, NFTA_CMP_SREG);
	struct cur value = walk_value(data, NFTA_CMP_DATA);

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
	int at = walk_register(data, NFTA_RANGE_SREG);
	struct cur first = walk_value(data, NFTA_RANGE_FROM_DATA);
	struct cur last = walk_value(data, NFTA_RANGE_TO_DATA);

	if (at < 0 || first.left == 0 || first.left != last.left ||
	    first.left > REGISTER_BYTES - (size_t)at) {
		collect_malformed(&w->k);
		return;
	}
	compare_range(w, at, first, last,
		      walk_number(data, NFTA_RANGE_OP, NFT_RANGE_NEQ) == NFT_RANGE_EQ);
}

static void look_up(struct walk *w, struct cur data, uint16_t name_type, uint16_t register_type)
{
	bool is_lookup = name_type == NFTA_LOOKUP_SET;
	struct nft_lookup lookup = {
		.table_key = w->table_key,
		.at = walk_register(data, register_type),
		.inverted = is_lookup && walk_number(data, NFTA_LOOKUP_FLAGS, 0) & NFT_LOOKUP_F_INV,
	};

	if (!nla_find(data, name_type, &lookup.set_name)) {
		collect_malformed(&w->k);
		return;
	}
	nft_sets_collect(&w->k, &w->sets, &lookup, &w->registers);
	if (is_lookup && walk_number(data, NFTA_LOOKUP_DREG, NFT_REG32_15) == NFT_REG_VERDICT)
		nft_sets_follow(&w->k, &w->sets, &lookup, &w->registers);
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
	registers_clear(&w->registers, walk_register(data, NFTA_LOOKUP_DREG), len > 4 ? len : 4);
}

static void read_objref(struct walk *w, struct cur data)
{
	struct cur value;

	if (nla_find(data, NFTA_OBJREF_SET_NAME, &value))
		look_up(w, data, NFTA_OBJREF_SET_NAME, NFTA_OBJREF_SET_SREG);
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
	collect_xt_match(&w->k, name, (unsigned)walk_number(data, NFTA_MATCH_REV, 0), info);
}

static void read_target(struct walk *w, struct cur data)
{
	char name[32] = "?";
	struct cur value, info = cur_init(NULL, 0);

	if (nla_find(data, NFTA_TARGET_NAME, &value))
		nla_string(value, name, sizeof(name));
	if (nla_find(data, NFTA_TARGET_INFO, &value))
		info = value;
	collect_xt_target(&w->k, name, (unsigned)walk_number(data, NFTA_TARGET_REV, 0), info);
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
	{"payload", walk_read_payload},
	{"cmp", read_cmp},
	{"meta", walk_read_meta},
	{"lookup", read_lookup},
	{"immediate", walk_read_immediate},
	{"counter", read_nothing},
	{"ct", walk_read_ct},
	{"bitwise", walk_read_bitwise},
	{"match", read_match},
	{"target", read_target},
	{"range", read_range},
	{"log", read_nothing},
	{"limit", read_nothing},
	{"reject", read_nothing},
	{"nat", walk_read_nat},
	{"masq", read_nothing},
	{"redir", walk_read_redir},
	{"fib", walk_read_routes},
	{"objref", read_objref},
	{"byteorder", walk_read_byteorder},
	{"quota", read_nothing},
	{"connlimit", read_nothing},
	{"dynset", read_nothing},
	{"rt", walk_read_routes},
	{"exthdr", walk_read_exthdr},
	{"socket", walk_read_socket},
	{"tproxy", walk_read_tproxy},
	{"osf", walk_read_other},
	{"numgen", walk_read_other},
	{"hash", walk_read_hash},
	{"queue", read_nothing},
	{"notrack", read_nothing},
	{"flow_offload", read_nothing},
	{"synproxy", read_nothing},
	{"dup", read_nothing},
	{"fwd", read_nothing},
	{"last", read_nothing},
	{"secmark", read_nothing},
	{"xfrm", walk_read_xfrm},
	{"tunnel", walk_read_tunnel},
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
	w->k.chain = RULE_NO_CHAIN;
	if (nla_find(attributes, NFTA_RULE_CHAIN, &value))
		w->k.chain =
			rule_chains_find(w->k.chains, map_mix(w->table_key, nft_name_hash(value)));
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

static void add_chain(struct walk *w, uint8_t family, struct cur attributes)
{
	struct cur table, name, hook;

	if (!nla_find(attributes, NFTA_CHAIN_TABLE, &table) ||
	    !nla_find(attributes, NFTA_CHAIN_NAME, &name))
		return;
	if (rule_chains_add(w->k.chains, map_mix(nft_table_key(family, table), nft_name_hash(name)),
			    nla_find(attributes, NFTA_CHAIN_HOOK, &hook)) < 0)
		w->k.error = -ENOMEM;
}

/* A chain that hangs at devices is a condition on the interface. */
static void read_chain(struct walk *w, uint8_t family, struct cur attributes)
{
	struct cur hook, value, one;
	uint16_t type;

	add_chain(w, family, attributes);
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
	struct rule_chains cleanup_call(rule_chains_done) chains = {0};
	struct walk w = {0};

	collect_begin(&w.k, c, ipsets);
	w.k.chains = &chains;
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
			read_chain(&w, item->family, attributes);
	}
	nft_sets_done(&w.sets);
	if (w.k.error == 0 && rule_chains_settle(&chains, c) < 0)
		w.k.error = -ENOMEM;
	return collect_end(&w.k, e);
}
