/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_nft_sets: elements of sets and maps as conditions on each field that the key has.
 *
 * The group of an element, seen from one field, is the set, the rest of the key, and what the map
 * has for it. So all elements of a set of addresses are one group, and all addresses with the same
 * verdict in a verdict map are, too.
 *
 * Three kinds of keys are dumped (net/netfilter/nft_set_*.c): whole values; values with an end
 * (NFTA_SET_ELEM_KEY_END: concatenations with ranges); and the borders of intervals, where an end
 * is an element of its own (NFT_SET_ELEM_INTERVAL_END) that is the first value after it.
 */
#include "observe/rule_nft_sets.h"

#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_LIMIT = REGISTER_BYTES };

struct set_element {
	uint8_t key[KEY_LIMIT], key_end[KEY_LIMIT];
	bool has_key, is_catchall, is_end;
	uint64_t data; /* a hash of what the map has for it; 0: nothing */
	uint64_t to;   /* a hash of the name of the chain that it leads to; 0: to none */
};

/* A border of an interval. */
struct border {
	uint8_t key[RULE_VALUE_SIZE];
	bool is_end;
	uint64_t data, to;
};

/* --- elements ----------------------------------------------------------------------------------
 */

static bool read_key(struct cur nested, size_t len, uint8_t key[KEY_LIMIT])
{
	struct cur value;

	if (!nla_find(nested, NFTA_DATA_VALUE, &value) || value.left < len)
		return false;
	cur_read(&value, key, len);
	return true;
}

/* Of a verdict that jumps, or goes, to a chain. */
static uint64_t read_target(struct cur data)
{
	struct cur verdict, name;

	if (!nla_find(data, NFTA_DATA_VERDICT, &verdict) ||
	    !nla_find(verdict, NFTA_VERDICT_CHAIN, &name))
		return 0;
	return nft_name_hash(name);
}

static bool read_element(struct cur attributes, size_t key_len, struct set_element *ret)
{
	struct cur value;
	uint16_t type;

	memset(ret, 0, sizeof(*ret));
	while (nla_next(&attributes, &type, &value)) {
		switch (type) {
		case NFTA_SET_ELEM_KEY:
			ret->has_key = read_key(value, key_len, ret->key);
			break;
		case NFTA_SET_ELEM_FLAGS:
			ret->is_end = nla_number_be(value) & NFT_SET_ELEM_INTERVAL_END;
			ret->is_catchall = nla_number_be(value) & NFT_SET_ELEM_CATCHALL;
			break;
		case NFTA_SET_ELEM_DATA:
		case NFTA_SET_ELEM_OBJREF:
			ret->data = map_hash_bytes(value.at, value.left) | 1;
			ret->to = type == NFTA_SET_ELEM_DATA ? read_target(value) : 0;
			break;
		default:
			break;
		}
	}
	if (ret->has_key)
		memcpy(ret->key_end, ret->key, sizeof(ret->key));
	return attributes.ok;
}

/* A limit or the like in an element makes it another one than its neighbours; a counter does
 * not. */
static uint64_t hash_expression(struct cur expression)
{
	struct cur name;

	if (!nla_find(expression, NFTA_EXPR_NAME, &name) || name.left == 0 ||
	    strncmp((const char *)name.at, "counter", name.left) == 0 ||
	    strncmp((const char *)name.at, "last", name.left) == 0)
		return 0;
	return nft_name_hash(name);
}

static uint64_t hash_expressions(struct cur element)
{
	struct cur value, one;
	uint64_t hash = 0;
	uint16_t type;

	if (nla_find(element, NFTA_SET_ELEM_EXPR, &value))
		hash = hash_expression(value);
	if (nla_find(element, NFTA_SET_ELEM_EXPRESSIONS, &value))
		while (nla_next(&value, &type, &one))
			hash = map_mix(hash, hash_expression(one));
	return hash;
}

/* The set as one field of its key sees it. */
static uint64_t field_group(const struct nft_set *set, const struct key_field *f)
{
	return map_mix(map_mix(set->key, f->field), map_hash_bytes(f->at, sizeof(f->at)));
}

