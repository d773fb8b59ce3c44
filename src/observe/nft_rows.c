/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_rows: tables, and a search in each. A name that is not here is no mistake: kernels get new
 * ones, and out-of-tree modules bring theirs; nft_rewrite takes the careful way with those.
 */
#include "observe/nft_rows.h"
#include "base/mem.h"

#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* clang-format off */
static const struct nft_row rows[] = {
	/* the core of nf_tables: no state, no side effect */
	{"bitwise", TREAT_PLAIN, TRAIT_TRANSFORMS, NFTA_BITWISE_DREG, NFTA_BITWISE_LEN, {NFTA_BITWISE_SREG, 8}},
	{"byteorder", TREAT_PLAIN, TRAIT_TRANSFORMS, NFTA_BYTEORDER_DREG, NFTA_BYTEORDER_LEN, {NFTA_BYTEORDER_SREG}},
	{"cmp", TREAT_PLAIN, TRAIT_COMPARES, 0, 0, {NFTA_CMP_SREG}},
	{"range", TREAT_PLAIN, TRAIT_COMPARES, 0, 0, {NFTA_RANGE_SREG}},
	{"immediate", TREAT_PLAIN, 0, NFTA_IMMEDIATE_DREG, 0, {0}}, /* effect: see is_effect() */
	{"payload", TREAT_PLAIN, 0, NFTA_PAYLOAD_DREG, NFTA_PAYLOAD_LEN, {NFTA_PAYLOAD_SREG}},
	{"meta", TREAT_KEYED, 0, NFTA_META_DREG, 0, {NFTA_META_SREG}},
	{"lookup", TREAT_LOOKUP, 0, NFTA_LOOKUP_DREG, 0, {NFTA_LOOKUP_SREG}},
	/* of a new connection, all of it follows from the packet, but for its id, which no one compares */
	{"ct", TREAT_PLAIN, 0, NFTA_CT_DREG, 0, {NFTA_CT_SREG}},
	{"exthdr", TREAT_PLAIN, TRAIT_RISKY, NFTA_EXTHDR_DREG, NFTA_EXTHDR_LEN, {NFTA_EXTHDR_SREG}},
	/* addresses and routes are mirrored */
	{"fib", TREAT_PLAIN, TRAIT_RISKY, NFTA_FIB_DREG, 0, {0}},
	{"rt", TREAT_PLAIN, TRAIT_RISKY, NFTA_RT_DREG, 0, {0}},
	/* the headers within a tunnel: an ordinary packet has none */
	{"inner", TREAT_PLAIN, TRAIT_RISKY, 0, 0, {0}},
	/* IPsec: an ordinary packet came in the clear, here and there */
	{"xfrm", TREAT_PLAIN, TRAIT_RISKY, NFTA_XFRM_DREG, 0, {0}},

	/* counts and remembers, and always holds */
	{"counter", TREAT_PLAIN, 0, 0, 0, {0}},
	{"last", TREAT_PLAIN, TRAIT_RISKY, 0, 0, {0}},

	/* what has been before decides */
	{"limit", TREAT_RATE, TRAIT_RISKY, 0, 0, {0}},
	{"quota", TREAT_RATE, TRAIT_RISKY, 0, 0, {0}},
	{"connlimit", TREAT_RATE, TRAIT_RISKY, 0, 0, {0}},
	{"objref", TREAT_OBJECT, TRAIT_RISKY, 0, 0, {NFTA_OBJREF_SET_SREG}},
	/* left out: the sets keep what the machine has in them; what it would add is a doubt where
	 * other rules look there */
	{"dynset", TREAT_FEED, TRAIT_RISKY, 0, 0, {0}},

	/* chance; a hash with a seed of its own is another on each machine */
	{"numgen", TREAT_CHANCE, TRAIT_RISKY, NFTA_NG_DREG, 0, {0}},
	{"hash", TREAT_CHANCE, TRAIT_RISKY | TRAIT_TRANSFORMS, NFTA_HASH_DREG, NFTA_HASH_LEN, {NFTA_HASH_SREG}},

	/* needs what a twin lacks: sockets, fingerprints of the sender's system, tunnels' metadata */
	{"socket", TREAT_UNMIRRORED, TRAIT_BREAKS | TRAIT_RISKY, NFTA_SOCKET_DREG, 0, {0}},
	{"osf", TREAT_UNMIRRORED, TRAIT_BREAKS | TRAIT_RISKY, NFTA_OSF_DREG, 0, {0}},
	{"tunnel", TREAT_UNMIRRORED, TRAIT_BREAKS | TRAIT_RISKY, NFTA_TUNNEL_DREG, 0, {0}},

	/* the packet's fate */
	{"nat", TREAT_PLAIN, TRAIT_EFFECT | TRAIT_RISKY, 0, 0, {NFTA_NAT_REG_ADDR_MIN, NFTA_NAT_REG_ADDR_MAX, NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_REG_PROTO_MAX}},
	{"masq", TREAT_PLAIN, TRAIT_EFFECT | TRAIT_RISKY, 0, 0, {NFTA_MASQ_REG_PROTO_MIN, NFTA_MASQ_REG_PROTO_MAX}},
	{"redir", TREAT_PLAIN, TRAIT_EFFECT | TRAIT_RISKY, 0, 0, {NFTA_REDIR_REG_PROTO_MIN, NFTA_REDIR_REG_PROTO_MAX}},
	{"notrack", TREAT_PLAIN, TRAIT_EFFECT | TRAIT_RISKY, 0, 0, {0}},
	{"reject", TREAT_PLAIN, TRAIT_EFFECT | TRAIT_RISKY, 0, 0, {0}},
	/* a program decides; the kernel answers for a server; out by another device; to a socket of
	 * another port, where there is one */
	{"queue", TREAT_STOP, TRAIT_EFFECT, 0, 0, {0}},
	{"synproxy", TREAT_STOP, TRAIT_EFFECT, 0, 0, {0}},
	{"fwd", TREAT_STOP, TRAIT_EFFECT, 0, 0, {0}},
	{"tproxy", TREAT_STOP, TRAIT_EFFECT, 0, 0, {0}},
	/* breaks until the connection is confirmed: never before its second packet */
	{"flow_offload", TREAT_NEVER, 0, 0, 0, {0}},

	/* logs and copies: the packet goes on as before */
	{"log", TREAT_STRIP, 0, 0, 0, {0}},
	{"dup", TREAT_STRIP, 0, 0, 0, {0}},
	{"secmark", TREAT_STRIP, 0, 0, 0, {0}},

	{"match", TREAT_MATCH, TRAIT_RISKY, 0, 0, {0}},
	{"target", TREAT_TARGET, TRAIT_RISKY, 0, 0, {0}},
};

