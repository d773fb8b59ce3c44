/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/hook_list.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/nft_attr.h"
#include "observe/nft_image.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_hook.h>
#include <stdlib.h>
#include <string.h>

enum {
	SUBSYSTEM = 12, /* NFNL_SUBSYS_HOOK */
	ITEMS_LIMIT = 4096,
	FUNCTION_SIZE = 128, /* KSYM_NAME_LEN */
};

void hook_list_done(struct hook_list *l)
{
	free(l->items);
	*l = (struct hook_list){.host = l->host};
}

/* By the name of its function; the tables had one each until Linux 5.16. */
static uint32_t find_what(struct cur attributes)
{
	static const char *const legacy[] = {"ipt_do_table", "ip6t_do_table", "iptable_",
					     "ip6table_"};
	static const char nat[] = "nf_nat_";
	char name[FUNCTION_SIZE];
	struct cur value;

	if (!nla_find(attributes, NFNLA_HOOK_FUNCTION_NAME, &value) ||
	    !nla_string(value, name, sizeof(name)))
		return HOOK_OTHER;
	for (size_t i = 0; i < ARRAY_LEN(legacy); i++)
		if (strncmp(name, legacy[i], strlen(legacy[i])) == 0)
			return HOOK_LEGACY;
	return strncmp(name, nat, strlen(nat)) == 0 ? HOOK_NAT : HOOK_OTHER;
}

static uint64_t find_chain(struct cur attributes)
{
	struct cur info, chain, table, name;

	if (!nla_find(attributes, NFNLA_HOOK_CHAIN_INFO, &info) ||
	    nft_attr_number(info, NFNLA_HOOK_INFO_TYPE) != NFNL_HOOK_TYPE_NFTABLES ||
	    !nla_find(info, NFNLA_HOOK_INFO_DESC, &chain) ||
	    !nla_find(chain, NFNLA_CHAIN_TABLE, &table) ||
	    !nla_find(chain, NFNLA_CHAIN_NAME, &name))
		return 0;
	return nft_image_key(NFT_MSG_NEWCHAIN, (uint8_t)nft_attr_number(chain, NFNLA_CHAIN_FAMILY),
			     table, name);
}

int hook_list_add(struct hook_list *l, uint16_t type, const void *payload, size_t len)
{
	struct cur c = cur_init(payload, len);

	cur_take(&c, sizeof(struct nfgenmsg));
	if (!c.ok || type != (SUBSYSTEM << 8 | NFNL_MSG_HOOK_GET))
		return -EBADMSG;
	if (l->count >= ITEMS_LIMIT)
		return -E2BIG;
	if (mem_grow(&l->items, &l->cap, l->count + 1, sizeof(*l->items)) < 0)
		return -ENOMEM;
	l->items[l->count++] = (struct hook_told){
		.chain_key = find_chain(c),
		.what = find_what(c),
		.priority = (int32_t)(uint32_t)nft_attr_number(c, NFNLA_HOOK_PRIORITY),
	};
	return 0;
}

static void restart(void *context)
{
	struct hook_list *l = context;

	l->count = 0;
}

static int take_message(uint16_t type, const void *payload, size_t len, void *context)
{
	return hook_list_add(context, type, payload, len);
}

bool hook_list_ask(struct hook_list *l, uint8_t family, uint8_t hook)
{
	struct buf cleanup_call(buf_done) request = {0};
	struct nfgenmsg header = {.nfgen_family = family};
	struct nl_dump_ops ops = {restart, take_message, l};
	size_t at;

	if (l->asked && l->family == family && l->hook == hook)
		return l->known;
	at = nla_begin_message(&request, SUBSYSTEM << 8 | NFNL_MSG_HOOK_GET, 0, &header,
			       sizeof(header));
	nla_put_u32_be(&request, NFNLA_HOOK_HOOKNUM, hook);
	nla_end_message(&request, at);
	l->asked = true;
	l->family = family;
	l->hook = hook;
	l->count = 0;
	l->known = !request.failed && nl_dump(l->host, (void *)request.data, &ops, NULL) == 0;
	return l->known;
}

ptrdiff_t hook_list_find(const struct hook_list *l, uint64_t chain_key, uint32_t what,
			 int32_t priority)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct hook_told *t = &l->items[i];

		if (chain_key ? t->chain_key == chain_key
			      : !t->chain_key && t->what == what && t->priority == priority)
			return (ptrdiff_t)i;
	}
	return -1;
}
