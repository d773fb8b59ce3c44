/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows follow net/netfilter/xt_*.c and net/ipv{4,6}/netfilter of Linux 6.18, and the
 * extensions of ebtables and arptables, which nf_tables' compat expressions can name. A name that
 * stands here as PLAIN is a promise: with the same packet, interfaces, routes, conntrack and sets
 * it decides the same in a twin.
 */
#include "observe/xt_table.h"
#include "base/cur.h"
#include "base/mem.h"

#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_policy.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_set.h>
#include <string.h>

static const struct xt_row matches[] = {
	/* the packet itself */
	{"ah", XT_PLAIN, false},
	{"comment", XT_PLAIN, false},
	{"dccp", XT_PLAIN, false},
	{"dscp", XT_PLAIN, false},
	{"dst", XT_PLAIN, false}, /* IPv6 destination options */
	{"ecn", XT_PLAIN, false},
	{"esp", XT_PLAIN, false},
	{"frag", XT_PLAIN, false},
	{"hbh", XT_PLAIN, false},
	{"icmp", XT_PLAIN, false},
	{"icmp6", XT_PLAIN, false},
	{"ipcomp", XT_PLAIN, false},
	{"iprange", XT_PLAIN, false},
	{"ipv6header", XT_PLAIN, false},
	{"l2tp", XT_PLAIN, false},
	{"mh", XT_PLAIN, false},
	{"multiport", XT_PLAIN, false},
	{"pkttype", XT_PLAIN, false},
	{"rt", XT_PLAIN, false},
	{"sctp", XT_PLAIN, false},
	{"srh", XT_PLAIN, false},
	{"tcp", XT_PLAIN, false},
	{"tcpmss", XT_PLAIN, false},
	{"tos", XT_PLAIN, false},
	{"udp", XT_PLAIN, false},
	{"udplite", XT_PLAIN, false},
	/* what the twin has as the machine: addresses, routes, conntrack's view of a first packet
	 */
	{"addrtype", XT_PLAIN, false},
	{"cluster", XT_PLAIN, false},
	{"connbytes", XT_PLAIN,
	 false}, /* makes its namespace count (nf_conntrack_acct) by itself */
	{"connlabel", XT_PLAIN, false},
	{"connmark", XT_PLAIN, false},
	{"conntrack", XT_PLAIN, false},
	{"helper", XT_PLAIN, false}, /* true only of a related connection */
	{"mark", XT_PLAIN, false},
	{"realm", XT_PLAIN, false},
	{"rpfilter", XT_PLAIN, false},
	{"set", XT_PLAIN, false}, /* see match_set */
	{"state", XT_PLAIN, false},
	{"time", XT_PLAIN, true},
	{"policy", XT_PLAIN, false}, /* see match_policy */
	/* what came before */
	{"connlimit", XT_RATE, false},
	{"hashlimit", XT_RATE, false},
	{"limit", XT_RATE, false},
	{"nfacct", XT_RATE, false}, /* false while an object with a quota is under it */
	{"quota", XT_RATE, false},
	{"rateest", XT_RATE, false},
	{"recent", XT_RATE, false}, /* see match_recent */
	{"statistic", XT_RATE, false},
	/* what the twin does not have, or who sends decides: any bytes of the packet */
	{"bpf", XT_UNMIRRORED, false},
	{"cgroup", XT_UNMIRRORED, false},
	{"cpu", XT_UNMIRRORED, false},
	{"devgroup", XT_PLAIN, false},
	{"eui64", XT_UNMIRRORED, false},
	{"hl", XT_UNMIRRORED, false}, /* how far away a sender is */
	{"ipvs", XT_UNMIRRORED, false},
	{"length", XT_UNMIRRORED, false},
	{"mac", XT_UNMIRRORED, false},
	{"osf", XT_UNMIRRORED, false},
	{"owner", XT_UNMIRRORED, false},
	{"physdev", XT_UNMIRRORED, false},
	{"socket", XT_UNMIRRORED, false},
	{"string", XT_UNMIRRORED, false},
	{"ttl", XT_UNMIRRORED, false},
	{"u32", XT_UNMIRRORED, false},
	/* ebtables; its limit is above */
	{"802_3", XT_PLAIN, false},
	{"among", XT_UNMIRRORED, false},
	{"arp", XT_PLAIN, false},
	{"ip", XT_PLAIN, false},
	{"ip6", XT_PLAIN, false},
	{"mark_m", XT_PLAIN, false},
	{"stp", XT_PLAIN, false},
	{"vlan", XT_PLAIN, false},
};

