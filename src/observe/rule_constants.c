/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_constants: the lists and what can be asked of them. Who fills them: rule_constants_nft.c,
 * _legacy.c, _xt.c, _ipset.c.
 */
#include "observe/rule_constants.h"

#include "base/i18n.h"
#include "base/mem.h"
#include "observe/rule_scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t rule_field_width(enum rule_field field)
{
	static const uint8_t widths[RULE_FIELD_COUNT] = {
		[RULE_SOURCE4] = 4,	  [RULE_SOURCE6] = 16, [RULE_DESTINATION4] = 4,
		[RULE_DESTINATION6] = 16, [RULE_IIFNAME] = 16, [RULE_IIF] = 4,
		[RULE_IIFGROUP] = 4,	  [RULE_IIFTYPE] = 4,  [RULE_IIFKIND] = 16,
	};

	return widths[field];
}

void rule_constants_done(struct rule_constants *c)
{
	for (size_t i = 0; i < RULE_FIELD_COUNT; i++) {
		free(c->fields[i].ranges);
		free(c->fields[i].masks);
	}
	free(c->labels);
	free(c->senders);
	rule_ties_done(&c->ties);
	map_done(&c->routes);
	strpool_done(&c->strings);
	memset(c, 0, sizeof(*c));
}

const char *rule_constants_text(const struct rule_constants *c, uint32_t str)
{
	return strpool_get(&c->strings, str);
}

static void cut_before(uint64_t *bits, uint32_t port)
{
	if (port > 0 && port <= UINT16_MAX)
		bits[port / 64] |= UINT64_C(1) << (port % 64);
}

void rule_constants_cut_ports(struct port_cuts *ports, uint16_t first, uint16_t last)
{
	if (first > last)
		return; /* matches nothing, or everything */
	cut_before(ports->cut, first);
	cut_before(ports->cut, (uint32_t)last + 1);
	cut_before(ports->always, first);
	cut_before(ports->always, (uint32_t)last + 1);
}

int rule_constants_cut_senders(struct rule_constants *c, const struct rule_source_port *condition)
{
	if (condition->first > condition->last)
		return 0;
	if (c->sender_count >= RULE_SOURCE_PORT_LIMIT) {
		rule_constants_cut_ports(&c->source_ports, condition->first, condition->last);
		return 0;
	}
	cut_before(c->source_ports.cut, condition->first);
	cut_before(c->source_ports.cut, (uint32_t)condition->last + 1);
	if (mem_grow(&c->senders, &c->sender_cap, c->sender_count + 1, sizeof(*c->senders)) < 0)
		return -ENOMEM;
	c->senders[c->sender_count++] = *condition;
	return 0;
}

bool rule_constants_senders_alike(const struct rule_constants *c, enum proto proto, uint16_t one,
				  uint16_t other)
{
	uint32_t low = one < other ? one : other, high = one < other ? other : one;

	for (uint32_t port = low + 1; port <= high; port++)
		if (c->source_ports.always[port / 64] >> (port % 64) & 1)
			return false;
	for (size_t i = 0; i < c->sender_count; i++) {
		const struct rule_source_port *s = &c->senders[i];

		if (s->protos >> proto & 1 &&
		    (one >= s->first && one <= s->last) != (other >= s->first && other <= s->last))
			return false;
	}
	return true;
}

int rule_constants_cut_some(struct rule_constants *c, const struct rule_cut *cut)
{
	if (cut->first > cut->last)
		return 0;
	if (c->ties.cut_count >= RULE_TIE_LIMIT) {
		rule_constants_cut_ports(&c->destination_ports, cut->first, cut->last);
		return 0;
	}
	cut_before(c->destination_ports.cut, cut->first);
	cut_before(c->destination_ports.cut, (uint32_t)cut->last + 1);
	return rule_ties_add_cut(&c->ties, cut);
}

int rule_constants_tie(struct rule_constants *c, const struct rule_tie *tie)
{
	return rule_ties_add(&c->ties, tie);
}

void rule_constants_make_opaque(struct rule_constants *c, enum rule_field field, const char *why)
{
	struct rule_conditions *conditions = &c->fields[field];

	if (!conditions->opaque)
		conditions->why_str = strpool_add_text(&c->strings, why);
	conditions->opaque = true;
}

