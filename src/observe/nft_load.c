/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_load: writes the batch, sends it, and learns from what the kernel refuses: a rule goes one
 * level down (nft_rewrite), anything else is left out and told. Runs in portero itself, on sockets
 * of the twin.
 */
#include "observe/nft_load.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/nla.h"
#include "observe/hook_order.h"
#include "observe/nft_attr.h"
#include "observe/nft_compare.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	ATTEMPTS = 12, /* each takes something away: two levels of rules, and what hangs on sets */
	NO_ITEM = -1,
};

struct load {
	const struct nft_image *image;
	struct nl *twin;
	const struct nft_loading *how;
	struct nft_load_report *report;
	struct buf batch, rules, room;
	uint32_t *chains; /* items, in the order in which they are made: see observe/hook_order */
	size_t chain_count;
	int32_t *items; /* per message of the batch: the item that it was made of, or NO_ITEM */
	size_t count, cap;
	bool *left_out; /* per item: refused before */
	bool progress;	/* something was taken away since the last attempt */
	bool failed;	/* out of memory */
	char why[256];	/* the last refusal in words */
};

void nft_load_report_done(struct nft_load_report *report)
{
	free(report->rules);
	buf_done(&report->lost);
	*report = (struct nft_load_report){0};
}

static void clear_report(struct nft_load_report *report)
{
	report->rule_count = report->lost_count = report->stopped = report->attempts = 0;
	buf_clear(&report->lost);
}

static void load_done(struct load *l)
{
	buf_done(&l->batch);
	buf_done(&l->rules);
	buf_done(&l->room);
	free(l->chains);
	free(l->items);
	free(l->left_out);
}

/* --- the batch -----------------------------------------------------------------------------------
 */

static void note_message(struct load *l, int32_t item)
{
	if (mem_grow(&l->items, &l->cap, l->count + 1, sizeof(*l->items)) < 0) {
		l->failed = true;
		return;
	}
	l->items[l->count++] = item;
}

static void put_bracket(struct load *l, uint16_t type)
{
	struct nfgenmsg header = {.nfgen_family = AF_UNSPEC, .res_id = htons(NFNL_SUBSYS_NFTABLES)};

	nla_end_message(&l->batch, nla_begin_message(&l->batch, type, 0, &header, sizeof(header)));
	note_message(l, NO_ITEM);
}

static size_t begin_object(struct buf *b, uint8_t message, uint8_t family, uint16_t flags)
{
	struct nfgenmsg header = {.nfgen_family = family};

	return nla_begin_message(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message), flags, &header,
				 sizeof(header));
}

/* Tables that an earlier load left; the image is of the twin. */
static void put_deletions(struct load *l, const struct nft_image *old)
{
	struct nft_place place;

	for (size_t i = 0; i < old->count; i++) {
		size_t at;

		if (old->items[i].type != NFT_MSG_NEWTABLE)
			continue;
		nft_image_place(old, i, &place);
		if (strcmp(place.table, NFT_TWIN_TABLE) == 0)
			continue;
		at = begin_object(&l->batch, NFT_MSG_DELTABLE, place.family, 0);
		nla_put_text(&l->batch, NFTA_TABLE_NAME, place.table);
		nla_end_message(&l->batch, at);
		note_message(l, NO_ITEM);
	}
}

/* Elements without their limits and counters: a lookup that those decide is a doubt. */
static void put_elements(struct buf *b, struct cur list)
{
	size_t nest = nla_begin_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct cur each, value;
	uint16_t type, attribute;

	while (nla_next(&list, &type, &each)) {
		size_t element = nla_begin_nest(b, type);

		while (nla_next(&each, &attribute, &value))
			if (attribute != NFTA_SET_ELEM_EXPR && attribute != NFTA_SET_ELEM_PAD &&
			    attribute != NFTA_SET_ELEM_EXPRESSIONS)
				nft_attr_copy(b, value);
		nla_end_nest(b, element);
	}
	nla_end_nest(b, nest);
}

static void put_attributes(struct buf *b, uint8_t type, struct cur attributes)
{
	struct cur value;
	uint16_t attribute;
	uint32_t mask;

	while (nla_next(&attributes, &attribute, &value)) {
		if (!nft_attr_sent(type, attribute))
			continue;
		mask = nft_attr_flags_mask(type, attribute);
		if (mask != UINT32_MAX)
			nla_put_u32_be(b, attribute, (uint32_t)nla_number_be(value) & mask);
		else if (type == NFT_MSG_NEWSETELEM && attribute == NFTA_SET_ELEM_LIST_ELEMENTS)
			put_elements(b, value);
		else if (type != NFT_MSG_NEWRULE || attribute != NFTA_RULE_EXPRESSIONS)
			nft_attr_copy(b, value);
	}
}