static const struct xt_row targets[] = {
	/* a verdict, or something that a later rule can look at */
	{"CHECKSUM", XT_PLAIN, false},
	{"CLASSIFY", XT_PLAIN, false},
	{"CONNMARK", XT_PLAIN, false},
	{"CT", XT_PLAIN, false}, /* see xt_target_quiet */
	{"DNAT", XT_PLAIN, false},
	{"DNPT", XT_PLAIN, false},
	{"DSCP", XT_PLAIN, false},
	{"ECN", XT_PLAIN, false},
	{"HL", XT_PLAIN, false},
	{"HMARK", XT_PLAIN, false},
	{"MARK", XT_PLAIN, false},
	{"MASQUERADE", XT_PLAIN, false},
	{"NETMAP", XT_PLAIN, false},
	{"NOTRACK", XT_PLAIN, false},
	{"REDIRECT", XT_PLAIN, false},
	{"REJECT", XT_PLAIN, false},
	{"SNAT", XT_PLAIN, false},
	{"SNPT", XT_PLAIN, false},
	{"TCPMSS", XT_PLAIN, false},
	{"TCPOPTSTRIP", XT_PLAIN, false},
	{"TOS", XT_PLAIN, false},
	{"TTL", XT_PLAIN, false},
	/* nothing that a rule could see, and something that others would: always XT_CONTINUE */
	{"AUDIT", XT_STRIP, false},
	{"CONNSECMARK", XT_STRIP, false},
	{"IDLETIMER", XT_STRIP, false},
	{"LED", XT_STRIP, false},
	{"LOG", XT_STRIP, false},
	{"NFLOG", XT_STRIP, false},
	{"RATEEST", XT_STRIP, false},
	{"SECMARK", XT_STRIP, false},
	{"SET", XT_STRIP, false}, /* see target_set */
	{"TEE", XT_STRIP, false},
	{"TRACE", XT_STRIP, false},
	{"ULOG", XT_STRIP, false},
	/* another program, or a listener, has the last word */
	{"NFQUEUE", XT_STOP, false},
	{"SYNPROXY", XT_STOP, false},
	{"TPROXY", XT_STOP, false},
	/* ebtables and arptables */
	{"arpreply", XT_PLAIN, false},
	{"dnat", XT_PLAIN, false},
	{"log", XT_STRIP, false},
	{"mangle", XT_PLAIN, false},
	{"mark", XT_PLAIN, false},
	{"nflog", XT_STRIP, false},
	{"redirect", XT_PLAIN, false},
	{"snat", XT_PLAIN, false},
};

