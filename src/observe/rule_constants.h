/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_constants: what the rules of a firewall compare a packet's ports, addresses and incoming
 * interface with. Pure: bytes that were read elsewhere in, lists out. Two packets that differ only
 * in a port between two cuts, or only in an address with the same signature, meet the same rules.
 *
 * Sources: nf_tables messages (nft_image), blobs of iptables-legacy (struct ipt_entry, ip6t_entry),
 * ipset dumps. What is not understood makes the field that it touches opaque: nothing is then
 * claimed about it. Written against Linux 6.18; older kernels have less.
 */
#pragma once

#include "base/err.h"
#include "base/map.h"
#include "model/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nft_image;

enum {
	RULE_PORT_WORDS = 65536 / 64,
	RULE_CONSTANT_LIMIT = 8 << 20, /* conditions of all fields together */
};

/* Bit p of `cut`: a rule may treat port p otherwise than port p - 1. Host byte order. */
struct port_cuts {
	uint64_t cut[RULE_PORT_WORDS];
	/* those that no struct rule_cut (of source ports: rule_source_port) says more of */
	uint64_t always[RULE_PORT_WORDS];
	bool opaque; /* every port may be treated otherwise than its neighbours */
	uint32_t why_str;
};

/*
 * The fields of a packet that are no ports. Their values are byte strings that are compared as
 * such: addresses in network order, IPv4 in the first 4 bytes; names padded with zeroes to 16;
 * numbers (index, group, type) big-endian in the first 4 bytes. All other bytes are zero.
 */
enum rule_field {
	RULE_SOURCE4,
	RULE_SOURCE6,
	RULE_DESTINATION4,
	RULE_DESTINATION6,
	RULE_IIFNAME, /* of the interface that the packet comes in by */
	RULE_IIF,
	RULE_IIFGROUP,
	RULE_IIFTYPE,
	RULE_IIFKIND,
	RULE_FIELD_COUNT,
};
enum { RULE_VALUE_SIZE = 16 };
size_t rule_field_width(enum rule_field field); /* 4 or 16 */

/* A condition on one field: it lies between two values. A wildcard name is a range, too. */
struct rule_range {
	uint8_t first[RULE_VALUE_SIZE], last[RULE_VALUE_SIZE];
	/* conditions of one group are one: a value is in the group when any of them has it */
	uint64_t group;
};

/* (field & mask) == value, with a mask that is no prefix: no range can say it. */
struct rule_mask {
	uint8_t mask[RULE_VALUE_SIZE], value[RULE_VALUE_SIZE];
	uint64_t group;
};

struct rule_conditions {
	struct rule_range *ranges;
	size_t range_count, range_cap;
	struct rule_mask *masks;
	size_t mask_count, mask_cap;
	bool opaque; /* values may be told apart by other means, too */
	uint32_t why_str;
};

/* A group that has a name of its own: all elements of a named set. */
struct rule_label {
	uint64_t group;
	uint32_t text_str; /* "@blocklist"; an ipset's name alone */
};

/*
 * Cuts of destination ports that matter to some packets only: those of the families and protocols
 * (bits), and whose source is in the group `need` (0: any).
 */
struct rule_cut {
	uint64_t need;
	uint16_t first, last;
	uint8_t families, protos; /* bits 1 (IPv4), 2 (IPv6); 1 << PROTO_TCP, 1 << PROTO_UDP */
	uint32_t next;		  /* + 1, of the same `need`; 0: none */
};

/* A condition on the source port, of packets of these protocols: it lies between two values. */
struct rule_source_port {
	uint16_t first, last;
	uint8_t protos;
};
enum { RULE_SOURCE_PORT_LIMIT = 1024 };

/*
 * Destination ports at which it matters whether a source is in the group. A group without any
 * matters at every port.
 */
struct rule_tie {
	uint64_t group;
	uint16_t first, last;
	uint8_t protos;
	uint32_t next; /* + 1, of the same group */
};

/* Which port goes with which source: most rules are about a few of each only. */
struct rule_ties {
	struct rule_cut *cuts;
	size_t cut_count, cut_cap;
	struct map cuts_by_need; /* the last of a list */
	struct rule_tie *ties;
	size_t tie_count, tie_cap;
	struct map ties_by_group;
	bool off; /* packets are rewritten in a way that makes all of it void */
};
enum { RULE_TIE_LIMIT = 1 << 18 };
/* The "group" of the ports that NAT may change: they matter whenever any group does. */
#define RULE_MOVED UINT64_C(0x6d6f766564)