void rule_constants_make_ports_opaque(struct rule_constants *c, struct port_cuts *ports,
				      const char *why)
{
	if (!ports->opaque)
		ports->why_str = strpool_add_text(&c->strings, why);
	ports->opaque = true;
}

/* False over the limit: then nothing more is collected, and nothing is claimed. */
static bool has_room(struct rule_constants *c)
{
	if (c->condition_count < RULE_CONSTANT_LIMIT) {
		c->condition_count++;
		return true;
	}
	if (!c->too_many)
		for (int i = 0; i < RULE_FIELD_COUNT; i++)
			rule_constants_make_opaque(c, (enum rule_field)i,
						   _("the rules have too many conditions"));
	c->too_many = true;
	return false;
}

int rule_constants_add_range(struct rule_constants *c, enum rule_field field,
			     const uint8_t first[RULE_VALUE_SIZE],
			     const uint8_t last[RULE_VALUE_SIZE], uint64_t group)
{
	struct rule_conditions *list = &c->fields[field];
	struct rule_range *range;

	if (memcmp(first, last, RULE_VALUE_SIZE) > 0 || !has_room(c))
		return 0;
	if (mem_grow(&list->ranges, &list->range_cap, list->range_count + 1, sizeof(*range)) < 0)
		return -ENOMEM;
	range = &list->ranges[list->range_count++];
	memcpy(range->first, first, RULE_VALUE_SIZE);
	memcpy(range->last, last, RULE_VALUE_SIZE);
	range->group = group;
	return 0;
}

int rule_constants_add_prefix(struct rule_constants *c, enum rule_field field,
			      const uint8_t value[RULE_VALUE_SIZE], unsigned bits, uint64_t group)
{
	uint8_t first[RULE_VALUE_SIZE] = {0}, last[RULE_VALUE_SIZE] = {0};

	for (unsigned i = 0; i < rule_field_width(field); i++) {
		unsigned own = bits <= i * 8 ? 0 : bits - i * 8;
		uint8_t host = own >= 8 ? 0 : (uint8_t)(0xff >> own);

		first[i] = value[i] & (uint8_t)~host;
		last[i] = value[i] | host;
	}
	return rule_constants_add_range(c, field, first, last, group);
}

int rule_constants_add_route(struct rule_constants *c, enum rule_field field,
			     const uint8_t value[RULE_VALUE_SIZE], unsigned bits, uint64_t group)
{
	if (map_set(&c->routes, group, 1) < 0)
		return -ENOMEM;
	return rule_constants_add_prefix(c, field, value, bits, group);
}

bool rule_constants_is_route(const struct rule_constants *c, uint64_t group)
{
	uint32_t known;

	return map_get(&c->routes, group, &known);
}

uint64_t rule_constants_group_key(uint64_t group)
{
	return map_mix(group, 0x706f727465726fu);
}

/* Adds the group's key once. */
static int take_group(struct map *active, uint64_t group, uint64_t *signature)
{
	uint32_t known;

	if (map_get(active, group, &known))
		return 0;
	*signature ^= rule_constants_group_key(group);
	return map_set(active, group, 0);
}

static bool mask_has(const struct rule_mask *mask, const uint8_t value[RULE_VALUE_SIZE])
{
	for (size_t i = 0; i < RULE_VALUE_SIZE; i++)
		if ((value[i] & mask->mask[i]) != mask->value[i])
			return false;
	return true;
}

int rule_constants_signature(const struct rule_constants *c, enum rule_field field,
			     const uint8_t value[RULE_VALUE_SIZE], uint64_t *ret)
{
	const struct rule_conditions *list = &c->fields[field];
	cleanup_call(map_done) struct map active = {0};
	uint64_t signature = 0;

	for (size_t i = 0; i < list->range_count; i++) {
		const struct rule_range *range = &list->ranges[i];

		if (memcmp(range->first, value, RULE_VALUE_SIZE) <= 0 &&
		    memcmp(value, range->last, RULE_VALUE_SIZE) <= 0 &&
		    take_group(&active, range->group, &signature) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < list->mask_count; i++)
		if (mask_has(&list->masks[i], value) &&
		    take_group(&active, list->masks[i].group, &signature) < 0)
			return -ENOMEM;
	*ret = signature;
	return 0;
}