static const struct nft_meta_row meta_rows[] = {
	/* of senders: any */
	{NFT_META_LEN, TREAT_UNMIRRORED, false, 1, "length"},
	{NFT_META_PROTOCOL, TREAT_PLAIN, false, 1, "protocol"},
	{NFT_META_PRIORITY, TREAT_PLAIN, false, 1, "priority"},
	{NFT_META_MARK, TREAT_PLAIN, false, 1, "mark"},
	{NFT_META_IIF, TREAT_PLAIN, false, 1, "iif"}, /* indexes are the machine's */
	{NFT_META_OIF, TREAT_PLAIN, false, 1, "oif"},
	{NFT_META_IIFNAME, TREAT_PLAIN, false, 4, "iifname"},
	{NFT_META_OIFNAME, TREAT_PLAIN, false, 4, "oifname"},
	/* the twin's devices are all TAPs */
	{NFT_META_IIFTYPE, TREAT_UNMIRRORED, false, 1, "iiftype"},
	{NFT_META_OIFTYPE, TREAT_UNMIRRORED, false, 1, "oiftype"},
	/* and these are not there at all for a real card */
	{NFT_META_IIFKIND, TREAT_UNMIRRORED, true, 4, "iifkind"},
	{NFT_META_OIFKIND, TREAT_UNMIRRORED, true, 4, "oifkind"},
	{NFT_META_IIFGROUP, TREAT_PLAIN, false, 1, "iifgroup"},
	{NFT_META_OIFGROUP, TREAT_UNMIRRORED, false, 1, "oifgroup"},
	/* who sends it, or would take it: nothing to load without a socket */
	{NFT_META_SKUID, TREAT_UNMIRRORED, true, 1, "skuid"},
	{NFT_META_SKGID, TREAT_UNMIRRORED, true, 1, "skgid"},
	{NFT_META_CGROUP, TREAT_UNMIRRORED, true, 1, "cgroup"},
	{NFT_META_SECMARK, TREAT_UNMIRRORED, false, 1, "secmark"},
	{NFT_META_RTCLASSID, TREAT_PLAIN, false, 1, "rtclassid"}, /* of the route: mirrored */
	{NFT_META_NFPROTO, TREAT_PLAIN, false, 1, "nfproto"},
	{NFT_META_L4PROTO, TREAT_PLAIN, false, 1, "l4proto"},
	{NFT_META_BRI_IIFNAME, TREAT_PLAIN, false, 4, "ibrname"}, /* bridges are mirrored */
	{NFT_META_BRI_OIFNAME, TREAT_PLAIN, false, 4, "obrname"},
	{NFT_META_BRI_IIFPVID, TREAT_UNMIRRORED, true, 1, "ibrpvid"},
	{NFT_META_BRI_IIFVPROTO, TREAT_UNMIRRORED, true, 1, "ibrvproto"},
	{NFT_META_PKTTYPE, TREAT_PLAIN, false, 1, "pkttype"},
	{NFT_META_CPU, TREAT_RATE, false, 1, "cpu"}, /* whichever takes the interrupt */
	{NFT_META_PRANDOM, TREAT_RATE, false, 1, "random"},
	{NFT_META_SECPATH, TREAT_PLAIN, false, 1, "ipsec"}, /* in the clear, as with xfrm */
	/* true now, as of now */
	{NFT_META_TIME_NS, TREAT_PLAIN, false, 2, "time"},
	{NFT_META_TIME_DAY, TREAT_PLAIN, false, 1, "day"},
	{NFT_META_TIME_HOUR, TREAT_PLAIN, false, 1, "hour"},
	{NFT_META_SDIF, TREAT_PLAIN, false, 1, "sdif"},
	{NFT_META_SDIFNAME, TREAT_PLAIN, false, 4, "sdifname"},
};

