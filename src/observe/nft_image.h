/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_image: all of nf_tables of one network namespace, as the kernel's own netlink messages:
 * read from the machine, loaded into a twin, compared there. What of it must be changed on the way
 * is nft_rewrite's business. Changes nothing but the twin.
 */
#pragma once

#include "base/buf.h"
#include "base/cur.h"
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

/* Where an item is, in nf_tables' own words. */
struct nft_place {
	uint8_t family;
	char table[256], chain[256]; /* chain: of rules; the name of other things (chain, set) */
	uint64_t handle;	     /* rules; 0: none */
};

/*
 * Reads all of nf_tables of the network namespace that the socket (NETLINK_NETFILTER) is in. The
 * image is only its own while the rules stay: one that changes is read again, up to 8 times, and
 * then `changing` is set. A kernel without nf_tables gives an empty image. Which of the chains at
 * one place with one priority comes first is observe/hook_order's. 0 or a negative errno.
 */
int nft_image_read(struct nl *host, struct nft_image *image, struct err *e);
/* The same of the tables alone, without what is in them. */
int nft_image_read_tables(struct nl *host, struct nft_image *image, struct err *e);
void nft_image_done(struct nft_image *image);

/*
 * A number that changes when anything changes that can change a verdict: rules, chains, policies,
 * sets with their elements, objects. Counters, quotas' use, handles and expirations do not count.
 */
uint64_t nft_image_fingerprint(const struct nft_image *image);

/*
 * Appends a dumped message: its type (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_...) and what follows the
 * netlink header. 0; -EBADMSG when it is none of the seven or too short; -E2BIG, -ENOMEM.
 */
int nft_image_add(struct nft_image *image, uint16_t type, const void *payload, size_t len);
/* The attributes of item `index` (which must exist); they live until the image changes. */
struct cur nft_image_attributes(const struct nft_image *image, size_t index);
void nft_image_place(const struct nft_image *image, size_t index, struct nft_place *ret);
/* A hash of family, table and name or chain, to find things by: never 0. */
uint64_t nft_image_key(uint8_t kind, uint8_t family, struct cur table, struct cur name);
/* The same for an item: its own table and name; of elements, their set; of rules, their chain. */
uint64_t nft_image_item_key(const struct nft_image *image, size_t index);
const char *nft_family_name(uint8_t family); /* "ip", "inet", ...; "?" */
