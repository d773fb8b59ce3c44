/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hook_order: base chains (and tables of iptables-legacy) that hook in at one place with one
 * priority run in the reverse order of their registration, which no dump of theirs tells. This
 * finds where that can matter, which orders are possible, and how a twin gets each of them. Pure.
 *
 * Order 0 is that of a twin whose chains are made as they were dumped. Orders that give the same
 * in any case are one: chains that only drop may change places, as may one of ip and one of ip6.
 */
#pragma once

#include "observe/doubts.h"
#include "observe/hook_list.h"
#include "observe/legacy_image.h"
#include "observe/nft_image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HOOK_MEMBERS = 8,	/* chains at one place between which the order can matter */
	HOOK_PERMUTATIONS = 24, /* of those, that differ */
	HOOK_ORDERS = 8,	/* in all */
};

/* One that hooks in. In a contest they stand in the order in which order 0 runs them. */
struct hook_member {
	uint8_t space, hook; /* what has hooks of its own: enum hook_space; NF_INET_... */
	bool nat;	     /* one of those that the kernel's NAT calls, in their own order */
	int32_t priority;
	uint32_t item;		   /* a NEWCHAIN of the image, or HOOK_LEGACY, HOOK_NAT */
	uint8_t table;		   /* HOOK_LEGACY: index of its first table in the legacy image */
	uint8_t families, effects; /* bits 1 << enum hook_family; HOOK_DROPS, ... */
	uint64_t table_key;
};

struct hook_contest {
	struct hook_member members[HOOK_MEMBERS];
	uint8_t count, stage;
	uint8_t orders[HOOK_PERMUTATIONS][HOOK_MEMBERS]; /* members as they run */
	uint8_t order_count;
};

/* Contests of which one packet meets one at most: they change their orders together. */
struct hook_stage {
	uint8_t order_count;
	bool own_packets; /* only what the machine sends itself gets there */
	uint16_t doubt;
};

struct hook_orders {
	struct hook_contest *contests;
	size_t contest_count, contest_cap;
	struct hook_stage *stages;
	size_t stage_count, stage_cap;
	size_t count;	/* of orders: at least 1 */
	bool too_many;	/* chains at one place: nothing is certain */
	bool by_stages; /* more than HOOK_ORDERS: not all stages with all others */
};

/*
 * Finds the contests; asks `told` (may be NULL) which order the machine has, which leaves one.
 * 0 or -ENOMEM. *ret is to be done in both cases.
 */
int hook_orders_find(const struct nft_image *image, const struct legacy_image *legacy,
		     struct hook_list *told, struct hook_orders *ret);
void hook_orders_done(struct hook_orders *o);
/* A number that changes when another order is known. */
uint64_t hook_orders_hash(const struct hook_orders *o);
/* Adds a doubt for each stage. */
void hook_orders_add_doubts(struct hook_orders *o, const struct nft_image *image,
			    const struct legacy_image *legacy, struct doubt_list *list);
/* Can an order (not 0) be another than order 0 for packets from outside, or the machine's own? */
bool hook_orders_concern(const struct hook_orders *o, size_t order, bool own_packet);
/* The doubt by which it differs from order 0. */
uint16_t hook_orders_doubt(const struct hook_orders *o, size_t order);
/*
 * How a twin gets that order: all chains of the image in the order in which they are to be made
 * (room for image->count), and which of them (per item, zeroed before) get a priority that is
 * higher by one, since they run after something that is always registered before them. Returns how
 * many chains there are, or -ENOMEM. With `o` NULL: as they were dumped.
 */
ptrdiff_t hook_orders_chains(const struct hook_orders *o, const struct nft_image *image,
			     size_t order, uint32_t *items, bool *later);