static const struct xt_row matches[] = {
	/* of the packet, its connection, its route, or the machine's sets */
	{"addrtype", TREAT_PLAIN}, {"ah", TREAT_PLAIN},
	{"cluster", TREAT_PLAIN}, {"comment", TREAT_PLAIN}, {"connlabel", TREAT_PLAIN},
	{"connmark", TREAT_PLAIN}, {"conntrack", TREAT_PLAIN}, {"dccp", TREAT_PLAIN},
	{"dscp", TREAT_PLAIN}, {"ecn", TREAT_PLAIN}, {"esp", TREAT_PLAIN},
	{"helper", TREAT_PLAIN},
	{"icmp", TREAT_PLAIN}, {"icmp6", TREAT_PLAIN}, {"ipcomp", TREAT_PLAIN},
	{"iprange", TREAT_PLAIN}, {"l2tp", TREAT_PLAIN},
	{"mark", TREAT_PLAIN}, {"multiport", TREAT_PLAIN}, {"pkttype", TREAT_PLAIN},
	{"policy", TREAT_PLAIN}, {"realm", TREAT_PLAIN}, {"rpfilter", TREAT_PLAIN},
	{"sctp", TREAT_PLAIN}, {"state", TREAT_PLAIN},
	{"tcp", TREAT_PLAIN}, {"tcpmss", TREAT_PLAIN}, {"time", TREAT_PLAIN},
	{"tos", TREAT_PLAIN}, {"udp", TREAT_PLAIN},
	{"udplite", TREAT_PLAIN}, {"set", TREAT_IPSET},
	/* IPv6 extension headers: an ordinary packet has none */
	{"dst", TREAT_PLAIN}, {"frag", TREAT_PLAIN}, {"hbh", TREAT_PLAIN},
	{"ipv6header", TREAT_PLAIN}, {"mh", TREAT_PLAIN}, {"rt", TREAT_PLAIN},
	{"srh", TREAT_PLAIN},
	/* of ebtables */
	{"802_3", TREAT_PLAIN}, {"arp", TREAT_PLAIN}, {"ip", TREAT_PLAIN}, {"ip6", TREAT_PLAIN},
	{"mark_m", TREAT_PLAIN}, {"stp", TREAT_PLAIN}, {"vlan", TREAT_PLAIN},
	{"among", TREAT_UNMIRRORED}, /* addresses of senders' cards */

	/* what has been before, how much at once, or chance decides */
	{"connbytes", TREAT_RATE}, {"connlimit", TREAT_RATE}, {"hashlimit", TREAT_RATE},
	{"limit", TREAT_RATE}, {"nfacct", TREAT_RATE}, {"quota", TREAT_RATE},
	{"rateest", TREAT_RATE}, {"recent", TREAT_RECENT}, {"statistic", TREAT_RATE},
	{"cpu", TREAT_RATE},

	/* what the twin lacks: sockets, users, groups of devices, ports of bridges, IPVS, senders' cards */
	{"cgroup", TREAT_UNMIRRORED}, {"devgroup", TREAT_PLAIN}, {"eui64", TREAT_UNMIRRORED},
	{"ipvs", TREAT_UNMIRRORED}, {"mac", TREAT_UNMIRRORED}, {"osf", TREAT_UNMIRRORED},
	/* and how far away, how long, and which bytes: senders' own */
	{"bpf", TREAT_UNMIRRORED}, {"string", TREAT_UNMIRRORED}, {"u32", TREAT_UNMIRRORED},
	{"hl", TREAT_UNMIRRORED}, {"ttl", TREAT_UNMIRRORED}, {"length", TREAT_UNMIRRORED},
	{"owner", TREAT_UNMIRRORED}, {"physdev", TREAT_UNMIRRORED}, {"socket", TREAT_UNMIRRORED},
};

