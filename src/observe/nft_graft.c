/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/nft_graft.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nl.h"
#include "base/ns.h"
#include "base/run.h"
#include "observe/nft_attr.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>

enum { PATIENCE_MS = 60000, OUTPUT_LIMIT = 1 << 16 };

struct trial {
	const char *script;
	size_t len;
	struct nft_image *image;
	struct err *e;
};

/* The first line of what nft said: the others point at a place of the script. */
static int refuse(const struct buf *errors, struct err *e)
{
	const char *text = buf_text(errors);

	return err_set(e, -EINVAL, _("nft does not take the rules: %.*s"), (int)strcspn(text, "\n"),
		       text);
}

static int load_script(const struct trial *t)
{
	static const char *const argv[] = {"nft", "-f", "-", NULL};
	struct buf cleanup_call(buf_done) out = {0};
	struct buf cleanup_call(buf_done) errors = {0};
	const struct run wish = {.argv = argv,
				 .input = t->script,
				 .input_len = t->len,
				 .limit = OUTPUT_LIMIT,
				 .patience_ms = PATIENCE_MS,
				 .out = &out,
				 .errors = &errors};
	int r = run_with(&wish);

	if (r == -ENOENT)
		return err_set(t->e, r,
			       _("there is no nft to load rules with: install the package "
				 "nftables"));
	if (r < 0)
		return err_set(t->e, r, _("nft could not be run: %s"), strerror(-r));
	return r > 0 ? refuse(&errors, t->e) : 0;
}

static int try_script(void *context)
{
	const struct trial *t = context;
	struct nl cleanup_call(nl_close) filter = {0};
	int r = load_script(t);

	if (r >= 0)
		r = nl_open(&filter, NETLINK_NETFILTER, t->e);
	return r < 0 ? r : nft_image_read(&filter, t->image, t->e);
}

int nft_graft_make(const char *script, size_t len, struct nft_image *ret, struct err *e)
{
	struct trial trial = {script, len, ret, e};
	int cleanup_close ns = ns_new();

	if (ns < 0)
		return err_set(e, ns, _("cannot make a network namespace to try the rules in: %s"),
			       strerror(-ns));
	return ns_run(ns, try_script, &trial, e);
}

/* --- into the image ------------------------------------------------------------------------------
 */

static bool is_of(const struct nft_image *image, size_t index, uint8_t family, const char *table)
{
	struct nft_place place;

	nft_image_place(image, index, &place);
	return place.family == family && strcmp(place.table, table) == 0;
}

static int add_item(struct nft_image *to, const struct nft_image *from, size_t index)
{
	const struct nft_item *item = &from->items[index];
	struct nfgenmsg header = {.nfgen_family = item->family};
	struct cur attributes = nft_image_attributes(from, index);
	struct buf cleanup_call(buf_done) message = {0};

	buf_add(&message, &header, sizeof(header));
	buf_add(&message, attributes.at, attributes.left);
	if (message.failed)
		return -ENOMEM;
	return nft_image_add(to, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | item->type), message.data,
			     message.len);
}

/* All of one kind; with `table`, but what is of that. */
static int add_kind(struct nft_image *to, const struct nft_image *from, uint8_t type,
		    uint8_t family, const char *table)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < from->count; i++)
		if (from->items[i].type == type && !(table && is_of(from, i, family, table)))
			r = add_item(to, from, i);
	return r;
}

int nft_graft_put(struct nft_image *image, uint8_t family, const char *table,
		  const struct nft_image *graft)
{
	/* in the order of an image */
	static const uint8_t kinds[] = {NFT_MSG_NEWTABLE,     NFT_MSG_NEWCHAIN, NFT_MSG_NEWOBJ,
					NFT_MSG_NEWFLOWTABLE, NFT_MSG_NEWSET,	NFT_MSG_NEWSETELEM,
					NFT_MSG_NEWRULE};
	struct nft_image whole = {.generation = image->generation, .changing = image->changing};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(kinds); i++) {
		r = add_kind(&whole, image, kinds[i], family, table);
		if (r >= 0)
			r = add_kind(&whole, graft, kinds[i], family, NULL);
	}
	if (r < 0) {
		nft_image_done(&whole);
		return r;
	}
	nft_image_done(image);
	*image = whole;
	return 0;
}

/* --- comparing -----------------------------------------------------------------------------------
 */

/* Keys of the sets whose elements come from packets. */
static int find_dynamic(const struct nft_image *image, struct map *ret)
{
	for (size_t i = 0; i < image->count; i++) {
		uint64_t flags;

		if (image->items[i].type != NFT_MSG_NEWSET)
			continue;
		flags = nft_attr_number(nft_image_attributes(image, i), NFTA_SET_FLAGS);
		if (flags & NFT_SET_EVAL && map_set(ret, nft_image_item_key(image, i), 1) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int keep_table(const struct nft_image *whole, uint8_t family, const char *table,
		      struct nft_image *ret)
{
	struct map cleanup_call(map_done) dynamic = {0};
	int r = find_dynamic(whole, &dynamic);

	for (size_t i = 0; i < whole->count && r >= 0; i++) {
		uint32_t found;

		if (!is_of(whole, i, family, table))
			continue;
		if (whole->items[i].type == NFT_MSG_NEWSETELEM &&
		    map_get(&dynamic, nft_image_item_key(whole, i), &found))
			continue;
		r = add_item(ret, whole, i);
	}
	return r;
}

int nft_graft_read(uint8_t family, const char *table, struct nft_image *ret, struct err *e)
{
	struct nl cleanup_call(nl_close) filter = {0};
	struct nft_image whole = {0};
	int r = nl_open(&filter, NETLINK_NETFILTER, e);

	if (r >= 0)
		r = nft_image_read(&filter, &whole, e);
	if (r >= 0 && keep_table(&whole, family, table, ret) < 0)
		r = err_set(e, -ENOMEM, _("out of memory"));
	nft_image_done(&whole);
	return r;
}
