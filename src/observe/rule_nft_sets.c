/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_nft_sets: elements of sets and maps as conditions on each field that the key has.
 *
 * The group of an element, seen from one field, is the set, the rest of the key, and what the map
 * has for it. So all elements of a set of addresses are one group, and all addresses with the same
 * verdict in a verdict map are, too.
 */
#include "observe/rule_nft_sets.h"
#include "base/i18n.h"
#include "base/nla.h"
#include "observe/rule_nft_elements.h"

#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

/* The set as one field of its key sees it. */
static uint64_t field_group(const struct nft_set *set, const struct key_field *f)
{
	return map_mix(map_mix(set->key, f->field), map_hash_bytes(f->at, sizeof(f->at)));
}

/* The group of an element for one field: without that field's own bytes. */
static uint64_t element_group(const struct nft_set *set, const struct key_field *f,
			      const struct nft_set_element *e)
{
	uint8_t rest[2][NFT_KEY_LIMIT];

	if (f->prefix == set->key_len)
		return map_mix(field_group(set, f), e->data); /* there is no rest */
	memcpy(rest[0], e->key, NFT_KEY_LIMIT);
	memcpy(rest[1], e->key_end, NFT_KEY_LIMIT);
	for (size_t i = 0; i < f->width; i++)
		if (f->at[i] >= 0)
			rest[0][f->at[i]] = rest[1][f->at[i]] = 0;
	return map_mix(map_mix(field_group(set, f), e->data), map_hash_bytes(rest, sizeof(rest)));
}

static void collect_element(struct rule_collector *k, const struct nft_set *set,
			    const struct key_layout *layout, const struct nft_set_element *e)
{
	if (k->scope.mode == SCOPE_ELEMENT)
		k->scope.element = element_group(set, k->scope.pair, e);
	for (size_t i = 0; i < layout->count; i++) {
		const struct key_field *f = &layout->fields[i];
		uint64_t group = f->is_port ? 0 : element_group(set, f, e);

		if (memcmp(e->key, e->key_end, NFT_KEY_LIMIT) != 0)
			key_field_between(k, f, e->key, e->key_end, group);
		else
			key_field_equals(k, f, e->key, group);
	}
}

/* What is done with each element, and with which parts of its key. */
struct lookup {
	const struct nft_set *set;
	const struct key_layout *layout;
	uint64_t table_key; /* take_target() */
};

static void take_conditions(struct rule_collector *k, const struct nft_set_element *e,
			    void *context)
{
	const struct lookup *lookup = context;

	collect_element(k, lookup->set, lookup->layout, e);
}

static void collect_labels(struct rule_collector *k, const struct nft_set *set,
			   const struct key_layout *layout)
{
	char name[NFT_SET_MAXNAMELEN], label[NFT_SET_MAXNAMELEN + 1];
	struct nft_set_element plain = {.data = map_mix(0, 0)};

	if (set->flags & (NFT_SET_ANONYMOUS | NFT_SET_MAP | NFT_SET_OBJECT) ||
	    !nla_string(set->name, name, sizeof(name)))
		return;
	snprintf(label, sizeof(label), "@%s", name);
	for (size_t i = 0; i < layout->count; i++)
		if (!layout->fields[i].is_port && layout->fields[i].prefix == set->key_len)
			collect_label(k, element_group(set, &layout->fields[i], &plain), label);
}

/* Intervals are of one field that is the whole key; others cannot be told from them. */
static void reject_parts(struct rule_collector *k, const struct nft_set *set,
			 struct key_layout *layout)
{
	size_t whole = 0;

	for (size_t i = 0; i < layout->count; i++) {
		const struct key_field *f = &layout->fields[i];

		if (set->key_len <= RULE_VALUE_SIZE && f->prefix == set->key_len)
			layout->fields[whole++] = *f;
		else
			key_field_reject(k, f,
					 _("parts of it are looked up in a set of intervals"));
	}
	layout->count = whole;
}

static void collect_set(struct rule_collector *k, const struct nft_sets *s, struct nft_set *set,
			struct key_layout *layout)
{
	struct lookup lookup = {.set = set, .layout = layout};

