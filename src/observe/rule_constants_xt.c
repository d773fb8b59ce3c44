/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_constants_xt: what the matches and targets of x_tables compare with: one small decoder for
 * each that looks at ports, addresses or interfaces, and a table of those that do not. What is in
 * neither may look at anything.
 *
 * Layouts: linux/netfilter/xt_*.h. They are the kernel's own structs in host byte order; a
 * conversion from 32-bit tools was done by the kernel.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/rule_collect.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_dccp.h>
#include <linux/netfilter/xt_devgroup.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <stdio.h>
#include <string.h>

struct xt_reader {
	const char *name;
	void (*read)(struct rule_collector *k, unsigned revision, struct cur *info);
};

static void cut_source(struct rule_collector *k, const uint16_t range[2])
{
	collect_ports(k, &k->out->source_ports, range[0], range[1]);
}

static void cut_destination(struct rule_collector *k, const uint16_t range[2])
{
	collect_ports(k, &k->out->destination_ports, range[0], range[1]);
}

static void read_tcp(struct rule_collector *k, unsigned revision, struct cur *info)
{
	struct xt_tcp tcp;

	(void)revision;
	cur_read(info, &tcp, sizeof(tcp));
	scope_narrow_proto(k, IPPROTO_TCP);
	cut_source(k, tcp.spts);
	cut_destination(k, tcp.dpts);
	if (!(tcp.invflags & XT_TCP_INV_DSTPT))
		scope_narrow_ports(k, tcp.dpts[0], tcp.dpts[1]);
}

static void read_udp(struct rule_collector *k, unsigned revision, struct cur *info)
{
	struct xt_udp udp;

	(void)revision;
	cur_read(info, &udp, sizeof(udp));
	cut_source(k, udp.spts);
	cut_destination(k, udp.dpts);
	if (!(udp.invflags & XT_UDP_INV_DSTPT))
		scope_narrow_ports(k, udp.dpts[0], udp.dpts[1]);
}

static void read_sctp(struct rule_collector *k, unsigned revision, struct cur *info)
{
	struct xt_sctp_info sctp;

	(void)revision;
	cur_read(info, &sctp, sizeof(sctp));
	if (sctp.flags & XT_SCTP_SRC_PORTS)
		cut_source(k, sctp.spts);
	if (sctp.flags & XT_SCTP_DEST_PORTS)
		cut_destination(k, sctp.dpts);
}

static void read_dccp(struct rule_collector *k, unsigned revision, struct cur *info)
{
	struct xt_dccp_info dccp;

	(void)revision;
	cur_read(info, &dccp, sizeof(dccp));
	if (dccp.flags & XT_DCCP_SRC_PORTS)
		cut_source(k, dccp.spts);
	if (dccp.flags & XT_DCCP_DEST_PORTS)
		cut_destination(k, dccp.dpts);
}

static void read_multiport(struct rule_collector *k, unsigned revision, struct cur *info)
{
	struct xt_multiport_v1 m = {0};
	uint16_t lowest = UINT16_MAX, highest = 0;

	if (revision == 0)
		cur_read(info, &m, sizeof(struct xt_multiport));
	else
		cur_read(info, &m, sizeof(m));
	for (size_t i = 0; i < m.count && i < XT_MULTI_PORTS; i++) {
		uint16_t range[2] = {m.ports[i], m.ports[i]};

		if (m.pflags[i] && i + 1 < m.count && i + 1 < XT_MULTI_PORTS)
			range[1] = m.ports[++i];
		if (m.flags != XT_MULTIPORT_DESTINATION)
			cut_source(k, range);
		if (m.flags != XT_MULTIPORT_SOURCE)
			cut_destination(k, range);
		lowest = range[0] < lowest ? range[0] : lowest;
		highest = range[1] > highest ? range[1] : highest;
	}
	if (m.flags == XT_MULTIPORT_DESTINATION && !m.invert)
		scope_narrow_ports(k, lowest, highest);
}

/* In the fields of the families that the rule is about; `v4` is RULE_SOURCE4 or
 * RULE_DESTINATION4. The kernel's union has the v4 address in its first bytes. */
