/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/twin_sinks.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"
#include "observe/doubts.h"
#include "observe/nflog.h"
#include "observe/nft_batch.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

enum {
	/* behind all rules, and before the kernel keeps a packet's connection (INT_MAX) */
	PRIORITY = 2147483640,
	/* of TCP's header, and of its flags */
	SEQUENCE_OFFSET = 4,
	ACKNOWLEDGED_OFFSET = 8,
	FLAGS_OFFSET = 13,
	FLAG_RST = 4,
	FLAG_ACK = 16,
};

/* TCP with TWIN_REPLY_COOKIE in the number at `offset`: logged, and let pass. */
static void add_reply_rule(struct buf *b, const struct nft_batch_chain *chain, uint32_t offset,
			   const char *prefix)
{
	static const uint8_t tcp = IPPROTO_TCP, bit = TWIN_REPLY_COOKIE >> 24;
	struct nft_batch_rule rule = nft_batch_begin_rule(b, chain);

	nft_batch_match_meta(b, NFT_META_L4PROTO, true, &tcp, sizeof(tcp));
	nft_batch_match_transport(b, FLAGS_OFFSET, FLAG_ACK,
				  offset == ACKNOWLEDGED_OFFSET ? FLAG_ACK : 0);
	nft_batch_match_transport(b, offset, bit, bit);
	nft_batch_log(b, GROUP_SINK, prefix, NFLOG_COPY_LEN);
	nft_batch_verdict(b, NF_ACCEPT);
	nft_batch_end_rule(b, rule);
}

static void add_sink(struct buf *b, const struct nft_batch_chain *chain, const char *prefix)
{
	struct nft_batch_rule rule;

	nft_batch_add_chain(b, chain);
	add_reply_rule(b, chain, SEQUENCE_OFFSET, prefix);
	rule = nft_batch_begin_rule(b, chain);
	nft_batch_log(b, GROUP_SINK, prefix, NFLOG_COPY_LEN);
	nft_batch_verdict(b, NF_DROP);
	nft_batch_end_rule(b, rule);
}

/*
 * What is sent on to other machines, and what the machine itself sends and NAT makes leave by
 * another interface than lo: a SYN or a datagram. The refusals that the machine answers with must
 * get out. Not in the forward hook: rules of postrouting may still drop what that let through.
 */
static void add_output_sink(struct buf *b, const struct nft_batch_chain *chain, uint8_t protocol)
{
	static const uint32_t lo = 1; /* in every network namespace */
	struct nft_batch_rule rule = nft_batch_begin_rule(b, chain);

	nft_batch_match_meta(b, NFT_META_OIF, false, &lo, sizeof(lo));
	nft_batch_match_meta(b, NFT_META_L4PROTO, true, &protocol, sizeof(protocol));
	if (protocol == IPPROTO_TCP)
		nft_batch_match_transport(b, FLAGS_OFFSET, FLAG_RST | FLAG_ACK, 0);
	nft_batch_log(b, GROUP_SINK, TWIN_SINK_OUTPUT, NFLOG_COPY_LEN);
	nft_batch_verdict(b, NF_DROP);
	nft_batch_end_rule(b, rule);
}

static void add_family(struct buf *b, uint8_t family, bool shut)
{
	struct nft_batch_chain chain = {.family = family,
					.table = TWIN_SINKS_TABLE,
					.name = "input",
					.hook = NF_INET_LOCAL_IN,
					.priority = PRIORITY};
	struct nft_batch_rule rule;

	/* so that there is one to delete */
	nft_batch_add_table(b, family, TWIN_SINKS_TABLE);
	nft_batch_delete_table(b, family, TWIN_SINKS_TABLE);
	nft_batch_add_table(b, family, TWIN_SINKS_TABLE);
	add_sink(b, &chain, TWIN_SINK_INPUT);
	chain.name = "postrouting";
	chain.hook = NF_INET_POST_ROUTING;
	nft_batch_add_chain(b, &chain);
	add_reply_rule(b, &chain, ACKNOWLEDGED_OFFSET, TWIN_SINK_SENT);
	add_output_sink(b, &chain, IPPROTO_TCP);
	add_output_sink(b, &chain, IPPROTO_UDP);
	chain.name = "output";
	chain.hook = NF_INET_LOCAL_OUT;
	chain.priority = INT32_MIN;
	nft_batch_add_chain(b, &chain);
	add_reply_rule(b, &chain, ACKNOWLEDGED_OFFSET, TWIN_SINK_REPLY);
	if (!shut)
		return;
	chain.name = "shut";
	chain.hook = NF_INET_LOCAL_IN;
	chain.priority = PRIORITY - 1;
	nft_batch_add_chain(b, &chain);
	rule = nft_batch_begin_rule(b, &chain);
	nft_batch_verdict(b, NF_DROP);
	nft_batch_end_rule(b, rule);
}

int twin_sinks_load(struct nl *filter, bool split, bool shut, struct err *e)
{
	struct buf cleanup_call(buf_done) b = {0};

	nft_batch_begin(&b);
	if (split) {
		add_family(&b, NFPROTO_IPV4, shut);
		add_family(&b, NFPROTO_IPV6, shut);
	} else {
		add_family(&b, NFPROTO_INET, shut);
	}
	nft_batch_end(&b);
	return nft_batch_send(filter, &b, _("the rules that catch packets in the twin"), e);
}

int twin_sinks_check(struct nl *filter, bool split, struct err *e)
{
	struct buf cleanup_call(buf_done) b = {0};
	struct nfgenmsg header = {.nfgen_family = split ? NFPROTO_IPV4 : NFPROTO_INET};
	size_t message = nla_begin_message(&b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, 0,
					   &header, sizeof(header));

	nla_put_text(&b, NFTA_TABLE_NAME, TWIN_SINKS_TABLE);
	nla_end_message(&b, message);
	return nl_request(filter, &b, _("the rules that catch packets in the twin are gone"), e);
}
