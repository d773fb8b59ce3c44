/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_graft: tables of nf_tables that the machine does not have yet, as the kernel would have them:
 * an nft script, tried in a network namespace of its own, and put into an image of the machine in
 * place of what has the same name. Changes nothing of the machine (the kernel may load modules that
 * the script needs).
 */
#pragma once

#include "base/err.h"
#include "observe/nft_image.h"

#include <stddef.h>
#include <stdint.h>

#define NFT_GRAFT_FAMILY 1 /* NFPROTO_INET */
#define NFT_GRAFT_TABLE	 "portero"

/*
 * Loads the script (what `nft -f` reads) in a new network namespace, and reads what that has then.
 * *ret (zeroed by the caller) is to be done in every case. 0; -ENOENT: there is no nft; -EINVAL:
 * nft or the kernel refuses it, and *e has their words; -EPERM, -ENOMEM, or another negative errno.
 */
int nft_graft_make(const char *script, size_t len, struct nft_image *ret, struct err *e);

/*
 * Takes the table out of the image and puts all that `graft` has into it. 0; -ENOMEM, -E2BIG: the
 * image is as it was.
 */
int nft_graft_put(struct nft_image *image, uint8_t family, const char *table,
		  const struct nft_image *graft);

/*
 * Reads what the network namespace of the calling thread has in that table, so that it can be
 * compared (nft_image_fingerprint) with what nft_graft_make() gives: the elements that packets add
 * to sets are left out. No such table: an empty image. 0 or a negative errno.
 */
int nft_graft_read(uint8_t family, const char *table, struct nft_image *ret, struct err *e);
