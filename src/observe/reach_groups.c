/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_groups: the smaller parts of reach_sources.h: the machine's own addresses and interfaces by
 * signature, and classes with equal answers made one.
 */
#include "base/mem.h"
#include "observe/reach_sources.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { JOINED_TEXT = 240 }; /* bytes: a text that is longer gets no more */

/* --- destinations ------------------------------------------------------------------------------
 */

/* What kernel and rules can tell about one of the machine's addresses: what differs is asked. */
static int destination_key(const struct rule_constants *c, const struct reach_destination *d,
			   size_t index, uint64_t *ret)
{
	enum rule_field field =
		d->address.family == AF_INET ? RULE_DESTINATION4 : RULE_DESTINATION6;
	uint8_t value[RULE_VALUE_SIZE] = {0};
	uint64_t kind = address_is_loopback(&d->address)     ? 1
			: address_is_link_local(&d->address) ? 2
							     : 0;

	memcpy(value, d->address.bytes, rule_field_width(field));
	if (rule_constants_signature(c, field, value, ret) < 0)
		return -ENOMEM;
	*ret = map_mix(map_mix(*ret, field), kind);
	if (c->fields[field].opaque)
		*ret = map_mix(*ret, index);
	return 0;
}

int reach_destination_key(const struct rule_constants *c, const struct reach_destination *d,
			  uint64_t *ret)
{
	enum rule_field field =
		d->address.family == AF_INET ? RULE_DESTINATION4 : RULE_DESTINATION6;
	int r = destination_key(c, d, 0, ret);

	*ret = c->fields[field].opaque ? 0 : *ret | 1;
	return r;
}

/* True the first time that this key comes; *ret is then `index`, else what it was then. */
static int first_index(struct map *seen, uint64_t key, uint32_t index, uint32_t *ret)
{
	if (map_get(seen, key, ret))
		return 0;
	*ret = index;
	return map_set(seen, key, index);
}

int reach_destinations_group(const struct rule_constants *c, const struct reach_destination *list,
			     size_t count, size_t *ret)
{
	cleanup_call(map_done) struct map by_key = {0};
	cleanup_call(map_done) struct map by_interface = {0};

	for (size_t i = 0; i < count; i++) {
		uint64_t place = map_mix(list[i].ifindex, list[i].address.family), key;
		uint32_t first, alike;

		if (destination_key(c, &list[i], i, &key) < 0 ||
		    first_index(&by_interface, place, (uint32_t)i, &first) < 0 ||
		    first_index(&by_key, key, (uint32_t)i, &alike) < 0)
			return -ENOMEM;
		ret[i] = first == i ? i : alike;
	}
	return 0;
}

/* --- interfaces --------------------------------------------------------------------------------
 */

static void put_number(uint8_t value[RULE_VALUE_SIZE], uint32_t number)
{
	number = htonl(number);
	memcpy(value, &number, sizeof(number));
}

int reach_interface_signature(const struct rule_constants *c, const struct reach_interface *i,
			      uint64_t *ret)
{
	uint8_t values[RULE_FIELD_COUNT][RULE_VALUE_SIZE] = {0};
	uint64_t all = 0;

	memcpy(values[RULE_IIFNAME], i->name, strnlen(i->name, sizeof(i->name)));
	memcpy(values[RULE_IIFKIND], i->kind, strnlen(i->kind, sizeof(i->kind)));
	put_number(values[RULE_IIF], i->ifindex);
	put_number(values[RULE_IIFGROUP], i->group);
	put_number(values[RULE_IIFTYPE], i->type);
	for (int field = RULE_IIFNAME; field < RULE_FIELD_COUNT; field++) {
		uint64_t one;

		if (rule_constants_signature(c, (enum rule_field)field, values[field], &one) < 0)
			return -ENOMEM;
		all = map_mix(all, one);
		if (c->fields[field].opaque)
			all = map_mix(all, i->ifindex);
	}
	*ret = all;
	return 0;
}

/* --- classes -----------------------------------------------------------------------------------
 */

static bool same_interval(const struct reach_interval *a, const struct reach_interval *b)
{
	return a->first == b->first && a->last == b->last && a->verdict == b->verdict &&
	       a->forwarded == b->forwarded && a->shifts == b->shifts && a->nat == b->nat &&
	       a->several == b->several && a->target_port == b->target_port &&
	       a->out_ifindex == b->out_ifindex && a->why_str == b->why_str &&
	       address_equal(&a->target, &b->target) && address_equal(&a->gateway, &b->gateway);
}