static void add_addresses(struct rule_collector *k, enum rule_field v4,
			  const union nf_inet_addr *first, const union nf_inet_addr *last)
{
	for (unsigned family = FAMILY4; family <= FAMILY6; family++) {
		enum rule_field field = collect_field(v4, family);
		uint8_t from[RULE_VALUE_SIZE] = {0}, to[RULE_VALUE_SIZE] = {0};

		if (!(k->families & family))
			continue;
		memcpy(from, first, rule_field_width(field));
		memcpy(to, last, rule_field_width(field));
		collect_range(k, field, from, to, collect_constant_group(field, from, to));
	}
}

static void add_masked(struct rule_collector *k, enum rule_field v4,
		       const union nf_inet_addr *address, const union nf_inet_addr *mask)
{
	for (unsigned family = FAMILY4; family <= FAMILY6; family++) {
		enum rule_field field = collect_field(v4, family);
		uint8_t value[RULE_VALUE_SIZE] = {0}, bits[RULE_VALUE_SIZE] = {0};

		if (!(k->families & family))
			continue;
		memcpy(value, address, rule_field_width(field));
		memcpy(bits, mask, rule_field_width(field));
		collect_masked(k, field, bits, value, 0);
	}
}

static void read_iprange(struct rule_collector *k, unsigned revision, struct cur *info)
{
	struct xt_iprange_mtinfo range;

	if (revision == 0) {
		collect_opaque_all(k, _("an iprange match of an old kind"));
		return;
	}
	cur_read(info, &range, sizeof(range));
	if (range.flags & IPRANGE_SRC)
		add_addresses(k, RULE_SOURCE4, &range.src_min, &range.src_max);
	if (range.flags & IPRANGE_DST)
		add_addresses(k, RULE_DESTINATION4, &range.dst_min, &range.dst_max);
}

/* The reply comes from where the packet goes to, so its source is our destination. */
static void read_conntrack_addresses(struct rule_collector *k, const struct xt_conntrack_mtinfo3 *m)
{
	if (m->match_flags & XT_CONNTRACK_ORIGSRC)
		add_masked(k, RULE_SOURCE4, &m->origsrc_addr, &m->origsrc_mask);
	if (m->match_flags & XT_CONNTRACK_ORIGDST)
		add_masked(k, RULE_DESTINATION4, &m->origdst_addr, &m->origdst_mask);
	if (m->match_flags & XT_CONNTRACK_REPLSRC)
		add_masked(k, RULE_DESTINATION4, &m->replsrc_addr, &m->replsrc_mask);
	if (m->match_flags & XT_CONNTRACK_REPLDST)
		add_masked(k, RULE_SOURCE4, &m->repldst_addr, &m->repldst_mask);
}

/* The kernel asks the first three for equality in network order; revision 3 has ranges in host
 * order. */
static void cut_conntrack(struct port_cuts *ports, unsigned revision, uint16_t low, uint16_t high)
{
	if (revision < 3)
		low = high = ntohs(low);
	rule_constants_cut_ports(ports, low, high);
}

static void read_conntrack(struct rule_collector *k, unsigned revision, struct cur *info)
{
	struct port_cuts *from = &k->out->source_ports, *to = &k->out->destination_ports;
	struct xt_conntrack_mtinfo3 m = {0};

	/* the older ones are the beginning of it */
	cur_read(info, &m,
		 revision >= 3 ? sizeof(m) : offsetof(struct xt_conntrack_mtinfo3, state_mask));
	if (revision == 0) {
		collect_opaque_all(k, _("a conntrack match of an old kind"));
		return;
	}
	read_conntrack_addresses(k, &m);
	if (m.match_flags & XT_CONNTRACK_ORIGSRC_PORT)
		cut_conntrack(from, revision, m.origsrc_port, m.origsrc_port_high);
	if (m.match_flags & XT_CONNTRACK_ORIGDST_PORT)
		cut_conntrack(to, revision, m.origdst_port, m.origdst_port_high);
	if (m.match_flags & XT_CONNTRACK_REPLSRC_PORT)
		cut_conntrack(to, revision, m.replsrc_port, m.replsrc_port_high);
	if (m.match_flags & XT_CONNTRACK_REPLDST_PORT)
		cut_conntrack(from, revision, m.repldst_port, m.repldst_port_high);
}