static void put_object(struct load *l, size_t item)
{
	const struct nft_item *it = &l->image->items[item];
	size_t at = begin_object(&l->batch, it->type, it->family, NLM_F_CREATE);

	put_attributes(&l->batch, it->type,
		       nft_rewrite_attributes(l->how->rewrite, item, &l->room));
	if (it->type == NFT_MSG_NEWSET)
		nla_put_u32_be(&l->batch, NFTA_SET_ID, (uint32_t)item + 1);
	nla_end_message(&l->batch, at);
	note_message(l, (int32_t)item);
}

/* Into a buffer of its own: only rules tell which anonymous sets are wanted. */
static void put_rules(struct load *l)
{
	struct nft_rewrite *w = l->how->rewrite;

	buf_clear(&l->rules);
	nft_rewrite_begin(w, &l->how->assignment);
	for (size_t i = 0; i < l->image->count; i++) {
		const struct nft_item *it = &l->image->items[i];
		size_t at;

		if (it->type != NFT_MSG_NEWRULE || l->left_out[i])
			continue;
		at = begin_object(&l->rules, it->type, it->family, NLM_F_CREATE | NLM_F_APPEND);
		put_attributes(&l->rules, it->type, nft_image_attributes(l->image, i));
		nft_rewrite_rule(w, i, &l->how->assignment, &l->rules);
		nla_end_message(&l->rules, at);
	}
}

/* The kernel refuses a batch with an anonymous set that no rule of it has. */
static bool is_wanted(const struct load *l, size_t item)
{
	const struct nft_set_info *set;

	switch (l->image->items[item].type) {
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_NEWOBJ:
		return !l->left_out[item];
	case NFT_MSG_NEWSET:
	case NFT_MSG_NEWSETELEM:
		set = nft_rewrite_set(l->how->rewrite, item);
		return !l->left_out[item] && set && !set->refused &&
		       (set->used || !(set->flags & NFT_SET_ANONYMOUS));
	default:
		return false;
	}
}

/* Tables, or all else but chains and rules. */
static void put_objects(struct load *l, bool tables)
{
	for (size_t i = 0; i < l->image->count; i++) {
		uint8_t type = l->image->items[i].type;

		if (type != NFT_MSG_NEWCHAIN && (type == NFT_MSG_NEWTABLE) == tables &&
		    is_wanted(l, i))
			put_object(l, i);
	}
}

static void put_batch(struct load *l, const struct nft_image *old)
{
	buf_clear(&l->batch);
	l->count = 0;
	put_rules(l);
	put_bracket(l, NFNL_MSG_BATCH_BEGIN);
	put_deletions(l, old);
	put_objects(l, true);
	for (size_t i = 0; i < l->chain_count; i++)
		if (is_wanted(l, l->chains[i]))
			put_object(l, l->chains[i]);
	put_objects(l, false);
	for (size_t i = 0; i < l->image->count; i++)
		if (l->image->items[i].type == NFT_MSG_NEWRULE && !l->left_out[i])
			note_message(l, (int32_t)i);
	buf_add(&l->batch, l->rules.data, l->rules.len);
	put_bracket(l, NFNL_MSG_BATCH_END);
	l->failed |= l->batch.failed || l->rules.failed || l->room.failed;
}

/* --- what the kernel refuses ---------------------------------------------------------------------
 */

static const char *kind_word(uint8_t type)
{
	switch (type) {
	case NFT_MSG_NEWTABLE:
		return _("the table");
	case NFT_MSG_NEWCHAIN:
		return _("the chain");
	case NFT_MSG_NEWSET:
	case NFT_MSG_NEWSETELEM:
		return _("the set");
	case NFT_MSG_NEWOBJ:
		return _("the object");
	default:
		return _("the rule in");
	}
}

static void lose(struct load *l, size_t item, const char *why)
{
	struct nft_place place;

	nft_image_place(l->image, item, &place);
	if (l->report->lost_count++ < NFT_LOAD_LINES)
		buf_printf(&l->report->lost, "%s %s %s %s: %s\n",
			   kind_word(l->image->items[item].type), nft_family_name(place.family),
			   place.table, place.chain, why);
}

