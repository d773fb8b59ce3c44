/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_chains: which destination ports lead into a chain of nf_tables. What a rule of such a chain
 * asks for matters at those ports alone, though the rule itself does not name them: so a source
 * that is mentioned behind a map of ports is asked about at its own ports, and not at all. A part
 * of rule_constants. Pure.
 */
#pragma once

#include "base/map.h"
#include "observe/rule_constants.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RULE_CHAIN_RANGES = 8, /* of one chain; more become the span from the first to the last */
	RULE_NO_CHAIN = UINT32_MAX,
};

struct rule_port_span {
	uint16_t first, last;
	uint8_t protos; /* bits 1 << PROTO_TCP, 1 << PROTO_UDP */
};

struct rule_chain {
	bool is_base; /* it is entered by every packet */
	uint8_t count;
	struct rule_port_span spans[RULE_CHAIN_RANGES]; /* none: nothing leads there */
};

/* A jump or goto, by a rule or by an element of a map. */
struct rule_edge {
	uint32_t from;
	uint64_t to;	 /* key of the chain */
	uint64_t by_map; /* key of the map; 0: by the rule itself */
	struct rule_port_span span;
};

struct rule_chains {
	struct map by_key;
	struct rule_chain *chains;
	size_t count, cap;
	struct rule_edge *edges;
	size_t edge_count, edge_cap;
	/* ties that wait until it is known which ports lead into their chains */
	struct rule_waiting {
		uint32_t chain;
		struct rule_tie tie;
	} * waiting;
	size_t waiting_count, waiting_cap;
};

void rule_chains_done(struct rule_chains *c);
/* 0 or -ENOMEM, as the next three. */
int rule_chains_add(struct rule_chains *c, uint64_t key, bool is_base);
/* RULE_NO_CHAIN: there is none of that key. */
uint32_t rule_chains_find(const struct rule_chains *c, uint64_t key);
int rule_chains_add_edge(struct rule_chains *c, const struct rule_edge *edge);
/* A map is asked once more, by a rule of another chain: all that it leads to may be reached by any
 * port of that chain. */
int rule_chains_again(struct rule_chains *c, uint64_t map_key, uint32_t from);
/* The tie is of a rule of that chain. */
int rule_chains_wait(struct rule_chains *c, uint32_t chain, const struct rule_tie *tie);
/* All rules are read: adds the ties that waited to those of `ret`. */
int rule_chains_settle(struct rule_chains *c, struct rule_constants *ret);
