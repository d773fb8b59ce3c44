/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_image, nft_rewrite, nft_compare: recorded dumps (tests/unit/data/nft/), rewritten, compared
 * with themselves, cut off everywhere and damaged.
 */
#include "base/mem.h"
#include "base/nla.h"
#include "observe/nft_attr.h"
#include "observe/nft_compare.h"
#include "observe/nft_rewrite.h"
#include "observe/nft_rows.h"
#include "unit.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netlink.h>

static struct nft_image hand, xt;

static void add_all(struct nft_image *image, const char *name)
{
	struct cur c;
	size_t len;
	char *bytes = unit_read_data(name, &len);

	c = cur_init(bytes, len);
	while (c.left > 0) {
		struct nlmsghdr header;
		struct cur payload;

		cur_read(&c, &header, sizeof(header));
		payload = cur_slice(&c, header.nlmsg_len - sizeof(header));
		assert_true(payload.ok);
		assert_int_equal(nft_image_add(image, header.nlmsg_type, payload.at, payload.left),
				 0);
	}
	free(bytes);
}

static int load(void **state)
{
	(void)state;
	add_all(&hand, "nft/hand.bin");
	add_all(&xt, "nft/xt.bin");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	nft_image_done(&hand);
	nft_image_done(&xt);
	return 0;
}

/* The item of rule `position` of a chain. */
static size_t find_rule(const struct nft_image *image, const char *table, const char *chain,
			unsigned position)
{
	struct nft_place place;

	for (size_t i = 0; i < image->count; i++) {
		if (image->items[i].type != NFT_MSG_NEWRULE)
			continue;
		nft_image_place(image, i, &place);
		if (strcmp(place.table, table) == 0 && strcmp(place.chain, chain) == 0 &&
		    --position == 0)
			return i;
	}
	fail_msg("no such rule in %s %s", table, chain);
	return 0;
}

/* The names of a rule's expressions as the twin gets them, with the prefixes of recorders. */
static const char *rewritten(struct nft_rewrite *w, size_t item, const struct assignment *a)
{
	static char text[1024];
	size_t used = 0;
	struct buf out = {0};
	struct nft_expr exprs[NFT_EXPR_LIMIT];
	struct cur list, value;
	int count;

	nft_rewrite_rule(w, item, a, &out);
	assert_false(out.failed);
	assert_true(nla_find(cur_init(out.data, out.len), NFTA_RULE_EXPRESSIONS, &list));
	count = nft_exprs_decode(list, exprs);
	assert_true(count >= 0);
	text[0] = '\0';
	for (int i = 0; i < count; i++) {
		char prefix[16] = "";

		if (nla_find(exprs[i].data, NFTA_LOG_PREFIX, &value) &&
		    strcmp(exprs[i].name, "log") == 0)
			nla_string(value, prefix, sizeof(prefix));
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s", i ? " " : "",
					 exprs[i].name, prefix);
		assert_true(used < sizeof(text));
	}
	buf_done(&out);
	return text;
}

static void test_doubts(void **state)
{
	static struct doubt_list doubts;
	struct assignment none = {0}, all;
	struct nft_rewrite w;

	(void)state;
	memset(&all, 0xff, sizeof(all));
	memset(&doubts, 0, sizeof(doubts));
	assert_int_equal(nft_rewrite_find(&w, &hand, &doubts), 0);
	assert_int_equal(doubts.count, 21);
	assert_string_equal(doubts.items[0].text, "limit in inet f ssh, rule 2");
	assert_int_equal(doubts.items[9].kind, DOUBT_STOP);
	nft_rewrite_begin(&w, &none);
	assert_string_equal(rewritten(&w, find_rule(&hand, "f", "ssh", 2), &none),
			    "logD0 immediate cmp");
	/* tcp dport 25 limit ... log accept: the log is gone */
	assert_string_equal(rewritten(&w, find_rule(&hand, "f", "input", 7), &none),
			    "meta cmp payload cmp logD1 immediate cmp");
	/* a limit for a log alone is none */
	assert_string_equal(rewritten(&w, find_rule(&hand, "f", "input", 12), &none),
			    "meta cmp payload cmp");
	nft_rewrite_begin(&w, &all);
	assert_string_equal(rewritten(&w, find_rule(&hand, "f", "input", 7), &all),
			    "meta cmp payload cmp logD1 immediate");
	/* numgen with three outcomes: two doubts choose the number */
	assert_string_equal(rewritten(&w, find_rule(&hand, "f", "input", 18), &all),
			    "meta cmp payload cmp numgen logD10 logD11 immediate lookup");
	/* what the packet would be added to has it now */
	assert_string_equal(rewritten(&w, find_rule(&hand, "f", "input", 24), &all),
			    "meta cmp payload cmp meta cmp payload immediate");
	nft_rewrite_done(&w);
}

