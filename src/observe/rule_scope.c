/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/rule_scope.h"
#include "base/mem.h"
#include "model/port.h"
#include "observe/rule_collect.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

enum { BOTH_PROTOS = 1 << PROTO_TCP | 1 << PROTO_UDP };

/* --- the lists -----------------------------------------------------------------------------------
 */

void rule_ties_done(struct rule_ties *t)
{
	free(t->cuts);
	free(t->ties);
	map_done(&t->cuts_by_need);
	map_done(&t->ties_by_group);
}

int rule_ties_add_cut(struct rule_ties *t, const struct rule_cut *cut)
{
	uint32_t before;

	if (mem_grow(&t->cuts, &t->cut_cap, t->cut_count + 1, sizeof(*cut)) < 0)
		return -ENOMEM;
	t->cuts[t->cut_count] = *cut;
	t->cuts[t->cut_count].next = map_get(&t->cuts_by_need, cut->need, &before) ? before + 1 : 0;
	return map_set(&t->cuts_by_need, cut->need, (uint32_t)t->cut_count++);
}

int rule_ties_add(struct rule_ties *t, const struct rule_tie *tie)
{
	uint32_t before = 0;
	bool any = map_get(&t->ties_by_group, tie->group, &before);
	const struct rule_tie *last = any ? &t->ties[before] : NULL;

	/* the elements of a set say the same many times */
	if (last && last->first <= tie->first && last->last >= tie->last &&
	    !(tie->protos & ~last->protos))
		return 0;
	if (t->tie_count >= RULE_TIE_LIMIT) {
		t->off = true;
		return 0;
	}
	if (mem_grow(&t->ties, &t->tie_cap, t->tie_count + 1, sizeof(*tie)) < 0)
		return -ENOMEM;
	t->ties[t->tie_count] = *tie;
	t->ties[t->tie_count].next = any ? before + 1 : 0;
	return map_set(&t->ties_by_group, tie->group, (uint32_t)t->tie_count++);
}

/* --- while a rule is read ------------------------------------------------------------------------
 */

static void tie(struct rule_collector *k, const struct rule_tie *one)
{
	if (rule_constants_tie(k->out, one) < 0)
		k->error = -ENOMEM;
}

/* A tie of the rule itself: what leads to its chain narrows it further. */
static void tie_of_rule(struct rule_collector *k, const struct rule_tie *one)
{
	if (!k->chains || k->chain == RULE_NO_CHAIN)
		tie(k, one);
	else if (rule_chains_wait(k->chains, k->chain, one) < 0)
		k->error = -ENOMEM;
}

static void tie_everywhere(struct rule_collector *k, uint64_t group)
{
	tie(k, &(struct rule_tie){
		       .group = group, .first = 0, .last = UINT16_MAX, .protos = BOTH_PROTOS});
}

static void cut_some(struct rule_collector *k, const struct rule_cut *cut)
{
	if (rule_constants_cut_some(k->out, cut) < 0)
		k->error = -ENOMEM;
}

void scope_begin(struct rule_collector *k)
{
	struct rule_scope *s = &k->scope;

	s->mode = SCOPE_RULE;
	s->frozen = false;
	s->first = 0;
	s->last = UINT16_MAX;
	s->families = FAMILY_BOTH;
	s->protos = BOTH_PROTOS;
	s->need = 0;
	s->source_count = 0;
	s->cut_count = 0;
}

void scope_done(struct rule_scope *s)
{
	free(s->sources);
	free(s->cuts);
}

void scope_freeze(struct rule_collector *k)
{
	if (k->scope.frozen)
		return;
	k->scope.frozen = true;
	k->scope.families = (uint8_t)k->families;
}

void scope_end(struct rule_collector *k)
{
	struct rule_scope *s = &k->scope;

	scope_freeze(k);
	for (size_t i = 0; i < s->source_count; i++)
		tie_of_rule(k, &(struct rule_tie){.group = s->sources[i],
						  .first = s->first,
						  .last = s->last,
						  .protos = s->protos});
	for (size_t i = 0; i < s->cut_count; i++) {
		s->cuts[i].need = s->need;
		s->cuts[i].families = s->families;
		s->cuts[i].protos = s->protos;
		cut_some(k, &s->cuts[i]);
	}
	s->mode = SCOPE_ALWAYS;
}

