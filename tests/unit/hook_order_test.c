/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hook_order, hook_contest, hook_effects, hook_list: chains at one place, in the orders that can
 * matter, and in the one that the kernel tells. Running order is the reverse of making.
 */
#include "base/mem.h"
#include "base/nla.h"
#include "observe/hook_contest.h"
#include "observe/hook_effects.h"
#include "observe/hook_order.h"
#include "observe/nft_attr.h"
#include "unit.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_hook.h>
#include <linux/netlink.h>

static const struct legacy_image no_legacy;

static void begin(struct buf *b, uint8_t family)
{
	struct nfgenmsg header = {.nfgen_family = family};

	buf_add(b, &header, sizeof(header));
}

static void add(struct nft_image *image, uint8_t message, struct buf *b)
{
	assert_int_equal(nft_image_add(image, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message),
				       b->data, b->len),
			 0);
	buf_done(b);
}

static void add_chain(struct nft_image *image, uint8_t family, const char *table, uint32_t hook,
		      int32_t priority, const char *type)
{
	struct buf b = {0};
	size_t nest;

	begin(&b, family);
	nla_put_text(&b, NFTA_CHAIN_TABLE, table);
	nla_put_text(&b, NFTA_CHAIN_NAME, "c");
	nest = nla_begin_nest(&b, NFTA_CHAIN_HOOK);
	nla_put_u32_be(&b, NFTA_HOOK_HOOKNUM, hook);
	nla_put_u32_be(&b, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	nla_end_nest(&b, nest);
	nla_put_text(&b, NFTA_CHAIN_TYPE, type);
	add(image, NFT_MSG_NEWCHAIN, &b);
}

/* A rule of one expression without attributes: "reject", or "notrack" for any change. */
static void add_rule(struct nft_image *image, uint8_t family, const char *table, const char *name)
{
	struct buf b = {0};
	size_t list, one;

	begin(&b, family);
	nla_put_text(&b, NFTA_RULE_TABLE, table);
	nla_put_text(&b, NFTA_RULE_CHAIN, "c");
	list = nla_begin_nest(&b, NFTA_RULE_EXPRESSIONS);
	one = nla_begin_nest(&b, NFTA_LIST_ELEM);
	nla_put_text(&b, NFTA_EXPR_NAME, name);
	nla_end_nest(&b, one);
	nla_end_nest(&b, list);
	add(image, NFT_MSG_NEWRULE, &b);
}

/* The tables of the chains as they are made; "+": one later. */
static const char *made(const struct nft_image *image, const struct hook_orders *o, size_t order)
{
	static char text[200];
	uint32_t items[32];
	bool later[32] = {false};
	ptrdiff_t count = hook_orders_chains(o, image, order, items, later);

	text[0] = '\0';
	for (ptrdiff_t i = 0; i < count; i++) {
		struct nft_place place;

		nft_image_place(image, items[i], &place);
		strcat(text, place.table);
		strcat(text, later[items[i]] ? "+" : "");
	}
	return text;
}

static void check(const struct nft_image *image, size_t count, const char *const *wanted)
{
	struct hook_orders o;

	assert_int_equal(hook_orders_find(image, &no_legacy, NULL, &o), 0);
	assert_int_equal(o.count, count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(made(image, &o, i), wanted[i]);
	hook_orders_done(&o);
}

static void test_two(void **state)
{
	struct nft_image image = {0};

	(void)state;
	add_chain(&image, NFPROTO_IPV4, "a", NF_INET_LOCAL_IN, 0, "filter");
	add_chain(&image, NFPROTO_INET, "b", NF_INET_LOCAL_IN, 0, "filter");
	check(&image, 1, (const char *[]){"ab"}); /* they do nothing */
	add_rule(&image, NFPROTO_IPV4, "a", "reject");
	check(&image, 1, (const char *[]){"ab"});
	add_rule(&image, NFPROTO_INET, "b", "reject");
	check(&image, 1, (const char *[]){"ab"}); /* both the same */
	add_rule(&image, NFPROTO_INET, "b", "notrack");
	check(&image, 2, (const char *[]){"ab", "ba"});
	assert_string_equal(made(&image, NULL, 0), "ab");
	nft_image_done(&image);
}

static void test_families(void **state)
{
	struct nft_image image = {0};

	(void)state;
	add_chain(&image, NFPROTO_IPV4, "a", NF_INET_LOCAL_IN, 0, "filter");
	add_chain(&image, NFPROTO_IPV6, "b", NF_INET_LOCAL_IN, 0, "filter");
	add_rule(&image, NFPROTO_IPV4, "a", "notrack");
	add_rule(&image, NFPROTO_IPV6, "b", "notrack");
	check(&image, 1, (const char *[]){"ab"});
	nft_image_done(&image);

	/* both ways round for both families, in two orders of six */
	add_chain(&image, NFPROTO_IPV4, "a", NF_INET_LOCAL_IN, 0, "filter");
	add_chain(&image, NFPROTO_IPV6, "b", NF_INET_LOCAL_IN, 0, "filter");
	add_chain(&image, NFPROTO_INET, "c", NF_INET_LOCAL_IN, 0, "filter");
	add_rule(&image, NFPROTO_IPV4, "a", "notrack");
	add_rule(&image, NFPROTO_IPV6, "b", "notrack");
	add_rule(&image, NFPROTO_INET, "c", "notrack");
	check(&image, 2, (const char *[]){"abc", "cba"});
	nft_image_done(&image);
}

static void test_places(void **state)
{
	struct nft_image image = {0};
	struct hook_orders o;
	static struct doubt_list doubts;

	(void)state;
	for (const char *t = "ab"; *t; t++) {
		const char name[] = {*t, '\0'};

		/* a packet meets one of these, and the other place besides */
		add_chain(&image, NFPROTO_IPV4, name, NF_INET_LOCAL_IN, 0, "filter");
		add_chain(&image, NFPROTO_IPV4, name, NF_INET_FORWARD, 0, "filter");
		add_chain(&image, NFPROTO_IPV4, name, NF_INET_LOCAL_OUT, 0, "filter");
		add_rule(&image, NFPROTO_IPV4, name, "notrack");
	}
	assert_int_equal(hook_orders_find(&image, &no_legacy, NULL, &o), 0);
	assert_int_equal(o.contest_count, 3);
	assert_int_equal(o.stage_count, 2);
	assert_int_equal(o.count, 4);
	hook_orders_add_doubts(&o, &image, &no_legacy, &doubts);
	assert_int_equal(doubts.count, 2);
	assert_string_equal(doubts.items[0].text, "the order of table ip b and table ip a, both at "
						  "priority 0, is not known");
	assert_true(hook_orders_concern(&o, 1, false));
	assert_true(hook_orders_concern(&o, 1, true));
	for (size_t i = 2; i < 4; i++) {
		assert_true(hook_orders_concern(&o, i, false)); /* answers pass it, too */
		assert_true(hook_orders_concern(&o, i, true));
	}
	assert_int_equal(hook_orders_doubt(&o, 1), 0);
	assert_int_equal(hook_orders_doubt(&o, 2), 1);
	hook_orders_done(&o);
	nft_image_done(&image);
}

/* The kernel's NAT is there before the chains that run after it are made. */
static void test_nat(void **state)
{
	struct nft_image image = {0};

	(void)state;
	add_chain(&image, NFPROTO_IPV4, "a", NF_INET_PRE_ROUTING, -100, "filter");
	add_chain(&image, NFPROTO_IPV4, "b", NF_INET_PRE_ROUTING, -90, "nat");
	add_chain(&image, NFPROTO_IPV4, "c", NF_INET_PRE_ROUTING, -99, "filter");
	add_rule(&image, NFPROTO_IPV4, "a", "notrack");
	check(&image, 2, (const char *[]){"bac", "bca+"});
	nft_image_done(&image);
}

static void test_limits(void **state)
{
	struct nft_image image = {0};
	struct hook_orders o;

	(void)state;
	for (char name[] = "a"; name[0] < 'a' + HOOK_MEMBERS; name[0]++) {
		add_chain(&image, NFPROTO_IPV4, name, NF_INET_LOCAL_IN, 0, "filter");
		add_rule(&image, NFPROTO_IPV4, name, "notrack");
	}
	assert_int_equal(hook_orders_find(&image, &no_legacy, NULL, &o), 0);
	assert_true(o.too_many);
	assert_int_equal(o.count, 1);
	hook_orders_done(&o);
	nft_image_done(&image);

	/* six places with two each: each place by itself, and not 64 orders */
	for (int place = 0; place < 6; place++)
		for (char name[] = "a"; name[0] <= 'b'; name[0]++) {
			add_chain(&image, NFPROTO_IPV4, name, NF_INET_LOCAL_IN, place, "filter");
			add_rule(&image, NFPROTO_IPV4, name, "notrack");
		}
	assert_int_equal(hook_orders_find(&image, &no_legacy, NULL, &o), 0);
	assert_false(o.too_many);
	assert_int_equal(o.count, 7);
	assert_string_equal(made(&image, &o, 0), "abababababab");
	assert_string_equal(made(&image, &o, 1), "baababababab");
	assert_string_equal(made(&image, &o, 6), "abababababba");
	hook_orders_done(&o);
	nft_image_done(&image);
}

/* --- what the kernel tells ----------------------------------------------------------------------
 */

static void put_told(struct buf *b, int32_t priority, const char *function, const char *table)
{
	size_t info, chain;

	begin(b, NFPROTO_IPV4);
	nla_put_text(b, NFNLA_HOOK_FUNCTION_NAME, function);
	nla_put_u32_be(b, NFNLA_HOOK_PRIORITY, (uint32_t)priority);
	if (!table)
		return;
	info = nla_begin_nest(b, NFNLA_HOOK_CHAIN_INFO);
	nla_put_u32_be(b, NFNLA_HOOK_INFO_TYPE, NFNL_HOOK_TYPE_NFTABLES);
	chain = nla_begin_nest(b, NFNLA_HOOK_INFO_DESC);
	nla_put_text(b, NFNLA_CHAIN_TABLE, table);
	nla_put_text(b, NFNLA_CHAIN_NAME, "c");
	nla_put_u8(b, NFNLA_CHAIN_FAMILY, NFPROTO_IPV4);
	nla_end_nest(b, chain);
	nla_end_nest(b, info);
}

static void tell(struct hook_list *l, int32_t priority, const char *function, const char *table)
{
	struct buf b = {0};

	put_told(&b, priority, function, table);
	assert_int_equal(hook_list_add(l, 12 << 8, b.data, b.len), 0);
	buf_done(&b);
}

static void test_told(void **state)
{
	struct nft_image image = {0};
	struct hook_list told = {0};
	struct hook_orders o;

	(void)state;
	for (const char *t = "abc"; *t; t++) {
		const char name[] = {*t, '\0'};

		add_chain(&image, NFPROTO_IPV4, name, NF_INET_PRE_ROUTING, -100, "filter");
		add_rule(&image, NFPROTO_IPV4, name, "notrack");
	}
	add_chain(&image, NFPROTO_IPV4, "n", NF_INET_PRE_ROUTING, -100, "nat");
	tell(&told, -100, "nft_do_chain_ipv4", "b");
	tell(&told, -100, "nft_do_chain_ipv4", "a");
	tell(&told, -100, "nf_nat_ipv4_pre_routing", NULL);
	tell(&told, -100, "nft_do_chain_ipv4", "c");
	tell(&told, 0, "ipt_do_table", NULL);
	told.asked = told.known = true;
	told.family = NFPROTO_IPV4;
	assert_int_equal(told.items[4].what, HOOK_LEGACY);
	assert_int_equal(hook_list_find(&told, 0, HOOK_NAT, -100), 2);
	assert_int_equal(hook_list_find(&told, 0, HOOK_NAT, 0), -1);
	assert_int_equal(hook_orders_find(&image, &no_legacy, &told, &o), 0);
	assert_int_equal(o.count, 1);
	assert_string_equal(made(&image, &o, 0), "nabc+");
	hook_orders_done(&o);
	hook_list_done(&told);
	nft_image_done(&image);
}

static void test_told_in_pieces(void **state)
{
	struct hook_list told = {0};
	struct buf b = {0};

	(void)state;
	put_told(&b, 5, "nft_do_chain_ipv4", "table");
	for (size_t len = 0; len <= b.len; len++) {
		char *copy = unit_copy(b.data, len);
		int r = hook_list_add(&told, 12 << 8, copy, len);

		assert_int_equal(r, len < sizeof(struct nfgenmsg) ? -EBADMSG : 0);
		free(copy);
	}
	assert_true(told.items[told.count - 1].chain_key != 0);
	assert_int_equal(told.items[told.count - 1].priority, 5);
	assert_int_equal(hook_list_add(&told, 10 << 8, b.data, b.len), -EBADMSG);
	buf_done(&b);
	hook_list_done(&told);
}

static void test_effects(void **state)
{
	(void)state;
	assert_false(hook_effects_collide(HOOK_DROPS, HOOK_DROPS));
	assert_false(hook_effects_collide(HOOK_REFUSES, HOOK_REFUSES));
	assert_false(hook_effects_collide(HOOK_CHANGES, 0));
	assert_true(hook_effects_collide(HOOK_CHANGES, HOOK_DROPS));
	assert_true(hook_effects_collide(HOOK_DROPS, HOOK_REFUSES));
	assert_true(hook_effects_collide(HOOK_DROPS | HOOK_REFUSES, HOOK_DROPS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two),	cmocka_unit_test(test_families),
		cmocka_unit_test(test_places),	cmocka_unit_test(test_nat),
		cmocka_unit_test(test_limits),	cmocka_unit_test(test_told),
		cmocka_unit_test(test_effects), cmocka_unit_test(test_told_in_pieces),
	};

	return cmocka_run_group_tests_name("hook_order", tests, NULL, NULL);
}