	collect_labels(k, set, layout);
	if (!(set->flags & NFT_SET_INTERVAL) || set->flags & NFT_SET_CONCAT) {
		nft_set_each(k, s, set, false, take_conditions, &lookup);
		return;
	}
	reject_parts(k, set, layout);
	if (layout->count > 0)
		nft_set_each_interval(k, s, set, false, take_conditions, &lookup);
}

/* --- what a lookup says of its rule ------------------------------------------------------------
 */

static bool is_source(const struct key_field *f)
{
	return !f->is_port && (f->field == RULE_SOURCE4 || f->field == RULE_SOURCE6);
}

/* The fields of a key: one source or NULL (also when it has two), whether it has ports. */
static const struct key_field *find_source(const struct rule_collector *k,
					   const struct key_layout *layout, bool *has_ports)
{
	const struct key_field *source = NULL;
	size_t count = 0;

	*has_ports = false;
	for (size_t i = 0; i < layout->count; i++) {
		const struct key_field *f = &layout->fields[i];

		if (f->is_port && f->ports == &k->out->destination_ports)
			*has_ports = true;
		if (is_source(f) && count++ == 0)
			source = f;
	}
	return count == 1 ? source : NULL;
}

/* How the elements are read: what is in a named set may be asked by other rules, too. */
static enum scope_mode choose_mode(const struct rule_collector *k, const struct nft_set *set,
				   const struct key_layout *layout, const struct key_field *source,
				   bool has_ports)
{
	if (source && has_ports)
		return SCOPE_ELEMENT;
	if (!source && has_ports && set->flags & NFT_SET_ANONYMOUS)
		return SCOPE_RULE;
	if (has_ports && k->scope.mode == SCOPE_RULE && layout->count == 1)
		return SCOPE_PORTS;
	return SCOPE_SET;
}

/* The group of a set that has nothing but sources; 0: it is no such set. */
static uint64_t plain_group(const struct nft_set *set, const struct key_field *source)
{
	const struct nft_set_element plain = {.data = map_mix(0, 0)};

	if (!source || source->prefix != set->key_len ||
	    set->flags & (NFT_SET_MAP | NFT_SET_OBJECT))
		return 0;
	return element_group(set, source, &plain);
}

/* All ports between the first and the last that the lookup named. */
static void narrow_to_ports(struct rule_collector *k, size_t first_cut)
{
	uint16_t first = UINT16_MAX, last = 0;

	for (size_t i = first_cut; i < k->scope.cut_count; i++) {
		const struct rule_cut *cut = &k->scope.cuts[i];

		first = cut->first < first ? cut->first : first;
		last = cut->last > last ? cut->last : last;
	}
	if (first <= last)
		scope_narrow_ports(k, first, last);
}

static void collect_found(struct rule_collector *k, const struct nft_sets *s, struct nft_set *set,
			  struct key_layout *layout, uint64_t key, bool inverted)
{
	bool has_ports, is_new;
	const struct key_field *source = find_source(k, layout, &has_ports);
	uint64_t group = plain_group(set, source);
	size_t cuts = k->scope.cut_count;
	enum scope_mode before = k->scope.mode,
			mode = choose_mode(k, set, layout, source, has_ports);
	struct key_field own;

	if (mode == SCOPE_PORTS)
		key = map_mix(key, scope_protos(k));
	is_new = collect_first_time(k, key);
	if (source)
		own = *source;
	if (is_new) {
		k->scope.mode = mode;
		k->scope.plain = group;
		k->scope.mixed = false;
		k->scope.pair = mode == SCOPE_ELEMENT ? &own : NULL;
		collect_set(k, s, set, layout);
		k->scope.mode = before;
		set->mixed |= k->scope.mixed;
	}
	if (mode == SCOPE_RULE && !inverted && !set->has_catchall)
		narrow_to_ports(k, cuts);
	if (!group)
		return;
	scope_source(k, group);
	if (!inverted && !set->mixed && !set->has_catchall)
		scope_need(k, group);
}

