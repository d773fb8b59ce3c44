/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_constants_legacy: walks the entries of a table of ip_tables or ip6_tables: the addresses and
 * the interface of each, then its matches and its target. The bytes come from the kernel of a
 * machine that we do not trust to be ours: every length in them is checked.
 */
#include "base/i18n.h"
#include "observe/rule_collect.h"

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* What both kinds of entry have. */
struct entry {
	uint8_t source[16], source_mask[16], destination[16], destination_mask[16];
	uint8_t iniface[16], iniface_mask[16];
	uint16_t target_offset, next_offset;
	uint8_t inverted; /* IPT_INV_..., which IP6T_INV_... are, too */
	size_t head_len;
};

static void decode_entry4(struct cur at, struct entry *ret)
{
	struct ipt_entry e;

	cur_read(&at, &e, sizeof(e));
	*ret = (struct entry){.target_offset = e.target_offset,
			      .next_offset = e.next_offset,
			      .inverted = e.ip.invflags,
			      .head_len = sizeof(e)};
	memcpy(ret->source, &e.ip.src, sizeof(e.ip.src));
	memcpy(ret->source_mask, &e.ip.smsk, sizeof(e.ip.smsk));
	memcpy(ret->destination, &e.ip.dst, sizeof(e.ip.dst));
	memcpy(ret->destination_mask, &e.ip.dmsk, sizeof(e.ip.dmsk));
	memcpy(ret->iniface, e.ip.iniface, sizeof(ret->iniface));
	memcpy(ret->iniface_mask, e.ip.iniface_mask, sizeof(ret->iniface_mask));
}

static void decode_entry6(struct cur at, struct entry *ret)
{
	struct ip6t_entry e;

	cur_read(&at, &e, sizeof(e));
	*ret = (struct entry){.target_offset = e.target_offset,
			      .next_offset = e.next_offset,
			      .inverted = e.ipv6.invflags,
			      .head_len = sizeof(e)};
	memcpy(ret->source, &e.ipv6.src, sizeof(ret->source));
	memcpy(ret->source_mask, &e.ipv6.smsk, sizeof(ret->source_mask));
	memcpy(ret->destination, &e.ipv6.dst, sizeof(ret->destination));
	memcpy(ret->destination_mask, &e.ipv6.dmsk, sizeof(ret->destination_mask));
	memcpy(ret->iniface, e.ipv6.iniface, sizeof(ret->iniface));
	memcpy(ret->iniface_mask, e.ipv6.iniface_mask, sizeof(ret->iniface_mask));
}

/* The next extension (match or target: they have the same head); false when there is none that is
 * whole. */
static bool next_extension(struct cur *c, char name[XT_EXTENSION_MAXNAMELEN], uint8_t *revision,
			   struct cur *info)
{
	struct xt_entry_match head;
	struct cur peek = *c, whole;

	cur_read(&peek, &head, sizeof(head));
	if (!peek.ok || head.u.user.match_size < sizeof(head)) {
		c->ok = false;
		return false;
	}
	whole = cur_slice(c, head.u.user.match_size);
	if (!whole.ok)
		return false;
	cur_take(&whole, sizeof(head));
	memcpy(name, head.u.user.name, XT_EXTENSION_MAXNAMELEN);
	name[XT_EXTENSION_MAXNAMELEN - 1] = '\0';
	*revision = head.u.user.revision;
	*info = whole;
	return true;
}

static void read_conditions(struct rule_collector *k, const struct entry *e)
{
	collect_masked(k, collect_field(RULE_SOURCE4, k->families), e->source_mask, e->source, 0);
	if (k->scope.source_count == 1 && !(e->inverted & IPT_INV_SRCIP))
		scope_need(k, k->scope.sources[0]);
	collect_masked(k, collect_field(RULE_DESTINATION4, k->families), e->destination_mask,
		       e->destination, 0);
	/* the mask of a whole name has its NUL: what follows in a name is NUL, too */
	collect_masked(k, RULE_IIFNAME, e->iniface_mask, e->iniface, 0);
}

/* One whole entry; false when it is malformed. */
static bool read_entry(struct rule_collector *k, const struct entry *e, struct cur bytes)
{
	char name[XT_EXTENSION_MAXNAMELEN];
	struct cur matches, info;
	uint8_t revision;

	if (e->target_offset < e->head_len || e->target_offset > e->next_offset)
		return false;
	cur_take(&bytes, e->head_len);
	matches = cur_slice(&bytes, e->target_offset - e->head_len);
	scope_begin(k);
	read_conditions(k, e);
	while (matches.left > 0 && next_extension(&matches, name, &revision, &info))
		collect_xt_match(k, name, revision, info);
	if (!matches.ok || !next_extension(&bytes, name, &revision, &info))
		return false;
	collect_xt_target(k, name, revision, info);
	scope_end(k);
	return true;
}

int rule_constants_add_legacy(struct rule_constants *c, int family, const void *entries, size_t len,
			      const struct ipset_messages *ipsets, struct err *e)
{
	struct cur all = cur_init(entries, len);
	struct rule_collector k;
	struct entry entry;

	collect_begin(&k, c, ipsets);
	snprintf(k.place, sizeof(k.place), "%s",
		 family == AF_INET ? "iptables-legacy" : "ip6tables-legacy");
	while (all.left > 0) {
		struct cur one;

		k.families = family == AF_INET ? FAMILY4 : FAMILY6;
		if (family == AF_INET)
			decode_entry4(all, &entry);
		else
			decode_entry6(all, &entry);
		/* a short one is all zeroes */
		one = cur_slice(&all, entry.next_offset);
		if (!one.ok || entry.next_offset == 0 || !read_entry(&k, &entry, one)) {
			collect_malformed(&k);
			break;
		}
	}
	return collect_end(&k, e);
}
