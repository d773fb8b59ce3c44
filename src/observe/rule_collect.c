/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_collect: how the readers of rules put conditions into rule_constants: masks become ranges
 * where they can, reasons get the rule's place, and running out of memory is remembered.
 */
#include "observe/rule_collect.h"

#include "base/i18n.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum rule_field collect_field(enum rule_field v4, unsigned family)
{
	if (family == FAMILY4)
		return v4;
	return v4 == RULE_SOURCE4 ? RULE_SOURCE6 : RULE_DESTINATION6;
}

bool collect_first_time(struct rule_collector *k, uint64_t key)
{
	uint32_t known;

	if (map_get(&k->seen, key, &known))
		return false;
	if (map_set(&k->seen, key, 0) < 0)
		k->error = -ENOMEM;
	return true;
}

void collect_range(struct rule_collector *k, enum rule_field field,
		   const uint8_t first[RULE_VALUE_SIZE], const uint8_t last[RULE_VALUE_SIZE],
		   uint64_t group)
{
	if (field == RULE_SOURCE4 || field == RULE_SOURCE6)
		scope_source(k, group);
	if (rule_constants_add_range(k->out, field, first, last, group) < 0)
		k->error = -ENOMEM;
}

uint64_t collect_constant_group(enum rule_field field, const uint8_t first[RULE_VALUE_SIZE],
				const uint8_t last[RULE_VALUE_SIZE])
{
	return map_mix(map_mix((uint64_t)field + 1, map_hash_bytes(first, RULE_VALUE_SIZE)),
		       map_hash_bytes(last, RULE_VALUE_SIZE));
}

/* Ones, then zeroes. */
static bool is_prefix(const uint8_t *mask, size_t width)
{
	bool ended = false;

	for (size_t i = 0; i < width * 8; i++) {
		bool bit = mask[i / 8] >> (7 - i % 8) & 1;

		if (bit && ended)
			return false;
		ended = ended || !bit;
	}
	return true;
}

static void add_mask(struct rule_collector *k, enum rule_field field,
		     const uint8_t mask[RULE_VALUE_SIZE], const uint8_t value[RULE_VALUE_SIZE],
		     uint64_t group)
{
	struct rule_conditions *list = &k->out->fields[field];
	uint64_t own = map_mix(collect_constant_group(field, mask, value), 1);
	struct rule_mask *item;

	if (!group && !collect_first_time(k, own))
		return;
	if (k->out->condition_count >= RULE_CONSTANT_LIMIT ||
	    mem_grow(&list->masks, &list->mask_cap, list->mask_count + 1, sizeof(*item)) < 0) {
		k->error = -ENOMEM;
		return;
	}
	k->out->condition_count++;
	item = &list->masks[list->mask_count++];
	memcpy(item->mask, mask, RULE_VALUE_SIZE);
	for (size_t i = 0; i < RULE_VALUE_SIZE; i++)
		item->value[i] = value[i] & mask[i];
	item->group = group ? group : own;
}

void collect_masked(struct rule_collector *k, enum rule_field field,
		    const uint8_t mask[RULE_VALUE_SIZE], const uint8_t value[RULE_VALUE_SIZE],
		    uint64_t group)
{
	uint8_t first[RULE_VALUE_SIZE] = {0}, last[RULE_VALUE_SIZE] = {0};
	size_t width = rule_field_width(field);
	uint8_t any = 0;

	for (size_t i = 0; i < width; i++) {
		any |= mask[i];
		first[i] = value[i] & mask[i];
		last[i] = first[i] | (uint8_t)~mask[i];
	}
	if (!any)
		return; /* looks at nothing */
	if (!is_prefix(mask, width))
		add_mask(k, field, mask, value, group);
	else
		collect_range(k, field, first, last,
			      group ? group : collect_constant_group(field, first, last));
}

void collect_ports(struct rule_collector *k, struct port_cuts *ports, uint16_t first, uint16_t last)
{
	if (ports == &k->out->destination_ports)
		scope_cut(k, first, last);
	else
		scope_cut_senders(k, first, last);
}

void collect_label(struct rule_collector *k, uint64_t group, const char *text)
{
	struct rule_constants *c = k->out;

	for (size_t i = 0; i < c->label_count; i++)
		if (c->labels[i].group == group)
			return;
	if (mem_grow(&c->labels, &c->label_cap, c->label_count + 1, sizeof(*c->labels)) < 0) {
		k->error = -ENOMEM;
		return;
	}
	c->labels[c->label_count++] =
		(struct rule_label){group, strpool_add_text(&c->strings, text)};
}

static void reason(const struct rule_collector *k, const char *what, char *text, size_t size)
{
	if (k->place[0])
		snprintf(text, size, "%s (%s)", what, k->place);
	else
		snprintf(text, size, "%s", what);
}

void collect_opaque(struct rule_collector *k, enum rule_field field, const char *what)
{
	char text[400];

	reason(k, what, text, sizeof(text));
	rule_constants_make_opaque(k->out, field, text);
}

void collect_opaque_ports(struct rule_collector *k, struct port_cuts *ports, const char *what)
{
	char text[400];

	reason(k, what, text, sizeof(text));
	rule_constants_make_ports_opaque(k->out, ports, text);
}

void collect_opaque_pair(struct rule_collector *k, enum rule_field v4, const char *what)
{
	if (k->families & FAMILY4)
		collect_opaque(k, v4, what);
	if (k->families & FAMILY6)
		collect_opaque(k, collect_field(v4, FAMILY6), what);
}

void collect_opaque_all(struct rule_collector *k, const char *what)
{
	for (int i = RULE_IIFNAME; i < RULE_FIELD_COUNT; i++)
		collect_opaque(k, (enum rule_field)i, what);
	collect_opaque_pair(k, RULE_SOURCE4, what);
	collect_opaque_pair(k, RULE_DESTINATION4, what);
	collect_opaque_ports(k, &k->out->source_ports, what);
	collect_opaque_ports(k, &k->out->destination_ports, what);
}

void collect_malformed(struct rule_collector *k)
{
	k->families = FAMILY_BOTH;
	collect_opaque_all(k, _("a rule could not be read"));
}

void collect_nat_ports(struct rule_collector *k, uint16_t first, uint16_t last, bool offset)
{
	/* nf_nat keeps a port that lies in the range, and picks one for the others */
	if (offset)
		collect_opaque_ports(k, &k->out->destination_ports,
				     _("ports are moved to others one by one"));
	else if (scope_has_others(k, first, last))
		scope_cut(k, first, last);
}

void collect_nat_addresses(struct rule_collector *k)
{
	const char *why = _("the destination is chosen by a hash of the addresses");

	collect_opaque_pair(k, RULE_SOURCE4, why);
	collect_opaque_pair(k, RULE_DESTINATION4, why);
}

void collect_netmap(struct rule_collector *k)
{
	collect_opaque_pair(k, RULE_DESTINATION4, _("a network is mapped to another"));
}

void collect_begin(struct rule_collector *k, struct rule_constants *c,
		   const struct ipset_messages *ipsets)
{
	*k = (struct rule_collector){
		.out = c, .ipsets = ipsets, .families = FAMILY_BOTH, .chain = RULE_NO_CHAIN};
}

int collect_end(struct rule_collector *k, struct err *e)
{
	map_done(&k->seen);
	scope_done(&k->scope);
	if (k->error == 0 && !k->out->strings.bytes.failed)
		return 0;
	return err_set(e, -ENOMEM, _("The rules could not be looked through: out of memory"));
}
