/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_image: all of nf_tables of one network namespace, as the kernel's own netlink messages:
 * read from the machine, loaded into a twin, compared there. What of it must be changed on the way
 * is nft_rewrite's business. Changes nothing but the twin.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nl;

/* One dumped message: NFT_MSG_NEWTABLE, NEWCHAIN, NEWOBJ, NEWFLOWTABLE, NEWSET, NEWSETELEM,
 * NEWRULE. */
struct nft_item {
	uint8_t type;	      /* enum nf_tables_msg_types */
	uint8_t family;	      /* NFPROTO_... */
	uint32_t offset, len; /* of its attributes (after nfgenmsg) in bytes */
};

/* In an order that can be loaded: all tables, chains, objects, flowtables, sets, elements, rules.
 * Rules stand in the order in which their chains have them. */
struct nft_image {
	struct buf bytes;
	struct nft_item *items;
	size_t count, cap;
	uint32_t generation;
	bool changing; /* it changed during every attempt: the last one's messages */
};