/* The group of an element for one field: without that field's own bytes. */
static uint64_t element_group(const struct nft_set *set, const struct key_field *f,
			      const struct set_element *e)
{
	uint8_t rest[2][KEY_LIMIT];

	if (f->prefix == set->key_len)
		return map_mix(field_group(set, f), e->data); /* there is no rest */
	memcpy(rest[0], e->key, KEY_LIMIT);
	memcpy(rest[1], e->key_end, KEY_LIMIT);
	for (size_t i = 0; i < f->width; i++)
		if (f->at[i] >= 0)
			rest[0][f->at[i]] = rest[1][f->at[i]] = 0;
	return map_mix(map_mix(field_group(set, f), e->data), map_hash_bytes(rest, sizeof(rest)));
}

static void collect_element(struct rule_collector *k, const struct nft_set *set,
			    const struct key_layout *layout, const struct set_element *e)
{
	if (k->scope.mode == SCOPE_ELEMENT)
		k->scope.element = element_group(set, k->scope.pair, e);
	for (size_t i = 0; i < layout->count; i++) {
		const struct key_field *f = &layout->fields[i];
		uint64_t group = f->is_port ? 0 : element_group(set, f, e);

		if (memcmp(e->key, e->key_end, KEY_LIMIT) != 0)
			key_field_between(k, f, e->key, e->key_end, group);
		else
			key_field_equals(k, f, e->key, group);
	}
}

/* Called for each element of a set. */
typedef void element_visitor(struct rule_collector *k, const struct set_element *e, void *context);

static void visit_message(struct rule_collector *k, struct cur elements, struct nft_set *set,
			  bool everything, element_visitor *visit, void *context)
{
	struct set_element e;
	struct cur one, value;
	uint16_t type;

	while (nla_next(&elements, &type, &one)) {
		if (!read_element(one, set->key_len, &e) || (!e.has_key && !e.is_catchall)) {
			collect_malformed(k);
			continue;
		}
		if (nla_find(one, NFTA_SET_ELEM_KEY_END, &value) &&
		    !read_key(value, set->key_len, e.key_end))
			collect_malformed(k);
		e.data = map_mix(e.data, hash_expressions(one));
		set->has_catchall |= e.is_catchall;
		if (!e.is_catchall || everything)
			visit(k, &e, context);
	}
	if (!elements.ok)
		collect_malformed(k);
}

/* `everything`: also the element for all that no other has. */
static void visit_elements(struct rule_collector *k, const struct nft_sets *s, struct nft_set *set,
			   bool everything, element_visitor *visit, void *context)
{
	for (uint32_t i = set->first_item; i; i = s->next[i]) {
		struct cur elements;

		if (nla_find(nft_item_attributes(s->image, &s->image->items[i]),
			     NFTA_SET_ELEM_LIST_ELEMENTS, &elements))
			visit_message(k, elements, set, everything, visit, context);
	}
}

/* --- kinds of sets -----------------------------------------------------------------------------
 */

struct lookup;
typedef void element_taker(struct rule_collector *k, const struct lookup *lookup,
			   const struct set_element *e);

struct lookup {
	const struct nft_set *set;
	const struct key_layout *layout;
	element_taker *take;
	struct border *borders;
	size_t count, cap;
	uint64_t table_key; /* take_target() */
};

static void take_conditions(struct rule_collector *k, const struct lookup *lookup,
			    const struct set_element *e)
{
	collect_element(k, lookup->set, lookup->layout, e);
}

static void visit_value(struct rule_collector *k, const struct set_element *e, void *context)
{
	struct lookup *lookup = context;

	lookup->take(k, lookup, e);
}

static void visit_border(struct rule_collector *k, const struct set_element *e, void *context)
{
	struct lookup *lookup = context;
	struct border *border;

	if (e->is_catchall || memcmp(e->key, e->key_end, KEY_LIMIT) != 0) {
		lookup->take(k, lookup, e);
		return;
	}
	if (mem_grow(&lookup->borders, &lookup->cap, lookup->count + 1, sizeof(*border)) < 0) {
		k->error = -ENOMEM;
		return;
	}
	border = &lookup->borders[lookup->count++];
	memcpy(border->key, e->key, sizeof(border->key));
	border->is_end = e->is_end;
	border->data = e->data;
	border->to = e->to;
}

