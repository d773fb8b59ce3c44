/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_compare: two images side by side. Objects are found by their names, rules by their place in
 * their chain, elements of a set only by the sum of what they say.
 */
#include "observe/nft_compare.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/nft_attr.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

/* What is known of one named object of the twin. */
struct found {
	uint64_t hash;
	uint64_t elements; /* of a set: the sum */
	uint32_t timed;	   /* of a set: elements that expire, which may have done so since */
	uint32_t first_rule, rule_count; /* of a chain: items of the twin */
	bool met;
};

struct comparison {
	const struct nft_image *image, *twin;
	struct nft_rewrite *rewrite;
	const bool *left_out;
	struct nft_load_report *report;
	struct map by_key;
	struct found *found;
	size_t count, cap;
	struct buf room; /* for nft_rewrite_attributes() */
	bool failed;
};

static struct found *find(struct comparison *c, uint64_t key)
{
	uint32_t index;

	return map_get(&c->by_key, key, &index) ? &c->found[index] : NULL;
}

static struct found *find_or_add(struct comparison *c, uint64_t key)
{
	struct found *f = find(c, key);

	if (f)
		return f;
	if (mem_grow(&c->found, &c->cap, c->count + 1, sizeof(*c->found)) < 0 ||
	    map_set(&c->by_key, key, (uint32_t)c->count) < 0) {
		c->failed = true;
		return NULL;
	}
	return &c->found[c->count++];
}

static void differ(struct comparison *c, const struct nft_image *image, size_t item,
		   const char *what)
{
	struct nft_place place;

	nft_image_place(image, item, &place);
	if (c->report->lost_count++ < NFT_LOAD_LINES)
		buf_printf(&c->report->lost, "%s %s %s: %s\n", nft_family_name(place.family),
			   place.table, place.chain, what);
}

/* Everything of the twin, by name. */
static void index_twin(struct comparison *c)
{
	const struct nft_image *twin = c->twin;

	for (size_t i = 0; i < twin->count && !c->failed; i++) {
		struct found *f = find_or_add(c, nft_image_item_key(twin, i));
		struct cur attributes = nft_image_attributes(twin, i);
		size_t timed = 0;

		if (!f)
			return;
		switch (twin->items[i].type) {
		case NFT_MSG_NEWSETELEM:
			f->elements += nft_attr_hash(NFT_MSG_NEWSETELEM, attributes, &timed);
			f->timed += (uint32_t)timed;
			break;
		case NFT_MSG_NEWRULE:
			if (f->rule_count++ == 0)
				f->first_rule = (uint32_t)i;
			break;
		default:
			f->hash = nft_attr_hash(twin->items[i].type, attributes, &timed);
			break;
		}
	}
}

static bool is_sent(const struct comparison *c, size_t item)
{
	uint8_t type = c->image->items[item].type;
	const struct nft_set_info *set;

	if (c->left_out[item] || type == NFT_MSG_NEWFLOWTABLE)
		return false;
	if (type != NFT_MSG_NEWSET && type != NFT_MSG_NEWSETELEM)
		return true;
	set = nft_rewrite_set(c->rewrite, item);
	return set && !set->refused && (set->used || !(set->flags & NFT_SET_ANONYMOUS));
}

static void compare_object(struct comparison *c, size_t item)
{
	struct cur attributes = nft_rewrite_attributes(c->rewrite, item, &c->room);
	struct found *f = find(c, nft_image_item_key(c->image, item));
	uint8_t type = c->image->items[item].type;
	size_t timed = 0;

	if (!f) {
		differ(c, c->image, item, _("the twin does not have it"));
	} else if (type == NFT_MSG_NEWSETELEM) {
		/* taken off: what is left in the end is the difference */
		f->elements -= nft_attr_hash(type, attributes, &timed);
	} else {
		f->met = true;
		if (f->hash != nft_attr_hash(type, attributes, &timed))
			differ(c, c->image, item, _("the twin has it otherwise"));
	}
}

