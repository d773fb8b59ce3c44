/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_scope: which packets the rule that is being read can do anything to: the ports it is about,
 * the source it asks for. So a source that is named together with a port is asked about at that
 * port alone, and a port that is named together with a source for that source alone. A part of
 * rule_constants.
 *
 * What an expression asks for counts only while the rule has done nothing yet: where a rule sets a
 * mark and asks for the port then, the mark is set at every port.
 */
#pragma once

#include "observe/rule_constants.h"

struct key_field;
struct rule_collector;

/* What is read now. */
enum scope_mode {
	SCOPE_ALWAYS,  /* nothing can be said of it: it matters to every packet */
	SCOPE_RULE,    /* a condition of the rule */
	SCOPE_SET,     /* elements of a set, which other rules may ask, too */
	SCOPE_PORTS,   /* the same, of ports alone: they are read again for other protocols */
	SCOPE_ELEMENT, /* an element that has a source and a port */
};

struct rule_scope {
	enum scope_mode mode;
	bool frozen; /* the rule has done something: what it asks for later does not count */
	uint16_t first, last; /* it is about these destination ports */
	uint8_t families, protos;
	uint64_t need;		      /* the group that a source must be in; 0: any */
	uint64_t plain;		      /* SCOPE_SET: the group of the set as a whole */
	bool mixed;		      /* SCOPE_SET: it has other groups, too */
	const struct key_field *pair; /* SCOPE_ELEMENT: the source in its key */
	uint64_t element;	      /* ... and the group of it */
	uint64_t *sources;	      /* groups that the rule mentions */
	size_t source_count, source_cap;
	struct rule_cut *cuts;
	size_t cut_count, cut_cap;
};

void scope_begin(struct rule_collector *k);
/* Adds what the rule said to the constants. */
void scope_end(struct rule_collector *k);
void scope_done(struct rule_scope *s);
/* From now on the rule does something. */
void scope_freeze(struct rule_collector *k);
/* It goes on for these destination ports, for this protocol (IPPROTO_...) only. */
void scope_narrow_ports(struct rule_collector *k, uint16_t first, uint16_t last);
void scope_narrow_proto(struct rule_collector *k, unsigned protocol);
/* ... for sources of this group only. */
void scope_need(struct rule_collector *k, uint64_t group);
/* The rule gives packets other destination ports. */
void scope_moves(struct rule_collector *k);
/* It jumps, or goes, to that chain; by an element of that map (0: by itself) for those ports. */
void scope_leads(struct rule_collector *k, uint64_t chain_key, uint64_t map_key, uint16_t first,
		 uint16_t last);
/* It asks a map that another rule has asked. */
void scope_leads_again(struct rule_collector *k, uint64_t map_key);
/* A group of sources is asked for. */
void scope_source(struct rule_collector *k, uint64_t group);
/* May packets of these destination ports get as far as what is read now, and of others, too? */
bool scope_has_others(const struct rule_collector *k, uint16_t first, uint16_t last);
/* A cut of destination ports. */
void scope_cut(struct rule_collector *k, uint16_t first, uint16_t last);
/* The same of source ports: for the protocols that the rule goes on for by now. */
void scope_cut_senders(struct rule_collector *k, uint16_t first, uint16_t last);
/* Packets of which protocols (bits) get as far as what is read now? */
uint8_t scope_protos(const struct rule_collector *k);

/* --- the lists, for rule_constants ---------------------------------------------------------------
 */

int rule_ties_add_cut(struct rule_ties *t, const struct rule_cut *cut);
int rule_ties_add(struct rule_ties *t, const struct rule_tie *tie);
void rule_ties_done(struct rule_ties *t);
