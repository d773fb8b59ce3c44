/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel checks all of this itself before it takes a table; it is checked again because what
 * follows (rewriting offsets) would go astray on anything else.
 */
#include "observe/legacy_walk.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const struct legacy_layout layouts[] = {
	{sizeof(struct ipt_entry), offsetof(struct ipt_entry, ip.flags), IPT_F_GOTO,
	 offsetof(struct ipt_entry, target_offset), offsetof(struct ipt_entry, next_offset),
	 offsetof(struct ipt_entry, comefrom), offsetof(struct ipt_entry, counters)},
	{sizeof(struct ip6t_entry), offsetof(struct ip6t_entry, ipv6.flags), IP6T_F_GOTO,
	 offsetof(struct ip6t_entry, target_offset), offsetof(struct ip6t_entry, next_offset),
	 offsetof(struct ip6t_entry, comefrom), offsetof(struct ip6t_entry, counters)},
};

static const char *const hook_names[LEGACY_HOOKS] = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT",
						     "POSTROUTING"};

const struct legacy_layout *legacy_layout_of(uint8_t family)
{
	return &layouts[family == AF_INET6];
}

void legacy_walk_done(struct legacy_walk *w)
{
	free(w->entries);
	free(w->chains);
	*w = (struct legacy_walk){0};
}

/* The header of a match and of a target is the same: size, name, revision. */
static bool read_extension(struct cur *c, struct legacy_extension *ret)
{
	struct cur look = *c, body;
	uint16_t size;

	cur_read(&look, &size, sizeof(size));
	if (!look.ok || size < sizeof(struct xt_entry_match) || size % 8)
		return false;
	body = cur_slice(c, size);
	if (!body.ok)
		return false;
	*ret = (struct legacy_extension){.whole = body.at, .whole_len = size};
	cur_take(&body, sizeof(size));
	cur_read(&body, ret->name, LEGACY_EXTENSION_NAME);
	cur_read(&body, &ret->revision, sizeof(ret->revision));
	ret->data = body.at;
	ret->len = body.left;
	return memchr(ret->name, 0, LEGACY_EXTENSION_NAME);
}

struct cur legacy_matches(const struct legacy_layout *l, const uint8_t *blob,
			  const struct legacy_entry *entry)
{
	return cur_init(blob + entry->offset + l->entry_size, entry->target_offset - l->entry_size);
}

bool legacy_match_next(struct cur *c, struct legacy_extension *ret)
{
	if (c->left == 0)
		return false;
	if (!read_extension(c, ret)) {
		c->ok = false;
		return false;
	}
	return true;
}

bool legacy_target_read(const uint8_t *blob, const struct legacy_entry *entry,
			struct legacy_extension *ret)
{
	struct cur c = cur_init(blob + entry->offset + entry->target_offset,
				entry->size - entry->target_offset);

	return read_extension(&c, ret);
}

static int read_target(const uint8_t *blob, struct legacy_entry *entry)
{
	struct legacy_extension target;
	struct cur c;

	if (!legacy_target_read(blob, entry, &target))
		return -EINVAL;
	c = cur_init(target.data, target.len);
	entry->target = LEGACY_EXTENSION;
	if (target.name[0] == 0) {
		entry->target = LEGACY_STANDARD;
		cur_read(&c, &entry->verdict, sizeof(entry->verdict));
	} else if (strcmp(target.name, "ERROR") == 0) {
		entry->target = LEGACY_HEADER;
	}
	return c.ok ? 0 : -EINVAL;
}

/* The entry at w's end: its borders, its matches' borders, its target. */
static int read_entry(const struct legacy_layout *l, const uint8_t *blob, struct cur *c,
		      struct legacy_entry *entry)
{
	const uint8_t *start = c->at;
	struct legacy_extension match;
	uint16_t target_offset, next_offset;
	struct cur look = *c, matches;

	cur_take(&look, l->target_offset);
	cur_read(&look, &target_offset, sizeof(target_offset));
	cur_read(&look, &next_offset, sizeof(next_offset));
	if (!look.ok || target_offset < l->entry_size || next_offset <= target_offset ||
	    next_offset % 8 || !cur_take(c, next_offset))
		return -EINVAL;
	*entry = (struct legacy_entry){.offset = (uint32_t)(start - blob),
				       .size = next_offset,
				       .target_offset = target_offset,
				       .chain = LEGACY_NO_RULE};
	matches = legacy_matches(l, blob, entry);
	while (legacy_match_next(&matches, &match))
		;
	if (!matches.ok)
		return -EINVAL;
	return read_target(blob, entry);
}