void nft_sets_collect(struct rule_collector *k, struct nft_sets *s, const struct nft_lookup *lookup,
		      const struct registers *r)
{
	uint64_t key = map_mix(lookup->table_key, nft_name_hash(lookup->set_name));
	struct key_layout layout;
	struct nft_set *set;
	uint32_t index;

	if (!map_get(&s->by_name, key, &index) || s->sets[index].key_len > NFT_KEY_LIMIT ||
	    lookup->at < 0) {
		registers_reject(k, r, lookup->at, REGISTER_BYTES, _("a set is not known"));
		return;
	}
	set = &s->sets[index];
	registers_layout(k, r, lookup->at, set->key_len, &layout);
	if (layout.tainted)
		collect_opaque_all(k, _("what is looked up in a set is not understood"));
	if (layout.count > 0)
		collect_found(k, s, set, &layout, map_mix(key, registers_layout_hash(&layout)),
			      lookup->inverted);
}

/* --- where verdict maps lead --------------------------------------------------------------------
 */

/* The destination port in the key, as it is; NULL: there is none. */
static const struct key_field *find_port(const struct rule_collector *k,
					 const struct key_layout *layout)
{
	const struct key_field *port = NULL;

	for (size_t i = 0; i < layout->count; i++) {
		const struct key_field *f = &layout->fields[i];

		if (!f->is_port || f->ports != &k->out->destination_ports)
			continue;
		if (port || f->prefix != f->width)
			return NULL;
		port = f;
	}
	return port;
}

static uint16_t port_at(const struct key_field *f, const uint8_t *key)
{
	return (uint16_t)(key[f->at[0]] << 8 | key[f->at[1]]);
}

static void take_target(struct rule_collector *k, const struct nft_set_element *e, void *context)
{
	const struct lookup *lookup = context;
	const struct key_field *port = find_port(k, lookup->layout);

	if (!e->to)
		return;
	if (port && !e->is_catchall)
		scope_leads(k, map_mix(lookup->table_key, e->to), lookup->set->key,
			    port_at(port, e->key), port_at(port, e->key_end));
	else
		scope_leads(k, map_mix(lookup->table_key, e->to), lookup->set->key, 0, UINT16_MAX);
}

/* Of intervals, the ends are elements; of what is no interval of ports, no end is needed. */
static bool has_port_intervals(const struct rule_collector *k, const struct nft_set *set,
			       const struct key_layout *layout)
{
	const struct key_field *port = find_port(k, layout);

	return port && port->prefix == set->key_len;
}

static void follow(struct rule_collector *k, const struct nft_sets *s, struct nft_set *set,
		   struct key_layout *layout, uint64_t table_key)
{
	static const struct key_layout nothing;
	struct lookup lookup = {.set = set, .layout = layout, .table_key = table_key};
	bool intervals = set->flags & NFT_SET_INTERVAL && !(set->flags & NFT_SET_CONCAT);

	if (intervals && has_port_intervals(k, set, layout)) {
		nft_set_each_interval(k, s, set, true, take_target, &lookup);
		return;
	}
	if (intervals)
		lookup.layout = &nothing;
	nft_set_each(k, s, set, true, take_target, &lookup);
}

void nft_sets_follow(struct rule_collector *k, struct nft_sets *s, const struct nft_lookup *lookup,
		     const struct registers *r)
{
	uint64_t key = map_mix(lookup->table_key, nft_name_hash(lookup->set_name));
	struct key_layout layout = {0};
	struct nft_set *set;
	uint32_t index;

	if (!k->chains || !map_get(&s->by_name, key, &index))
		return;
	set = &s->sets[index];
	if (!collect_first_time(k, map_mix(key, 1))) {
		scope_leads_again(k, set->key);
		return;
	}
	if (lookup->at >= 0 && set->key_len <= NFT_KEY_LIMIT)
		registers_layout(k, r, lookup->at, set->key_len, &layout);
	if (layout.tainted || set->key_len > NFT_KEY_LIMIT)
		layout.count = 0;
	follow(k, s, set, &layout, lookup->table_key);
}