struct rule_constants {
	struct port_cuts source_ports, destination_ports;
	struct rule_source_port *senders;
	size_t sender_count, sender_cap;
	struct rule_ties ties;
	struct rule_conditions fields[RULE_FIELD_COUNT];
	struct rule_label *labels;
	size_t label_count, label_cap;
	size_t condition_count;	 /* of all fields, for RULE_CONSTANT_LIMIT */
	struct map routes;	 /* groups that only routes make */
	bool uses_fib;		 /* rules ask for routes (fib, rpfilter, addrtype) */
	bool asks_source_routes; /* ... for those that lead to the sender */
	bool too_many;		 /* over RULE_CONSTANT_LIMIT: all fields are opaque */
	struct strpool strings;
};

/* One message of an answer to IPSET_CMD_LIST: its attributes (after nfgenmsg). The messages of one
 * set have the same index (the kernel's) and stand one after the other, the heading first. */
struct ipset_message {
	uint16_t index;
	const void *bytes;
	size_t len;
};

struct ipset_messages {
	const struct ipset_message *items;
	size_t count;
};

/* *c must be zeroed before first use; each collector adds to what is there. */
void rule_constants_done(struct rule_constants *c);
const char *rule_constants_text(const struct rule_constants *c, uint32_t str);

/*
 * Collects from all rules of nf_tables. `ipsets` (may be NULL) are for xt `set` matches. Returns 0,
 * or -ENOMEM. Malformed bytes are no error: they make the fields opaque.
 */
int rule_constants_add_nft(struct rule_constants *c, const struct nft_image *image,
			   const struct ipset_messages *ipsets, struct err *e);
/* The same from the entries of one table of ip_tables (AF_INET) or ip6_tables (AF_INET6), as
 * IPT_SO_GET_ENTRIES gives them (struct ipt_get_entries.entrytable). */
int rule_constants_add_legacy(struct rule_constants *c, int family, const void *entries, size_t len,
			      const struct ipset_messages *ipsets, struct err *e);

/* What the caller knows besides of rules: policy routing, routes. 0 or -ENOMEM. */
void rule_constants_cut_ports(struct port_cuts *ports, uint16_t first, uint16_t last);
/* The same for source ports, where only packets of some protocols meet the rule. 0 or -ENOMEM. */
int rule_constants_cut_senders(struct rule_constants *c, const struct rule_source_port *condition);
/* Do packets of that protocol from two source ports meet the same rules, as far as is known? */
bool rule_constants_senders_alike(const struct rule_constants *c, enum proto proto, uint16_t one,
				  uint16_t other);
/* The same for destination ports, where only some packets meet the rule. 0 or -ENOMEM. */
int rule_constants_cut_some(struct rule_constants *c, const struct rule_cut *cut);
int rule_constants_tie(struct rule_constants *c, const struct rule_tie *tie);
int rule_constants_add_range(struct rule_constants *c, enum rule_field field,
			     const uint8_t first[RULE_VALUE_SIZE],
			     const uint8_t last[RULE_VALUE_SIZE], uint64_t group);
int rule_constants_add_prefix(struct rule_constants *c, enum rule_field field,
			      const uint8_t value[RULE_VALUE_SIZE], unsigned bits, uint64_t group);
/* The same of a route: its group is then one that rules do not tell apart unless they use_fib. */
int rule_constants_add_route(struct rule_constants *c, enum rule_field field,
			     const uint8_t value[RULE_VALUE_SIZE], unsigned bits, uint64_t group);
bool rule_constants_is_route(const struct rule_constants *c, uint64_t group);
/* The first reason is kept. */
void rule_constants_make_opaque(struct rule_constants *c, enum rule_field field, const char *why);
void rule_constants_make_ports_opaque(struct rule_constants *c, struct port_cuts *ports,
				      const char *why);

/* The number of a group in signatures: these are the XOR of those of all groups that have a value.
 */
uint64_t rule_constants_group_key(uint64_t group);
/* The signature of one value, found by looking at every condition. 0 or -ENOMEM. */
int rule_constants_signature(const struct rule_constants *c, enum rule_field field,
			     const uint8_t value[RULE_VALUE_SIZE], uint64_t *ret);