static void read_devgroup(struct rule_collector *k, unsigned revision, struct cur *info)
{
	uint8_t mask[RULE_VALUE_SIZE] = {0}, value[RULE_VALUE_SIZE] = {0};
	struct xt_devgroup_info group;
	uint32_t number;

	(void)revision;
	cur_read(info, &group, sizeof(group));
	if (!(group.flags & XT_DEVGROUP_MATCH_SRC))
		return;
	number = htonl(group.src_mask);
	memcpy(mask, &number, sizeof(number));
	number = htonl(group.src_group);
	memcpy(value, &number, sizeof(number));
	collect_masked(k, RULE_IIFGROUP, mask, value, 0);
}

static void read_set(struct rule_collector *k, unsigned revision, struct cur *info)
{
	struct xt_set_info set;

	if (revision == 0) {
		collect_opaque_all(k, _("a set match of an old kind"));
		return;
	}
	cur_read(info, &set, sizeof(set));
	if (info->ok)
		collect_ipset(k, set.index, set.flags);
}

static void read_routes(struct rule_collector *k, unsigned revision, struct cur *info)
{
	(void)revision;
	(void)info;
	k->out->uses_fib = true;
	k->out->asks_source_routes = true;
}

/* struct xt_addrtype_info and _v1 begin alike: types of the source, of the destination. */
static void read_address_type(struct rule_collector *k, unsigned revision, struct cur *info)
{
	uint16_t source = 0;

	(void)revision;
	cur_read(info, &source, sizeof(source));
	k->out->uses_fib = true;
	k->out->asks_source_routes |= source || !info->ok;
}

static void read_cluster(struct rule_collector *k, unsigned revision, struct cur *info)
{
	(void)revision;
	(void)info;
	collect_opaque_pair(k, RULE_SOURCE4, _("a hash of the source address decides"));
}

static void read_eui64(struct rule_collector *k, unsigned revision, struct cur *info)
{
	(void)revision;
	(void)info;
	collect_opaque(k, RULE_SOURCE6, _("the source address is compared with the MAC address"));
}

static const struct xt_reader match_readers[] = {
	{"tcp", read_tcp},
	{"udp", read_udp},
	{"udplite", read_udp},
	{"sctp", read_sctp},
	{"dccp", read_dccp},
	{"multiport", read_multiport},
	{"iprange", read_iprange},
	{"conntrack", read_conntrack},
	{"devgroup", read_devgroup},
	{"set", read_set},
	{"addrtype", read_address_type},
	{"rpfilter", read_routes},
	{"realm", read_routes},
	{"cluster", read_cluster},
	{"eui64", read_eui64},
};

/* These look at none of what we ask about, or only at what no packet can tell (see doubts.h). */
static const char *const plain_matches[] = {
	"ah",	      "bpf",	"cgroup",  "comment", "connbytes", "connlabel", "connlimit",
	"connmark",   "cpu",	"dscp",	   "dst",     "ecn",	   "esp",	"frag",
	"hashlimit",  "hbh",	"helper",  "hl",      "icmp",	   "icmp6",	"ipcomp",
	"ipv6header", "length", "limit",   "mac",     "mark",	   "mh",	"nfacct",
	"osf",	      "owner",	"physdev", "pkttype", "policy",	   "quota",	"rateest",
	"recent",     "rt",	"socket",  "srh",     "state",	   "statistic", "string",
	"tcpmss",     "time",	"tos",	   "ttl",     "u32",
};

/* SNAT and its like work after every verdict that is asked for. */
static const char *const plain_targets[] = {
	"",	      "ERROR",	"REJECT",   "LOG",	 "NFLOG",	"ULOG",	   "MARK",
	"CONNMARK",   "TCPMSS", "TOS",	    "DSCP",	 "TCPOPTSTRIP", "ECN",	   "TTL",
	"HL",	      "CT",	"NOTRACK",  "CLASSIFY",	 "CHECKSUM",	"AUDIT",   "SECMARK",
	"TRACE",      "TEE",	"RATEEST",  "IDLETIMER", "LED",		"NFQUEUE", "CONNSECMARK",
	"MASQUERADE", "SNAT",	"SYNPROXY",
};

