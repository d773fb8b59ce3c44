/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * legacy_rewrite: what of a table of iptables-legacy must be changed before it is loaded into a
 * twin. Rules with doubts (observe/doubts) are decided by an assignment and get a recorder before
 * them; what would act outside of the twin (LOG, AUDIT, TEE, ...) is taken out; offsets, jumps and
 * hooks follow. Pure: bytes in, bytes out.
 */
#pragma once

#include "observe/legacy_image.h"
#include "observe/legacy_sock.h"

/*
 * Adds the doubts of all tables to the list, in the image's order, and notes in each table which is
 * its first one; nft's doubts must be in the list already. *ret_clock (may be NULL): some rule
 * depends on the time of day, so that answers hold only now. 0, -EINVAL (no table), -ENOMEM.
 */
int legacy_rewrite_find(struct legacy_image *image, struct doubt_list *list, bool *ret_clock,
			struct err *e);

/* Entries that stand for none of the original are LEGACY_NO_RULE in the origin. */
struct legacy_rewritten {
	struct legacy_blob blob;
	uint32_t *origin; /* for each entry of the blob, its index in the original; owned */
	size_t origin_cap;
};

/*
 * One table, with the doubts decided (legacy_rewrite_find must have been called, or the table has
 * no doubts). 0; -EINVAL when it is no table, or an entry would be longer than an entry can be;
 * -ENOMEM. *ret is to be zero or done; it is to be done afterwards also on failure.
 */
int legacy_rewrite_table(const struct legacy_image *image, size_t table,
			 const struct assignment *assignment, struct legacy_rewritten *ret);
/*
 * A table for trying: every doubt is true, and only the first `limit` entries are there (besides
 * what every table must have), so that a rule which the kernel refuses can be found by halving.
 */
int legacy_rewrite_trial(const struct legacy_image *image, size_t table, size_t limit,
			 struct legacy_rewritten *ret);
void legacy_rewritten_done(struct legacy_rewritten *r);
