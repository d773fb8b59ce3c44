/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_rewrite_fuzz: any bytes as a row of dumped nf_tables messages: kept, rewritten with no doubt
 * held and with all, and compared with itself. Besides memory errors, it looks for rules that
 * cannot be read back, for recorders of doubts that nobody found, and for two passes over a rule
 * that do not agree.
 */
#include "base/mem.h"
#include "base/nla.h"
#include "observe/hook_order.h"
#include "observe/nft_attr.h"
#include "observe/nft_compare.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_messages(struct nft_image *image, struct cur c)
{
	while (c.left >= sizeof(struct nlmsghdr) && image->count < 500) {
		struct nlmsghdr header;
		size_t len, padding;
		struct cur payload;

		cur_read(&c, &header, sizeof(header));
		if (header.nlmsg_len < sizeof(header))
			return;
		len = header.nlmsg_len - sizeof(header);
		payload = cur_slice(&c, len < c.left ? len : c.left);
		if (payload.ok)
			nft_image_add(image, header.nlmsg_type, payload.at, payload.left);
		padding = NLMSG_ALIGN(len) - len;
		cur_take(&c, padding < c.left ? padding : c.left);
	}
}

/* Each recorder names a doubt, and they do not go back. */
static void check_rule(struct cur rule, const struct doubt_list *doubts)
{
	static struct nft_expr exprs[NFT_EXPR_LIMIT];
	char prefix[16];
	struct cur list, value;
	unsigned long last = 0;
	int count;

	if (!nla_find(rule, NFTA_RULE_EXPRESSIONS, &list))
		abort();
	count = nft_exprs_decode(list, exprs);
	if (count < 0 && count != -E2BIG)
		abort();
	for (int i = 0; i < count; i++) {
		unsigned long doubt;

		if (strcmp(exprs[i].name, "log") != 0)
			continue;
		if (!nla_find(exprs[i].data, NFTA_LOG_PREFIX, &value) ||
		    !nla_string(value, prefix, sizeof(prefix)) || prefix[0] != 'D')
			abort(); /* the machine's own logs are stripped */
		doubt = strtoul(prefix + 1, NULL, 10);
		if (doubt >= doubts->count || doubt < last)
			abort();
		last = doubt;
	}
}

static void rewrite_all(struct nft_rewrite *w, const struct doubt_list *doubts,
			const struct assignment *assignment)
{
	struct buf cleanup_call(buf_done) out = {0};

	nft_rewrite_begin(w, assignment);
	for (size_t i = 0; i < w->image->count; i++) {
		if (w->image->items[i].type != NFT_MSG_NEWRULE)
			continue;
		buf_clear(&out);
		nft_rewrite_rule(w, i, assignment, &out);
		if (!out.failed)
			check_rule(cur_init(out.data, out.len), doubts);
	}
}

static void compare(const struct nft_image *image, struct nft_rewrite *w,
		    const struct assignment *assignment)
{
	bool *left_out = calloc(image->count + 1, sizeof(*left_out));
	struct nft_load_report report = {0};

	if (!left_out)
		abort();
	nft_rewrite_begin(w, assignment);
	nft_compare(image, w, assignment, left_out, image, &report);
	if (report.rule_count > image->count)
		abort();
	nft_load_report_done(&report);
	free(left_out);
}

/* Every order has every chain once. */
static void check_orders(const struct nft_image *image)
{
	static const struct legacy_image none;
	struct hook_orders orders;
	uint32_t *items = calloc(image->count + 1, sizeof(*items));
	bool *later = calloc(image->count + 1, sizeof(*later));
	ptrdiff_t chains = 0;

	if (!items || !later || hook_orders_find(image, &none, NULL, &orders) < 0)
		abort();
	for (size_t i = 0; i < image->count; i++)
		chains += image->items[i].type == NFT_MSG_NEWCHAIN;
	for (size_t order = 0; order < orders.count; order++) {
		uint64_t sum = 0;

		if (hook_orders_chains(&orders, image, order, items, later) != chains)
			abort();
		for (ptrdiff_t i = 0; i < chains; i++)
			sum += items[i];
		for (size_t i = 0; i < image->count; i++)
			sum -= image->items[i].type == NFT_MSG_NEWCHAIN ? i : 0;
		if (sum != 0)
			abort();
	}
	hook_orders_done(&orders);
	free(items);
	free(later);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct doubt_list doubts;
	struct assignment none = {0}, all;
	struct nft_image image = {0};
	struct nft_rewrite w = {0};

	memset(&all, 0xff, sizeof(all));
	memset(&doubts, 0, sizeof(doubts));
	add_messages(&image, cur_init(data, size));
	if (nft_image_fingerprint(&image) != nft_image_fingerprint(&image))
		abort();
	if (nft_rewrite_find(&w, &image, &doubts) < 0)
		abort();
	check_orders(&image);
	rewrite_all(&w, &doubts, &none);
	rewrite_all(&w, &doubts, &all);
	compare(&image, &w, &none);
	for (size_t i = 0; i < image.count; i++)
		if (image.items[i].type == NFT_MSG_NEWRULE)
			nft_rewrite_lower(&w, i, "refused", &doubts);
	rewrite_all(&w, &doubts, &all);
	nft_rewrite_done(&w);
	nft_image_done(&image);
	return 0;
}