static bool is_among(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void unknown(struct rule_collector *k, const char *name)
{
	char what[160];

	snprintf(what, sizeof(what), _("'%s' may look at anything"), name);
	collect_opaque_all(k, what);
}

/* True when `readers` has one of that name. */
static bool read_by(struct rule_collector *k, const struct xt_reader *readers, size_t count,
		    const char *name, unsigned revision, struct cur *info)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(name, readers[i].name) != 0)
			continue;
		readers[i].read(k, revision, info);
		if (!info->ok)
			collect_malformed(k);
		return true;
	}
	return false;
}

void collect_xt_match(struct rule_collector *k, const char *name, unsigned revision,
		      struct cur info)
{
	if (read_by(k, match_readers, ARRAY_LEN(match_readers), name, revision, &info))
		return;
	if (!is_among(name, plain_matches, ARRAY_LEN(plain_matches)))
		unknown(k, name);
}

/* --- targets -----------------------------------------------------------------------------------
 */

static void read_nat_range(struct rule_collector *k, const struct nf_nat_range2 *range)
{
	if (range->flags & NF_NAT_RANGE_PROTO_SPECIFIED)
		collect_nat_ports(k, ntohs(range->min_proto.all), ntohs(range->max_proto.all),
				  range->flags & NF_NAT_RANGE_PROTO_OFFSET);
	if (range->flags & NF_NAT_RANGE_NETMAP)
		collect_netmap(k);
	else if (range->flags & NF_NAT_RANGE_MAP_IPS &&
		 memcmp(range->min_addr.all, range->max_addr.all, sizeof(range->min_addr.all)) != 0)
		collect_nat_addresses(k);
}

static void read_dnat(struct rule_collector *k, unsigned revision, struct cur *info)
{
	struct nf_nat_ipv4_multi_range_compat old = {0};
	struct nf_nat_range2 range = {0};

	scope_moves(k);
	if (revision > 0 || k->families == FAMILY6) {
		cur_read(info, &range, revision > 1 ? sizeof(range) : sizeof(struct nf_nat_range));
	} else {
		cur_read(info, &old, sizeof(old));
		range.flags = old.range[0].flags;
		range.min_addr.ip = old.range[0].min_ip;
		range.max_addr.ip = old.range[0].max_ip;
		range.min_proto = old.range[0].min;
		range.max_proto = old.range[0].max;
	}
	read_nat_range(k, &range);
}

static void read_netmap(struct rule_collector *k, unsigned revision, struct cur *info)
{
	(void)revision;
	(void)info;
	collect_netmap(k);
}

static void read_npt(struct rule_collector *k, unsigned revision, struct cur *info)
{
	(void)revision;
	(void)info;
	collect_opaque(k, RULE_SOURCE6, _("a network prefix is translated"));
	collect_opaque(k, RULE_DESTINATION6, _("a network prefix is translated"));
}

/* SET --map-set marks the packet with what the set has for it: a lookup. */
static void read_set_target(struct rule_collector *k, unsigned revision, struct cur *info)
{
	struct xt_set_info_target_v3 set = {0};

	if (revision < 3)
		return;
	cur_read(info, &set, sizeof(set));
	if (info->ok && set.map_set.index != IPSET_INVALID_ID)
		collect_ipset(k, set.map_set.index, set.map_set.flags);
}

static void read_tproxy(struct rule_collector *k, unsigned revision, struct cur *info)
{
	(void)revision;
	(void)info;
	scope_moves(k);
}

static void read_clusterip(struct rule_collector *k, unsigned revision, struct cur *info)
{
	(void)revision;
	(void)info;
	collect_opaque_pair(k, RULE_SOURCE4, _("a hash of the source address decides"));
	collect_opaque_ports(k, &k->out->source_ports, _("a hash of the ports decides"));
	collect_opaque_ports(k, &k->out->destination_ports, _("a hash of the ports decides"));
}

static const struct xt_reader target_readers[] = {
	{"DNAT", read_dnat},	  {"REDIRECT", read_dnat},
	{"NETMAP", read_netmap},  {"SNPT", read_npt},
	{"DNPT", read_npt},	  {"TPROXY", read_tproxy},
	{"SET", read_set_target}, {"CLUSTERIP", read_clusterip},
};

void collect_xt_target(struct rule_collector *k, const char *name, unsigned revision,
		       struct cur info)
{
	if (read_by(k, target_readers, ARRAY_LEN(target_readers), name, revision, &info))
		return;
	if (!is_among(name, plain_targets, ARRAY_LEN(plain_targets)))
		unknown(k, name);
}
