/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/trace_steps.h"
#include "base/nla.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* --- decoding ------------------------------------------------------------------------------------
 */

/* The headers of a packet come in two attributes, each cut off. */
struct headers {
	struct cur network, transport;
};

static enum trace_verdict name_verdict(uint32_t code)
{
	switch ((int32_t)code) {
	case NFT_CONTINUE:
		return TRACE_CONTINUE;
	case NFT_JUMP:
		return TRACE_JUMP;
	case NFT_GOTO:
		return TRACE_GOTO;
	case NFT_RETURN:
		return TRACE_BACK;
	case NF_ACCEPT:
		return TRACE_ACCEPT;
	case NF_DROP:
		return TRACE_DROP;
	default:
		return TRACE_OTHER; /* NF_QUEUE has a number in its upper half */
	}
}

static bool take_verdict(struct cur c, struct trace_step *step)
{
	struct cur value;
	uint16_t type;
	bool ok = true;

	while (nla_next(&c, &type, &value)) {
		if (type == NFTA_VERDICT_CODE)
			step->verdict = name_verdict((uint32_t)nla_number_be(value));
		else if (type == NFTA_VERDICT_CHAIN)
			ok = ok && nla_string(value, step->to_chain, sizeof(step->to_chain));
	}
	return ok && c.ok;
}

static bool take_attribute(uint16_t type, struct cur value, struct trace_step *step,
			   struct headers *headers)
{
	switch (type) {
	case NFTA_TRACE_TABLE:
		return nla_string(value, step->table, sizeof(step->table));
	case NFTA_TRACE_CHAIN:
		return nla_string(value, step->chain, sizeof(step->chain));
	case NFTA_TRACE_RULE_HANDLE:
		step->handle = nla_number_be(value);
		return true;
	case NFTA_TRACE_TYPE:
		step->kind = (enum trace_kind)nla_number_be(value);
		return step->kind >= TRACE_POLICY && step->kind <= TRACE_RULE;
	case NFTA_TRACE_VERDICT:
		return take_verdict(value, step);
	case NFTA_TRACE_POLICY:
		step->verdict = name_verdict((uint32_t)nla_number_be(value));
		return true;
	case NFTA_TRACE_ID:
		step->packet = (uint32_t)nla_number_be(value);
		return true;
	case NFTA_TRACE_IIF:
		step->in_ifindex = (uint32_t)nla_number_be(value);
		return true;
	case NFTA_TRACE_OIF:
		step->out_ifindex = (uint32_t)nla_number_be(value);
		return true;
	case NFTA_TRACE_MARK:
		step->mark = (uint32_t)nla_number_be(value);
		return true;
	case NFTA_TRACE_NETWORK_HEADER:
		headers->network = value;
		return true;
	case NFTA_TRACE_TRANSPORT_HEADER:
		headers->transport = value;
		return true;
	default:
		return true;
	}
}

static void take_headers(struct headers h, struct trace_step *step)
{
	uint8_t packet[128];
	size_t network_len = h.network.left, len = network_len + h.transport.left;

	if (network_len == 0 || len > sizeof(packet))
		return;
	cur_read(&h.network, packet, network_len);
	if (h.transport.left)
		cur_read(&h.transport, packet + network_len, len - network_len);
	step->has_seen = frame_decode(packet, len, &step->seen) == 0;
}

int trace_step_decode(const void *payload, size_t len, struct trace_step *ret)
{
	struct cur c = cur_init(payload, len), value;
	struct trace_step step = {.hook = TRACE_HOOK_UNKNOWN};
	struct headers headers = {cur_init(payload, 0), cur_init(payload, 0)};
	struct nfgenmsg header;
	bool ok = true;
	uint16_t type;

	cur_read(&c, &header, sizeof(header));
	step.family = header.nfgen_family;
	while (nla_next(&c, &type, &value))
		ok = ok && take_attribute(type, value, &step, &headers);
	if (!ok || !c.ok || !step.kind || !step.table[0] || !step.chain[0])
		return -EBADMSG;
	take_headers(headers, &step);
	*ret = step;
	return 0;
}

static void take_hook(struct cur c, struct base_chain *chain)
{
	struct cur value;
	uint16_t type;

	while (nla_next(&c, &type, &value)) {
		if (type == NFTA_HOOK_HOOKNUM)
			chain->hook = (uint8_t)nla_number_be(value);
		else if (type == NFTA_HOOK_PRIORITY)
			chain->priority = (int32_t)nla_number_be(value);
	}
}

int base_chain_decode(const void *payload, size_t len, struct base_chain *ret)
{
	struct cur c = cur_init(payload, len), value;
	struct base_chain chain = {.hook = TRACE_HOOK_UNKNOWN};
	struct nfgenmsg header;
	bool ok = true;
	uint16_t type;

	cur_read(&c, &header, sizeof(header));
	chain.family = header.nfgen_family;
	while (nla_next(&c, &type, &value)) {
		if (type == NFTA_CHAIN_TABLE)
			ok = ok && nla_string(value, chain.table, sizeof(chain.table));
		else if (type == NFTA_CHAIN_NAME)
			ok = ok && nla_string(value, chain.name, sizeof(chain.name));
		else if (type == NFTA_CHAIN_TYPE)
			ok = ok && nla_string(value, chain.type, sizeof(chain.type));
		else if (type == NFTA_CHAIN_HOOK)
			take_hook(value, &chain);
	}
	if (!ok || !c.ok)
		return -EBADMSG;
	if (chain.hook == TRACE_HOOK_UNKNOWN)
		return -ENOENT;
	*ret = chain;
	return 0;
}

/* --- what it means -------------------------------------------------------------------------------
 */

static const struct base_chain *find_base(const struct trace_step *step,
					  const struct base_chain *chains, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (chains[i].family == step->family && strcmp(chains[i].table, step->table) == 0 &&
		    strcmp(chains[i].name, step->chain) == 0)
			return &chains[i];
	return NULL;
}

void trace_steps_place(struct trace_step *steps, size_t count, const struct base_chain *chains,
		       size_t chain_count)
{
	const struct base_chain *base = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct base_chain *found = find_base(&steps[i], chains, chain_count);

		/* another chain is one that the base chain before it called */
		base = found ? found : base;
		if (!base)
			continue;
		steps[i].hook = base->hook;
		steps[i].priority = base->priority;
		memcpy(steps[i].type, base->type, sizeof(steps[i].type));
	}
}

/* How much a step has to say: 0 nothing; the last of the highest decides. */
static int weigh(const struct trace_step *step)
{
	bool last_hook = step->hook == NF_INET_LOCAL_IN || step->hook == NF_INET_FORWARD;

	if (step->verdict == TRACE_DROP)
		return 5;
	if (step->verdict != TRACE_ACCEPT || strcmp(step->type, "nat") == 0)
		return 0;
	/* netdev's hooks have numbers of their own */
	last_hook = last_hook && step->family != NFPROTO_NETDEV;
	return (last_hook ? 3 : 1) + (step->kind == TRACE_RULE);
}

const struct trace_step *trace_decides(const struct trace_step *steps, size_t count)
{
	const struct trace_step *best = NULL;
	int most = 1;

	for (size_t i = 0; i < count; i++) {
		int weight = weigh(&steps[i]);

		if (weight < most)
			continue;
		most = weight;
		best = &steps[i];
	}
	return best;
}