void scope_narrow_ports(struct rule_collector *k, uint16_t first, uint16_t last)
{
	struct rule_scope *s = &k->scope;

	if (s->frozen || s->mode != SCOPE_RULE || first > s->last || last < s->first)
		return;
	if (first > s->first)
		s->first = first;
	if (last < s->last)
		s->last = last;
}

void scope_narrow_proto(struct rule_collector *k, unsigned protocol)
{
	if (k->scope.frozen || k->scope.mode != SCOPE_RULE)
		return;
	k->scope.protos &= protocol == IPPROTO_TCP   ? 1u << PROTO_TCP
			   : protocol == IPPROTO_UDP ? 1u << PROTO_UDP
						     : 0;
}

void scope_need(struct rule_collector *k, uint64_t group)
{
	struct rule_scope *s = &k->scope;

	/* of a rule for both families, only one would have it */
	if (!s->frozen && s->mode == SCOPE_RULE && !s->need && k->families != FAMILY_BOTH)
		s->need = group;
}

void scope_moves(struct rule_collector *k)
{
	struct rule_scope *s = &k->scope;

	tie(k,
	    &(struct rule_tie){
		    .group = RULE_MOVED, .first = s->first, .last = s->last, .protos = s->protos});
}

void scope_leads(struct rule_collector *k, uint64_t chain_key, uint64_t map_key, uint16_t first,
		 uint16_t last)
{
	const struct rule_scope *s = &k->scope;
	struct rule_edge edge = {.from = k->chain, .to = chain_key, .by_map = map_key};

	if (!k->chains)
		return;
	edge.span.first = first > s->first ? first : s->first;
	edge.span.last = last < s->last ? last : s->last;
	edge.span.protos = s->protos;
	if (edge.span.first <= edge.span.last && rule_chains_add_edge(k->chains, &edge) < 0)
		k->error = -ENOMEM;
}

void scope_leads_again(struct rule_collector *k, uint64_t map_key)
{
	if (k->chains && rule_chains_again(k->chains, map_key, k->chain) < 0)
		k->error = -ENOMEM;
}

void scope_source(struct rule_collector *k, uint64_t group)
{
	struct rule_scope *s = &k->scope;

	if (s->mode == SCOPE_ELEMENT || (s->mode == SCOPE_SET && group == s->plain))
		return;
	if (s->mode != SCOPE_RULE) {
		s->mixed = true;
		tie_everywhere(k, group);
		return;
	}
	if (mem_grow(&s->sources, &s->source_cap, s->source_count + 1, sizeof(*s->sources)) < 0)
		k->error = -ENOMEM;
	else
		s->sources[s->source_count++] = group;
}

bool scope_has_others(const struct rule_collector *k, uint16_t first, uint16_t last)
{
	const struct rule_scope *s = &k->scope;

	return first <= s->last && last >= s->first && (first > s->first || last < s->last);
}

void scope_cut(struct rule_collector *k, uint16_t first, uint16_t last)
{
	struct rule_scope *s = &k->scope;
	struct rule_cut cut = {
		.first = first, .last = last, .families = FAMILY_BOTH, .protos = BOTH_PROTOS};

	if (first > last)
		return;
	switch (s->mode) {
	case SCOPE_ELEMENT:
		cut.need = s->element;
		cut_some(k, &cut);
		tie(k, &(struct rule_tie){.group = s->element,
					  .first = first,
					  .last = last,
					  .protos = BOTH_PROTOS});
		return;
	case SCOPE_RULE:
		if (mem_grow(&s->cuts, &s->cut_cap, s->cut_count + 1, sizeof(cut)) < 0)
			k->error = -ENOMEM;
		else
			s->cuts[s->cut_count++] = cut;
		return;
	case SCOPE_PORTS:
		cut.protos = s->protos;
		cut_some(k, &cut);
		return;
	case SCOPE_ALWAYS:
	case SCOPE_SET:
		rule_constants_cut_ports(&k->out->destination_ports, first, last);
		return;
	}
}

uint8_t scope_protos(const struct rule_collector *k)
{
	return k->scope.protos;
}

void scope_cut_senders(struct rule_collector *k, uint16_t first, uint16_t last)
{
	struct rule_source_port condition = {first, last, BOTH_PROTOS};

	/* elements of a set are read once, whoever asks */
	if (k->scope.mode == SCOPE_RULE)
		condition.protos = k->scope.protos;
	if (rule_constants_cut_senders(k->out, &condition) < 0)
		k->error = -ENOMEM;
}
