/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_texts: who is meant by a group of sources: "10.1.0.0/16, ... and 3 more", "@blocklist (12
 * addresses)", and the block that it lies in.
 */
#include "base/i18n.h"
#include "base/mem.h"
#include "observe/source_drafts.h"

#include <arpa/inet.h>

enum { PREFIXES_SHOWN = 5 };

static void add_prefix_text(struct buf *b, uint8_t family, struct source_number first,
			    unsigned bits)
{
	size_t width = family == AF_INET ? 4 : 16;
	struct address address = {.family = family};
	char text[ADDRESS_TEXT_SIZE];

	number_to_bytes(first, address.bytes, width);
	address_format(&address, text);
	buf_printf(b, "%s%s", b->len ? ", " : "", text);
	if (bits < width * 8)
		buf_printf(b, "/%u", bits);
}

/* The fewest prefixes that make up first..last; only the first of a group are written down. */
static void add_prefixes(struct draft *draft, struct source_number at, struct source_number last,
			 uint8_t family)
{
	unsigned width_bits = family == AF_INET ? 32 : 128, host_bits;
	struct source_number end;

	for (;; at = number_next(end)) {
		end = number_block_end(at, last, width_bits, &host_bits);
		if (draft->prefix_count++ < PREFIXES_SHOWN)
			add_prefix_text(&draft->prefixes, family, at, width_bits - host_bits);
		if (number_compare(end, last) == 0)
			return;
	}
}

/* The end of the run of pieces with one signature that begins at i. */
static size_t find_run_end(const struct source_pieces *pieces, size_t i)
{
	size_t end = i + 1;

	while (end < pieces->count && pieces->items[end].signature == pieces->items[i].signature)
		end++;
	return end;
}

/* A run as one of its blocks has it. What is no source, or another block's, is not cut out of it:
 * who wrote the rule did not, either. */
static void add_run(struct drafts *d, const struct source_piece *piece, struct source_number first,
		    struct source_number last, size_t run)
{
	const struct source_block *block;
	struct draft *draft;
	uint32_t index;

	if (piece->block == SOURCE_NO_BLOCK || !d->items ||
	    !map_get(&d->by_key, drafts_key(piece), &index))
		return;
	draft = &d->items[index];
	block = &d->blocks->items[piece->block];
	if (!source_class_is_part(draft->group.source_class) || draft->runs == run)
		return;
	draft->runs = run;
	if (number_compare(first, block->first) < 0)
		first = block->first;
	if (number_compare(last, block->last) > 0)
		last = block->last;
	add_prefixes(draft, first, last, d->blocks->family);
}

void drafts_find_prefixes(struct drafts *d, const struct source_pieces *pieces)
{
	for (size_t i = 0, end; i < pieces->count; i = end) {
		end = find_run_end(pieces, i);
		for (size_t j = i; j < end; j++)
			add_run(d, &pieces->items[j], pieces->items[i].first,
				pieces->items[end - 1].last, i + 1);
	}
}

/* True when the named sets that a group is in, or not in, are all that tells it from its baseline:
 * then they say who is meant. */
static bool add_labels(const struct rule_constants *c, const struct draft *draft,
		       const struct draft *baseline, struct buf *b)
{
	uint64_t differ = draft->labels ^ baseline->labels;
	uint64_t signature = baseline->group.signature;

	for (size_t i = 0; i < c->label_count && i < SOURCE_LABELS; i++) {
		if (!(differ >> i & 1))
			continue;
		signature ^= rule_constants_group_key(c->labels[i].group);
		if (b->len)
			buf_add_text(b, ", ");
		if (!(draft->labels >> i & 1))
			buf_add_text(b, _("not "));
		buf_add_text(b, rule_constants_text(c, c->labels[i].text_str));
	}
	if (differ && signature == draft->group.signature)
		return true;
	buf_clear(b);
	return false;
}

static void add_count(const struct draft *draft, uint8_t family, struct buf *b)
{
	unsigned long count =
		family == AF_INET ? (unsigned long)draft->group.size : draft->prefix_count;

	buf_add_text(b, " (");
	if (family == AF_INET)
		buf_printf(b, ngettext("%lu address", "%lu addresses", count), count);
	else
		buf_printf(b, ngettext("%lu network", "%lu networks", count), count);
	buf_add_char(b, ')');
}

void drafts_describe(const struct drafts *d, const struct rule_constants *c, struct draft *draft,
		     struct strpool *strings)
{
	const struct reach_prefix *prefix = &d->blocks->items[draft->block].prefix;
	cleanup_call(buf_done) struct buf text = {0};
	uint64_t more;

	if (d->blocks->items[draft->block].source_class != SOURCE_INTERNET) {
		add_prefix_text(&text, d->blocks->family, d->blocks->items[draft->block].first,
				prefix->bits);
		draft->group.block_str = strpool_add_text(strings, buf_text(&text));
		buf_clear(&text);
	}
	if (!source_class_is_part(draft->group.source_class))
		return;
	if (add_labels(c, draft, &d->items[draft->group.baseline], &text)) {
		add_count(draft, d->blocks->family, &text);
	} else {
		buf_add_text(&text, buf_text(&draft->prefixes));
		more = draft->prefix_count > PREFIXES_SHOWN ? draft->prefix_count - PREFIXES_SHOWN
							    : 0;
		if (more)
			buf_printf(&text, ngettext(" and %lu more", " and %lu more", more),
				   (unsigned long)more);
	}
	draft->group.text_str = strpool_add_text(strings, buf_text(&text));
}