static void pair_rule(struct comparison *c, size_t item, size_t twin_item)
{
	struct cur attributes = nft_image_attributes(c->twin, twin_item), table = cur_init("", 0);
	struct nft_load_report *report = c->report;

	if (mem_grow(&report->rules, &report->rule_cap, report->rule_count + 1,
		     sizeof(*report->rules)) < 0) {
		c->failed = true;
		return;
	}
	nla_find(attributes, NFTA_RULE_TABLE, &table);
	report->rules[report->rule_count++] = (struct nft_rule_pair){
		.table_key = nft_image_key(NFT_MSG_NEWTABLE, c->twin->items[twin_item].family,
					   table, table),
		.handle = nft_attr_number(attributes, NFTA_RULE_HANDLE),
		.item = (uint32_t)item,
	};
}

static void compare_rule(struct comparison *c, size_t item, const struct assignment *assignment,
			 struct buf *sent)
{
	struct found *f = find(c, nft_image_item_key(c->image, item));
	struct cur wanted = {.ok = true}, has = {.ok = true};
	size_t twin_item;

	buf_clear(sent);
	nft_rewrite_rule(c->rewrite, item, assignment, sent);
	if (!f || f->rule_count == 0) {
		differ(c, c->image, item, _("the twin lacks a rule of it"));
		return;
	}
	twin_item = f->first_rule++;
	f->rule_count--;
	pair_rule(c, item, twin_item);
	nla_find(cur_init(sent->data, sent->len), NFTA_RULE_EXPRESSIONS, &wanted);
	nla_find(nft_image_attributes(c->twin, twin_item), NFTA_RULE_EXPRESSIONS, &has);
	if (nft_exprs_hash(wanted) != nft_exprs_hash(has))
		differ(c, c->image, item, _("the twin has a rule of it otherwise"));
}

/* What the twin has and should not, or has in excess. */
static void compare_rest(struct comparison *c)
{
	for (size_t i = 0; i < c->twin->count; i++) {
		const struct found *f = find(c, nft_image_item_key(c->twin, i));
		uint8_t type = c->twin->items[i].type;
		struct nft_place place;

		nft_image_place(c->twin, i, &place);
		if (!f || type == NFT_MSG_NEWSETELEM || strcmp(place.table, NFT_TWIN_TABLE) == 0)
			continue;
		if (type == NFT_MSG_NEWRULE) {
			if (f->rule_count > 0 && f->first_rule == i)
				differ(c, c->twin, i, _("the twin has a rule too many in it"));
		} else if (!f->met) {
			differ(c, c->twin, i, _("only the twin has it"));
		} else if (type == NFT_MSG_NEWSET && f->elements != 0) {
			differ(c, c->twin, i, _("the twin has other elements in it"));
		}
	}
}

static void comparison_done(struct comparison *c)
{
	map_done(&c->by_key);
	free(c->found);
	buf_done(&c->room);
}

int nft_compare(const struct nft_image *image, struct nft_rewrite *rewrite,
		const struct assignment *assignment, const bool *left_out,
		const struct nft_image *twin, struct nft_load_report *report)
{
	struct comparison cleanup_call(comparison_done) c = {
		.image = image,
		.twin = twin,
		.rewrite = rewrite,
		.left_out = left_out,
		.report = report,
	};
	struct buf cleanup_call(buf_done) sent = {0};

	index_twin(&c);
	for (size_t i = 0; i < image->count && !c.failed; i++) {
		if (!is_sent(&c, i))
			continue;
		if (image->items[i].type == NFT_MSG_NEWRULE)
			compare_rule(&c, i, assignment, &sent);
		else
			compare_object(&c, i);
	}
	compare_rest(&c);
	if (twin->changing && twin->count > 0)
		differ(&c, twin, 0, _("the twin's rules change by themselves"));
	return c.failed || sent.failed || c.room.failed || report->lost.failed ? -ENOMEM : 0;
}