/* The same question, and the same answers. */
static bool same_answers(const struct reach *r, const struct reach_class *a,
			 const struct reach_class *b)
{
	if (a->ifindex != b->ifindex || a->proto != b->proto || a->behind != b->behind ||
	    !address_equal(&a->destination, &b->destination) ||
	    a->interval_count != b->interval_count)
		return false;
	for (uint32_t i = 0; i < a->interval_count; i++)
		if (!same_interval(&r->intervals[a->first_interval + i],
				   &r->intervals[b->first_interval + i]))
			return false;
	return true;
}

/* A hash of what same_answers() compares, so that only likely pairs are compared. */
static uint64_t hash_class(const struct reach *r, const struct reach_class *class)
{
	uint64_t hash = map_mix(map_mix(class->ifindex, class->proto), class->interval_count);

	hash = map_mix(hash, map_hash_bytes(class->destination.bytes, 4));
	for (uint32_t i = 0; i < class->interval_count; i++) {
		const struct reach_interval *one = &r->intervals[class->first_interval + i];

		hash = map_mix(hash, (uint64_t)one->first << 32 | (uint64_t)one->last << 8 |
					     (uint64_t)one->verdict);
	}
	return hash;
}

static int join_texts(struct reach *r, struct reach_class *to, const struct reach_class *from)
{
	cleanup_call(buf_done) struct buf text = {0};

	/* no text is the whole class: it has all others */
	if (!to->sources_str || !from->sources_str || to->sources_str == from->sources_str) {
		if (!from->sources_str)
			to->sources_str = 0;
		return 0;
	}
	buf_add_text(&text, reach_text(r, to->sources_str));
	if (text.len > JOINED_TEXT && memcmp(text.data + text.len - 3, "...", 3) == 0)
		return 0;
	buf_add_text(&text, ", ");
	buf_add_text(&text, text.len > JOINED_TEXT ? "..." : reach_text(r, from->sources_str));
	to->sources_str = strpool_add_text(&r->strings, buf_text(&text));
	return to->sources_str && !text.failed ? 0 : -ENOMEM;
}

/* Finds the class before i that it can be merged with; i itself when there is none. `chain` leads
 * from a class to the one before with the same hash. */
static uint32_t find_twin(const struct reach *r, const uint32_t *chain, uint32_t from, uint32_t i)
{
	for (uint32_t at = from; at != UINT32_MAX; at = chain[at])
		if (r->classes[at].source_class == r->classes[i].source_class &&
		    same_answers(r, &r->classes[at], &r->classes[i]))
			return at;
	return i;
}

static bool is_part_of_baseline(const struct reach *r, const uint32_t *baselines, uint32_t i)
{
	return baselines && source_class_is_part(r->classes[i].source_class) &&
	       baselines[i] < r->class_count && baselines[i] != i &&
	       same_answers(r, &r->classes[baselines[i]], &r->classes[i]);
}

/* Forged addresses that are kept out are no news. */
static bool is_vain(const struct reach *r, const struct reach_class *c)
{
	if (c->source_class != SOURCE_FORGED || c->others_str)
		return false;
	for (uint32_t i = 0; i < c->interval_count; i++) {
		enum verdict verdict = r->intervals[c->first_interval + i].verdict;

		if (verdict_lets_in(verdict) || verdict == VERDICT_UNKNOWN)
			return false;
	}
	return true;
}

/* keep[i]: whether class i stays; texts of those that do not are joined to who has them. */
static int choose(struct reach *r, const uint32_t *baselines, bool *keep, uint32_t *chain)
{
	cleanup_call(map_done) struct map by_hash = {0};

	for (uint32_t i = 0; i < r->class_count; i++) {
		uint64_t hash = hash_class(r, &r->classes[i]);
		uint32_t before = UINT32_MAX, twin;

		keep[i] = false;
		if (is_part_of_baseline(r, baselines, i) || is_vain(r, &r->classes[i]))
			continue;
		map_get(&by_hash, hash, &before);
		twin = find_twin(r, chain, before, i);
		if (twin != i) {
			if (join_texts(r, &r->classes[twin], &r->classes[i]) < 0)
				return -ENOMEM;
			continue;
		}
		keep[i] = true;
		chain[i] = before;
		if (map_set(&by_hash, hash, i) < 0)
			return -ENOMEM;
	}
	return 0;
}

int reach_classes_merge(struct reach *r, const uint32_t *baselines)
{
	cleanup_free bool *keep = calloc(r->class_count + 1, sizeof(*keep));
	cleanup_free uint32_t *chain = calloc(r->class_count + 1, sizeof(*chain));
	size_t count = 0;

	if (!keep || !chain || choose(r, baselines, keep, chain) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < r->class_count; i++)
		if (keep[i])
			r->classes[count++] = r->classes[i];
	r->class_count = count;
	return 0;
}