static const struct xt_row targets[] = {
	/* the packet's fate, its addresses, marks and fields */
	{"", TREAT_PLAIN}, {"ACCEPT", TREAT_PLAIN}, {"DROP", TREAT_PLAIN}, {"REJECT", TREAT_PLAIN},
	{"DNAT", TREAT_PLAIN}, {"SNAT", TREAT_PLAIN}, {"MASQUERADE", TREAT_PLAIN},
	{"NETMAP", TREAT_PLAIN}, {"REDIRECT", TREAT_PLAIN}, {"DNPT", TREAT_PLAIN},
	{"SNPT", TREAT_PLAIN}, {"CT", TREAT_PLAIN}, {"NOTRACK", TREAT_PLAIN},
	{"CHECKSUM", TREAT_PLAIN}, {"CLASSIFY", TREAT_PLAIN}, {"CONNMARK", TREAT_PLAIN},
	{"DSCP", TREAT_PLAIN}, {"ECN", TREAT_PLAIN}, {"HL", TREAT_PLAIN}, {"HMARK", TREAT_PLAIN},
	{"MARK", TREAT_PLAIN}, {"TCPMSS", TREAT_PLAIN}, {"TCPOPTSTRIP", TREAT_PLAIN},
	{"TOS", TREAT_PLAIN}, {"TTL", TREAT_PLAIN},
	/* of ebtables and arptables */
	{"arpreply", TREAT_PLAIN}, {"dnat", TREAT_PLAIN}, {"mangle", TREAT_PLAIN},
	{"mark", TREAT_PLAIN}, {"redirect", TREAT_PLAIN}, {"snat", TREAT_PLAIN},
	{"log", TREAT_STRIP}, {"nflog", TREAT_STRIP},

	/* nothing to the packet; some of these act on the whole machine, from any namespace */
	{"AUDIT", TREAT_STRIP}, {"CONNSECMARK", TREAT_STRIP}, {"IDLETIMER", TREAT_STRIP},
	{"LED", TREAT_STRIP}, {"LOG", TREAT_STRIP}, {"NFLOG", TREAT_STRIP},
	{"RATEEST", TREAT_STRIP}, {"SECMARK", TREAT_STRIP}, {"TEE", TREAT_STRIP},
	{"TRACE", TREAT_STRIP}, {"ULOG", TREAT_STRIP}, {"SET", TREAT_FEED},

	/* a program or another machine decides, or the kernel answers for a server */
	{"CLUSTERIP", TREAT_STOP}, {"NFQUEUE", TREAT_STOP}, {"QUEUE", TREAT_STOP},
	{"SYNPROXY", TREAT_STOP}, {"TPROXY", TREAT_STOP},
};
/* clang-format on */

const struct nft_row *nft_row_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static const struct xt_row *find_xt(const struct xt_row *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	return NULL;
}

const struct xt_row *xt_row_find_match(const char *name)
{
	return find_xt(matches, ARRAY_LEN(matches), name);
}

const struct xt_row *xt_row_find_target(const char *name)
{
	return find_xt(targets, ARRAY_LEN(targets), name);
}

const struct nft_meta_row *nft_row_find_meta(uint32_t key)
{
	for (size_t i = 0; i < ARRAY_LEN(meta_rows); i++)
		if (meta_rows[i].key == key)
			return &meta_rows[i];
	return NULL;
}
