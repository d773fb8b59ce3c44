/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_sources: one address for each group of source addresses that all rules treat alike, and
 * likewise for the machine's own addresses and interfaces. Pure.
 *
 * Only plausible sources are looked at: unicast, not the machine's own, not in a special-purpose
 * block (RFC 6890). Those behind another interface are looked at where rules tell them apart: the
 * kernel takes what they send here unless rp_filter is strict (RFC 3704).
 */
#pragma once

#include "model/reach.h"
#include "observe/rule_constants.h"

/* Asked one by one. Where rules tie them to a few ports each, that is a second's work. */
enum { REACH_SOURCE_LIMIT = 8192, REACH_SOURCE_LIMIT_THOROUGH = 1 << 17 };

struct reach_prefix {
	struct address address;
	uint8_t bits;
};

/* Who may send to an interface. Entries of another family are passed over. */
struct source_scope {
	uint8_t family;			  /* AF_INET, AF_INET6 */
	const struct reach_prefix *links; /* networks that the interface is attached to */
	size_t link_count;
	const struct reach_prefix *elsewhere; /* networks that other interfaces lead to */
	size_t elsewhere_count;
	const struct address *locals; /* all addresses of the machine */
	size_t local_count;
	size_t limit; /* of groups that count; 0: REACH_SOURCE_LIMIT */
};

struct source_group {
	/* LINK, PRIVATE, INTERNET: what most of them get; LISTED, FORGED: rules tell these apart */
	enum source_class source_class;
	struct address address; /* the one to ask with */
	uint64_t signature;
	uint32_t baseline;  /* index of the group of the block that it lies in (itself, maybe) */
	uint32_t block_str; /* "10.0.0.0/8": the block; "" for the internet */
	uint32_t
		text_str; /* "10.1.0.0/16, ... and 3 more", "@blocklist (12 addresses)"; 0: block */
	double size;	  /* how many addresses */
};

struct reach_sources {
	struct source_group *items;
	size_t count, total, cap; /* those from `count` on are known, but too many to be asked */
	bool complete;	  /* false: some addresses may be treated otherwise, why_str says why */
	bool vague;	  /* ... and which they are is not known */
	uint32_t why_str; /* a sentence fragment */
	struct strpool strings;
};

/*
 * Groups the sources of one family at one interface: by block (link prefix, 10/8, 172.16/12,
 * 192.168/16, 100.64/10, fc00::/7, the internet), and in each block by signature; what most of the
 * block has is its baseline and keeps its class, the others are LISTED. The largest
 * of them count, up to the limit; 0 or -ENOMEM.
 */
int reach_sources_build(const struct rule_constants *c, const struct source_scope *scope,
			struct reach_sources *ret);
/* From now on no more than the first `limit` count. */
void reach_sources_limit(struct reach_sources *s, size_t limit);
void reach_sources_done(struct reach_sources *s);
const char *reach_sources_text(const struct reach_sources *s, uint32_t str);

/* An address of the machine, and its interface. */
struct reach_destination {
	struct address address;
	uint32_t ifindex;
};
/* Destinations with the same key meet the same rules; 0 in *ret: not known. 0 or -ENOMEM. */
int reach_destination_key(const struct rule_constants *c, const struct reach_destination *d,
			  uint64_t *ret);
/*
 * ret[i] = index of the address whose answers hold for address i: itself when it is the first of
 * its family and interface, or nothing before it is alike. 0 or -ENOMEM.
 */
int reach_destinations_group(const struct rule_constants *c, const struct reach_destination *list,
			     size_t count, size_t *ret);

struct reach_interface {
	char name[16], kind[16]; /* kind: IFLA_INFO_KIND, "" when it has none */
	uint32_t ifindex, group;
	uint16_t type; /* ARPHRD_... */
};
/* Interfaces with the same signature meet the same rules. 0 or -ENOMEM. */
int reach_interface_signature(const struct rule_constants *c, const struct reach_interface *i,
			      uint64_t *ret);

/*
 * Merges classes of r with the same kind of source, interface, destination and protocol whose
 * intervals are equal; their texts are joined. baselines[i] (may be NULL) is the index of the class
 * that class i stands out from: LISTED ones that do not differ from it are dropped, their addresses
 * are part of it. 0 or -ENOMEM: then some texts of r are joined, and all classes still there.
 */
int reach_classes_merge(struct reach *r, const uint32_t *baselines);