/* By key; an end before the beginning that stands at the same value. */
static int compare_borders(const void *a, const void *b)
{
	const struct border *x = a, *y = b;
	int order = memcmp(x->key, y->key, sizeof(x->key));

	return order ? order : (int)y->is_end - (int)x->is_end;
}

/* Dumps come sorted, upwards or downwards: both are cheap. */
static void sort_borders(struct border *borders, size_t count)
{
	bool up = true, down = true;

	for (size_t i = 1; i < count; i++) {
		int order = compare_borders(&borders[i - 1], &borders[i]);

		up = up && order <= 0;
		down = down && order >= 0;
	}
	if (up)
		return;
	if (!down) {
		qsort(borders, count, sizeof(*borders), compare_borders);
		return;
	}
	for (size_t i = 0; i < count / 2; i++) {
		struct border swap = borders[i];

		borders[i] = borders[count - 1 - i];
		borders[count - 1 - i] = swap;
	}
}

/* key - 1; false at zero. */
static bool decrement(uint8_t *key, size_t len)
{
	for (size_t i = len; i-- > 0;)
		if (key[i]--)
			return true;
	return false;
}

/* An interval goes from a beginning to before the next border, as the kernel's lookup finds the
 * last border that is not above the value. */
static void collect_intervals(struct rule_collector *k, struct lookup *lookup)
{
	const struct nft_set *set = lookup->set;

	if (lookup->count > 1)
		sort_borders(lookup->borders, lookup->count);
	for (size_t i = 0; i < lookup->count; i++) {
		const struct border *from = &lookup->borders[i];
		struct set_element e = {.data = from->data, .to = from->to};

		if (from->is_end)
			continue;
		memcpy(e.key, from->key, sizeof(from->key));
		memset(e.key_end, 0xff, set->key_len);
		if (i + 1 < lookup->count) {
			memcpy(e.key_end, from[1].key, sizeof(from[1].key));
			if (!decrement(e.key_end, set->key_len))
				continue;
		}
		lookup->take(k, lookup, &e);
	}
	free(lookup->borders);
}

static void collect_labels(struct rule_collector *k, const struct nft_set *set,
			   const struct key_layout *layout)
{
	char name[NFT_SET_MAXNAMELEN], label[NFT_SET_MAXNAMELEN + 1];
	struct set_element plain = {.data = map_mix(0, 0)};

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
	struct lookup lookup = {.set = set, .layout = layout, .take = take_conditions};

	collect_labels(k, set, layout);
	if (!(set->flags & NFT_SET_INTERVAL) || set->flags & NFT_SET_CONCAT) {
		visit_elements(k, s, set, false, visit_value, &lookup);
		return;
	}
	reject_parts(k, set, layout);
	if (layout->count == 0)
		return;
	visit_elements(k, s, set, false, visit_border, &lookup);
	collect_intervals(k, &lookup);
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
	const struct set_element plain = {.data = map_mix(0, 0)};

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

	if (!map_get(&s->by_name, key, &index) || s->sets[index].key_len > KEY_LIMIT ||
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

static void take_target(struct rule_collector *k, const struct lookup *lookup,
			const struct set_element *e)
{
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
	struct lookup lookup = {
		.set = set, .layout = layout, .take = take_target, .table_key = table_key};
	bool intervals = set->flags & NFT_SET_INTERVAL && !(set->flags & NFT_SET_CONCAT);

	if (!intervals) {
		visit_elements(k, s, set, true, visit_value, &lookup);
		return;
	}
	if (!has_port_intervals(k, set, layout)) {
		lookup.layout = &nothing;
		visit_elements(k, s, set, true, visit_value, &lookup);
		return;
	}
	visit_elements(k, s, set, true, visit_border, &lookup);
	collect_intervals(k, &lookup);
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
	if (lookup->at >= 0 && set->key_len <= KEY_LIMIT)
		registers_layout(k, r, lookup->at, set->key_len, &layout);
	if (layout.tainted || set->key_len > KEY_LIMIT)
		layout.count = 0;
	follow(k, s, set, &layout, lookup->table_key);
}
