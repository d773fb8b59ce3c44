/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_collect: the inside of rule_constants: what its readers (nft, xt, ipset) share. A collector
 * has a sticky error, so that readers go straight on; nobody else includes this.
 */
#pragma once

#include "base/cur.h"
#include "base/map.h"
#include "observe/rule_chains.h"
#include "observe/rule_constants.h"
#include "observe/rule_scope.h"

/* Which packets a rule is about; both while it has not said. */
enum { FAMILY4 = 1, FAMILY6 = 2, FAMILY_BOTH = 3 };

struct rule_collector {
	struct rule_constants *out;
	const struct ipset_messages *ipsets; /* may be NULL */
	struct map seen;		     /* ipsets and lookups that were collected already */
	int error;			     /* 0 or -ENOMEM */
	unsigned families;		     /* of the rule that is being read */
	struct rule_scope scope;	     /* ... and whom it is about */
	struct rule_chains *chains;	     /* of nf_tables; NULL: there are none */
	uint32_t chain;			     /* of that rule, or RULE_NO_CHAIN */
	char place[160];		     /* of that rule, for reasons: "ip filter INPUT" */
};

/* The v4 one of a pair of fields, or the v6 one. */
enum rule_field collect_field(enum rule_field v4, unsigned family);

/* True the first time for this key. */
bool collect_first_time(struct rule_collector *k, uint64_t key);

void collect_range(struct rule_collector *k, enum rule_field field,
		   const uint8_t first[RULE_VALUE_SIZE], const uint8_t last[RULE_VALUE_SIZE],
		   uint64_t group);
/* (field & mask) == value; `group` 0: that of this very constant. */
void collect_masked(struct rule_collector *k, enum rule_field field,
		    const uint8_t mask[RULE_VALUE_SIZE], const uint8_t value[RULE_VALUE_SIZE],
		    uint64_t group);
/* The group of a constant: equal constants are one condition wherever they stand. */
uint64_t collect_constant_group(enum rule_field field, const uint8_t first[RULE_VALUE_SIZE],
				const uint8_t last[RULE_VALUE_SIZE]);
/* Destination or source ports (of k->out), in host order. */
void collect_ports(struct rule_collector *k, struct port_cuts *ports, uint16_t first,
		   uint16_t last);
void collect_label(struct rule_collector *k, uint64_t group, const char *text);

/* `what` is a finished, translated fragment; the place is added. */
void collect_opaque(struct rule_collector *k, enum rule_field field, const char *what);
void collect_opaque_ports(struct rule_collector *k, struct port_cuts *ports, const char *what);
void collect_opaque_pair(struct rule_collector *k, enum rule_field v4, const char *what);
void collect_opaque_all(struct rule_collector *k, const char *what);
/* The same for bytes that are not what they should be. */
void collect_malformed(struct rule_collector *k);

/* A match or target of x_tables: `info` is its private part. */
void collect_xt_match(struct rule_collector *k, const char *name, unsigned revision,
		      struct cur info);
void collect_xt_target(struct rule_collector *k, const char *name, unsigned revision,
		       struct cur info);
/* What happens to ports and addresses in destination NAT to ranges. Ports in host order. */
void collect_nat_ports(struct rule_collector *k, uint16_t first, uint16_t last, bool offset);
void collect_nat_addresses(struct rule_collector *k);
void collect_netmap(struct rule_collector *k);

/* The ipset with that index, asked about a packet's source (bit n of `sources`) or destination in
 * its dimension n (1 is the first), as in struct xt_set_info. */
void collect_ipset(struct rule_collector *k, uint16_t index, unsigned sources);

/* Begins a collection: *k is set up for `c`. Ends it: 0 or -ENOMEM with a sentence. */
void collect_begin(struct rule_collector *k, struct rule_constants *c,
		   const struct ipset_messages *ipsets);
int collect_end(struct rule_collector *k, struct err *e);