static const struct xt_row *find_row(const struct xt_row *rows, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

const struct xt_row *xt_match_find(const char *name)
{
	return find_row(matches, ARRAY_LEN(matches), name);
}

const struct xt_row *xt_target_find(const char *name)
{
	return find_row(targets, ARRAY_LEN(targets), name);
}

/* --set only writes down the address: its truth is constant. All else looks at who came before. */
static enum xt_kind match_recent(uint8_t revision, struct cur c)
{
	struct xt_recent_mtinfo info; /* revision 1 is the same with a mask behind it */

	cur_read(&c, &info, sizeof(info));
	if (revision > 1 || !c.ok)
		return XT_RATE;
	return info.check_set & XT_RECENT_SET ? XT_PLAIN : XT_RATE;
}

/* Of a plain packet that comes in, IPsec is known to be "none"; what goes out depends on policies
 * that the twin does not have. */
static enum xt_kind match_policy(uint8_t revision, struct cur c)
{
	struct xt_policy_info info;

	cur_read(&c, &info, sizeof(info));
	return revision == 0 && c.ok && info.flags & XT_POLICY_MATCH_IN ? XT_PLAIN : XT_UNMIRRORED;
}

/* Revisions 3 and 4 can compare the counters of an element. */
static enum xt_kind match_set(uint8_t revision, struct cur c)
{
	if (revision <= 2)
		return XT_PLAIN;
	if (revision == 3) {
		struct xt_set_info_match_v3 info;

		cur_read(&c, &info, sizeof(info));
		return c.ok && !info.packets.op && !info.bytes.op ? XT_PLAIN : XT_RATE;
	}
	struct xt_set_info_match_v4 info;

	cur_read(&c, &info, sizeof(info));
	return revision == 4 && c.ok && !info.packets.op && !info.bytes.op ? XT_PLAIN : XT_RATE;
}

enum xt_kind xt_match_kind(const char *name, uint8_t revision, const void *data, size_t len)
{
	const struct xt_row *row = xt_match_find(name);
	static const struct {
		const char *name;
		enum xt_kind (*kind)(uint8_t revision, struct cur c);
	} by_blob[] = {
		{"recent", match_recent},
		{"policy", match_policy},
		{"set", match_set},
	};

	if (!row)
		return XT_STOP;
	for (size_t i = 0; i < ARRAY_LEN(by_blob); i++)
		if (strcmp(by_blob[i].name, name) == 0)
			return by_blob[i].kind(revision, cur_init(data, len));
	return row->kind;
}

/* A SET with a map writes the packet's mark, priority or queue, which rules can look at. */
static enum xt_kind target_set(uint8_t revision, struct cur c)
{
	struct xt_set_info_target_v3 info;

	if (revision <= 2)
		return XT_STRIP;
	cur_read(&c, &info, sizeof(info));
	if (revision > 3 || !c.ok)
		return XT_STOP;
	return info.map_set.index == IPSET_INVALID_ID ? XT_STRIP : XT_PLAIN;
}

enum xt_kind xt_target_kind(const char *name, uint8_t revision, const void *data, size_t len)
{
	const struct xt_row *row = xt_target_find(name);

	if (!row)
		return XT_STOP;
	if (strcmp(name, "SET") == 0)
		return target_set(revision, cur_init(data, len));
	return row->kind;
}

static bool quiet_set(uint8_t revision, void *data, size_t len)
{
	struct xt_set_info_target_v3 info;

	if (revision != 3 || len < sizeof(info))
		return false;
	memcpy(&info, data, sizeof(info));
	info.add_set.index = info.del_set.index = IPSET_INVALID_ID;
	memcpy(data, &info, sizeof(info));
	return true;
}

static bool quiet_ct(uint8_t revision, void *data, size_t len)
{
	struct xt_ct_target_info_v1 info; /* begins as revision 0 does, up to the helper */
	size_t known = revision ? offsetof(struct xt_ct_target_info_v1, ct)
				: offsetof(struct xt_ct_target_info, ct);
	bool named;

	if (revision > 2 || len < known)
		return false;
	memset(&info, 0, sizeof(info));
	memcpy(&info, data, known);
	named = info.helper[0] || (revision && info.timeout[0]);
	memset(info.helper, 0, sizeof(info.helper));
	memset(info.timeout, 0, sizeof(info.timeout));
	memcpy(data, &info, known);
	return named;
}

bool xt_target_quiet(const char *name, uint8_t revision, void *data, size_t len)
{
	if (strcmp(name, "SET") == 0)
		return quiet_set(revision, data, len);
	if (strcmp(name, "CT") == 0)
		return quiet_ct(revision, data, len);
	return false;
}

/* Every revision of the match begins with the index; SET has add, del and from revision 3 map. */
size_t xt_match_sets(const char *name, uint8_t revision, const void *data, size_t len,
		     uint16_t ret[3])
{
	struct cur c = cur_init(data, len);

	(void)revision;
	if (strcmp(name, "set") != 0)
		return 0;
	cur_read(&c, &ret[0], sizeof(ret[0]));
	return c.ok;
}

size_t xt_target_changed_sets(const char *name, uint8_t revision, const void *data, size_t len,
			      uint16_t ret[3])
{
	size_t step = revision == 0 ? sizeof(struct xt_set_info_v0) : sizeof(struct xt_set_info);
	struct cur c = cur_init(data, len);
	size_t count = 0;

	if (strcmp(name, "SET") != 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		struct cur one = cur_slice(&c, step);

		cur_read(&one, &ret[count], sizeof(ret[0]));
		if (one.ok && ret[count] != IPSET_INVALID_ID)
			count++;
	}
	return count;
}
