/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_walk_xt: matches and targets of xtables within nf_tables rules (iptables-nft). Their data are
 * structs of the kernel's headers, read with their sizes checked.
 */
#include "base/i18n.h"
#include "base/nla.h"
#include "observe/nft_walk_inner.h"

#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_set.h>
#include <string.h>

static void read_name(const struct nft_expr *expr, char name[NFT_NAME_SIZE])
{
	nft_attr_name(expr->data, NFTA_MATCH_NAME, name); /* NFTA_TARGET_NAME is the same */
}

enum nft_treat nft_walk_target_treat(const struct nft_expr *expr)
{
	char name[NFT_NAME_SIZE];
	const struct xt_row *row;

	read_name(expr, name);
	row = xt_row_find_target(name);
	return row ? row->treat : TREAT_STOP;
}

static void walk_recent(struct nft_walk *k, const struct nft_expr *expr)
{
	struct xt_recent_mtinfo info = {0};
	struct cur value = {.ok = true};

	nla_find(expr->data, NFTA_MATCH_INFO, &value);
	cur_read(&value, &info, sizeof(info)); /* revision 1 has more behind it */
	if (!value.ok || (info.check_set & (XT_RECENT_CHECK | XT_RECENT_UPDATE | XT_RECENT_REMOVE)))
		nft_walk_doubt(k, DOUBT_RATE, "recent");
	else if (info.invert)
		nft_walk_never(k); /* --set: always holds, and so its inversion never does */
}

/* How a doubt about what an ipset is fed decides a match with it: 0: not at all. */
static int forced_ipset(const struct nft_walk *k, uint16_t index)
{
	for (size_t i = 0; k->assignment && i < k->w->feed_count; i++) {
		const struct nft_feed *feed = &k->w->feeds[i];

		if (feed->set == (NFT_WALK_IPSET | index) &&
		    assignment_has(k->assignment, feed->doubt))
			return feed->deletes ? -1 : 1;
	}
	return 0;
}

static void walk_ipset(struct nft_walk *k, const struct nft_expr *expr)
{
	uint64_t revision = nft_attr_number(expr->data, NFTA_MATCH_REV);
	struct xt_set_info_match_v4 info = {0};
	struct xt_set_info_match_v3 old = {0};
	struct cur value = {.ok = true}, whole;
	bool counted = false;
	int forced;

	nla_find(expr->data, NFTA_MATCH_INFO, &value);
	whole = value;
	cur_read(&whole, &info.match_set, sizeof(info.match_set)); /* first in all revisions */
	if (revision == 3) {
		cur_read(&value, &old, sizeof(old));
		counted = old.packets.op || old.bytes.op;
	} else if (revision >= 4) {
		struct xt_set_info_match_v4 counters;

		cur_read(&value, &counters, sizeof(counters));
		counted = counters.packets.op || counters.bytes.op;
	}
	forced = revision > 0 ? forced_ipset(k, info.match_set.index) : 0;
	if (forced) {
		k->next += counted;
		if ((forced > 0) == !!(info.match_set.flags & IPSET_INV_MATCH))
			nft_walk_never(k);
		return;
	}
	nft_walk_emit(k, expr);
	if (counted)
		nft_walk_doubt(k, DOUBT_RATE, _("counters of an ipset"));
}

void nft_walk_match(struct nft_walk *k, const struct nft_expr *expr)
{
	char name[NFT_NAME_SIZE];
	const struct xt_row *row;

	read_name(expr, name);
	row = xt_row_find_match(name);
	k->w->clock |= strcmp(name, "time") == 0;
	switch (row ? row->treat : TREAT_UNMIRRORED) {
	case TREAT_PLAIN:
		nft_walk_emit(k, expr);
		break;
	case TREAT_RECENT:
		walk_recent(k, expr);
		break;
	case TREAT_IPSET:
		walk_ipset(k, expr);
		break;
	case TREAT_RATE:
		nft_walk_doubt(k, DOUBT_RATE, name);
		break;
	default:
		nft_walk_doubt(k, DOUBT_UNMIRRORED, name);
		break;
	}
}

/* Sets --add-set or --del-set name what rules of this or a later packet ask: all may. */
static void walk_ipset_target(struct nft_walk *k, const struct nft_expr *expr)
{
	struct xt_set_info_target_v1 info = {0};
	struct cur value = {.ok = true};

	nla_find(expr->data, NFTA_TARGET_INFO, &value);
	cur_read(&value, &info, sizeof(info)); /* first in revisions 1 to 3 */
	if (nft_attr_number(expr->data, NFTA_TARGET_REV) == 0 || !value.ok) {
		nft_walk_stop(k, "SET");
		return;
	}
	if (info.add_set.index != IPSET_INVALID_ID)
		nft_walk_feed(k, NFT_WALK_IPSET | info.add_set.index, false);
	if (info.del_set.index != IPSET_INVALID_ID && !k->ended)
		nft_walk_feed(k, NFT_WALK_IPSET | info.del_set.index, true);
}

void nft_walk_target(struct nft_walk *k, const struct nft_expr *expr)
{
	char name[NFT_NAME_SIZE];

	read_name(expr, name);
	switch (nft_walk_target_treat(expr)) {
	case TREAT_PLAIN:
		nft_walk_emit(k, expr);
		break;
	case TREAT_STRIP:
		break;
	case TREAT_UNMIRRORED:
		nft_walk_doubt(k, DOUBT_UNMIRRORED, name);
		break;
	case TREAT_FEED:
		walk_ipset_target(k, expr);
		break;
	default:
		nft_walk_stop(k, name);
		break;
	}
}