static void test_stops(void **state)
{
	static struct doubt_list doubts;
	struct assignment all;
	struct nft_rewrite w;
	size_t rule = find_rule(&hand, "f", "input", 10), count;

	(void)state;
	memset(&all, 0xff, sizeof(all));
	memset(&doubts, 0, sizeof(doubts));
	assert_int_equal(nft_rewrite_find(&w, &hand, &doubts), 0);
	count = doubts.count;
	nft_rewrite_begin(&w, &all);
	assert_string_equal(rewritten(&w, rule, &all), "meta cmp payload cmp logD4 reject");
	assert_true(nft_rewrite_lower(&w, rule, "no", &doubts));
	assert_int_equal(doubts.count, count + 1);
	assert_int_equal(doubts.items[count].kind, DOUBT_STOP);
	assert_string_equal(doubts.items[count].text,
			    "inet f input, rule 10, which cannot be copied: no");
	assert_string_equal(rewritten(&w, rule, &all), "meta cmp payload cmp logD21 immediate ct");
	assert_true(nft_rewrite_lower(&w, rule, "no", &doubts));
	assert_int_equal(doubts.count, count + 1);
	/* what counts connections makes the kernel track them, whether it is there or not */
	assert_string_equal(rewritten(&w, rule, &all), "logD21 immediate ct");
	assert_false(nft_rewrite_lower(&w, rule, "no", &doubts));
	/* the others keep their numbers */
	assert_string_equal(rewritten(&w, find_rule(&hand, "f", "input", 11), &all),
			    "meta cmp payload cmp logD5 immediate");
	nft_rewrite_done(&w);
}

static bool compat(struct nft_rewrite *w, const char *chain, unsigned position, uint64_t *proto,
		   uint64_t *flags)
{
	struct assignment none = {0};
	struct buf out = {0};
	struct cur nest;
	bool there;

	nft_rewrite_rule(w, find_rule(w->image, "filter", chain, position), &none, &out);
	there = nla_find(cur_init(out.data, out.len), NFTA_RULE_COMPAT, &nest);
	if (there) {
		*proto = nft_attr_number(nest, NFTA_RULE_COMPAT_PROTO);
		*flags = nft_attr_number(nest, NFTA_RULE_COMPAT_FLAGS);
	}
	buf_done(&out);
	return there;
}

static void test_xtables(void **state)
{
	static struct doubt_list doubts;
	struct assignment none = {0};
	struct nft_rewrite w;
	uint64_t proto, flags;

	(void)state;
	memset(&doubts, 0, sizeof(doubts));
	assert_int_equal(nft_rewrite_find(&w, &xt, &doubts), 0);
	assert_int_equal(doubts.count, 9); /* one for the hop limit of ufw6-before, one for bpf */
	nft_rewrite_begin(&w, &none);
	assert_true(compat(&w, "ufw-user-input", 1, &proto, &flags)); /* multiport */
	assert_int_equal(proto, IPPROTO_TCP);
	assert_int_equal(flags, 0);
	assert_true(compat(&w, "ufw-user-input", 10, &proto, &flags)); /* ! -p tcp -m pkttype */
	assert_int_equal(proto, IPPROTO_TCP);
	assert_int_equal(flags, NFT_RULE_COMPAT_F_INV);
	assert_false(compat(&w, "ufw-user-input", 4, &proto, &flags)); /* nothing of xtables */
	/* recent --set always holds: taken out */
	assert_null(strstr(rewritten(&w, find_rule(&xt, "filter", "ufw-user-input", 2), &none),
			   "logD"));
	assert_string_equal(rewritten(&w, find_rule(&xt, "filter", "ufw-logging", 1), &none), "");
	nft_rewrite_done(&w);
}

static void check_compare(const struct nft_image *image)
{
	struct assignment none = {0};
	struct nft_load_report report = {0};
	static struct doubt_list doubts;
	struct nft_rewrite w;
	bool *left_out = calloc(image->count + 1, 1);
	size_t rules = 0;

	memset(&doubts, 0, sizeof(doubts));
	assert_int_equal(nft_rewrite_find(&w, image, &doubts), 0);
	nft_rewrite_begin(&w, &none);
	assert_int_equal(nft_compare(image, &w, &none, left_out, image, &report), 0);
	for (size_t i = 0; i < image->count; i++)
		rules += image->items[i].type == NFT_MSG_NEWRULE;
	assert_int_equal(report.rule_count, rules);
	/* rewritten rules, and the flowtables and anonymous sets that are not sent, differ */
	assert_true(report.lost_count > 0);
	for (size_t i = 0; i < report.rule_count; i++) {
		struct nft_place place;

		nft_image_place(image, report.rules[i].item, &place);
		assert_int_equal(report.rules[i].handle, place.handle);
		assert_int_equal(
			nft_load_report_find(&report, place.family, place.table, place.handle),
			report.rules[i].item);
	}
	nft_load_report_done(&report);
	nft_rewrite_done(&w);
	free(left_out);
}

