/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_load: an image of nf_tables into a twin, in one batch, and whether what the twin then has is
 * what was meant. Changes the namespace that the socket is in: never give it the machine's own.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "observe/doubts.h"
#include "observe/nft_image.h"
#include "observe/nft_rewrite.h"

#include <stddef.h>
#include <stdint.h>

struct hook_orders;

/* The table of a twin that a load leaves alone, in any family: the sinks. */
#define NFT_TWIN_TABLE "portero_twin"

struct nft_loading {
	struct nft_rewrite *rewrite; /* of this image, by nft_rewrite_find() */
	struct doubt_list *doubts;   /* of that; gets a STOP for each rule that is not taken */
	struct assignment assignment;
	const struct hook_orders *orders; /* those of the assignment; NULL: as they were dumped */
};

/* A rule of the twin, and the item of the image that it was. */
struct nft_rule_pair {
	uint64_t table_key; /* nft_image_key() of the twin's table */
	uint64_t handle;    /* in the twin */
	uint32_t item;
};

struct nft_load_report {
	struct nft_rule_pair *rules;
	size_t rule_count, rule_cap;
	/* What the twin lacks or has otherwise, one sentence a line, at most NFT_LOAD_LINES:
	 * nothing that the twin says about packets is certain then. Rules that were replaced by
	 * STOP doubts are none of these. */
	struct buf lost;
	size_t lost_count;
	size_t stopped; /* rules that the kernel did not take as they are */
	size_t attempts;
};

enum { NFT_LOAD_LINES = 32 };

/*
 * Deletes all tables of the namespace of `twin` (a NETLINK_NETFILTER socket) but NFT_TWIN_TABLE,
 * and makes those of the image, with the doubts decided by the assignment; then reads them back and
 * compares. Rules that the kernel refuses become STOP doubts; what else it refuses is told in the
 * report. Devices that chains hook into must exist. Flowtables are left out: the first packet of a
 * connection is never offloaded. Returns 0, or a negative errno with the twin's tables as they were
 * before or partly gone. The report is valid on success, and is reused by the next load.
 */
int nft_image_load(const struct nft_image *image, struct nl *twin, const struct nft_loading *how,
		   struct nft_load_report *report, struct err *e);
void nft_load_report_done(struct nft_load_report *report);
/* The item of the image behind a rule of the twin (as a trace names it); -1: none of them. */
int64_t nft_load_report_find(const struct nft_load_report *report, uint8_t family,
			     const char *table, uint64_t handle);