/* A set is no loss by itself: the rules which look there are stopped. */
static void leave_out(struct load *l, size_t item, const char *why)
{
	uint8_t type = l->image->items[item].type;
	struct nft_set_info *set;

	if (l->left_out[item])
		return;
	l->left_out[item] = true;
	l->progress = true;
	if (type == NFT_MSG_NEWSET || type == NFT_MSG_NEWSETELEM) {
		set = nft_rewrite_set(l->how->rewrite, item);
		if (set)
			set->refused = true;
	} else if (type != NFT_MSG_NEWOBJ) {
		lose(l, item, why);
	}
}

static void take_refusal(size_t index, int error, const char *reason, void *context)
{
	struct load *l = context;
	char why[300];
	int32_t item;

	snprintf(why, sizeof(why), "%s%s%s", strerror(error), reason[0] ? ": " : "", reason);
	snprintf(l->why, sizeof(l->why), "%.255s", why);
	if (index >= l->count || l->items[index] == NO_ITEM)
		return;
	item = l->items[index];
	if (l->image->items[item].type != NFT_MSG_NEWRULE)
		leave_out(l, (size_t)item, why);
	else if (nft_rewrite_lower(l->how->rewrite, (size_t)item, why, l->how->doubts))
		l->progress = true;
	else
		leave_out(l, (size_t)item, why); /* its chain is not there */
}

static int send_batches(struct load *l, const struct nft_image *old, struct err *e)
{
	int r = 1;

	for (int i = 0; i < ATTEMPTS && r > 0; i++) {
		l->progress = false;
		l->report->attempts++;
		put_batch(l, old);
		if (l->failed)
			return err_set(e, -ENOMEM, _("out of memory"));
		r = nl_send(l->twin, &l->batch, take_refusal, l, e);
		if (r > 0 && !l->progress)
			break;
	}
	if (r > 0)
		return err_set(e, -EIO,
			       _("the kernel does not take a copy of the nf_tables rules: %s"),
			       l->why);
	return r;
}

static void count_stopped(struct load *l)
{
	for (size_t i = 0; i < l->image->count; i++)
		l->report->stopped += l->how->rewrite->level[i] != NFT_LEVEL_WHOLE;
}

static int order_chains(struct load *l)
{
	ptrdiff_t count;

	l->chains = calloc(l->image->count + 1, sizeof(*l->chains));
	if (!l->chains)
		return -ENOMEM;
	count = hook_orders_chains(l->how->orders, l->image, (size_t)l->how->assignment.order,
				   l->chains, l->how->rewrite->later);
	l->chain_count = count < 0 ? 0 : (size_t)count;
	return count < 0 ? -ENOMEM : 0;
}

int nft_image_load(const struct nft_image *image, struct nl *twin, const struct nft_loading *how,
		   struct nft_load_report *report, struct err *e)
{
	struct load cleanup_call(load_done)
		l = {.image = image, .twin = twin, .how = how, .report = report};
	struct nft_image cleanup_call(nft_image_done) old = {0}, now = {0};
	int r;

	clear_report(report);
	l.left_out = calloc(image->count + 1, sizeof(*l.left_out));
	if (!l.left_out || order_chains(&l) < 0)
		return err_set(e, -ENOMEM, _("out of memory"));
	r = nft_image_read_tables(twin, &old, e);
	if (r == 0)
		r = send_batches(&l, &old, e);
	/* what was sent is as large as what is read now */
	buf_done(&l.batch);
	buf_done(&l.rules);
	if (r == 0)
		r = nft_image_read(twin, &now, e);
	if (r < 0)
		return r;
	count_stopped(&l);
	return nft_compare(image, how->rewrite, &how->assignment, l.left_out, &now, report) < 0
		       ? err_set(e, -ENOMEM, _("out of memory"))
		       : 0;
}

int64_t nft_load_report_find(const struct nft_load_report *report, uint8_t family,
			     const char *table, uint64_t handle)
{
	struct cur name = cur_init(table, strlen(table));
	uint64_t key = nft_image_key(NFT_MSG_NEWTABLE, family, name, name);

	for (size_t i = 0; i < report->rule_count; i++)
		if (report->rules[i].handle == handle && report->rules[i].table_key == key)
			return report->rules[i].item;
	return -1;
}