static void test_compare(void **state)
{
	(void)state;
	check_compare(&hand);
	check_compare(&xt);
}

static void test_fingerprint(void **state)
{
	struct nft_image changed = {0};
	uint64_t before = nft_image_fingerprint(&hand);

	(void)state;
	add_all(&changed, "nft/hand.bin");
	assert_true(nft_image_fingerprint(&changed) == before);
	assert_true(nft_image_fingerprint(&xt) != before);
	changed.items[changed.count - 1].family ^= 1;
	assert_true(nft_image_fingerprint(&changed) != before);
	changed.items[changed.count - 1].family ^= 1;
	changed.count--;
	assert_true(nft_image_fingerprint(&changed) != before);
	nft_image_done(&changed);
}

static void test_refuses(void **state)
{
	struct nft_image image = {0};
	static const char four[4];

	(void)state;
	assert_int_equal(nft_image_add(&image, 0x0a00, four, 3), -EBADMSG);
	assert_int_equal(nft_image_add(&image, 0x0a01, four, 4), -EBADMSG);
	assert_int_equal(nft_image_add(&image, 0x0b00, four, 4), -EBADMSG);
	assert_int_equal(nft_image_add(&image, 0x0a00, four, 4), 0);
	assert_int_equal(image.count, 1);
	nft_image_done(&image);
}

/* Everything that is done to an image, on any bytes. */
static void exercise(const struct nft_image *image)
{
	static struct doubt_list doubts;
	struct nft_load_report report = {0};
	struct assignment all;
	struct nft_rewrite w;
	bool *left_out = calloc(image->count + 1, 1);
	struct buf out = {0};

	memset(&all, 0xff, sizeof(all));
	memset(&doubts, 0, sizeof(doubts));
	nft_image_fingerprint(image);
	assert_int_equal(nft_rewrite_find(&w, image, &doubts), 0);
	nft_rewrite_begin(&w, &all);
	for (size_t i = 0; i < image->count; i++)
		if (image->items[i].type == NFT_MSG_NEWRULE)
			nft_rewrite_rule(&w, i, &all, &out);
	assert_int_equal(nft_compare(image, &w, &all, left_out, image, &report), 0);
	nft_load_report_done(&report);
	nft_rewrite_done(&w);
	buf_done(&out);
	free(left_out);
}

static void cut_everywhere(const struct nft_image *image)
{
	for (size_t i = 0; i < image->count; i++) {
		struct nft_item item = image->items[i];

		for (uint32_t len = 0; len <= item.len; len++) {
			struct nft_image one = {0};
			char *copy = unit_copy(image->bytes.data + item.offset, len);
			struct nft_item cut = {
				.type = item.type, .family = item.family, .len = len};

			/* no struct buf of its own: that would have room behind it */
			one.bytes.data = copy;
			one.bytes.len = len;
			one.items = &cut;
			one.count = 1;
			exercise(&one);
			free(copy);
		}
	}
}

static void test_truncated(void **state)
{
	(void)state;
	cut_everywhere(&hand);
	cut_everywhere(&xt);
}

static void test_damaged(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct nft_image image = {0};

		add_all(&image, round % 2 ? "nft/hand.bin" : "nft/xt.bin");
		for (int i = 0; i < 40; i++)
			image.bytes.data[unit_random(&seed) % image.bytes.len] ^=
				(char)(1 << unit_random(&seed) % 8);
		exercise(&image);
		nft_image_done(&image);
	}
}

static void test_rows(void **state)
{
	(void)state;
	assert_null(nft_row_find("from-the-future"));
	assert_null(xt_row_find_match("geoip"));
	assert_null(xt_row_find_target("TARPIT"));
	assert_int_equal(nft_row_find("queue")->treat, TREAT_STOP);
	assert_int_equal(xt_row_find_match("hashlimit")->treat, TREAT_RATE);
	assert_int_equal(xt_row_find_target("NFQUEUE")->treat, TREAT_STOP);
	assert_int_equal(nft_row_find_meta(NFT_META_CPU)->treat, TREAT_RATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubts),	    cmocka_unit_test(test_stops),
		cmocka_unit_test(test_xtables),	    cmocka_unit_test(test_compare),
		cmocka_unit_test(test_fingerprint), cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_truncated),   cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests_name("nft_rewrite", tests, load, unload);
}