ptrdiff_t legacy_walk_find(const struct legacy_walk *w, uint32_t offset)
{
	size_t low = 0, high = w->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->entries[middle].offset == offset)
			return (ptrdiff_t)middle;
		if (w->entries[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

static int check_offsets(const struct legacy_walk *w, const struct legacy_table *t)
{
	for (size_t i = 0; i < LEGACY_HOOKS; i++)
		if (t->valid_hooks >> i & 1 && (legacy_walk_find(w, t->hook_entry[i]) < 0 ||
						legacy_walk_find(w, t->underflow[i]) < 0))
			return -EINVAL;
	for (size_t i = 0; i < w->count; i++) {
		const struct legacy_entry *entry = &w->entries[i];

		if (entry->target == LEGACY_STANDARD && entry->verdict >= 0 &&
		    legacy_walk_find(w, (uint32_t)entry->verdict) < 0)
			return -EINVAL;
	}
	return 0;
}

static int add_chain(struct legacy_walk *w, const char *name, bool builtin, uint32_t hook)
{
	struct legacy_chain *chain;

	if (mem_grow(&w->chains, &w->chain_cap, w->chain_count + 1, sizeof(*w->chains)) < 0)
		return -ENOMEM;
	chain = &w->chains[w->chain_count++];
	*chain = (struct legacy_chain){.builtin = builtin, .hook = hook};
	snprintf(chain->name, sizeof(chain->name), "%s", name);
	return 0;
}

/* A header's chain has the name in its ERROR target. */
static int add_named_chain(struct legacy_walk *w, const uint8_t *blob,
			   const struct legacy_entry *entry)
{
	struct legacy_extension target;
	char name[LEGACY_NAME + 1] = "";

	if (!legacy_target_read(blob, entry, &target))
		return -EINVAL;
	memcpy(name, target.data, target.len < LEGACY_NAME ? target.len : LEGACY_NAME);
	return add_chain(w, name, false, 0);
}

static bool begins_hook(const struct legacy_table *t, uint32_t offset, uint32_t *ret_hook)
{
	for (uint32_t i = 0; i < LEGACY_HOOKS; i++)
		if (t->valid_hooks >> i & 1 && t->hook_entry[i] == offset) {
			*ret_hook = i;
			return true;
		}
	return false;
}

/* As libiptc does: a chain begins at a hook or at a header, and ends where the next begins. */
static int number_rules(struct legacy_walk *w, const struct legacy_table *t, const uint8_t *blob)
{
	uint32_t rule = 0, hook = 0;
	int r = 0;

	for (size_t i = 0; i < w->count && r == 0; i++) {
		struct legacy_entry *entry = &w->entries[i];
		bool header = entry->target == LEGACY_HEADER;
		bool begins = begins_hook(t, entry->offset, &hook);

		if ((begins || header) && i > 0 && w->entries[i - 1].rule > 0)
			w->entries[i - 1].last = true;
		if (header && i + 1 == w->count)
			break; /* the end of the table */
		if (begins || header)
			rule = 0;
		if (begins)
			r = add_chain(w, hook_names[hook], true, hook);
		else if (header)
			r = add_named_chain(w, blob, entry);
		if (w->chain_count)
			entry->chain = (uint32_t)w->chain_count - 1;
		entry->rule = header ? 0 : ++rule;
	}
	return r;
}

int legacy_walk_read(struct legacy_walk *w, const struct legacy_table *t, const uint8_t *blob)
{
	struct cur c = cur_init(blob, t->size);
	int r = t->size > LEGACY_SIZE_LIMIT ? -EINVAL : 0;

	*w = (struct legacy_walk){0};
	while (r == 0 && c.left) {
		r = mem_grow(&w->entries, &w->cap, w->count + 1, sizeof(*w->entries));
		if (r == 0)
			r = read_entry(legacy_layout_of(t->family), blob, &c,
				       &w->entries[w->count]);
		if (r == 0)
			w->count++;
	}
	/* the last entry is always the table's end, which nothing falls through */
	if (r == 0 && (w->count == 0 || w->entries[w->count - 1].target != LEGACY_HEADER))
		r = -EINVAL;
	if (r == 0)
		r = check_offsets(w, t);
	if (r == 0)
		r = number_rules(w, t, blob);
	if (r < 0)
		legacy_walk_done(w);
	return r;
}

void legacy_walk_mask(const struct legacy_walk *w, uint8_t family, uint8_t *blob)
{
	const struct legacy_layout *l = legacy_layout_of(family);

	for (size_t i = 0; i < w->count; i++) {
		memset(blob + w->entries[i].offset + l->comefrom, 0, sizeof(uint32_t));
		memset(blob + w->entries[i].offset + l->counters, 0, sizeof(struct xt_counters));
	}
}

uint64_t legacy_entry_packets(const struct legacy_layout *l, const uint8_t *blob,
			      const struct legacy_entry *entry)
{
	struct xt_counters counters;

	memcpy(&counters, blob + entry->offset + l->counters, sizeof(counters));
	return counters.pcnt;
}
